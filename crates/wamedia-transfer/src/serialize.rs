//! The serialised shape of receipts, by the rules of `wamedia_core::serialize` and under its version. Durations are in
//! milliseconds, under names that end with `_ms`.

use std::time::Duration;

use serde::ser::{Serialize, SerializeStruct as _, Serializer};
use wamedia_core::{ContentMetadata, DeclaredBy};

use crate::{Receipt, Verified};

#[derive(serde::Serialize)]
struct Declared<'a> {
    #[serde(flatten)]
    content: &'a ContentMetadata,
    source: Option<DeclaredBy>,
}

impl Serialize for Verified {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl Serialize for Receipt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let mut out = serializer.serialize_struct("Receipt", 13)?;
        out.serialize_field("bytes", &self.bytes)?;
        out.serialize_field("sha256", &self.sha256)?;
        out.serialize_field("verified", &self.verified)?;
        out.serialize_field("declared", &Declared { content: &self.declared, source: self.declared_by })?;
        out.serialize_field("sniffed_mime", &self.sniffed_mime)?;
        out.serialize_field("differences", &self.differences)?;
        out.serialize_field("attempts", &self.attempts)?;
        out.serialize_field("resumes", &self.resumes)?;
        out.serialize_field("renewals", &self.renewals)?;
        out.serialize_field("requests", &self.requests)?;
        out.serialize_field("received_bytes", &self.received_bytes)?;
        out.serialize_field("waited_ms", &ms(self.waited))?;
        out.serialize_field("elapsed_ms", &ms(self.elapsed))?;
        out.end()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{json, to_value};
    use wamedia_core::{Mime, Sha256};

    use super::*;
    use crate::Difference;

    #[test]
    fn a_receipt_says_what_came_and_what_it_was_verified_against() {
        let (foo, bar) = (Sha256::of(b"foo"), Sha256::of(b"bar"));
        let png = || Mime::parse("image/png").unwrap();
        let receipt = Receipt {
            bytes: 3,
            sha256: foo,
            verified: Verified::Digest(DeclaredBy::Webhook),
            declared: ContentMetadata::EMPTY.with_mime_text(Some("image/jpeg")).with_size_bytes(4),
            declared_by: Some(DeclaredBy::Webhook),
            sniffed_mime: Some(png()),
            differences: vec![
                Difference::Size { declared: 4, actual: 3 },
                Difference::Type { declared: Mime::parse("image/jpeg").unwrap(), actual: png() },
                Difference::Digest { declared: bar, actual: foo },
                Difference::UnusableDigest("cut off".to_owned()),
                Difference::Disagreement { webhook: bar, provider: foo },
            ],
            attempts: 2,
            resumes: 1,
            renewals: 0,
            requests: 4,
            received_bytes: 5,
            waited: Duration::from_millis(300),
            elapsed: Duration::from_millis(812),
        };
        let want = json!({
            "bytes": 3, "sha256": foo.to_hex(), "verified": "digest",
            "declared": {
                "mime": "image/jpeg", "size_bytes": 4, "sha256": null, "unusable_sha256": null, "name": null,
                "kind": null, "source": "webhook",
            },
            "sniffed_mime": "image/png",
            "differences": [
                { "size": { "declared": 4, "actual": 3 } },
                { "type": { "declared": "image/jpeg", "actual": "image/png" } },
                { "digest": { "declared": bar.to_hex(), "actual": foo.to_hex() } },
                { "unusable_digest": "cut off" },
                { "disagreement": { "webhook": bar.to_hex(), "provider": foo.to_hex() } },
            ],
            "attempts": 2, "resumes": 1, "renewals": 0, "requests": 4, "received_bytes": 5, "waited_ms": 300,
            "elapsed_ms": 812,
        });
        assert_eq!(to_value(&receipt).unwrap(), want);
    }
}
