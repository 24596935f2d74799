//! What the content must be: declared metadata from the caller, the webhook and the provider, merged in one place.
//!
//! | declared by | digest | size |
//! |---|---|---|
//! | the caller | binds | binds |
//! | a signed webhook | binds | binds |
//! | the provider's reply | binds | binds where no digest is known |
//! | an unsigned webhook | binds where nobody above declares one | the same |

use wamedia_core::{
    ContentMetadata, DeclaredBy, Error, ErrorKind, MediaDescriptor, MediaHead, MediaRef, Phase, Result,
    Sha256, Source,
};

use crate::{Difference, OnMismatch, Require, TransferOptions, Verified};

/// What the content must be, and who declared it.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    /// The digests that bind, the strongest first; the content must have each of them.
    digests: Vec<(Sha256, DeclaredBy)>,
    /// The sizes that bind, the strongest first.
    sizes: Vec<(u64, DeclaredBy)>,
    /// A declared size that does not bind, because a digest decides.
    unbinding_size: Option<u64>,
    /// All declared metadata merged, for the receipt and for the provider.
    pub(crate) declared: ContentMetadata,
    pub(crate) differences: Vec<Difference>,
}

impl Expected {
    /// Merges what the caller, the webhook and the provider declare.
    pub(crate) fn new(options: &TransferOptions, descriptor: &MediaDescriptor) -> Self {
        let (webhook, provider) = (&descriptor.media.declared, &descriptor.declared);
        let (digests, sizes, unbinding_size) = binding(options, descriptor);
        let mut differences = Vec::new();
        if let (Some(webhook), Some(provider)) = (webhook.sha256, provider.sha256)
            && webhook != provider
        {
            differences.push(Difference::Disagreement { webhook, provider });
        }
        let mut declared = merged(webhook, descriptor.media.signed, provider);
        if digests.is_empty() {
            differences.extend(declared.unusable_sha256.clone().map(Difference::UnusableDigest));
        }
        declared.sha256 = digests.first().map(|(digest, _)| *digest);
        declared.size_bytes = sizes.first().map(|(size, _)| *size).or(unbinding_size);
        Self { digests, sizes, unbinding_size, declared, differences }
    }

    /// What is known before the first request, to check content that is stored already. Where mismatches are only
    /// recorded, the caller alone binds.
    pub(crate) fn before_requests(options: &TransferOptions, media: &MediaRef) -> Self {
        let mut media = media.clone();
        if options.on_mismatch == OnMismatch::Record {
            media.declared = ContentMetadata::EMPTY;
        }
        Self::new(options, &MediaDescriptor::new(media, Source::Direct))
    }

    /// Adds the file name from the response headers, which counts where nobody else declared one.
    pub(crate) fn add_headers(&mut self, head: &MediaHead) {
        if self.declared.name.is_none() {
            self.declared.name.clone_from(&head.name);
        }
    }

    /// Whether any digest or size binds.
    pub(crate) fn is_binding(&self) -> bool {
        !self.digests.is_empty() || !self.sizes.is_empty()
    }

    /// Whether a digest will check the whole content.
    pub(crate) fn has_digest(&self) -> bool {
        !self.digests.is_empty()
    }

    /// Whether the content has every digest that binds.
    pub(crate) fn is_matched_by(&self, digest: Sha256) -> bool {
        self.has_digest() && self.digests.iter().all(|(want, _)| *want == digest)
    }

    /// The declared size, for progress and for the first check of the limits.
    pub(crate) fn stated_size(&self) -> Option<u64> {
        self.declared.size_bytes
    }

    /// Whether both describe the same content.
    pub(crate) fn is_same_content(&self, other: &Self) -> bool {
        self.declared.sha256 == other.declared.sha256 && self.declared.size_bytes == other.declared.size_bytes
    }

