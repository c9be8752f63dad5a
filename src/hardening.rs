//! Keeps the process's memory, which holds passwords and tokens, out of core dumps and away from other processes of the same user.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// No core dumps, and no tracing without `CAP_SYS_PTRACE`. A handler in `core_pattern` ignores the limit, but not the flag.
pub fn forbid_core_dumps() {
    // A sandbox may forbid either; then the other is left, and the unit's own limit.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}
