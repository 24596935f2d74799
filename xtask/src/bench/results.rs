//! What a run measures.

use super::process::Used;
use super::scenarios::Scenario;

/// The rounds of one scenario, raw and wamedia in turn.
pub(crate) struct Measured {
    pub(crate) scenario: Scenario,
    pub(crate) raw: Vec<Used>,
    pub(crate) wamedia: Vec<Used>,
    /// Connections and contents at once, at most: of raw, of wamedia.
    pub(crate) at_once: [(u64, u64); 2],
}

/// Many references against few in one process, wamedia alone.
pub(crate) struct Scaling {
    pub(crate) few: Runs,
    pub(crate) many: Runs,
}

/// All rounds with so many references.
pub(crate) struct Runs {
    pub(crate) count: u64,
    pub(crate) used: Vec<Used>,
}

/// What the run was made on.
pub(crate) struct Setting {
    pub(crate) cores: usize,
    pub(crate) pinned: bool,
    pub(crate) scratch: &'static str,
    /// Seconds a GiB of the server alone, received and thrown away.
    pub(crate) server_alone: f64,
    /// MiB that a child has before it has done anything.
    pub(crate) floor: f64,
    /// Whether the processor computes SHA-256 by itself, where that is known.
    pub(crate) sha: Option<bool>,
    pub(crate) date: String,
}
