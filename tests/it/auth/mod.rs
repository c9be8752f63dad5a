//! How the bridge logs in, and stays logged in.

mod account;
mod answers;
mod leniency;
mod methods;
mod renewal;
mod tls;
