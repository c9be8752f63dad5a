//! The journal.

mod absences;
mod damage;
mod disk;
mod faults;
mod handles;
mod losses;
mod model;
mod model_bounded;
mod order;
mod removed;
mod search;
mod state_losses;
mod superseded;
mod writes;
