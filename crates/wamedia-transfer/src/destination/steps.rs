//! Passes every file operation of a destination, so that a simulation can make them fail and see what became of them.

use std::fs::File;
use std::io;
#[cfg(feature = "simulation")]
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicI64, Ordering::Relaxed},
};

/// The disk of a simulation. Clones share the crash and the room.
#[cfg(feature = "simulation")]
#[derive(Clone, Debug, Default)]
pub struct SimulatedDisk {
    operations: Option<Arc<AtomicI64>>,
    room: Option<Arc<AtomicI64>>,
    committed: Arc<Mutex<Option<File>>>,
}

#[cfg(feature = "simulation")]
impl SimulatedDisk {
    /// Allows this many file operations: each later one fails, and nothing is cleaned up, like a crash of the machine.
    #[must_use]
    pub fn crash_after(self, operations: u32) -> Self {
        Self { operations: Some(Arc::new(AtomicI64::new(operations.into()))), ..self }
    }

    /// Takes this many bytes of content and is full then.
    #[must_use]
    pub fn with_room_for(self, bytes: u32) -> Self {
        Self { room: Some(Arc::new(AtomicI64::new(bytes.into()))), ..self }
    }

    /// The same disk for one transfer, whose file [`committed`](Self::committed) gives.
    #[must_use]
    pub fn for_transfer(&self) -> Self {
        Self { committed: Arc::default(), ..self.clone() }
    }

    /// Whether the crash has happened.
    pub fn has_crashed(&self) -> bool {
        self.operations.as_ref().is_some_and(|operations| operations.load(Relaxed) < 0)
    }

    /// The file that the transfer gave its final name, whatever has that name now.
    pub fn committed(&self) -> Option<File> {
        self.committed.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Takes the room for this many bytes, and fails where there is less.
    ///
    /// # Errors
    ///
    /// As the system does where a disk is full.
    pub fn take_room(&self, bytes: usize) -> io::Result<()> {
        let Some(room) = &self.room else { return Ok(()) };
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        if room.fetch_sub(bytes, Relaxed) < bytes { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

/// What every file operation passes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Steps {
    #[cfg(feature = "simulation")]
    pub(crate) disk: Option<SimulatedDisk>,
}

impl Steps {
    /// Is called before every file operation, and fails from the simulated crash on.
    #[cfg_attr(
        not(feature = "simulation"),
        expect(clippy::unnecessary_wraps, reason = "only a simulation crashes")
    )]
    pub(crate) fn step(&self) -> io::Result<()> {
        #[cfg(feature = "simulation")]
        if let Some(operations) = self.disk.as_ref().and_then(|disk| disk.operations.as_ref())
            && operations.fetch_sub(1, Relaxed) <= 0
        {
            return Err(io::Error::other("simulated crash"));
        }
        Ok(())
    }

    /// Is called before content is written.
    #[cfg_attr(
        not(feature = "simulation"),
        expect(unused_variables, reason = "only a simulated disk is full")
    )]
    pub(crate) fn write(&self, bytes: usize) -> io::Result<()> {
        #[cfg(feature = "simulation")]
        if let Some(disk) = &self.disk {
            disk.take_room(bytes)?;
        }
        self.step()
    }

    /// Is called once a file has its final name.
    #[cfg_attr(not(feature = "simulation"), expect(clippy::unused_self, reason = "only a simulation asks"))]
    pub(crate) fn committed(&self, file: File) {
        #[cfg(feature = "simulation")]
        if let Some(disk) = &self.disk {
            *disk.committed.lock().unwrap_or_else(PoisonError::into_inner) = Some(file);
        }
        #[cfg(not(feature = "simulation"))]
        drop(file);
    }

    /// Whether no file may be touched any more.
    pub(crate) fn has_crashed(&self) -> bool {
        #[cfg(feature = "simulation")]
        return self.disk.as_ref().is_some_and(SimulatedDisk::has_crashed);
        #[cfg(not(feature = "simulation"))]
        false
    }
}