    /// The error for statements that no content can satisfy together, before a byte is fetched.
    pub(crate) fn contradiction(&self) -> Option<Error> {
        let digests = self.digests.windows(2).find(|pair| pair[0].0 != pair[1].0).map(|pair| {
            let [(first, by), (second, other)] = [pair[0], pair[1]];
            format!("{} states the digest {first}, {} states {second}", party(by), party(other))
        });
        let sizes = self.sizes.windows(2).find(|pair| pair[0].0 != pair[1].0).map(|pair| {
            let [(first, by), (second, other)] = [pair[0], pair[1]];
            format!("{} states {first} bytes, {} states {second}", party(by), party(other))
        });
        // The provider's reply does not correct a signed webhook.
        let signed = self.sizes.iter().find(|(_, by)| *by == DeclaredBy::Webhook).and_then(|(size, _)| {
            let other = self.unbinding_size.filter(|other| other != size)?;
            Some(format!("the webhook states {size} bytes, the provider states {other}"))
        });
        digests
            .or(sizes)
            .or(signed)
            .map(|message| Error::new(ErrorKind::Integrity, message).with_phase(Phase::Head))
    }

    /// How many bytes may arrive before the content is certainly too long.
    ///
    /// `whole` is the size in the response headers. Where a digest decides, that size may be up to about twice the one
    /// that the provider declared.
    pub(crate) fn limit(&self, whole: Option<u64>) -> Result<u64> {
        if let Some(size) = self.sizes.iter().map(|(size, _)| *size).min() {
            return match whole {
                Some(whole) if whole > size => Err(too_long(whole, size)),
                _ => Ok(size),
            };
        }
        let Some(size) = self.unbinding_size else { return Ok(u64::MAX) };
        let within_reason = size.saturating_mul(2).saturating_add(64 * 1024);
        match whole {
            Some(whole) if whole > within_reason => Err(too_long(whole, size)),
            _ => Ok(within_reason),
        }
    }

    /// Compares the finished content with what was declared.
    pub(crate) fn verify(&mut self, actual: u64, digest: Sha256) -> Result<()> {
        let mut problems = Vec::new();
        if let Some((want, _)) = self.digests.iter().find(|(want, _)| *want != digest) {
            self.differences.push(Difference::Digest { declared: *want, actual: digest });
            problems.push(format!("the content hashes to {digest}, declared was {want}"));
        }
        let wrong_size = self.sizes.iter().map(|(size, _)| *size).find(|size| *size != actual);
        let stated = wrong_size.or(self.unbinding_size.filter(|size| *size != actual));
        if let Some(declared) = stated {
            self.differences.push(Difference::Size { declared, actual });
            if wrong_size.is_some() || !problems.is_empty() {
                problems.push(format!("{actual} bytes arrived, {declared} were declared"));
            }
        }
        if actual == 0 && self.digests.is_empty() && self.sizes.is_empty() {
            problems.push("the reply was empty, and no size of zero was declared".to_owned());
        }
        if problems.is_empty() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Integrity, problems.join("; ")).with_phase(Phase::Verify))
    }

    /// The error for content that nothing binds as strongly as the options require, before a byte is fetched.
    pub(crate) fn lack(&self, require: Require) -> Option<Error> {
        let what = match (require, self.verified()) {
            (Require::Nothing, _) | (_, Verified::Digest(_)) | (Require::Length, Verified::Length(_)) => {
                return None;
            }
            (Require::Length, _) => "neither a digest nor a size",
            (Require::Digest, _) => "no digest",
        };
        let message = format!("{what} is declared to verify the content against, and one is required");
        Some(Error::new(ErrorKind::Integrity, message).with_phase(Phase::Head).with_hint(
            "hand over what the webhook declared (a line of `inbound --json`, or get --webhook), or require less \
             (--require)",
        ))
    }

    /// Who declared the strongest digest or size.
    pub(crate) fn declared_by(&self) -> Option<DeclaredBy> {
        self.digests.first().map(|(_, by)| *by).or(self.sizes.first().map(|(_, by)| *by))
    }

    /// Removes the differences of the last verification, before the content is read again.
    pub(crate) fn forget_mismatch(&mut self) {
        self.differences
            .retain(|difference| !matches!(difference, Difference::Digest { .. } | Difference::Size { .. }));
    }

    /// What the content was verified against, if there was no mismatch.
    pub(crate) fn verified(&self) -> Verified {
        match (self.digests.first(), self.sizes.first()) {
            (Some((_, by)), _) => Verified::Digest(*by),
            (None, Some((_, by))) => Verified::Length(*by),
            (None, None) => Verified::None,
        }
    }
}

type Digests = Vec<(Sha256, DeclaredBy)>;
type Sizes = Vec<(u64, DeclaredBy)>;

