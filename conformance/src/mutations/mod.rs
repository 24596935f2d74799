//! Mutations of the client: the real provider with one mistake, each taken from real code. A suite that misses one
//! proves nothing; `requirements.json` names the mutations that each requirement must catch.

mod provider;
mod proxy;
mod run;
mod webhooks;
mod wire;

pub(crate) use provider::MutatedProvider;
pub(crate) use proxy::{Proxy, Tampering};
pub(crate) use run::on_request;
pub(crate) use webhooks::MutatedWebhooks;

/// One mutation to apply while the suite runs as usual.
pub(crate) const MUTATION: &str = "WAMEDIA_CONFORMANCE_MUTATION";

/// Defines the enum and the list of all its values.
macro_rules! mutations {
    ($($mutation:ident,)*) => {
        /// One mutation. Its name says what such a client does.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) enum Mutation {
            $($mutation,)*
        }

        /// Every mutation.
        pub(crate) const ALL: &[Mutation] = &[$(Mutation::$mutation,)*];
    };
}

mutations! {
    // What it may do.
    DoesTheUndeclared,
    FailsAlways,
    TakesAnySize,
    // What it makes of a descriptor.
    LosesTheType,
    TakesAnyId,
    LosesTheSize,
    LosesTheDigest,
    LosesParameters,
    ChokesOnUnknownFields,
    RewritesLinks,
    IgnoresVendorCodes,
    TakesEmptyDescriptors,
    PanicsOnGarbage,
    // How it reads content.
    LosesTheLastByte,
    ReadsOneChunk,
    SendsContentType,
    OpensTwice,
    ForgetsTheHead,
    TakesAnyStatus,
    ChecksNothing,
    EndsQuietly,
    OnlyRecordsMismatches,
    TakesPages,
    SaysVerified,
    WritesInPlace,
    AppendsOnRestart,
    // Links.
    NeverRenews,
    RenewsForEver,
    IgnoresExpiry,
    AllowsNoSkew,
    LosesExpiry,
    RenewsRejectedTokens,
    KeepsTheOldDescriptor,
    // Waits and attempts.
    IgnoresRetryAfter,
    WaitsOnlyForSeconds,
    TrustsNonsenseWaits,
    SleepsADay,
    NeverRetries,
    RetriesForEver,
    RetriesFinalAnswers,
    SignsOnce,
    RepeatsUploads,
    LiesInReceipts,
    // Ranges.
    NeverResumes,
    AppendsWholeToPart,
    IgnoresContentRange,
    ResumesWithoutValidator,
    GivesUpOnRangeErrors,
    TakesSeveralParts,
    SendsRangeAnyway,
    // Limits.
    HasNoCap,
    Inflates,
    BuffersAll,
    WaitsForEver,
    CutsSlowTransfers,
    IgnoresTheDeadline,
    IgnoresTheMinimumRate,
    ConnectsForEver,
    SwallowsHostileHeads,
    // Security.
    FollowsAnyHost,
    FollowsLookalikes,
    FollowsInside,
    FollowsDowngrades,
    FollowsForEver,
    SendsTheTokenInAHeader,
    SendsTheTokenInBase64,
    SendsTheTokenEverywhere,
    ChecksNoAddress,
    OpensForeignLinks,
    RetriesBadCertificates,
    ShowsLinksInErrors,
    LogsLinks,
    DependenciesLogLinks,
    KeepsNames,
    QuotesNothing,
    TakesProxies,
    // Uploads, deletions, lists.
    RenamesParts,
    GuessesLengths,
    TakesShortSources,
    TakesAnyType,
    CallsEarlyAnswersBroken,
    TakesNoId,
    SaysNothingOfTheEnd,
    SignsTheForm,
    DropsVendorText,
    CallsAnythingDeleted,
    CallsGoneDeleted,
    NeverRepeatsDeletions,
    ListsForEver,
    // Webhooks.
    MistakesKinds,
    KeepsOneItem,
    DropsTheRest,
    RefusesUnknownTypes,
    DropsFailedItems,
    LooksAtTheTopOnly,
    MakesUpIds,
    BelievesEverybody,
    PanicsOnDeliveries,
    CallsUnsignedVerified,
    BelievesNobody,
    WelcomesEverybody,
    // Errors.
    HasOneKind,
    CallsNetworkDecode,
    NamesNothing,
    TellsTooMuch,
    // Concurrency and logs.
    Detaches,
    MixesCalls,
    StopsAtOneFailure,
    ConnectsAnew,
    NeedsARuntime,
    OpensSpansTwice,
    LogsTwice,
}

impl Mutation {
    /// The name in `requirements.json`, which is that of the variant in kebab case.
    pub(crate) fn name(self) -> String {
        let mut name = String::new();
        for letter in format!("{self:?}").chars() {
            if letter.is_uppercase() && !name.is_empty() {
                name.push('-');
            }
            name.push(letter.to_ascii_lowercase());
        }
        name
    }

    pub(crate) fn find(name: &str) -> Option<Self> {
        ALL.iter().copied().find(|mutation| mutation.name() == name)
    }
}
