//! One file per subcommand: its arguments, and what it does.

pub mod config;
pub mod demo;
pub mod run;
pub mod simulate;
