//! One process tree in one sandbox: for a build step and for `lapstrake run` alike.
//!
//! A program that uses it calls [`init_if_child`] first in `main`: every sandbox is set up by a small guard
//! process, which is this executable again.

pub mod caps;
mod cgroup;
mod child;
pub mod error;
pub mod facts;
pub mod plan;
mod seccomp;
mod spawn;
pub mod spec;
mod sys;
pub mod tty;
pub mod user;
mod wire;

pub use child::init_if_child;
pub use error::{SandboxError, Step};
pub use facts::HostFacts;
pub use plan::{SetupOp, plan};
pub use spawn::{Io, Killer, Running, Sandbox, Stream};
