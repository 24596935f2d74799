//! Medians, ratios and verdicts, for people and for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::process::Used;
use super::results::{Measured, Scaling, Setting};
use super::scenarios::{Metric, Place, Scenario};
use super::webhook::Parsed;

/// One figure with its target.
#[derive(Debug)]
pub(crate) struct Row {
    case: String,
    figure: &'static str,
    /// Median, least and most.
    value: Option<(f64, f64, f64)>,
    /// At most so much, and the stretch beyond.
    target: Option<(f64, f64)>,
}

pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    spread(values).map_or(f64::NAN, |(median, _, _)| median)
}

fn spread(values: impl Iterator<Item = f64>) -> Option<(f64, f64, f64)> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let (least, most) = (*values.first()?, *values.last()?);
    let middle = values.len() / 2;
    let median = if values.len().is_multiple_of(2) {
        f64::midpoint(values[middle - 1], values[middle])
    } else {
        values[middle]
    };
    Some((median, least, most))
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn number(value: u64) -> f64 {
    value as f64
}

impl Measured {
    /// The metric's value of every round.
    fn values(&self, metric: Metric, one_stream: Option<f64>) -> Vec<f64> {
        let further = number(self.scenario.count.saturating_sub(1).max(1));
        let rounds = self.raw.iter().zip(&self.wamedia);
        let value = |(raw, ours): (&Used, &Used)| match metric {
            Metric::Wall => Some(ours.wall / raw.wall),
            Metric::Cpu => Some(ours.cpu / raw.cpu),
            Metric::Peak => Some(ours.rss),
            Metric::PeakPerStream => one_stream.map(|one| (ours.rss - one) / further),
        };
        rounds.filter_map(value).collect()
    }
}

pub(crate) fn print_setting(setting: &Setting) {
    println!(
        "\n{} cores; programs {} held to a core; output in {}; the server alone: {:.2} s/GiB received and \
         thrown away; a child begins with {:.1} MiB; {}\n",
        setting.cores,
        if setting.pinned { "are" } else { "cannot be" },
        setting.scratch,
        setting.server_alone,
        setting.floor,
        setting.hashing(),
    );
}

impl Setting {
    fn hashing(&self) -> &'static str {
        match self.sha {
            Some(true) => "the processor has instructions for SHA-256",
            Some(false) => "the processor has no instructions for SHA-256, so hashing is most of the work",
            None => "whether the processor has instructions for SHA-256 is not known",
        }
    }
}

/// The figures of one scenario, as soon as they are there.
pub(crate) fn print(measured: &Measured, one_stream: Option<f64>) {
    let Scenario { name, place, count, .. } = &measured.scenario;
    let place = match place {
        Place::Apart => "client and server on a core each",
        Place::Shared => "client and server on all cores",
    };
    println!("{name} ({place}; {} rounds)", measured.raw.len());
    let [of_raw, ours] = measured.at_once;
    for (who, used, (open, content)) in [("raw", &measured.raw, of_raw), ("wamedia", &measured.wamedia, ours)]
    {
        let of = |value: fn(&Used) -> f64| median(used.iter().map(value));
        let (wall, cpu, rss) = (of(|used| used.wall), of(|used| used.cpu), of(|used| used.rss));
        let objects = if *count > 1 {
            format!(", {:.0} objects/s, {:.0} us CPU each", number(*count) / wall, cpu * 1e6 / number(*count))
        } else {
            String::new()
        };
        println!(
            "  {who:8} {wall:7.3} s, CPU {cpu:7.3} s, peak {rss:5.1} MiB, {open} connections, {content} bodies{objects}"
        );
    }
    for metric in [Metric::Wall, Metric::Cpu, Metric::PeakPerStream] {
        if let Some((middle, least, most)) = spread(measured.values(metric, one_stream).into_iter()) {
            println!("  {:22} {middle:5.2} ({least:.2} to {most:.2})", metric.name());
        }
    }
}

/// Every target with what came out.
pub(crate) fn rows(results: &[Measured], scaling: Option<&Scaling>, parsed: &[Parsed]) -> Vec<Row> {
    let one = results.iter().find(|measured| measured.scenario.name == "memory 1 MiB");
    let one = one.map(|measured| median(measured.wamedia.iter().map(|used| used.rss)));
    let mut rows = Vec::new();
    for measured in results {
        let mut row = |metric: Metric, target| {
            rows.push(Row {
                case: measured.scenario.name.to_owned(),
                figure: metric.name(),
                value: spread(measured.values(metric, one).into_iter()),
                target,
            });
        };
        for (metric, target, stretch) in measured.scenario.targets {
            row(*metric, Some((*target, *stretch)));
        }
        if measured.scenario.targets.is_empty() {
            row(Metric::Wall, None);
            row(Metric::Cpu, None);
        }
    }
    if let Some(Scaling { few, many }) = scaling {
        let [fewer, more] = [few, many].map(|runs| number(runs.count));
        let rounds = || few.used.iter().zip(&many.used);
        let time = rounds().map(|(few, many)| many.wall / more * fewer / few.wall);
        let memory = rounds().map(|(few, many)| (many.rss - few.rss) * 1024.0 / (more - fewer));
        let mut row = |figure, value, target| {
            let case = format!("{} references against {}", many.count, few.count);
            rows.push(Row { case, figure, value, target: Some(target) });
        };
        row("time of one, ratio", spread(time), (1.05, 1.0));
        row("KiB a waiting reference", spread(memory), (1.0, 0.5));
    }
    for Parsed { count, against_walk, against_value } in parsed {
        let mut row = |figure, values: &[f64], target| {
            let case = format!("webhook with {count} media");
            rows.push(Row { case, figure, value: spread(values.iter().copied()), target });
        };
        row("by Value and a walk", against_walk, None);
        row("by Value alone", against_value, Some((1.3, 0.75)));
    }
    rows
}

