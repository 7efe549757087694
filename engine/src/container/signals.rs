//! Signals of this process, passed on to the container.

use super::ContainerError;
use runner::Killer;
use std::io;
use std::sync::Arc;
use std::thread::{Scope, ScopedJoinHandle};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

/// All that ask or tell something; those that stop and continue a job stay with this process.
const PASSED: [SignalKind; 6] = [
    SignalKind::hangup(),
    SignalKind::interrupt(),
    SignalKind::quit(),
    SignalKind::terminate(),
    SignalKind::user_defined1(),
    SignalKind::user_defined2(),
];

/// So many requests to end are an order: the first process of a container ignores those that it does not handle.
const ORDER: u32 = 3;

const SIGKILL: i32 = 9;

/// A thread that passes signals on until it is dropped.
pub(super) struct Forwarder<'scope> {
    stop: Arc<Notify>,
    thread: Option<ScopedJoinHandle<'scope, ()>>,
}

impl<'scope> Forwarder<'scope> {
    /// `resize` is called when the terminal's size has changed.
    pub(super) fn start<'env>(
        scope: &'scope Scope<'scope, 'env>,
        killer: &'scope Killer,
        resize: impl Fn() + Send + 'scope,
    ) -> Result<Forwarder<'scope>, ContainerError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
        let runtime = runtime.map_err(ContainerError::attach("start the signal handler"))?;
        let entered = runtime.enter();
        let passed: io::Result<Vec<(SignalKind, Signal)>> =
            PASSED.into_iter().map(|kind| Ok((kind, signal(kind)?))).collect();
        let passed = passed.map_err(ContainerError::attach("handle signals"))?;
        let window = signal(SignalKind::window_change()).map_err(ContainerError::attach("handle signals"))?;
        drop(entered);
        let stop = Arc::new(Notify::new());
        let stopped = Arc::clone(&stop);
        let thread = scope.spawn(move || runtime.block_on(pass(passed, window, killer, resize, &stopped)));
        Ok(Forwarder { stop, thread: Some(thread) })
    }
}

async fn pass(
    mut passed: Vec<(SignalKind, Signal)>,
    mut window: Signal,
    killer: &Killer,
    resize: impl Fn(),
    stop: &Notify,
) {
    let mut requests = 0;
    loop {
        let number = tokio::select! {
            () = stop.notified() => return,
            Some(()) = window.recv() => {
                resize();
                continue;
            }
            number = any(&mut passed) => number,
        };
        let end = [SignalKind::interrupt(), SignalKind::terminate()].contains(&SignalKind::from_raw(number));
        requests += u32::from(end);
        let number = if requests >= ORDER { SIGKILL } else { number };
        if let Err(error) = killer.kill(number) {
            tracing::warn!(%error, "pass a signal to the container");
        }
    }
}

/// The number of the next signal to come.
async fn any(signals: &mut [(SignalKind, Signal)]) -> i32 {
    std::future::poll_fn(|context| {
        for (kind, signal) in signals.iter_mut() {
            if let std::task::Poll::Ready(Some(())) = signal.poll_recv(context) {
                return std::task::Poll::Ready(kind.as_raw_value());
            }
        }
        std::task::Poll::Pending
    })
    .await
}

impl Drop for Forwarder<'_> {
    fn drop(&mut self) {
        self.stop.notify_one();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::warn!("the thread that passes signals panicked");
        }
    }
}
