//! The faults of the catalogue that a server can show on the wire.

use std::fmt;
use std::str::FromStr;

/// Which request of a download a fault belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultScope {
    /// The call that describes the media.
    Resolve,
    /// The call that returns the bytes.
    Content,
    /// Any call. An id that carries the fault has it on its bytes.
    Any,
}

/// A text that names no fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownFault(String);

impl fmt::Display for UnknownFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no fault called {:?}", self.0)
    }
}

impl std::error::Error for UnknownFault {}

/// One row each: variant, name, scope, bad answers in a row, sentence.
macro_rules! faults {
    ($($variant:ident = $name:literal, $scope:ident, $bad:literal, $sentence:literal;)*) => {
        /// A fault that a server can show on the wire.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        #[expect(clippy::doc_markdown, reason = "the sentences are shown to people as they are")]
        pub enum Fault {
            $(#[doc = $sentence] $variant,)*
        }

        impl Fault {
            /// Every fault.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name. An id that begins with it has the fault.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// What the server does, in one sentence.
            pub const fn sentence(self) -> &'static str {
                match self {
                    $(Self::$variant => $sentence,)*
                }
            }

            /// Where it acts.
            pub const fn scope(self) -> FaultScope {
                match self {
                    $(Self::$variant => FaultScope::$scope,)*
                }
            }

            /// For an id: this many bad answers come before each good one. Zero: every answer is bad.
            pub const fn bad_in_a_row(self) -> u64 {
                match self {
                    $(Self::$variant => $bad,)*
                }
            }
        }
    };
}

// Among names that share a beginning, the longest comes first.
faults! {
    Html200 = "html-200", Content, 0, "Answers the content request 200 with an HTML page.";
    Json200 = "json-200", Content, 0, "Answers the content request 200 with the vendor's JSON error.";
    Empty200 = "empty-200", Content, 0, "Answers the content request 200 with no bytes.";
    Flip = "flip", Content, 0, "Sends the right length with one bit changed.";
    CutDeclared = "cut-declared", Content, 1, "Closes half-way to the declared Content-Length.";
    CutUndeclared = "cut-undeclared", Content, 1, "Closes a body of unknown length half-way.";
    CutChunked = "cut-chunked", Content, 1, "Ends chunked encoding half-way, without the terminator.";
    Reset = "reset", Content, 1, "Resets the connection half-way.";
    Over = "over", Content, 0, "Sends 64 MiB more than declared.";
    LieLength = "lie-length", Resolve, 0, "Describes seven bytes more than the content has.";
    Bomb = "bomb", Content, 0, "Sends 64 MiB of zeros in 64 KiB, under Content-Encoding: gzip.";
    WrongType = "wrong-type", Content, 0, "Sends a Content-Type that differs from the declared type.";
    NoDigest = "no-digest", Resolve, 0, "Describes the media without a digest.";
    BadDigestText = "bad-digest-text", Resolve, 0, "Describes the media with a digest of 31 bytes.";
    Stall = "stall", Content, 1, "Stops half-way without closing.";
    Drip = "drip", Content, 0, "Sends one byte a second.";
    Silent = "silent", Any, 0, "Accepts the request and never answers.";
    S503 = "s503", Any, 2, "Answers 503 with Retry-After.";
    R429 = "r429", Any, 1, "Answers 429 with Retry-After: seconds; `-date` in the id makes it a date, `-long` an hour.";
    S5xxForever = "s5xx-forever", Any, 0, "Answers 500 always.";
    SlowBig = "slow-big", Content, 0, "Sends 8 MiB at 64 KiB a second: healthy, and two minutes long.";
    ExpiredMid = "expired-mid", Content, 1, "The first link dies half-way and stays dead; the next link is good.";
    Expired = "expired", Content, 1, "The first link is dead; the next link is good. `expired-410-1` chooses the status.";
    Gone = "gone", Resolve, 0, "Does not know the id.";
    Early = "early", Content, 1, "The bytes are not there yet: 404 at first.";
    RangeIgnored = "range-ignored", Content, 1, "Cuts the body once, then answers 200 with everything to a range request.";
    RangeWrong = "range-wrong", Content, 1, "Cuts the body once, then answers 206 from another start; `-total` lies about the total.";
    RangeChanged = "range-changed", Content, 1, "Cuts the body once, then answers 206 with the bytes and ETag of another object.";
    RangeNotSatisfiable = "416", Content, 1, "Cuts the body once, then refuses the range.";
    ForeignHost = "foreign-host", Resolve, 0, "Describes a link to a host outside the credential's set.";
    Lookalike = "lookalike", Resolve, 0, "Describes a link whose user-info looks like the right host.";
    RedirectPrivate = "redirect-private", Content, 0, "Redirects the content to an address that must not be contacted.";
    RedirectLoop = "redirect-loop", Content, 0, "Redirects the content request to itself.";
    Redirect = "redirect", Content, 0, "Redirects the content to another host, which has it.";
    Downgrade = "downgrade", Content, 0, "Redirects to plain http on a host that is not loopback.";
    Traversal = "traversal", Content, 0, "Names the file `../../x` in Content-Disposition.";
    HeaderFlood = "header-flood", Any, 0, "Answers with five thousand headers, a megabyte of them.";
    HugeJson = "huge-json", Resolve, 0, "Answers the description with 500 MB of JSON.";
    DeepJson = "deep-json", Resolve, 0, "Answers the description with 100,000 nested arrays.";
}

