//! The format of what is published.

mod notices;
mod wire;
