//! What is measured, and what it must come to.

/// What is compared with a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Metric {
    /// wamedia's wall time by raw's.
    Wall,
    /// The same of user and system time.
    Cpu,
    /// wamedia's peak memory in MiB.
    Peak,
    /// wamedia's peak memory above that of the scenario `memory 1 MiB`, by the number of further streams.
    PeakPerStream,
}

impl Metric {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Wall => "wall ratio",
            Self::Cpu => "CPU ratio",
            Self::Peak => "peak MiB",
            Self::PeakPerStream => "MiB a further stream",
        }
    }
}

/// A metric with its target and the stretch beyond: at most so much.
pub(crate) type Target = (Metric, f64, f64);

/// Who runs where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The client on one core, the server on another.
    Apart,
    /// Both on all cores.
    Shared,
}

/// One row, or several with one run.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) size: u64,
    pub(crate) count: u64,
    pub(crate) delay_ms: u64,
    pub(crate) concurrency: u64,
    pub(crate) tls: bool,
    pub(crate) place: Place,
    /// What the baseline gets besides.
    pub(crate) raw: &'static [&'static str],
    pub(crate) upload: bool,
    pub(crate) targets: &'static [Target],
    /// At most so many rounds, since little varies here.
    pub(crate) max_rounds: usize,
}

impl Default for Scenario {
    /// One content over http, the client on a core of its own.
    fn default() -> Self {
        Self {
            name: "",
            size: 0,
            count: 1,
            delay_ms: 0,
            concurrency: 1,
            tls: false,
            place: Place::Apart,
            raw: &[],
            upload: false,
            targets: &[],
            max_rounds: usize::MAX,
        }
    }
}

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// Large bodies whose memory is looked at, and those of sixteen at once, with the names of their scenarios.
fn big_bodies(quick: bool) -> [(u64, &'static str); 3] {
    if quick {
        [(128 * MIB, "memory 128 MiB"), (256 * MIB, "memory 256 MiB"), (25 * MIB, "memory 16 x 25 MiB")]
    } else {
        [(1024 * MIB, "memory 1 GiB"), (2048 * MIB, "memory 2 GiB"), (100 * MIB, "memory 16 x 100 MiB")]
    }
}

/// All scenarios; the quick ones have smaller bodies and fewer of them.
pub(crate) fn all(quick: bool) -> Vec<Scenario> {
    use Metric::{Cpu, Peak, PeakPerStream, Wall};
    use Place::{Apart, Shared};
    let (large, half, small, far) =
        if quick { (128 * MIB, 64 * MIB, 400, 20) } else { (1024 * MIB, 512 * MIB, 2000, 100) };
    let base = Scenario { size: half, ..Scenario::default() };
    let body = |name, size, tls, place, raw, targets| Scenario {
        name,
        size,
        tls,
        place,
        raw,
        targets,
        ..base.clone()
    };
    let many = |name, concurrency, tls, targets| Scenario {
        name,
        size: 100 * KIB,
        count: small,
        concurrency,
        tls,
        targets,
        ..base.clone()
    };
    let slow = |name, concurrency, targets| Scenario {
        name,
        size: 100 * KIB,
        count: far,
        delay_ms: 20,
        concurrency,
        place: Place::Shared,
        targets,
        ..base.clone()
    };
    let memory = |name, size, count, targets| Scenario {
        name,
        size,
        count,
        concurrency: count,
        place: Place::Shared,
        targets,
        max_rounds: if quick { 1 } else { 3 },
        ..base.clone()
    };
    let [(big, big_name), (huge, huge_name), (each, each_name)] = big_bodies(quick);
    vec![
        body("large http, one core", large, false, Apart, &[], &[(Wall, 0.95, 0.89), (Cpu, 0.95, 0.89)]),
        body("large http, shared", half, false, Shared, &[], &[(Wall, 0.88, 0.67), (Cpu, 0.98, 0.91)]),
        body("large https, one core", half, true, Apart, &[], &[(Wall, 0.75, 0.69), (Cpu, 0.75, 0.69)]),
        body("large https, shared", half, true, Shared, &[], &[(Wall, 0.60, 0.42), (Cpu, 0.60, 0.42)]),
        body(
            "large https, shared, against raw --http1",
            half,
            true,
            Shared,
            &["--http1"],
            &[(Wall, 0.90, 0.76)],
        ),
        body("large http, one core, against raw --hash none", half, false, Apart, &["--hash", "none"], &[]),
        many("small http, 1 at once", 1, false, &[(Wall, 0.87, 0.63), (Cpu, 0.87, 0.54)]),
        many("small http, 16 at once", 16, false, &[(Wall, 0.76, 0.61), (Cpu, 0.82, 0.57)]),
        many("small http, 64 at once", 64, false, &[(Wall, 0.68, 0.55), (Cpu, 0.78, 0.56)]),
        many("small https, 1 at once", 1, true, &[(Wall, 0.71, 0.61)]),
        many("small https, 16 at once", 16, true, &[(Wall, 0.72, 0.54)]),
        many("small https, 64 at once", 64, true, &[]),
        slow("small http, 20 ms away, 1 at once", 1, &[(Wall, 0.59, 0.51)]),
        slow("small http, 20 ms away, 4 at once", 4, &[(Wall, 0.59, 0.51)]),
        Scenario {
            name: "start-up, one object of 1 KiB",
            size: KIB,
            place: Shared,
            targets: &[(Wall, 1.5, 1.0)],
            ..base.clone()
        },
        memory("memory 1 MiB", MIB, 1, &[(Peak, 12.0, 6.0)]),
        memory("memory 100 MiB", 100 * MIB, 1, &[(Peak, 12.0, 6.0)]),
        memory(big_name, big, 1, &[(Peak, 12.0, 6.0)]),
        memory(huge_name, huge, 1, &[(Peak, 12.0, 6.0), (PeakPerStream, 2.0, 0.2)]),
        memory(each_name, each, 16, &[(PeakPerStream, 1.0, 0.3)]),
        memory("memory 64 x 10 MiB", 10 * MIB, 64, &[(PeakPerStream, 1.0, 0.3)]),
        Scenario { name: "upload", place: Shared, upload: true, ..base },
    ]
}
