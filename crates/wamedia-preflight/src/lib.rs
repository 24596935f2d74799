//! Will a provider, and the phone, take this file? Answers offline, with the rule and the fix.
//!
//! [`check`] reads headers only: memory stays small whatever the file claims, and a file that is not
//! what it seems gives a finding, never a panic.

use std::io::{self, Read, Seek};

use wamedia_core::{Capabilities, MediaKind, Mime};

mod container;

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

/// Everything that was found; empty when the file fits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The findings, in the order of the checks.
    pub findings: Vec<Finding>,
}

impl Report {
    /// True when nothing stands against sending it.
    pub fn fits(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity != Severity::Refused)
    }

    pub(crate) fn refuse(&mut self, source: &'static str, rule: &str, seen: String, fix: &str) {
        self.findings.push(Finding {
            severity: Severity::Refused,
            rule: rule.to_owned(),
            source,
            seen,
            fix: fix.to_owned(),
        });
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
    let source = capabilities.limit(limit_kind(kind)).map_or(container::SOURCE, |limit| limit.source);
    if size_bytes == 0 {
        report.refuse(source, "content is not empty", "0 bytes".to_owned(), "choose another file");
        return Ok(report);
    }
    if let Some(limit) = capabilities.limit(limit_kind(kind)) {
        if size_bytes > limit.max_bytes {
            report.refuse(
                source,
                &format!("{} has at most {} bytes", kind.name(), limit.max_bytes),
                format!("{size_bytes} bytes"),
                "make it smaller, or send it as a document",
            );
        }
        if !limit.mimes.is_empty() && !limit.mimes.contains(&mime.essence()) {
            report.refuse(
                source,
                &format!("{} has one of the types {}", kind.name(), limit.mimes.join(", ")),
                mime.essence().to_owned(),
                "convert it, or send it as a document of an accepted type",
            );
        }
    }
    container::check(content, mime, kind, &mut report)?;
    Ok(report)
}

/// Voice notes share the row of audio, and so on: vendors' tables have fewer kinds than messages.
fn limit_kind(kind: MediaKind) -> MediaKind {
    match kind {
        MediaKind::Voice => MediaKind::Audio,
        MediaKind::Gif | MediaKind::VideoNote => MediaKind::Video,
        other => other,
    }
}
