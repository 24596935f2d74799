//! Random worlds, and oracles that check what a client does in them.
//!
//! A [`World`] is plain data: objects, what is claimed about them, what the server does request by
//! request, what the caller asks for, and what lies in the folder. [`strategy::world`] makes worlds, a
//! driver (in `xtask`) runs the client in one and records a [`Trace`], and [`check`] compares the trace
//! with the world. The oracles know the world, never the implementation.

mod chain;
mod claims;
mod content;
mod content_rules;
mod facts;
mod files;
mod kinds;
mod live;
mod oracle;
mod script;
pub mod strategy;
mod trace;
mod world;

pub use claims::{CallerClaims, DigestClaim, SizeClaim, Statement};
pub use content::{Content, Shape};
pub use facts::Violation;
pub use oracle::check;
pub use script::{
    Advice, BodyReply, End, Failure, LengthClaim, RangeStyle, RedirectTo, ScriptedReply, Served, Validator,
};
pub use trace::{
    BodyLog, Ending, Entry, JobTrace, Planted, PlantedRole, RequestLog, RequestWhat, Success, Trace,
    VerifiedBy,
};
pub use world::{
    Client, ClockJump, Destination, ExistingFile, IfExists, Mismatch, Object, PartialBytes, Replacement,
    Server, World, WorldEvent,
};