/// The digests and sizes that bind, by the table above, and a size that does not.
fn binding(options: &TransferOptions, descriptor: &MediaDescriptor) -> (Digests, Sizes, Option<u64>) {
    use DeclaredBy::{Caller, Provider, Webhook};
    let (webhook, provider) = (&descriptor.media.declared, &descriptor.declared);
    let mut digests: Digests = options.sha256.map(|digest| (digest, Caller)).into_iter().collect();
    let mut sizes: Sizes = options.size_bytes.map(|size| (size, Caller)).into_iter().collect();
    if descriptor.media.signed {
        digests.extend(webhook.sha256.map(|digest| (digest, Webhook)));
        sizes.extend(webhook.size_bytes.map(|size| (size, Webhook)));
    }
    digests.extend(provider.sha256.map(|digest| (digest, Provider)));
    if digests.is_empty() {
        digests.extend(webhook.sha256.map(|digest| (digest, Webhook)));
    }
    let weak = provider.size_bytes.map(|size| (size, Provider));
    let weak = weak.or(webhook.size_bytes.map(|size| (size, Webhook)));
    if digests.is_empty() {
        sizes.extend(weak);
        return (digests, sizes, None);
    }
    (digests, sizes, weak.map(|(size, _)| size))
}

/// Declared metadata by rank: a signed webhook, the provider's reply, an unsigned webhook.
fn merged(webhook: &ContentMetadata, is_signed: bool, provider: &ContentMetadata) -> ContentMetadata {
    let mut declared = if is_signed { webhook.clone().or(provider) } else { provider.clone().or(webhook) };
    // The sender's name for the file is better than any name that a provider makes up.
    declared.name = webhook.name.clone().or(declared.name);
    declared
}

fn party(by: DeclaredBy) -> &'static str {
    match by {
        DeclaredBy::Caller => "the caller",
        DeclaredBy::Webhook => "the webhook",
        _ => "the provider",
    }
}

pub(crate) fn too_long(size: u64, declared: u64) -> Error {
    Error::new(ErrorKind::Integrity, format!("at least {size} bytes arrive, {declared} were declared"))
        .with_phase(Phase::Body)
}

#[cfg(test)]
mod tests {
    use wamedia_core::{MediaId, MediaRef, Source};

    use super::*;

    fn digest(number: u8) -> Sha256 {
        Sha256::from_bytes([number; 32])
    }

    fn expected(
        caller: &ContentMetadata,
        webhook: ContentMetadata,
        is_signed: bool,
        provider: ContentMetadata,
    ) -> Expected {
        let media = MediaRef::new("test", MediaId::new("1").unwrap()).with_declared(webhook);
        let descriptor =
            MediaDescriptor::new(media.with_signed(is_signed), Source::Direct).with_declared(provider);
        let mut options = TransferOptions::default();
        (options.sha256, options.size_bytes) = (caller.sha256, caller.size_bytes);
        Expected::new(&options, &descriptor)
    }

    fn sized(size: u64) -> ContentMetadata {
        ContentMetadata::EMPTY.with_size_bytes(size)
    }

    fn hashed(number: u8) -> ContentMetadata {
        ContentMetadata::EMPTY.with_sha256(digest(number))
    }

    const NONE: ContentMetadata = ContentMetadata::EMPTY;

    #[test]
    fn what_the_caller_demands_binds_whatever_others_say() {
        let mut by_size = expected(&sized(5), NONE, false, hashed(1).with_size_bytes(6));
        assert!(by_size.contradiction().is_none(), "vendors state wrong lengths");
        assert_eq!(by_size.verify(6, digest(1)).unwrap_err().kind(), ErrorKind::Integrity);
        assert!(by_size.limit(Some(6)).is_err() && by_size.limit(None).unwrap() == 5);
        let by_digest = expected(&hashed(1), NONE, false, hashed(2));
        assert_eq!(by_digest.contradiction().unwrap().kind(), ErrorKind::Integrity);
    }

