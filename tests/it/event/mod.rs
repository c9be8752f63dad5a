//! The format of what is published.

mod wire;
