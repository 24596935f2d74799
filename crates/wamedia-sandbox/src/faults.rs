//! The wire rows of the fault catalogue.

use std::fmt;

/// Which hop of a download a fault belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// The call that describes the media.
    Resolve,
    /// The call that returns the bytes.
    Content,
    /// Any call. An id that carries the fault has it on its bytes.
    Any,
}

/// One row of the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fault {
    /// The row's name.
    pub name: &'static str,
    /// What the server does, in one sentence.
    pub sentence: &'static str,
    /// Where it acts.
    pub stage: Stage,
    /// For an id: so many answers are bad, then one is good, and so on. Zero: always bad.
    pub bad_in_a_row: u64,
}

const fn row(name: &'static str, stage: Stage, bad_in_a_row: u64, sentence: &'static str) -> Fault {
    Fault { name, sentence, stage, bad_in_a_row }
}

/// Every fault, longest name first among those that share a beginning.
pub static FAULTS: &[Fault] = &[
    row("html-200", Stage::Content, 0, "Answers the content request 200 with an HTML page."),
    row("json-200", Stage::Content, 0, "Answers the content request 200 with the vendor's JSON error."),
    row("empty-200", Stage::Content, 0, "Answers the content request 200 with no bytes."),
    row("flip", Stage::Content, 0, "Sends the right length with one bit changed."),
    row("cut-declared", Stage::Content, 1, "Closes half-way to the declared Content-Length."),
    row("cut-undeclared", Stage::Content, 1, "Closes a body of unknown length half-way."),
    row("cut-chunked", Stage::Content, 1, "Ends chunked encoding half-way, without the terminator."),
    row("reset", Stage::Content, 1, "Resets the connection half-way."),
    row("over", Stage::Content, 0, "Sends 64 MiB more than declared."),
    row("lie-length", Stage::Resolve, 0, "Describes seven bytes more than the content has."),
    row("bomb", Stage::Content, 0, "Sends 64 MiB of zeros in 64 KiB, under Content-Encoding: gzip."),
    row("wrong-type", Stage::Content, 0, "Sends a Content-Type that differs from the declared type."),
    row("no-digest", Stage::Resolve, 0, "Describes the media without a digest."),
    row("bad-digest-text", Stage::Resolve, 0, "Describes the media with a digest of 31 bytes."),
    row("stall", Stage::Content, 1, "Stops half-way without closing."),
    row("drip", Stage::Content, 0, "Sends one byte a second."),
    row("silent", Stage::Any, 0, "Accepts the request and never answers."),
    row("s503", Stage::Any, 2, "Answers 503 with Retry-After."),
    row(
        "r429",
        Stage::Any,
        1,
        "Answers 429 with Retry-After: seconds; `-date` in the id makes it a date, `-long` an hour.",
    ),
    row("s5xx-forever", Stage::Any, 0, "Answers 500 always."),
    row("slow-big", Stage::Content, 0, "Sends 8 MiB at 64 KiB a second: healthy, and two minutes long."),
    row(
        "expired-mid",
        Stage::Content,
        1,
        "The first link dies half-way and stays dead; the next link is good.",
    ),
    row(
        "expired",
        Stage::Content,
        1,
        "The first link is dead; the next link is good. `expired-410-1` chooses the status.",
    ),
    row("gone", Stage::Resolve, 0, "Does not know the id."),
    row("early", Stage::Content, 1, "The bytes are not there yet: 404 at first."),
    row(
        "range-ignored",
        Stage::Content,
        1,
        "Cuts the body once, then answers 200 with everything to a range request.",
    ),
    row(
        "range-wrong",
        Stage::Content,
        1,
        "Cuts the body once, then answers 206 from another start; `-total` lies about the total.",
    ),
    row(
        "range-changed",
        Stage::Content,
        1,
        "Cuts the body once, then answers 206 with the bytes and ETag of another object.",
    ),
    row("416", Stage::Content, 1, "Cuts the body once, then refuses the range."),
    row("foreign-host", Stage::Resolve, 0, "Describes a link to a host outside the credential's set."),
    row("lookalike", Stage::Resolve, 0, "Describes a link whose user-info looks like the right host."),
    row(
        "redirect-private",
        Stage::Content,
        0,
        "Redirects the content to an address that must not be contacted.",
    ),
    row("redirect-loop", Stage::Content, 0, "Redirects the content request to itself."),
    row("redirect", Stage::Content, 0, "Redirects the content to another host, which has it."),
    row("downgrade", Stage::Content, 0, "Redirects to plain http on a host that is not loopback."),
    row("traversal", Stage::Content, 0, "Names the file `../../x` in Content-Disposition."),
    row("header-flood", Stage::Any, 0, "Answers with five thousand headers, a megabyte of them."),
    row("huge-json", Stage::Resolve, 0, "Answers the description with 500 MB of JSON."),
    row("deep-json", Stage::Resolve, 0, "Answers the description with 100,000 nested arrays."),
];

