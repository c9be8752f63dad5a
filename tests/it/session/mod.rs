//! A session with the PBX.

mod credentials;
mod drift;
mod feed;
mod methods;
mod node;
mod proxy;
mod reload;
mod resync;
mod socket;
mod takeover;
mod traps;
