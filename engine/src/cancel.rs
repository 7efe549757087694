//! Cancellation: one flag that every worker of a build sees.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;

/// Cloned freely; cancelling one clone cancels all.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<State>);

#[derive(Debug, Default)]
struct State {
    set: AtomicBool,
    wake: Notify,
}

impl Cancel {
    /// Asks everything to stop. Idempotent.
    pub fn cancel(&self) {
        self.0.set.store(true, Ordering::SeqCst);
        self.0.wake.notify_waiters();
    }

    /// Whether a stop was asked for.
    pub fn is_canceled(&self) -> bool {
        self.0.set.load(Ordering::SeqCst)
    }

    /// Waits until a stop is asked for.
    pub async fn canceled(&self) {
        loop {
            // Registered before the flag is read: a cancel between the two is not lost.
            let woken = self.0.wake.notified();
            if self.is_canceled() {
                return;
            }
            woken.await;
        }
    }
}
