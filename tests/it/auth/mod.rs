//! Logging in, and staying logged in.

mod account;
mod answers;
mod leniency;
mod methods;
mod renewal;
mod tls;
