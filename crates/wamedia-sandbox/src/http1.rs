//! A small raw HTTP/1.1 server whose answers are scripts of [`Step`]s.
//!
//! It frames nothing on its own: a handler says which bytes to write, when to wait, and how the
//! connection ends. That is what makes short bodies, lies about lengths, stalls and resets possible.
//! Only tokio timers are used, so it also runs under paused time.

mod connection;
mod message;
mod response;
mod server;
mod service;

pub(crate) use message::decode;
pub use message::{Exchange, Head, Outcome, Request, Step};
pub use response::{Framing, Response};
pub use server::Server;
pub use service::{Answer, Limits, Service, Transport, Wrap, Wrapped};
