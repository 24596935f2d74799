use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use sha2::Digest as _;

use crate::hex;

/// A SHA-256 digest.
///
/// Vendors write it in hex or in base64, and not always the same way in the same place, so it is
/// decoded by its shape: [`Sha256::parse`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sha256([u8; 32]);

/// The text is not a SHA-256 digest in any known spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DigestParseError;

impl fmt::Display for DigestParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a SHA-256 digest: expected 64 hex digits, or base64 of 32 bytes")
    }
}

impl std::error::Error for DigestParseError {}

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::URL_SAFE, LENIENT);

impl Sha256 {
    /// From the 32 bytes of a finished hash.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Hashes bytes that are in memory.
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// Decodes by shape: 64 hex digits of either case, else base64 (standard or URL-safe, padded
    /// or not) that gives exactly 32 bytes.
    pub fn parse(text: &str) -> Result<Self, DigestParseError> {
        let text = text.trim();
        if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Self::from_hex(text);
        }
        Self::from_base64(text)
    }

    /// Decodes 64 hex digits.
    pub fn from_hex(text: &str) -> Result<Self, DigestParseError> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return Err(DigestParseError);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let high = char::from(pair[0]).to_digit(16).ok_or(DigestParseError)?;
            let low = char::from(pair[1]).to_digit(16).ok_or(DigestParseError)?;
            *byte = u8::try_from(high * 16 + low).map_err(|_| DigestParseError)?;
        }
        Ok(Self(bytes))
    }

    /// Decodes base64 in the standard or the URL-safe alphabet, padded or not.
    pub fn from_base64(text: &str) -> Result<Self, DigestParseError> {
        // Longer text does not fit and is an error.
        let mut bytes = [0; 48];
        let length = STANDARD
            .decode_slice(text, &mut bytes)
            .or_else(|_| URL_SAFE.decode_slice(text, &mut bytes))
            .map_err(|_| DigestParseError)?;
        Ok(Self(bytes[..length].try_into().map_err(|_| DigestParseError)?))
    }

    /// The raw bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// 64 lower-case hex digits.
    pub fn to_hex(&self) -> String {
        hex(&self.0)
    }

    /// Standard base64 with padding.
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.0)
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sha256({self})")
    }
}

impl FromStr for Sha256 {
    type Err = DigestParseError;

    fn from_str(text: &str) -> Result<Self, DigestParseError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "d28d2954ff97ac68052c4beff8c84ad0960d1408540fc486256cdd7cd68dd1fe";
    const BASE64: &str = "0o0pVP+XrGgFLEvv+MhK0JYNFAhUD8SGJWzdfNaN0f4=";

    #[test]
    fn every_spelling_gives_the_same_value() {
        let want = Sha256::of(b"hello media");
        for text in [
            HEX,
            &HEX.to_uppercase(),
            BASE64,
            BASE64.trim_end_matches('='),
            &BASE64.replace('+', "-").replace('/', "_"),
            &BASE64.replace('+', "-").replace('/', "_").replace('=', ""),
        ] {
            assert_eq!(Sha256::parse(text), Ok(want), "{text}");
        }
        assert_eq!(want.to_base64(), BASE64);
        assert_eq!(want.to_hex(), HEX);
        assert_eq!((want.to_string(), format!("{want:?}")), (HEX.to_owned(), format!("Sha256({HEX})")));
        // Base64 that looks like hex digits.
        assert_eq!(Sha256::parse(&"A".repeat(43)), Ok(Sha256::from_bytes([0; 32])));
    }

    #[test]
    fn other_shapes_are_no_digest() {
        let longer = ["z".repeat(64), "A".repeat(68), "A".repeat(1 << 20)];
        let texts = ["", "SfInY0gGKTsJlUWbwxC1k+FAD0FZHv", &HEX[..62], "zz", "\u{e9}"];
        for text in texts.into_iter().chain(longer.iter().map(String::as_str)) {
            assert_eq!(Sha256::parse(text), Err(DigestParseError), "{text}");
        }
        assert!(DigestParseError.to_string().contains("64 hex digits"));
    }

    proptest::proptest! {
        #[test]
        fn hex_and_base64_round_trip(bytes: [u8; 32]) {
            let digest = Sha256::from_bytes(bytes);
            proptest::prop_assert_eq!(Sha256::parse(&digest.to_hex()), Ok(digest));
            proptest::prop_assert_eq!(Sha256::parse(&digest.to_base64()), Ok(digest));
        }

        #[test]
        fn any_text_is_survived(text: String) {
            let _ = Sha256::parse(&text);
        }
    }
}
