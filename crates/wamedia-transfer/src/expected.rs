//! What the content must be, by everybody's word, and whether it is that.

use wamedia_core::{Declared, DeclaredBy, Error, ErrorKind, MediaDescriptor, Phase, Result, Sha256};

use crate::{Difference, TransferOptions};

/// What the content must be, and who said so.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    pub(crate) sha256: Option<(Sha256, DeclaredBy)>,
    pub(crate) size: Option<(u64, DeclaredBy)>,
    pub(crate) declared: Declared,
    pub(crate) differences: Vec<Difference>,
}

impl Expected {
    /// Everybody's word together: the caller before the provider before the webhook.
    pub(crate) fn new(options: &TransferOptions, descriptor: &MediaDescriptor) -> Self {
        let (webhook, provider) = (&descriptor.media.declared, &descriptor.declared);
        let mut differences = Vec::new();
        if let (Some(webhook), Some(provider)) = (webhook.sha256, provider.sha256)
            && webhook != provider
        {
            differences.push(Difference::Disagreement { webhook, provider });
        }
        let mut declared = provider.clone().or(webhook);
        let by = |caller: bool, provider: bool| match (caller, provider) {
            (true, _) => DeclaredBy::Caller,
            (false, true) => DeclaredBy::Provider,
            (false, false) => DeclaredBy::Webhook,
        };
        let sha256 = options.sha256.or(declared.sha256);
        let sha256 = sha256.map(|digest| (digest, by(options.sha256.is_some(), provider.sha256.is_some())));
        let size = options.size_bytes.or(declared.size_bytes);
        let size = size.map(|size| (size, by(options.size_bytes.is_some(), provider.size_bytes.is_some())));
        if sha256.is_none() {
            differences.extend(declared.unusable_sha256.clone().map(Difference::UnusableDigest));
        }
        declared.sha256 = sha256.map(|(digest, _)| digest);
        declared.size_bytes = size.map(|(size, _)| size);
        // The sender's name for the file is better than any name that a provider makes up.
        declared.name = webhook.name.clone().or(declared.name);
        Self { sha256, size, declared, differences }
    }

    /// How many bytes may come in before the content is certainly too long.
    ///
    /// A reply that states another length than was declared is believed within reason where a digest
    /// will tell; otherwise it is wrong at once.
    pub(crate) fn limit(&self, whole: Option<u64>) -> Result<Option<u64>> {
        let Some((declared, _)) = self.size else { return Ok(None) };
        match whole {
            Some(whole) if whole > declared => {
                let within_reason = whole <= declared.saturating_mul(2).saturating_add(64 * 1024);
                if self.sha256.is_some() && within_reason {
                    Ok(Some(whole))
                } else {
                    Err(too_long(whole, declared))
                }
            }
            _ => Ok(Some(declared)),
        }
    }

    /// Compares the finished content with what was declared.
    pub(crate) fn compare(&mut self, taken: u64, digest: Sha256) -> Result<()> {
        let integrity =
            |message: String| Err(Error::new(ErrorKind::Integrity, message).with_phase(Phase::Verify));
        let size = self.size.filter(|(size, _)| *size != taken).map(|(size, _)| size);
        match self.sha256 {
            Some((want, _)) if want == digest => {
                if let Some(declared) = size {
                    self.differences.push(Difference::Size { declared, actual: taken });
                }
                return Ok(());
            }
            Some((want, _)) => {
                self.differences.push(Difference::Digest { declared: want, actual: digest });
                let length = size
                    .map_or_else(String::new, |size| format!(", and {taken} bytes came instead of {size}"));
                return integrity(format!("the content hashes to {digest}, declared was {want}{length}"));
            }
            None => {}
        }
        if let Some(declared) = size {
            self.differences.push(Difference::Size { declared, actual: taken });
            return integrity(format!("{taken} bytes came, {declared} were declared"));
        }
        if taken == 0 && self.size.is_none() {
            return integrity("the answer was empty, and no size of zero was declared".to_owned());
        }
        Ok(())
    }
}

pub(crate) fn too_long(size: u64, declared: u64) -> Error {
    Error::new(ErrorKind::Integrity, format!("at least {size} bytes come, {declared} were declared"))
        .with_phase(Phase::Body)
}
