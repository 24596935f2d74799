//! Counts the file operations of a destination, so that a simulated crash can stop them.

use std::io;
#[cfg(feature = "simulation")]
use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering::Relaxed},
};

/// Stops all file operations after a number of them, like a crash of the machine: each later one fails, and nothing
/// is cleaned up.
#[cfg(feature = "simulation")]
#[derive(Clone, Debug)]
pub struct CrashPoint(Arc<AtomicI64>);

#[cfg(feature = "simulation")]
impl CrashPoint {
    /// Allows this many file operations and none after them.
    pub fn after(operations: u32) -> Self {
        Self(Arc::new(AtomicI64::new(operations.into())))
    }

    /// Whether the crash has happened.
    pub fn has_crashed(&self) -> bool {
        self.0.load(Relaxed) < 0
    }
}

/// Counts file operations.
#[derive(Clone, Debug, Default)]
pub(crate) struct Steps {
    #[cfg(feature = "simulation")]
    pub(crate) crash: Option<CrashPoint>,
}

impl Steps {
    /// Is called before every file operation, and fails from the simulated crash on.
    #[cfg_attr(
        not(feature = "simulation"),
        expect(clippy::unnecessary_wraps, reason = "only a simulation crashes")
    )]
    pub(crate) fn step(&self) -> io::Result<()> {
        #[cfg(feature = "simulation")]
        if let Some(crash) = &self.crash
            && crash.0.fetch_sub(1, Relaxed) <= 0
        {
            return Err(io::Error::other("simulated crash"));
        }
        Ok(())
    }

    /// Whether no file may be touched any more.
    pub(crate) fn has_crashed(&self) -> bool {
        #[cfg(feature = "simulation")]
        return self.crash.as_ref().is_some_and(CrashPoint::has_crashed);
        #[cfg(not(feature = "simulation"))]
        false
    }
}
