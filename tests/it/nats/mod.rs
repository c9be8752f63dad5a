//! The NATS sinks, against real servers.

mod access;
mod domain;
mod guard;
mod jetstream;
mod jetstream_faults;
mod limits;
mod routes;