impl Row {
    fn verdict(&self) -> &'static str {
        match (self.value, self.target) {
            (Some((value, _, _)), Some((_, stretch))) if value <= stretch => "stretch met",
            (Some((value, _, _)), Some((target, _))) if value <= target => "met",
            (Some(_), Some(_)) => "MISSED",
            _ => "",
        }
    }

    fn cells(&self) -> [String; 5] {
        let value = self.value.map(|(middle, least, most)| format!("{middle:.2} ({least:.2} to {most:.2})"));
        let target = self.target.map(|(target, stretch)| format!("<= {target:.2}, stretch {stretch:.2}"));
        let text = Option::unwrap_or_default;
        [self.case.clone(), self.figure.to_owned(), text(value), text(target), self.verdict().to_owned()]
    }
}

pub(crate) fn print_rows(rows: &[Row]) {
    println!("\n{:50} {:24} {:24} {:26} verdict", "case", "figure", "median (min to max)", "target");
    for row in rows {
        let [case, figure, value, target, verdict] = row.cells();
        println!("{case:50} {figure:24} {value:24} {target:26} {verdict}");
    }
}

/// What stands before and behind the table in a document.
const MARKS: [&str; 2] = ["<!-- cargo xtask bench -->\n", "<!-- end -->"];

/// The table between its marks in a document that has them; alone otherwise.
pub(crate) fn placed(document: Option<String>, table: &str) -> String {
    let [begin, end] = MARKS;
    let Some(document) = document else { return table.to_owned() };
    match (document.split_once(begin), document.split_once(end)) {
        (Some((before, _)), Some((_, after))) => format!("{before}{begin}{table}{end}{after}"),
        _ => table.to_owned(),
    }
}

/// The table of the documentation.
pub(crate) fn markdown(setting: &Setting, rows: &[Row], quick: bool, rounds: usize) -> String {
    let mut out = format!(
        "Measured {} with `cargo xtask bench{}`, {rounds} rounds: {} cores of an {} machine with {}; {}; output in \
         {}; the server alone takes {:.2} s/GiB.\n\n\
         | case | figure | median (min to max) | target | verdict |\n|---|---|--:|--:|---|\n",
        setting.date,
        if quick { " --quick" } else { "" },
        setting.cores,
        std::env::consts::ARCH,
        std::env::consts::OS,
        setting.hashing(),
        setting.scratch,
        setting.server_alone,
    );
    for row in rows {
        let _ = writeln!(out, "| {} |", row.cells().join(" | "));
    }
    out
}

/// Everything, every round.
pub(crate) fn json(setting: &Setting, results: &[Measured], rows: &[Row], quick: bool) -> String {
    let runs = |used: &[Used]| -> Vec<Value> {
        used.iter()
            .map(|used| json!({"wall_s": used.wall, "cpu_s": used.cpu, "peak_mib": used.rss}))
            .collect()
    };
    let scenarios: Vec<Value> = results
        .iter()
        .map(|measured| {
            let Scenario { name, size, count, delay_ms, concurrency, tls, .. } = &measured.scenario;
            json!({
                "name": name, "size_bytes": size, "count": count, "delay_ms": delay_ms, "tls": tls,
                "concurrency": concurrency, "most_connections": measured.at_once.map(|most| most.0),
                "most_bodies": measured.at_once.map(|most| most.1),
                "raw": runs(&measured.raw), "wamedia": runs(&measured.wamedia),
            })
        })
        .collect();
    let rows: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "case": row.case, "figure": row.figure, "median": row.value.map(|value| value.0),
                "min": row.value.map(|value| value.1), "max": row.value.map(|value| value.2),
                "target": row.target.map(|target| target.0), "stretch": row.target.map(|target| target.1),
                "verdict": row.verdict(),
            })
        })
        .collect();
    let whole = json!({
        "date": setting.date, "quick": quick, "sha_instructions": setting.sha, "cores": setting.cores, "pinned": setting.pinned, "output": setting.scratch,
        "server_alone_s_per_gib": setting.server_alone, "scenarios": scenarios, "rows": rows,
    });
    format!("{whole:#}\n")
}
