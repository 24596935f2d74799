//! Rules of the engine that a simulation can break on purpose, one at a time, to see whether it notices.

#[cfg(feature = "simulation")]
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

macro_rules! mutations {
    ($($(#[doc = $what:literal])+ $name:ident,)+) => {
        /// What the engine does wrong, in the whole process.
        #[cfg_attr(not(feature = "simulation"), expect(unreachable_pub, reason = "only a simulation has it"))]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Mutation {
            $($(#[doc = $what])+ $name,)+
        }

        #[cfg(feature = "simulation")]
        impl Mutation {
            /// All mutations.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// What is wrong, in words.
            pub const fn what(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($what),+),)+
                }
            }
        }
    };
}

mutations! {
    /// Drops the last byte of a beginning that was held back.
    HeldByteLost,
    /// Delivers the first bytes before they are classified.
    DeliveredUnjudged,
    /// Takes a page for content.
    PageAccepted,
    /// Takes text for an image.
    TextAccepted,
    /// Writes small chunks behind the large one that follows.
    ChunksReordered,
    /// Keeps the bytes so far when everything comes again.
    WholeAppended,
    /// Keeps the stored bytes when the content begins again.
    RestartKeepsBytes,
    /// Keeps the hash when the content begins again.
    RestartKeepsHash,
    /// Takes an early end for the end.
    EarlyEndAccepted,
    /// Ignores bytes beyond the stated length.
    TrailingBytesIgnored,
    /// Forgets a total when a partial reply states none.
    TotalForgotten,
    /// Accepts a partial reply with another total.
    OtherTotalAccepted,
    /// Accepts a partial reply that begins elsewhere.
    OtherOffsetAccepted,
    /// Accepts a partial reply without the validator that was sent.
    ValidatorNotRequired,
    /// Accepts a partial reply with another validator.
    OtherValidatorAccepted,
    /// Resumes without a validator and without a digest.
    ResumedUnchecked,
    /// Joins bytes by a digest that is only recorded.
    JoinedByRecordedDigest,
    /// Keeps the bytes so far when a new link leads to other content.
    JoinedAcrossLinks,
    /// Never resolves again.
    NeverRenews,
    /// Resolves again without end.
    RenewsForever,
    /// Never retries.
    NeverRetries,
    /// Retries without end.
    RetriesForever,
    /// Retries a final error.
    FinalErrorRetried,
    /// Has no deadline.
    DeadlineIgnored,
    /// Has no limit for the size.
    LimitIgnored,
    /// Checks no digest.
    DigestIgnored,
    /// Does not check the digest of the caller.
    CallerDigestIgnored,
    /// Does not check the digest of a signed webhook.
    WebhookDigestIgnored,
    /// Checks no size.
    SizeIgnored,
    /// Lets the reply's size override that of the caller.
    ReplyOverridesCaller,
    /// Says that content was verified that has a recorded mismatch.
    MismatchCalledVerified,
    /// Makes content visible before it is verified.
    CommitsUnverified,
    /// Renames over a file that exists.
    RenamesOver,
    /// Does not look whether the target exists.
    ExistingIgnored,
    /// Keeps a file without checking it.
    KeptUnchecked,
    /// Adopts the partial file of another target.
    OtherPartialAdopted,
    /// Follows a link in place of a partial file.
    LinkFollowed,
    /// Writes a partial file that another run is writing.
    LockIgnored,
    /// Leaves the temporary file behind.
    TemporaryFileLeft,
    /// Does not remove what killed runs left in a folder.
    StaleFilesLeft,
    /// Quarantines under the final name.
    QuarantinedInPlace,
    /// Forgets what a folder has.
    ManifestIgnored,
    /// Believes the record of a file that never got its name.
    UnfinishedRecordBelieved,
    /// Shows the link in an error.
    LinkShown,
}

#[cfg(feature = "simulation")]
static ACTIVE: AtomicU8 = AtomicU8::new(u8::MAX);

#[cfg(feature = "simulation")]
impl Mutation {
    /// Breaks this rule and no other from now on, in the whole process; `None` for none.
    pub fn activate(mutation: Option<Self>) {
        ACTIVE.store(mutation.map_or(u8::MAX, |mutation| mutation as u8), Relaxed);
    }
}

/// Whether the simulation breaks this rule. Without the feature `simulation`, never.
pub(crate) fn breaks(mutation: Mutation) -> bool {
    #[cfg(feature = "simulation")]
    return ACTIVE.load(Relaxed) == mutation as u8;
    #[cfg(not(feature = "simulation"))]
    {
        let _ = mutation;
        false
    }
}