    #[test]
    fn a_signed_webhook_and_the_reply_must_agree() {
        assert!(expected(&NONE, hashed(1), true, hashed(2)).contradiction().is_some());
        assert!(expected(&NONE, hashed(1).with_size_bytes(5), true, sized(6)).contradiction().is_some());
        assert!(expected(&NONE, hashed(1).with_size_bytes(5), true, sized(5)).contradiction().is_none());
        let mut signed = expected(&NONE, hashed(1).with_size_bytes(5), true, NONE);
        assert!(signed.verify(6, digest(1)).is_err());
        let unsigned = expected(&NONE, hashed(1), false, hashed(2));
        assert!(unsigned.contradiction().is_none());
        assert!(unsigned.is_matched_by(digest(2)) && unsigned.differences.len() == 1);
    }

    #[test]
    fn what_is_required_must_have_been_declared() {
        for (declared, lacks) in [
            (NONE, [false, true, true]),
            (sized(5), [false, false, true]),
            (hashed(1), [false, false, false]),
        ] {
            let expected = expected(&NONE, NONE, false, declared);
            let requires = [Require::Nothing, Require::Length, Require::Digest];
            assert_eq!(requires.map(|require| expected.lack(require).is_some()), lacks);
        }
    }

    #[test]
    fn a_weak_size_binds_only_without_a_digest() {
        let mut without = expected(&NONE, NONE, false, sized(5));
        assert_eq!(without.verified(), Verified::Length(DeclaredBy::Provider));
        assert!(without.verify(6, digest(1)).is_err());
        let mut with = expected(&NONE, sized(5), false, hashed(1));
        assert!(with.verify(6, digest(1)).is_ok());
        assert_eq!(with.differences, [Difference::Size { declared: 5, actual: 6 }]);
        assert_eq!(with.verified(), Verified::Digest(DeclaredBy::Provider));
    }

    #[test]
    fn metadata_of_a_signed_webhook_outranks_the_reply_and_that_of_an_unsigned_one_does_not() {
        let typed = |mime, name| NONE.with_mime_text(Some(mime)).with_name(name);
        let (webhook, reply) = (typed("image/jpeg", None), typed("image/png", Some("reply.png")));
        let declared = |is_signed| expected(&NONE, webhook.clone(), is_signed, reply.clone()).declared;
        assert_eq!(declared(true).mime, webhook.mime);
        assert_eq!(declared(false).mime, reply.mime);
        assert_eq!(declared(true).name.as_deref(), Some("reply.png"));
        let named = typed("image/jpeg", Some("sender.jpg"));
        assert_eq!(expected(&NONE, named, false, reply).declared.name.as_deref(), Some("sender.jpg"));
    }

    #[test]
    fn nothing_is_only_content_where_it_was_declared() {
        let empty = Sha256::of(b"");
        assert!(expected(&NONE, NONE, false, NONE).verify(0, empty).is_err());
        assert!(expected(&NONE, NONE, false, sized(0)).verify(0, empty).is_ok());
        assert!(
            expected(&NONE, NONE, false, ContentMetadata::EMPTY.with_sha256(empty)).verify(0, empty).is_ok()
        );
    }

    #[test]
    fn what_is_known_before_the_first_request_is_the_callers_alone_where_mismatches_are_recorded() {
        let media = MediaRef::new("test", MediaId::new("1").unwrap()).with_declared(hashed(1));
        let known = |on_mismatch| {
            let options = TransferOptions { on_mismatch, ..TransferOptions::default() };
            Expected::before_requests(&options, &media).declared.sha256
        };
        assert_eq!(known(OnMismatch::Reject), Some(digest(1)));
        assert_eq!(known(OnMismatch::Quarantine), Some(digest(1)));
        assert_eq!(known(OnMismatch::Record), None);
    }

    #[test]
    fn a_name_in_the_headers_counts_where_nobody_declared_one() {
        let mut head = MediaHead::default();
        head.name = Some("header.jpg".to_owned());
        let name = |declared: ContentMetadata| {
            let mut expected = expected(&NONE, declared, false, NONE);
            expected.add_headers(&head);
            expected.declared.name
        };
        assert_eq!(name(NONE).as_deref(), Some("header.jpg"));
        assert_eq!(name(NONE.with_name(Some("sender.jpg"))).as_deref(), Some("sender.jpg"));
    }

