//! Reading files and pipes, which may take for ever, without holding up a signal.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::exit::{self, Failure};
use crate::output;

/// The bytes of a file, or of standard input for `-`; not more than `max` of them.
pub(crate) async fn read(file: &str, max: u64) -> Result<Vec<u8>, Failure> {
    let path = file.to_owned();
    let work = move || {
        let mut bytes = Vec::new();
        if path == "-" {
            io::stdin().lock().take(max).read_to_end(&mut bytes)?;
        } else {
            File::open(Path::new(&path))?.take(max).read_to_end(&mut bytes)?;
        }
        Ok(bytes)
    };
    let read: io::Result<_> = beside(work).await;
    read.map_err(|error| unreadable(file, &error.to_string()))
}

/// Why a file cannot be read, and what to do.
pub(crate) fn unreadable(file: &str, why: &str) -> Failure {
    let hint = if output::is_link(file) {
        "name a file on this machine; a link is not followed"
    } else {
        "check the path, and whether the file may be read"
    };
    Failure::new(exit::LOCAL, format!("cannot read {}: {why}", output::typed(file))).with_hint(hint)
}

/// Does work that blocks on a thread of its own: nobody waits for it when the program is to end.
pub(crate) async fn beside<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
