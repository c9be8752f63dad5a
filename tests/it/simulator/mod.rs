//! The simulated PBX.

mod legacy;
mod peer;
mod rest;
mod socket;
mod trouble;
mod two_factor;
