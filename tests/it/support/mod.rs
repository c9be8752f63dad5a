//! Helpers shared by the tests: real brokers, proxies with faults, hostile peers, and readers of what is stored.

pub(crate) mod admin_bridge;
pub(crate) mod bridge;
pub(crate) mod check;
pub(crate) mod clock;
pub(crate) mod cluster;
pub(crate) mod config;
pub(crate) mod consumer;
pub(crate) mod delaying_proxy;
pub(crate) mod faulty_proxy;
pub(crate) mod file_sink;
pub(crate) mod hostile;
pub(crate) mod http;
pub(crate) mod jwt;
pub(crate) mod kafka;
pub(crate) mod lane;
pub(crate) mod lanes;
pub(crate) mod middleware;
pub(crate) mod nats;
pub(crate) mod office;
pub(crate) mod postgres;
pub(crate) mod process;
pub(crate) mod scene;
pub(crate) mod soak;
pub(crate) mod switched_proxy;
pub(crate) mod topic;
pub(crate) mod wait;