    #[test]
    fn each_statement_is_known_for_what_it_is() {
        let nothing = expected(&NONE, NONE, false, NONE);
        assert!(!nothing.is_binding() && !nothing.has_digest() && !nothing.is_matched_by(digest(1)));
        assert_eq!((nothing.stated_size(), nothing.declared_by()), (None, None));
        assert_eq!((nothing.verified(), nothing.limit(Some(u64::MAX)).unwrap()), (Verified::None, u64::MAX));
        let size = expected(&NONE, sized(5), false, NONE);
        assert!(size.is_binding() && !size.has_digest() && !size.is_matched_by(digest(1)));
        assert_eq!((size.stated_size(), size.declared_by()), (Some(5), Some(DeclaredBy::Webhook)));
        let hash = expected(&NONE, NONE, false, hashed(1).with_size_bytes(7));
        assert!(hash.is_binding() && hash.has_digest() && hash.is_matched_by(digest(1)));
        assert!(!hash.is_matched_by(digest(2)));
        assert_eq!((hash.stated_size(), hash.declared_by()), (Some(7), Some(DeclaredBy::Provider)));
        let caller = expected(&hashed(1).with_size_bytes(5), NONE, false, hashed(1));
        assert_eq!((caller.stated_size(), caller.declared_by()), (Some(5), Some(DeclaredBy::Caller)));
        let both = expected(&hashed(1), hashed(2), true, NONE);
        assert!(!both.is_matched_by(digest(1)) && !both.is_matched_by(digest(2)));
    }

    #[test]
    fn content_is_the_same_by_digest_and_size() {
        let base = || expected(&NONE, NONE, false, hashed(1).with_size_bytes(5));
        assert!(base().is_same_content(&base()));
        assert!(!base().is_same_content(&expected(&NONE, NONE, false, hashed(2).with_size_bytes(5))));
        assert!(!base().is_same_content(&expected(&NONE, NONE, false, hashed(1).with_size_bytes(6))));
    }

    #[test]
    fn sizes_of_the_caller_and_a_signed_webhook_must_agree() {
        let caller = |size| expected(&sized(size), sized(5), true, NONE).contradiction();
        assert!(caller(5).is_none());
        let message = caller(6).unwrap().message().to_owned();
        assert_eq!(message, "the caller states 6 bytes, the webhook states 5");
        let digests = expected(&hashed(1), hashed(2), true, NONE).contradiction().unwrap();
        assert!(digests.message().starts_with("the caller states the digest 0101"), "{digests}");
    }

    #[test]
    fn limits_are_exact() {
        let binding = expected(&NONE, NONE, false, sized(5));
        assert_eq!((binding.limit(None).unwrap(), binding.limit(Some(5)).unwrap()), (5, 5));
        let error = binding.limit(Some(6)).unwrap_err();
        assert_eq!((error.kind(), error.phase()), (ErrorKind::Integrity, Some(Phase::Body)));
        let weak = expected(&NONE, NONE, false, hashed(1).with_size_bytes(1000));
        let most = 2 * 1000 + 64 * 1024;
        assert_eq!((weak.limit(None).unwrap(), weak.limit(Some(most)).unwrap()), (most, most));
        assert!(weak.limit(Some(most + 1)).is_err());
    }

    #[test]
    fn differences_are_those_of_the_last_verification() {
        let mut wrong = expected(&NONE, NONE, false, hashed(1).with_size_bytes(5));
        let error = wrong.verify(6, digest(2)).unwrap_err();
        assert_eq!((error.kind(), error.phase()), (ErrorKind::Integrity, Some(Phase::Verify)));
        assert!(error.message().contains("6 bytes arrived, 5 were declared"), "{error}");
        let digests = Difference::Digest { declared: digest(1), actual: digest(2) };
        assert_eq!(wrong.differences, [digests, Difference::Size { declared: 5, actual: 6 }]);
        wrong.forget_mismatch();
        assert!(wrong.differences.is_empty());
        let mut unusable = expected(&NONE, NONE.with_sha256_text(Some("SfInY0gG")), false, NONE);
        unusable.forget_mismatch();
        assert_eq!(unusable.differences, [Difference::UnusableDigest("SfInY0gG".to_owned())]);
        let known = NONE.with_sha256_text(Some("SfInY0gG"));
        assert!(expected(&NONE, known, false, hashed(1)).differences.is_empty(), "another digest decides");
    }
}
