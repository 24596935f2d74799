//! Webhook signatures: the one place that computes and compares them.

use hmac::{Hmac, KeyInit as _, Mac as _};

use wamedia_core::{Authenticity, Secret};

/// Checks an HMAC-SHA256 over the raw body against a header value in hex, in constant time.
///
/// `prefix` is what the vendor writes before the digits (`"sha256="`); with `prefix_optional` the
/// digits alone are accepted as well. Hex digits of either case are accepted. Several secrets may
/// be valid at once, for rotation. Without any secret the answer is [`Authenticity::NotConfigured`],
/// never [`Authenticity::Verified`]; a blank one is none, since anybody can sign with it.
pub fn verify_hmac_sha256(
    secrets: &[Secret],
    body: &[u8],
    header: Option<&str>,
    prefix: &str,
    prefix_optional: bool,
) -> Authenticity {
    if secrets.iter().all(Secret::is_blank) {
        return Authenticity::NotConfigured;
    }
    let Some(header) = header else {
        return Authenticity::MissingSignature;
    };
    let digits = match header.trim().strip_prefix(prefix) {
        Some(digits) => digits,
        None if prefix_optional => header.trim(),
        None => return Authenticity::Invalid("the signature header lacks its prefix"),
    };
    let Ok(given) = wamedia_core::Sha256::from_hex(digits) else {
        return Authenticity::Invalid("the signature header is not 64 hex digits");
    };
    let mut verified = false;
    for secret in secrets.iter().filter(|secret| !secret.is_blank()) {
        // Every secret is tried, so that the time does not tell which one fits.
        verified |= hmac_sha256(secret, body).verify_slice(given.as_bytes()).is_ok();
    }
    if verified {
        Authenticity::Verified
    } else {
        Authenticity::Invalid("the signature does not match the body")
    }
}

/// HMAC-SHA256 in lower-case hex.
pub fn hmac_sha256_hex(secret: &Secret, message: &[u8]) -> String {
    wamedia_core::Sha256::from_bytes(hmac_sha256(secret, message).finalize().into_bytes().into()).to_hex()
}

/// Compares two byte strings in constant time, up to their lengths.
///
/// Both sides are keyed and hashed first, so the comparison itself tells nothing about where they differ.
pub fn constant_time_eq(left: &[u8], right: &[u8]) -> bool {
    let key = Secret::new("wamedia constant time comparison");
    let right = hmac_sha256(&key, right).finalize().into_bytes();
    hmac_sha256(&key, left).verify(&right).is_ok()
}

fn hmac_sha256(secret: &Secret, message: &[u8]) -> Hmac<sha2::Sha256> {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.expose().as_bytes())
        .unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"));
    mac.update(message);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"hello":"world"}"#;
    const HEX: &str = "84cc33df716ed0b0598f07437c94069ace3730358778a592bd6bbd1423d111f3";

    fn check(secrets: &[Secret], header: Option<&str>) -> Authenticity {
        verify_hmac_sha256(secrets, BODY, header, "sha256=", true)
    }

    #[test]
    fn any_of_several_secrets_verifies() {
        let secrets = [Secret::new("old"), Secret::new("test-secret")];
        assert_eq!(check(&secrets, Some(HEX)), Authenticity::Verified);
        assert_eq!(check(&secrets, Some(&format!("sha256={}", HEX.to_uppercase()))), Authenticity::Verified);
    }

    #[test]
    fn wrong_shapes_are_invalid_and_do_not_panic() {
        let secrets = [Secret::new("test-secret")];
        for header in ["", "sha1=00", &HEX[1..], &format!("{HEX}0"), "sha256=zz", "\u{e9}"] {
            assert!(matches!(check(&secrets, Some(header)), Authenticity::Invalid(_)), "{header}");
        }
        assert_eq!(check(&secrets, None), Authenticity::MissingSignature);
        assert_eq!(check(&[], Some(HEX)), Authenticity::NotConfigured);
        let with_nothing = hmac_sha256_hex(&Secret::new(""), BODY);
        assert_eq!(check(&[Secret::new("")], Some(&with_nothing)), Authenticity::NotConfigured);
        let secrets = [Secret::new(""), Secret::new("test-secret")];
        assert!(matches!(check(&secrets, Some(&with_nothing)), Authenticity::Invalid(_)));
    }

    #[test]
    fn comparison_is_of_the_whole_text() {
        assert!(constant_time_eq(b"abc", b"abc"));
        assert!(!constant_time_eq(b"abc", b"abcd"));
        assert!(!constant_time_eq(b"", b"a"));
    }

    #[test]
    fn the_prefix_may_be_missing_only_where_the_vendor_says_so() {
        let secrets = [Secret::new("app-secret")];
        let digits = hmac_sha256_hex(&secrets[0], BODY);
        let prefixed = format!("sha256={digits}");
        let check = |header: &str, is_optional| {
            verify_hmac_sha256(&secrets, BODY, Some(header), "sha256=", is_optional) == Authenticity::Verified
        };
        assert!(check(&prefixed, false) && check(&prefixed, true) && check(&digits, true));
        assert!(!check(&digits, false));
        // Every secret that is configured counts.
        let rotated = [Secret::new("new"), Secret::new(" "), secrets[0].clone()];
        let outcome = verify_hmac_sha256(&rotated, BODY, Some(&prefixed), "sha256=", false);
        assert_eq!(outcome, Authenticity::Verified);
    }
}