impl Fault {
    /// The fault of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|fault| fault.name() == name)
    }

    pub(crate) fn is_about_ranges(self) -> bool {
        matches!(self, Self::RangeIgnored | Self::RangeWrong | Self::RangeChanged | Self::RangeNotSatisfiable)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(name: &str) -> Result<Self, UnknownFault> {
        Self::from_name(name).ok_or_else(|| UnknownFault(name.to_owned()))
    }
}

/// A fault that an id selects, with the options in the rest of the id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FaultSelector<'a> {
    pub(crate) fault: Fault,
    /// What follows the name, for example `forever-1`.
    pub(crate) rest: &'a str,
}

impl<'a> FaultSelector<'a> {
    /// The fault that an id starts with.
    pub(crate) fn from_id(id: &'a str) -> Option<Self> {
        Fault::ALL.iter().copied().find_map(|fault| {
            let rest = id.strip_prefix(fault.name())?;
            (rest.is_empty() || rest.starts_with('-'))
                .then(|| FaultSelector { fault, rest: rest.trim_start_matches('-') })
        })
    }

    pub(crate) fn has(&self, word: &str) -> bool {
        self.rest.split('-').any(|have| have == word)
    }

    pub(crate) fn forever(&self) -> bool {
        self.fault.bad_in_a_row() == 0 || self.has("forever")
    }
}

/// A fault that acts on the current answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Active {
    pub(crate) fault: Fault,
    /// The status of a dead link, where it is not the vendor's own.
    pub(crate) status: Option<u16>,
    /// `r429`: a date rather than seconds.
    pub(crate) date: bool,
    /// `r429`: an hour rather than a second.
    pub(crate) long: bool,
    /// `range-wrong`: the total rather than the start.
    pub(crate) total: bool,
    /// Cut the body, so that a range request follows.
    pub(crate) cut: bool,
    /// The link is dead, whatever the fault does otherwise.
    pub(crate) dead: bool,
}

impl Active {
    pub(crate) fn new(fault: Fault, selector: Option<FaultSelector<'_>>) -> Self {
        let has = |word| selector.is_some_and(|selector| selector.has(word));
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

    pub(crate) fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_selects_the_fault_with_the_longest_name() {
        for fault in Fault::ALL.iter().copied() {
            let id = format!("{}-forever-1", fault.name());
            let selector = FaultSelector::from_id(&id).expect("every name selects");
            assert_eq!(selector.fault, fault);
            assert!(selector.forever());
            assert!(!fault.sentence().is_empty());
            assert_eq!(fault.to_string().parse(), Ok(fault));
        }
        assert!(FaultSelector::from_id("flipper").is_none());
        assert!(FaultSelector::from_id("1001").is_none());
    }
}
