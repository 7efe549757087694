//! The other side of a sandbox: this executable again, single-threaded.
//!
//! Two processes. The *guard* stays on the host's side: it makes the cgroup, clones the sandbox's first process,
//! waits for it and cleans up, whatever becomes of the process that asked for it. The *sandbox's first process*
//! carries out the plan in the guard's memory (as after vfork) and then executes the program.

use crate::error::Failure;
use crate::wire::GUARD;

mod clean;
mod exec;
mod guard;
mod mounts;
mod paths;
mod setup;
mod sources;
mod terminal;

/// Becomes the guard of a sandbox if that is what this process was started for, and does not return then.
/// Call it first in `main`.
pub fn init_if_child() {
    if std::env::args_os().next().is_some_and(|name| name == GUARD) {
        crate::sys::exit_now(guard::run());
    }
}

type Done = Result<(), Failure>;
