//! One file per subcommand: its arguments, and what it does.

pub mod config;
pub mod demo;
pub mod journal;
pub mod run;
pub mod simulate;
pub mod verify;
