//! What the content must be, and whose statement binds.
//!
//! | stated by | digest | size |
//! |---|---|---|
//! | the caller | binds | binds |
//! | a signed webhook | binds | binds |
//! | the provider's reply | binds | binds where no digest is known |
//! | an unsigned webhook | binds where nobody above states one | the same |

use wamedia_core::{ContentMetadata, DeclaredBy, Error, ErrorKind, MediaDescriptor, Phase, Result, Sha256};

use crate::{Difference, TransferOptions, Verified};

/// What the content must be, and who said so.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    /// The digests that bind, the strongest first; the content must have each of them.
    digests: Vec<(Sha256, DeclaredBy)>,
    /// The sizes that bind, the strongest first.
    sizes: Vec<(u64, DeclaredBy)>,
    /// A size that was stated and does not bind, because a digest decides.
    unbinding_size: Option<u64>,
    /// All statements together, for the receipt and for the provider.
    pub(crate) declared: ContentMetadata,
    pub(crate) differences: Vec<Difference>,
}

impl Expected {
    /// Takes the statements of the caller, the webhook and the provider together.
    pub(crate) fn new(options: &TransferOptions, descriptor: &MediaDescriptor) -> Self {
        let (webhook, provider) = (&descriptor.media.declared, &descriptor.declared);
        let is_signed = descriptor.media.signed;
        let caller = DeclaredBy::Caller;
        let mut digests: Vec<_> = options.sha256.map(|digest| (digest, caller)).into_iter().collect();
        let mut sizes: Vec<_> = options.size_bytes.map(|size| (size, caller)).into_iter().collect();
        if is_signed {
            digests.extend(webhook.sha256.map(|digest| (digest, DeclaredBy::Webhook)));
            sizes.extend(webhook.size_bytes.map(|size| (size, DeclaredBy::Webhook)));
        }
        digests.extend(provider.sha256.map(|digest| (digest, DeclaredBy::Provider)));
        if digests.is_empty() {
            digests.extend(webhook.sha256.map(|digest| (digest, DeclaredBy::Webhook)));
        }
        let weak_size = provider.size_bytes.map(|size| (size, DeclaredBy::Provider));
        let weak_size = weak_size.or(webhook.size_bytes.map(|size| (size, DeclaredBy::Webhook)));
        let mut unbinding_size = None;
        if digests.is_empty() {
            sizes.extend(weak_size);
        } else {
            unbinding_size = weak_size.map(|(size, _)| size);
        }
        let mut differences = Vec::new();
        if let (Some(webhook), Some(provider)) = (webhook.sha256, provider.sha256)
            && webhook != provider
        {
            differences.push(Difference::Disagreement { webhook, provider });
        }
        let mut declared = provider.clone().or(webhook);
        if digests.is_empty() {
            differences.extend(declared.unusable_sha256.clone().map(Difference::UnusableDigest));
        }
        declared.sha256 = digests.first().map(|(digest, _)| *digest);
        declared.size_bytes = sizes.first().map(|(size, _)| *size).or(unbinding_size);
        // The sender's name for the file is better than any name that a provider makes up.
        declared.name = webhook.name.clone().or(declared.name);
        Self { digests, sizes, unbinding_size, declared, differences }
    }

    /// Whether a digest will check the whole content.
    pub(crate) fn has_digest(&self) -> bool {
        !self.digests.is_empty()
    }

    /// Whether the content has every digest that binds.
    pub(crate) fn is_matched_by(&self, digest: Sha256) -> bool {
        self.has_digest() && self.digests.iter().all(|(want, _)| *want == digest)
    }

    /// The size for progress and for the first look at limits.
    pub(crate) fn stated_size(&self) -> Option<u64> {
        self.declared.size_bytes
    }

    /// Whether both speak of the same content.
    pub(crate) fn is_same_content(&self, other: &Self) -> bool {
        self.declared.sha256 == other.declared.sha256 && self.declared.size_bytes == other.declared.size_bytes
    }

