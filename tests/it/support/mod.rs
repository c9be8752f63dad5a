//! What tests of several subjects start, pretend and read.

pub(crate) mod asked;
pub(crate) mod bridge;
pub(crate) mod check;
pub(crate) mod clock;
pub(crate) mod cluster;
pub(crate) mod config;
pub(crate) mod consumer;
pub(crate) mod cutter;
pub(crate) mod file_sink;
pub(crate) mod gate;
pub(crate) mod hostile;
pub(crate) mod http;
pub(crate) mod jwt;
pub(crate) mod kafka;
pub(crate) mod lane;
pub(crate) mod lanes;
pub(crate) mod late;
pub(crate) mod middleware;
pub(crate) mod nats;
pub(crate) mod process;
pub(crate) mod scene;
pub(crate) mod soak;
pub(crate) mod topic;
pub(crate) mod wait;
