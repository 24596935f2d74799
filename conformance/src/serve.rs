//! Serves what clients are scored against, for use from other test frameworks.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use wamedia_core::Clock as _;
use wamedia_provider::SystemClock;
use wamedia_sandbox::{Options, Sandbox};

use crate::outside::tls_wrap;
use crate::tls;

/// Serves until the process is stopped: one JSON object when it is ready, then one a request.
///
/// # Errors
///
/// When a port is taken, the certificate cannot be written, or nobody reads the output any more.
#[expect(clippy::print_stdout, reason = "its output is what it is for")]
pub fn run(port: Option<u16>, ca_file: impl AsRef<Path>, plain_http: bool) -> Result<(), String> {
    let ca_file = ca_file.as_ref();
    let runtime = tokio::runtime::Runtime::new().map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let mut options = Options::new(Arc::new(|| SystemClock.now())).with_on_request(|request| {
            // Whoever closed the pipe does not want to know.
            let _ = writeln!(std::io::stdout(), "{}", request.to_json());
        });
        if let Some(port) = port {
            options = options.with_port(port);
        }
        if !plain_http {
            if !may_be_written(ca_file) {
                return Err(format!(
                    "{}: it is there, and no certificate; name another file",
                    ca_file.display()
                ));
            }
            fs::write(ca_file, tls::root_pem()).map_err(|error| format!("{}: {error}", ca_file.display()))?;
            options = options.with_wrap(tls_wrap());
        }
        let sandbox = Sandbox::start(options).await.map_err(|error| match port {
            Some(port) => format!("it cannot listen on port {port} and those behind it: {error}"),
            None => error.to_string(),
        })?;
        let mut ready = sandbox.ready_json();
        if !plain_http {
            let full = fs::canonicalize(ca_file).unwrap_or_else(|_| ca_file.to_owned());
            ready["ca_file"] = full.display().to_string().into();
        }
        println!("{ready}");
        std::future::pending::<()>().await;
        drop(sandbox);
        Ok(())
    })
}

/// A file of somebody else is not overwritten; the certificate of an earlier run is.
fn may_be_written(file: &Path) -> bool {
    match fs::read(file) {
        Ok(bytes) => bytes.starts_with(b"-----BEGIN CERTIFICATE-----"),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_certificate_is_overwritten() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("ca.pem");
        assert!(may_be_written(&file) && !may_be_written(folder.path()));
        fs::write(&file, "my notes").expect("written");
        assert!(!may_be_written(&file));
        fs::write(&file, tls::root_pem()).expect("written");
        assert!(may_be_written(&file));
    }
}
