#![doc = include_str!("../README.md")]

#[cfg(feature = "client")]
mod client;
#[cfg(feature = "client")]
mod config;

use wamedia_core::Capabilities;

#[cfg(feature = "client")]
pub use client::Template;
#[cfg(feature = "client")]
pub use config::TemplateBuilder;

/// The provider's name.
const NAME: &str = "template";

/// What works. Declare an operation here when it does: the suite tries what is declared, and that what is not declared
/// sends nothing.
pub const CAPABILITIES: Capabilities = Capabilities::NONE;
