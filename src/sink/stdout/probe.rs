//! The probe, which does nothing: there is no connection, and a status message would mix with events.

use crate::sink;

/// Standard output, which always exists.
pub(super) struct Probe;

impl sink::Probe for Probe {}