impl Fault {
    /// The row of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        FAULTS.iter().find(|fault| fault.name == name)
    }

    pub(crate) fn about_ranges(&self) -> bool {
        matches!(self.name, "range-ignored" | "range-wrong" | "range-changed" | "416")
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// A fault as an id asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked<'a> {
    pub(crate) fault: &'static Fault,
    /// What follows the name, for example `forever-1`.
    pub(crate) rest: &'a str,
}

impl<'a> Asked<'a> {
    /// The fault that an id starts with.
    pub(crate) fn by_id(id: &'a str) -> Option<Self> {
        FAULTS.iter().find_map(|fault| {
            let rest = id.strip_prefix(fault.name)?;
            (rest.is_empty() || rest.starts_with('-'))
                .then(|| Asked { fault, rest: rest.trim_start_matches('-') })
        })
    }

    pub(crate) fn has(&self, word: &str) -> bool {
        self.rest.split('-').any(|have| have == word)
    }

    pub(crate) fn forever(&self) -> bool {
        self.fault.bad_in_a_row == 0 || self.has("forever")
    }
}

/// A fault that acts on the answer at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Active {
    pub(crate) fault: &'static Fault,
    /// Links that are dead answer with this status where the vendor's own is not wanted.
    pub(crate) status: Option<u16>,
    /// `r429`: a date rather than seconds.
    pub(crate) date: bool,
    /// `r429`: an hour rather than a second.
    pub(crate) long: bool,
    /// `range-wrong`: the total rather than the start.
    pub(crate) total: bool,
    /// Cut the body, so that a range request follows.
    pub(crate) cut: bool,
    /// The link is dead, whatever the row does otherwise.
    pub(crate) dead: bool,
}

impl Active {
    pub(crate) fn new(fault: &'static Fault, asked: Option<Asked<'_>>) -> Self {
        let has = |word| asked.is_some_and(|asked| asked.has(word));
        let status = ["401", "403", "404", "410"].into_iter().find(|word| has(word));
        Self {
            fault,
            status: status.and_then(|word| word.parse().ok()),
            date: has("date"),
            long: has("long"),
            total: has("total"),
            cut: false,
            dead: false,
        }
    }

    pub(crate) fn cutting(mut self) -> Self {
        self.cut = true;
        self
    }

    pub(crate) fn dead(mut self) -> Self {
        self.dead = true;
        self
    }

    pub(crate) fn is(&self, name: &str) -> bool {
        self.fault.name == name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_selects_the_fault_with_the_longest_name() {
        for fault in FAULTS {
            let id = format!("{}-forever-1", fault.name);
            let asked = Asked::by_id(&id).expect("every name selects");
            assert_eq!(asked.fault.name, fault.name);
            assert!(asked.forever());
            assert!(!fault.sentence.is_empty());
        }
        assert!(Asked::by_id("flipper").is_none());
        assert!(Asked::by_id("1001").is_none());
    }
}
