//! Reading files and pipes, which may take for ever, without holding up a signal.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::exit::{self, Failure};
use crate::output;

/// The most that is read of a configuration file, or of a file with certificates.
const MAX_SETTINGS_BYTES: u64 = 16 * 1024 * 1024;

/// The bytes of a file, or of standard input for `-`, if there are not more than `max`.
pub(crate) async fn read(file: &str, max: u64) -> Result<Vec<u8>, Failure> {
    let path = file.to_owned();
    let work = move || match &*path {
        "-" => read_up_to(max, io::stdin().lock()),
        path => read_up_to(max, File::open(path)?),
    };
    beside(work).await.map_err(|error| unreadable(file, &error.to_string()))
}

/// The bytes of a file with settings, which may be a pipe from a password manager.
pub(crate) async fn settings(path: &Path) -> io::Result<Vec<u8>> {
    let path = path.to_owned();
    beside(move || read_up_to(MAX_SETTINGS_BYTES, File::open(path)?)).await
}

fn read_up_to(max: u64, source: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(max.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max {
        return Err(io::Error::other(format!("it has more than the {max} bytes that are read")));
    }
    Ok(bytes)
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
