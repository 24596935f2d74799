//! The signature of requests and callbacks.
//!
//! Source: <https://github.com/nxtele/nxcloud-doc-en/wiki/API-Interface-Invocation-Convention>

use md5::{Digest as _, Md5};
use sha2::Sha256;
use wamedia_core::hex;

/// What is signed, besides the secret.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signed<'a> {
    pub(crate) access_key: &'a str,
    pub(crate) action: &'a str,
    pub(crate) biz_type: &'a str,
    pub(crate) ts: &'a str,
    /// The exact bytes of a JSON body; empty for multipart.
    pub(crate) body: &'a [u8],
}

impl Signed<'_> {
    /// The signature in lower-case hex. The text that is signed exists only inside the hash.
    pub(crate) fn sign(&self, secret: &str, sha256: bool) -> String {
        if sha256 {
            hex(&self.feed(Sha256::new(), secret).finalize())
        } else {
            hex(&self.feed(Md5::new(), secret).finalize())
        }
    }

    fn feed<D: md5::Digest>(&self, mut hash: D, secret: &str) -> D {
        let head = format!(
            "accessKey={}&action={}&bizType={}&ts={}",
            self.access_key, self.action, self.biz_type, self.ts
        );
        hash.update(head);
        if !self.body.is_empty() {
            hash.update(b"&body=");
            hash.update(self.body);
        }
        hash.update(b"&accessSecret=");
        hash.update(secret);
        hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPACT: &str = r#"{"business_phone":"86158xxxx1795","Media-ID":"fd81acff-eea8-4d9d-acc9-6c62904d6615","messaging_product":"whatsapp"}"#;
    const PRETTY: &str = "{\n    \"business_phone\": \"86158xxxx1795\",\n    \"Media-ID\": \"fd81acff-eea8-4d9d-acc9-6c62904d6615\",\n    \"messaging_product\": \"whatsapp\"\n}";

    fn sign(action: &str, biz_type: &str, body: &str, sha256: bool) -> String {
        let signed = Signed {
            access_key: "fme2na3kdi3ki",
            action,
            biz_type,
            ts: "1655710885431",
            body: body.as_bytes(),
        };
        signed.sign("abciiiko2k3", sha256)
    }

    /// V1 to V3 are printed in the vendor's documents; the others are computed by its rule.
    #[test]
    fn vectors_v1_to_v9() {
        for (action, biz_type, body, want) in [
            ("send", "1", r#"{"name":"牛小信","id":10001}"#, "87c3560d3331ae23f1021e2025722354"),
            ("send", "1", r#"{"id":10001,"name":"牛小信"}"#, "7750759da06333f20d0640be09355e34"),
            ("send", "1", r#"{"id": 10001, "name": "牛小信"}"#, "d0c24a9886c629330d7f3f2056c65bc2"),
            ("send", "1", "", "884afe159e39b6c88a0d6102ca97d704"),
            ("getMedia", "2", COMPACT, "f87f9554418e905a9f3078cfd318383a"),
            ("getMedia", "2", PRETTY, "fb14e2e9dc2a3c66b5d32a71d7d95e28"),
            ("deleteMedia", "2", COMPACT, "95c448b574e0482e88e22799f11b62ff"),
            ("uploadMedia", "2", "", "d2632e6b4cbea8587b36cb585e06a195"),
            ("uploadTemplateFile", "2", "", "b5fbec7995a4c611a72cddbd0667a9fe"),
        ] {
            assert_eq!(sign(action, biz_type, body, false), want, "{action} {body}");
        }
    }

    #[test]
    fn vectors_by_sha256() {
        for (action, biz_type, body, want) in [
            (
                "send",
                "1",
                r#"{"name":"牛小信","id":10001}"#,
                "e0eec2c99ef80f269a82795e2223f618ebfc0616c8b6c8c7d438021ec38ad0eb",
            ),
            ("getMedia", "2", COMPACT, "8ffa605ae412757f160d5b7325c91ac38683bdda73414b671e661d3421d99da5"),
            ("uploadMedia", "2", "", "7017ea722938caa1d454ac43ae05d9ffc736bb2ebf1e18563777927f3f54c389"),
        ] {
            assert_eq!(sign(action, biz_type, body, true), want, "{action} {body}");
        }
    }
}
