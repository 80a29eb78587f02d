//! What others on the node can get out of this process: no core, no memory, no root.
//!
//! Invariant: nothing of this changes what the process does, so every `mes run` has it, on a developer's machine too. Only
//! root is refused in a pod alone: there it means that the chart's securityContext was taken away, and that a hole in this
//! process would be one in the node. On a machine with several users, root in a shell is a person. Called by `cli::run`
//! before anything else: values come later.

use rustix::process::{Resource, Rlimit, geteuid, setrlimit};

/// Why the process does not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Exposed {
    /// The kernel did not take it.
    #[error("refusing to start: the kernel does not let this process be kept out of core dumps and debuggers")]
    Kernel,
    /// In a pod, as user 0.
    #[error(
        "refusing to start: this pod runs as root; set securityContext.runAsNonRoot and a runAsUser other than 0, as the \
         chart does"
    )]
    Root,
}

/// From now on no core is written, and nobody but root of the node attaches to the process or reads `/proc/PID/mem`,
/// `environ` and `maps`. `in_pod`: a pod's token is mounted.
pub fn close(in_pod: bool) -> Result<(), Exposed> {
    admitted(in_pod, geteuid().is_root())?;
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, none).map_err(|_| Exposed::Kernel)?;
    not_dumpable()
}

fn admitted(in_pod: bool, root: bool) -> Result<(), Exposed> {
    if in_pod && root { Err(Exposed::Root) } else { Ok(()) }
}

#[cfg(target_os = "linux")]
fn not_dumpable() -> Result<(), Exposed> {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(|_| Exposed::Kernel)
}

/// It runs in production on Linux alone; elsewhere the limit on cores has to do.
#[cfg(not(target_os = "linux"))]
fn not_dumpable() -> Result<(), Exposed> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t38_root_is_refused_in_a_pod_and_nowhere_else() {
        assert_eq!(admitted(true, true), Err(Exposed::Root));
        for (in_pod, root) in [(true, false), (false, true), (false, false)] {
            assert_eq!(admitted(in_pod, root), Ok(()));
        }
        assert!(Exposed::Root.to_string().contains("runAsNonRoot"));
    }
}