    /// Statements that no content can satisfy together, before a byte is fetched.
    pub(crate) fn contradiction(&self) -> Option<Error> {
        let digests = self.digests.windows(2).find(|pair| pair[0].0 != pair[1].0).map(|pair| {
            let [(first, by), (second, other)] = [pair[0], pair[1]];
            format!("{} states the digest {first}, {} states {second}", said(by), said(other))
        });
        let sizes = self.sizes.windows(2).find(|pair| pair[0].0 != pair[1].0).map(|pair| {
            let [(first, by), (second, other)] = [pair[0], pair[1]];
            format!("{} states {first} bytes, {} states {second}", said(by), said(other))
        });
        // What a signed webhook states is not corrected by the provider's reply.
        let signed = self.sizes.iter().find(|(_, by)| *by == DeclaredBy::Webhook).and_then(|(size, _)| {
            let other = self.unbinding_size.filter(|other| other != size)?;
            Some(format!("the webhook states {size} bytes, the provider states {other}"))
        });
        digests
            .or(sizes)
            .or(signed)
            .map(|message| Error::new(ErrorKind::Integrity, message).with_phase(Phase::Head))
    }

    /// How many bytes may come in before the content is certainly too long.
    ///
    /// `whole` is the length that the reply states. Where a digest will tell, a stated length is believed
    /// within reason although the provider stated another.
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
    pub(crate) fn verify(&mut self, taken: u64, digest: Sha256) -> Result<()> {
        let mut problems = Vec::new();
        if let Some((want, _)) = self.digests.iter().find(|(want, _)| *want != digest) {
            self.differences.push(Difference::Digest { declared: *want, actual: digest });
            problems.push(format!("the content hashes to {digest}, declared was {want}"));
        }
        let wrong_size = self.sizes.iter().map(|(size, _)| *size).find(|size| *size != taken);
        let stated = wrong_size.or(self.unbinding_size.filter(|size| *size != taken));
        if let Some(declared) = stated {
            self.differences.push(Difference::Size { declared, actual: taken });
            if wrong_size.is_some() || !problems.is_empty() {
                problems.push(format!("{taken} bytes arrived, {declared} were declared"));
            }
        }
        if taken == 0 && self.digests.is_empty() && self.sizes.is_empty() {
            problems.push("the reply was empty, and no size of zero was declared".to_owned());
        }
        if problems.is_empty() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Integrity, problems.join("; ")).with_phase(Phase::Verify))
    }

    /// Who made the strongest statement.
    pub(crate) fn declared_by(&self) -> Option<DeclaredBy> {
        self.digests.first().map(|(_, by)| *by).or(self.sizes.first().map(|(_, by)| *by))
    }

    /// Forgets what the last verification found, before the content is read again.
    pub(crate) fn forget_mismatch(&mut self) {
        self.differences
            .retain(|difference| !matches!(difference, Difference::Digest { .. } | Difference::Size { .. }));
    }

    /// What content without a mismatch has been verified against.
    pub(crate) fn verified(&self) -> Verified {
        match (self.digests.first(), self.sizes.first()) {
            (Some((_, by)), _) => Verified::Digest(*by),
            (None, Some((_, by))) => Verified::Length(*by),
            (None, None) => Verified::None,
        }
    }
}

fn said(by: DeclaredBy) -> &'static str {
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
    fn nothing_is_only_content_where_it_was_declared() {
        let empty = Sha256::of(b"");
        assert!(expected(&NONE, NONE, false, NONE).verify(0, empty).is_err());
        assert!(expected(&NONE, NONE, false, sized(0)).verify(0, empty).is_ok());
        assert!(
            expected(&NONE, NONE, false, ContentMetadata::EMPTY.with_sha256(empty)).verify(0, empty).is_ok()
        );
    }
}
