//! The configuration.

mod example;
mod jetstream;
mod kafka;
mod layers;
mod overlap;
mod routes;
mod secret_text;
mod secrets;
