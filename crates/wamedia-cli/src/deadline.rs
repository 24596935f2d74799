//! The time by which a command ends.

use std::time::Duration;

use wamedia::{Error, ErrorKind};

use crate::args::Common;

/// The time by which a command ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    time: Duration,
    at: Option<tokio::time::Instant>,
}

/// A transfer ends at its own deadline and says more than this does.
const GRACE: Duration = Duration::from_millis(250);

impl Deadline {
    /// From now on.
    pub(crate) fn of(common: &Common) -> Self {
        let at = common.deadline.and_then(|time| tokio::time::Instant::now().checked_add(time));
        Self { time: common.deadline.unwrap_or_default(), at }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.at.is_some_and(|at| at <= tokio::time::Instant::now())
    }

    /// Ends the work when the time is over; it does not begin afterwards.
    pub(crate) async fn bound<T>(
        &self,
        operation: &'static str,
        work: impl Future<Output = wamedia::Result<T>>,
    ) -> wamedia::Result<T> {
        let Some(at) = self.at else { return work.await };
        if self.is_over() {
            return Err(self.error().with_operation(operation));
        }
        let outcome = tokio::time::timeout_at(at, work).await;
        outcome.unwrap_or_else(|_| Err(self.error().with_operation(operation)))
    }

    /// What comes next, unless the time is over and whatever is in hand does not end by itself.
    pub(crate) async fn reached<T>(&self, next: impl Future<Output = T>) -> wamedia::Result<T> {
        let Some(at) = self.at else { return Ok(next.await) };
        tokio::time::timeout_at(at + GRACE, next).await.map_err(|_| self.error())
    }

    fn error(&self) -> Error {
        Error::new(ErrorKind::Timeout, format!("the deadline of {} s is over", self.time.as_secs_f64()))
            .with_hint("try again, or allow more time with --deadline")
    }
}
