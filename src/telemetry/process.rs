//! The operating system's statistics of this process, from `/proc`.

use std::fs;

use rustix::{
    param::clock_ticks_per_second,
    process::{Resource, getrlimit},
};

/// The resource usage of the process. Empty on systems without `/proc`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    /// User and system CPU time, in seconds.
    pub cpu: f64,
    /// Open file descriptors.
    pub open_files: u64,
    /// The limit of open file descriptors; `None` for no limit.
    pub max_files: Option<u64>,
    /// Resident memory in bytes.
    pub resident: u64,
    /// Virtual memory in bytes.
    pub virtual_size: u64,
    /// Threads.
    pub threads: u64,
}

/// Reads the current usage.
pub fn usage() -> Option<Usage> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let field = |name: &str| {
        let rest = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        rest.split_ascii_whitespace().next()?.parse::<u64>().ok()
    };
    let kibibytes = |name| field(name).map(|size| size * 1024).unwrap_or_default();
    // The iterator's own descriptor is one of them.
    let open = fs::read_dir("/proc/self/fd").map(|files| files.count().saturating_sub(1)).unwrap_or_default();
    Some(Usage {
        cpu: cpu()?,
        open_files: open as u64,
        max_files: getrlimit(Resource::Nofile).current,
        resident: kibibytes("VmRSS"),
        virtual_size: kibibytes("VmSize"),
        threads: field("Threads")?,
    })
}

/// The fields 14 and 15 of `proc_pid_stat(5)`, after a name that may hold any character.
#[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
fn cpu() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((user + system) as f64 / clock_ticks_per_second() as f64)
}

#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn usage_grows_with_the_work_of_the_process() {
        let before = usage().unwrap();
        assert!(before.resident > 1 << 20 && before.virtual_size >= before.resident, "{before:?}");
        assert!(before.threads >= 1 && before.open_files >= 1, "{before:?}");
        assert!(before.max_files.is_none_or(|most| most >= before.open_files), "{before:?}");
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        let mut number = 1_u64;
        while usage().unwrap().cpu <= before.cpu {
            assert!(std::time::Instant::now() < deadline, "no CPU time is counted");
            number = std::hint::black_box(number.rotate_left(3) ^ 7);
        }
    }
}
