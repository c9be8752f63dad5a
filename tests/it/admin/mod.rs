//! The admin endpoint.

mod access;
mod drift;
mod endpoint;
mod metrics;
