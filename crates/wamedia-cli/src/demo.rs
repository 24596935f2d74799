//! `wamedia demo`
use crate::args::DemoArgs;
use crate::exit::Failure;
pub(crate) async fn run(_: DemoArgs) -> Result<(), Failure> { Ok(()) }
