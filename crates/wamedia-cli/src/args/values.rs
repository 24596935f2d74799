//! Values of arguments: times, sizes, kinds, faults.

use std::time::Duration;

use clap::builder::{PossibleValue, PossibleValuesParser, StringValueParser, TypedValueParser};
use wamedia::MediaKind;
use wamedia_sandbox::Fault;

/// `1.5` seconds.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "expected seconds, such as 2 or 0.5".to_owned())?;
    // Not a number is in no range.
    if (0.0..=MAX_SECONDS).contains(&seconds) && seconds.is_sign_positive() {
        return Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string());
    }
    Err(format!("expected seconds from 0 to {MAX_SECONDS}, which is a year"))
}

/// The longest time that can be asked for: more means the same, and overflows clocks.
const MAX_SECONDS: f64 = 31_536_000.0;
/// The largest size that can be asked for: a pebibyte, which leaves room to add.
const MAX_BYTES: u64 = 1 << 50;

/// `16MiB`, `5MB`, `1000`.
pub(super) fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match &text[digits.len()..].to_ascii_lowercase()[..] {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        _ => return Err("expected bytes, such as 1000, 16MiB or 5MB".to_owned()),
    };
    let number: u64 =
        digits.trim().parse().map_err(|_| "expected bytes, such as 1000, 16MiB or 5MB".to_owned())?;
    let bytes = number.checked_mul(unit).filter(|bytes| *bytes <= MAX_BYTES);
    bytes.ok_or_else(|| "expected at most 1048576 GiB".to_owned())
}

pub(super) fn kinds() -> impl TypedValueParser<Value = MediaKind> {
    let kinds = [
        MediaKind::Image,
        MediaKind::Video,
        MediaKind::Audio,
        MediaKind::Voice,
        MediaKind::Document,
        MediaKind::Sticker,
    ];
    PossibleValuesParser::new(kinds.map(MediaKind::name)).try_map(|name| name.parse::<MediaKind>())
}

/// `NAME` or `NAME:N`, whose names shells complete.
#[derive(Clone, Debug)]
pub(super) struct FaultName;

impl TypedValueParser for FaultName {
    type Value = String;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<String, clap::Error> {
        StringValueParser::new().parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let faults = Fault::ALL.iter().map(|fault| PossibleValue::new(fault.name()).help(fault.sentence()));
        Some(Box::new(faults))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_seconds() {
        assert_eq!(bytes("16MiB"), Ok(16 << 20));
        assert_eq!(bytes("5MB"), Ok(5_000_000));
        assert_eq!(bytes("12"), Ok(12));
        assert!(bytes("x").is_err() && bytes("99999999999GiB").is_err() && bytes("-1").is_err());
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for odd in ["-1", "-0", "NaN", "inf", "1e19", "31536001", ""] {
            assert!(seconds(odd).is_err(), "{odd}");
        }
        assert!(bytes("18446744073709551615").is_err() && bytes("1024GiB").is_ok());
    }
}
