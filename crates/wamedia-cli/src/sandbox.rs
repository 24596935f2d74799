//! `wamedia sandbox`
use crate::args::SandboxArgs;
use crate::exit::Failure;
pub(crate) async fn run(_: SandboxArgs) -> Result<(), Failure> { Ok(()) }
