//! Random worlds, and oracles that judge what a client does in them.
//!
//! A [`World`] is plain data: objects, what is claimed about them, what the server does request by
//! request, what the caller asks for, and what lies in the folder. [`strategy::world`] makes worlds, a
//! driver (in `xtask`) runs the client in one and records a [`Trace`], and [`check`] compares the trace
//! with the world. The oracles know the world, never the implementation.

mod content;
mod content_rules;
mod files;
mod live;
mod oracle;
pub mod strategy;
mod trace;
mod world;

pub use content::{Content, Shape};
pub use oracle::{Violation, check};
pub use trace::{
    BodyLog, Ending, Entry, JobTrace, Planted, PlantedRole, RequestLog, RequestWhat, Success, Trace,
    VerifiedBy,
};
pub use world::{
    Advice, BodyReply, CallerClaims, Client, Destination, DigestClaim, End, Event, ExistingFile, Failure,
    IfExists, LengthClaim, Mismatch, Object, PartialBytes, RangeStyle, Replacement, Reply, Served, Server,
    SizeClaim, Statement, Validator, World,
};
