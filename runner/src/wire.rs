//! What parent and guard say to each other over their socket.

use crate::error::Failure;
use crate::plan::SetupOp;
use crate::spec::Exit;
use crate::sys::{self, Filter};
use rustix::fs::{MemfdFlags, memfd_create};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

/// `argv[0]` of the guard.
pub(crate) const GUARD: &str = "lapstrake-init";

/// Parent to guard, once, in a memfd. Descriptors go with it: the order, the device program, the three streams
/// (none with a terminal).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) ops: Vec<SetupOp>,
    /// Remove stubs made in this upper directory.
    pub(crate) clean: Option<PathBuf>,
    /// Which streams are pipes made for this process.
    pub(crate) own_streams: [bool; 3],
    /// Columns and rows of the terminal.
    pub(crate) window: Option<(u16, u16)>,
}

/// Guard to parent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Report {
    /// With the master of the terminal.
    Terminal,
    /// The program runs. With its pidfd.
    Started,
    /// It never ran, and nothing is left of the sandbox.
    Failed(Failure),
    /// It ended; what could not be cleaned up.
    Exited(Exit, Vec<Failure>),
}

/// Room for the longest report: a few failures, each with a subject of limited length.
pub(crate) const REPORT_SIZE: usize = 96 * 1024;

impl Order {
    /// As a memfd with the filter behind it.
    pub(crate) fn write(&self, filter: &[Filter]) -> io::Result<OwnedFd> {
        let json = serde_json::to_vec(self)?;
        let mut bytes = Vec::with_capacity(8 + json.len() + filter.len() * 8);
        bytes.extend_from_slice(&(json.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&json);
        for Filter { code, jt, jf, k } in filter {
            bytes.extend_from_slice(&code.to_le_bytes());
            bytes.extend_from_slice(&[*jt, *jf]);
            bytes.extend_from_slice(&k.to_le_bytes());
        }
        let mut file = File::from(memfd_create(GUARD, MemfdFlags::CLOEXEC)?);
        file.write_all(&bytes)?;
        file.rewind()?;
        Ok(file.into())
    }

    /// The reverse of [`Order::write`].
    pub(crate) fn read(from: OwnedFd) -> io::Result<(Order, Vec<Filter>)> {
        let mut bytes = Vec::new();
        File::from(from).read_to_end(&mut bytes)?;
        let (length, rest) = bytes.split_first_chunk::<8>().ok_or(io::ErrorKind::UnexpectedEof)?;
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| io::ErrorKind::InvalidData)?;
        let (json, filter) = rest.split_at_checked(length).ok_or(io::ErrorKind::UnexpectedEof)?;
        let filter = filter.as_chunks::<8>().0.iter().map(|&[a, b, jt, jf, k @ ..]| Filter {
            code: u16::from_le_bytes([a, b]),
            jt,
            jf,
            k: u32::from_le_bytes(k),
        });
        Ok((serde_json::from_slice(json)?, filter.collect()))
    }
}

impl Report {
    pub(crate) fn send(&self, socket: BorrowedFd<'_>, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        sys::send_with_fds(socket, &serde_json::to_vec(self)?, fds)
    }

    /// None: the other side is gone.
    pub(crate) fn receive(socket: impl AsFd) -> io::Result<Option<(Report, Vec<OwnedFd>)>> {
        let mut data = vec![0; REPORT_SIZE];
        match sys::receive_with_fds(socket.as_fd(), &mut data) {
            Ok((0, _)) => Ok(None),
            Ok((length, fds)) => Ok(Some((serde_json::from_slice(&data[..length])?, fds))),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(None),
            Err(error) => Err(error),
        }
    }
}
