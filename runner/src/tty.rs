//! Our own terminal, while a container's terminal speaks through it.

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize};
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// Columns and rows of the terminal at `fd`; None if it is no terminal.
pub fn window(fd: impl AsFd) -> Option<(u16, u16)> {
    tcgetwinsize(fd).ok().map(|size| (size.ws_col, size.ws_row))
}

/// Gives the terminal whose master is `to` the size of the one at `from`.
pub fn copy_window(from: impl AsFd, to: impl AsFd) -> io::Result<()> {
    Ok(tcsetwinsize(to, tcgetwinsize(from)?)?)
}

/// A terminal in raw mode; dropped, it is as before.
#[derive(Debug)]
pub struct RawMode {
    terminal: OwnedFd,
    before: Termios,
}

impl RawMode {
    /// Keys go through unchanged: no echo, no line editing, no signals from Ctrl-C.
    pub fn enter(terminal: impl AsFd) -> io::Result<RawMode> {
        let terminal = terminal.as_fd().try_clone_to_owned()?;
        let before = tcgetattr(&terminal)?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(&terminal, OptionalActions::Now, &raw)?;
        Ok(RawMode { terminal, before })
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        if let Err(error) = tcsetattr(&self.terminal, OptionalActions::Now, &self.before) {
            tracing::warn!(%error, "restore the terminal");
        }
    }
}
