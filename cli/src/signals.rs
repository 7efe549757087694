//! Ctrl-C and its kin: the first one asks for an orderly end, the second one ends.

use crate::error::CliError;
use engine::cancel::Cancel;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use tokio::signal::unix::{Signal, SignalKind, signal};

const KINDS: [SignalKind; 3] = [SignalKind::hangup(), SignalKind::interrupt(), SignalKind::terminate()];

/// A watch over this process's signals, to its end.
#[derive(Debug)]
pub(crate) struct Watch {
    cancel: Cancel,
    first: Arc<AtomicI32>,
}

impl Watch {
    /// Starts it.
    ///
    /// # Errors
    /// If the system refuses handlers or a thread.
    pub(crate) fn start() -> Result<Self, CliError> {
        let watch = Self { cancel: Cancel::default(), first: Arc::default() };
        watch.spawn().map_err(|error| CliError::failed(&error))?;
        Ok(watch)
    }

    fn spawn(&self) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let entered = runtime.enter();
        let mut signals = Vec::new();
        for kind in KINDS {
            signals.push((kind.as_raw_value(), signal(kind)?));
        }
        drop(entered);
        let (cancel, first) = (self.cancel.clone(), Arc::clone(&self.first));
        std::thread::Builder::new().name("signals".into()).spawn(move || {
            runtime.block_on(async {
                let number = any(&mut signals).await;
                first.store(number, Ordering::SeqCst);
                cancel.cancel();
                // Whoever asks twice does not want to wait. Sandboxes die with this process.
                std::process::exit(128 + any(&mut signals).await);
            });
        })?;
        Ok(())
    }

    /// What work under this watch has to look at.
    pub(crate) fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// The error of a command that was interrupted.
    pub(crate) fn interrupted(&self) -> Option<CliError> {
        match self.first.load(Ordering::SeqCst) {
            0 => None,
            number => Some(CliError::Interrupted(number)),
        }
    }

    /// `error`, unless a signal explains it.
    pub(crate) fn or_interrupted(&self, error: CliError) -> CliError {
        self.interrupted().unwrap_or(error)
    }
}

async fn any(signals: &mut [(i32, Signal)]) -> i32 {
    std::future::poll_fn(|context| {
        for (number, signal) in signals.iter_mut() {
            if signal.poll_recv(context).is_ready() {
                return std::task::Poll::Ready(*number);
            }
        }
        std::task::Poll::Pending
    })
    .await
}
