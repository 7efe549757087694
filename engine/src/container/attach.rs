//! The container's streams, joined to the caller's.

use super::{ContainerError, RunRequest, signals};
use runner::spec::{Exit, Spec};
use runner::tty::{self, RawMode};
use runner::{Io, Running, Stream};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use std::fs::File;
use std::io::{self, Read, Write};
use std::thread;

/// The caller's streams, owned: a copy of each descriptor will do.
#[derive(Debug)]
pub struct Attach {
    /// `-i`: what the container reads. None: nothing.
    pub stdin: Option<OwnedFd>,
    /// Takes the container's output; with a terminal, all of it.
    pub stdout: OwnedFd,
    /// Takes the container's errors.
    pub stderr: OwnedFd,
}

impl Attach {
    /// # Errors
    /// [`ContainerError::NotATerminal`].
    pub(super) fn check(&self, request: &RunRequest) -> Result<(), ContainerError> {
        self.check_terminal(request.terminal)
    }

    /// # Errors
    /// [`ContainerError::NotATerminal`].
    pub(crate) fn check_terminal(&self, terminal: bool) -> Result<(), ContainerError> {
        match &self.stdin {
            Some(stdin) if terminal && !rustix::termios::isatty(stdin) => Err(ContainerError::NotATerminal),
            _ => Ok(()),
        }
    }

    pub(crate) fn io(&self, spec: &Spec) -> Io {
        if spec.terminal {
            return Io { window: self.window(), ..Io::default() };
        }
        let stdin = if self.stdin.is_some() { Stream::Piped } else { Stream::Null };
        Io { stdin, stdout: Stream::Piped, stderr: Stream::Piped, window: None }
    }

    fn window(&self) -> Option<(u16, u16)> {
        self.stdin.as_ref().and_then(tty::window).or_else(|| tty::window(&self.stdout))
    }

    /// Carries bytes and signals until the container has ended. Returns its exit code.
    pub(crate) fn follow(self, mut running: Running) -> Result<u8, ContainerError> {
        let master = running.terminal.take().map(File::from);
        let killer = running.killer().map_err(ContainerError::attach("watch the container"))?;
        let resize = master.as_ref().map(|master| (&self, master.as_fd()));
        let exit = thread::scope(|scope| {
            let forwarder = signals::Forwarder::start(scope, &killer, move || {
                let Some((attach, master)) = resize else { return };
                let from = attach.stdin.as_ref().unwrap_or(&attach.stdout);
                if let Err(error) = tty::copy_window(from, master) {
                    tracing::debug!(%error, "resize the container's terminal");
                }
            })?;
            let carried = match &master {
                Some(master) => self.carry_terminal(master),
                None => self.carry_pipes(&mut running),
            };
            let exit = carried.and_then(|()| Ok(running.wait()?));
            drop(forwarder);
            exit
        })?;
        Ok(match exit {
            Exit::Code(code) => code,
            Exit::Signal(signal) => u8::try_from(128 + signal).unwrap_or(u8::MAX),
        })
    }

    /// Until the last process of the container has closed its terminal.
    fn carry_terminal(&self, master: &File) -> Result<(), ContainerError> {
        let stdin = self.stdin.as_ref();
        let raw = stdin.filter(|stdin| rustix::termios::isatty(stdin)).map(RawMode::enter).transpose();
        let _raw = raw.map_err(ContainerError::attach("put the terminal into raw mode"))?;
        let mut output =
            self.stdout.try_clone().map(File::from).map_err(ContainerError::attach("copy a stream"))?;
        with_input(stdin, master.try_clone(), || {
            let mut master = master;
            let mut buffer = vec![0; 64 << 10];
            // The end of a terminal is EIO.
            while let Ok(length @ 1..) = master.read(&mut buffer) {
                if output.write_all(&buffer[..length]).is_err() {
                    break;
                }
            }
            Ok(())
        })
    }

    /// Until the last process of the container has closed its streams.
    fn carry_pipes(&self, running: &mut Running) -> Result<(), ContainerError> {
        let (from_out, from_err) = (running.stdout.take(), running.stderr.take());
        let to = running.stdin.take();
        let copy = |from: Option<File>, to: &OwnedFd| -> io::Result<()> {
            let Some(mut from) = from else { return Ok(()) };
            let mut to = File::from(to.try_clone()?);
            // Nobody reads any more: the container's next write tells it, when `from` is closed.
            match io::copy(&mut from, &mut to) {
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
                _ => Ok(()),
            }
        };
        let copied = |what| move |result: io::Result<()>| result.map_err(ContainerError::attach(what));
        let carry = || {
            thread::scope(|scope| {
                let errors = scope.spawn(|| copy(from_err, &self.stderr));
                let out = copied("write the container's output")(copy(from_out, &self.stdout));
                let errors = errors.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into()));
                out.and(copied("write the container's errors")(errors))
            })
        };
        match (self.stdin.as_ref(), to) {
            (Some(stdin), Some(to)) => with_input(Some(stdin), Ok(to), carry),
            _ => carry(),
        }
    }
}

/// Runs `carry` while another thread copies `from` into `to`.
fn with_input(
    from: Option<&OwnedFd>,
    to: io::Result<File>,
    carry: impl FnOnce() -> Result<(), ContainerError>,
) -> Result<(), ContainerError> {
    let Some(from) = from else { return carry() };
    let to = to.map_err(ContainerError::attach("copy a stream"))?;
    let (stop, stopped) = io::pipe().map_err(ContainerError::attach("make a pipe"))?;
    thread::scope(|scope| {
        let input = scope.spawn(move || copy_until(from.as_fd(), to, stop.as_fd()));
        let carried = carry();
        // The other end is readable now, which ends the thread.
        drop(stopped);
        if let Ok(Err(error)) = input.join() {
            tracing::debug!(%error, "carry standard input");
        }
        carried
    })
}

/// Copies until the end of `from`, of `to`'s readers, or of `stop`'s writer.
fn copy_until(from: BorrowedFd<'_>, mut to: File, stop: BorrowedFd<'_>) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let mut fds =
            [PollFd::from_borrowed_fd(from, PollFlags::IN), PollFd::from_borrowed_fd(stop, PollFlags::IN)];
        match poll(&mut fds, None) {
            Err(rustix::io::Errno::INTR) => continue,
            other => other?,
        };
        if !fds[1].revents().is_empty() {
            return Ok(());
        }
        if fds[0].revents().is_empty() {
            continue;
        }
        match rustix::io::read(from, &mut buffer) {
            Ok(0) | Err(rustix::io::Errno::IO) => return Ok(()),
            Ok(length) => to.write_all(&buffer[..length])?,
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
