//! What all sinks share.

mod conformance;
mod driver_stop;
mod file;
mod lanes;
mod letters;
mod losses;
mod outage;
mod renewal;
mod stdout;
mod switch;
mod tail;
mod window;
