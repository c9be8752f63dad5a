//! The admin endpoint.

mod access;
mod endpoint;
mod metrics;
