#![doc = include_str!("../README.md")]

use std::fmt;
use std::io::{self, Read, Seek};

use wamedia_core::{Capabilities, MediaKind, Mime};

use crate::expected::Expected;
use crate::reader::Source;

mod audio;
mod container;
mod expected;
mod image;
mod mp4;
mod ogg;
mod reader;
mod sources;
mod webp;

/// What a finding means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Severity {
    /// It will be accepted, and something about it is worth knowing.
    Warning,
    /// The provider or the phone will not take it.
    Refused,
}

/// One rule that the file does not meet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The rule, in one sentence.
    pub rule: String,
    /// Where the rule is written.
    pub source: &'static str,
    /// What was seen.
    pub seen: String,
    /// What to do about it.
    pub fix: String,
}

/// The reason first, then the rule: `an empty file, 0 bytes (rule: content is not empty)`.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (rule: {})", self.seen, self.rule)
    }
}

/// Everything that was found; without findings when the file fits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The findings, in the order of the checks.
    pub findings: Vec<Finding>,
    /// Width and height of an image, sticker or video as its header states them.
    pub pixels: Option<(u32, u32)>,
}

impl Report {
    /// True when nothing stands against sending it.
    pub fn fits(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity != Severity::Refused)
    }

    pub(crate) fn refuse(&mut self, source: &'static str, rule: &str, seen: impl Into<String>, fix: &str) {
        self.add(Severity::Refused, source, rule, seen.into(), fix);
    }

    pub(crate) fn warn(&mut self, source: &'static str, rule: &str, seen: impl Into<String>, fix: &str) {
        self.add(Severity::Warning, source, rule, seen.into(), fix);
    }

    fn add(&mut self, severity: Severity, source: &'static str, rule: &str, seen: String, fix: &str) {
        let (rule, fix) = (rule.to_owned(), fix.to_owned());
        self.findings.push(Finding { severity, rule, source, seen, fix });
    }
}

/// The kind that a type is usually sent as.
pub fn usual_kind(mime: &Mime) -> MediaKind {
    match (mime.kind(), mime.essence()) {
        (_, "image/webp") => MediaKind::Sticker,
        ("image", "image/jpeg" | "image/png") => MediaKind::Image,
        ("video", "video/mp4" | "video/3gpp") => MediaKind::Video,
        ("audio", _) => MediaKind::Audio,
        _ => MediaKind::Document,
    }
}

/// Checks content against what a provider accepts for a kind, and against what phones play.
///
/// `size_bytes` is the size that will be sent; where the content itself is longer, its length counts.
/// Only headers are read: at most 4 KiB at a time, with a bounded number of seeks, and the content is
/// left at its start.
///
/// # Errors
///
/// Only when the content cannot be read.
pub fn check<R: Read + Seek>(
    content: &mut R,
    size_bytes: u64,
    mime: &Mime,
    kind: MediaKind,
    capabilities: &Capabilities,
) -> io::Result<Report> {
    let mut report = Report::default();
    let limit = capabilities.limit(kind);
    let source = limit.map_or(sources::MEDIA, |limit| limit.source);
    let mut bytes = Source::open(content)?;
    if size_bytes == 0 || bytes.len() == 0 {
        report.refuse(source, "content is not empty", "an empty file, 0 bytes", "choose another file");
        content.rewind()?;
        return Ok(report);
    }
    let expected = Expected { mime, kind, size_bytes: size_bytes.max(bytes.len()), source };
    let known = container::check_kind(&expected, &mut report);
    if let Some(limit) = limit {
        if expected.size_bytes > limit.max_bytes {
            report.refuse(
                source,
                &format!("{} has at most {} bytes", kind.name(), limit.max_bytes),
                format!("{} bytes", expected.size_bytes),
                "make it smaller, or send it as a document",
            );
        }
        // The sharper rule about kind and type has said it already.
        if known && !limit.mimes.is_empty() && !limit.mimes.contains(&mime.essence()) {
            report.refuse(
                source,
                &format!("{} has one of the types {}", kind.name(), limit.mimes.join(", ")),
                mime.essence(),
                "convert it, or send it as a document of an accepted type",
            );
        }
    }
    container::check(&mut bytes, &expected, limit.map(|limit| limit.max_bytes), &mut report)?;
    content.rewind()?;
    Ok(report)
}
