//! For how long the holder of the Lease may work, and what its connections may carry.
//!
//! Extended by `leader`, asked by every connection of the clients that `cluster` makes, and before a pass begins.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use hyper::rt::Executor;
use hyper_util::rt::TokioExecutor;
use tokio::time::Instant;

/// Until when a holder may work, on the monotonic clock. As the executor of a client it is asked whenever one of its
/// connections goes on, so that a process that was frozen does not send what it had begun when it wakes.
#[derive(Clone, Debug, Default)]
pub struct Mandate(Option<Arc<Mutex<Option<Instant>>>>);

impl Mandate {
    /// Of one that believes itself alone.
    pub fn forever() -> Mandate {
        Mandate(None)
    }

    /// Of a candidate, which has none yet.
    pub fn none_yet() -> Mandate {
        Mandate(Some(Arc::default()))
    }

    /// Lets the work go on until then.
    pub fn extend(&self, until: Instant) {
        if let Some(shared) = &self.0 {
            *shared.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
        }
    }

    /// What work comes to; `None` once the mandate has ended. Asked each time before the work goes on.
    async fn during<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        poll_fn(|waker| match self.holds() {
            true => work.as_mut().poll(waker).map(Some),
            false => Poll::Ready(None),
        })
        .await
    }

    /// Whether it may work now.
    pub fn holds(&self) -> bool {
        let until = |until: &Arc<Mutex<Option<Instant>>>| *until.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.as_ref().is_none_or(|shared| until(shared).is_some_and(|until| Instant::now() < until))
    }
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Mandate {
    fn execute(&self, connection: F) {
        let mandate = self.clone();
        TokioExecutor::new().execute(async move { mandate.during(connection).await });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[tokio::test]
    async fn what_waits_is_given_up_with_the_mandate() {
        let mandate = Mandate::none_yet();
        assert_eq!(mandate.during(async { "sent" }).await, None);
        mandate.extend(soon());
        assert_eq!(mandate.during(async { "sent" }).await, Some("sent"));
        let waits = async {
            // Frozen while it connects.
            mandate.extend(Instant::now());
            tokio::task::yield_now().await;
            "sent"
        };
        assert_eq!(mandate.during(waits).await, None);
    }

    #[tokio::test]
    async fn connections_end_with_the_mandate() {
        for (mandate, carried) in [(Mandate::forever(), Ok("sent")), (Mandate::none_yet(), Err(()))] {
            let (sender, receiver) = tokio::sync::oneshot::channel();
            mandate.execute(async move { sender.send("sent").unwrap() });
            assert_eq!(receiver.await.map_err(drop), carried);
        }
    }

    #[test]
    fn a_mandate_ends_when_it_is_not_extended() {
        let mandate = Mandate::none_yet();
        assert!(Mandate::forever().holds() && !mandate.holds());
        mandate.extend(soon());
        assert!(mandate.clone().holds());
        mandate.extend(Instant::now());
        assert!(!mandate.holds());
    }
}
