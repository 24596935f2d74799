use std::time::SystemTime;

use wamedia_core::Clock;

/// The clock of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the system clock")]
        SystemTime::now()
    }
}
