use http::{HeaderMap, HeaderValue, header};
use wamedia_core::{Error, ErrorKind, MediaHead, Mime, Result};

use crate::disposition::file_name;

/// What the headers of a reply say about the content behind them. `ranged` tells whether a part was asked for.
///
/// # Errors
///
/// [`ErrorKind::UnexpectedContent`] for a partial reply that nobody asked for, or that does not say which part
/// it is.
pub(crate) fn head_of(status: u16, headers: &HeaderMap, ranged: bool) -> Result<MediaHead> {
    let unexpected = |why: &str| Err(Error::new(ErrorKind::UnexpectedContent, why).with_status(status));
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let mut head = MediaHead::default();
    head.mime = text(header::CONTENT_TYPE).and_then(|text| Mime::parse(text).ok());
    head.body_bytes = text(header::CONTENT_LENGTH).and_then(number);
    // A weak validator does not promise the same bytes, and a time does not either.
    head.validator = text(header::ETAG).filter(|tag| tag.starts_with('"')).map(ToOwned::to_owned);
    // Names are sent in UTF-8 as well, against the standard.
    let disposition = headers.get(header::CONTENT_DISPOSITION).map(HeaderValue::as_bytes);
    head.name = disposition.and_then(|bytes| str::from_utf8(bytes).ok()).and_then(file_name);
    if status == 206 {
        let encoded =
            text(header::CONTENT_ENCODING).is_some_and(|encoding| !encoding.eq_ignore_ascii_case("identity"));
        if !ranged {
            return unexpected("a partial answer that nobody asked for");
        }
        if encoded || head.mime.as_ref().is_some_and(|mime| mime.essence() == "multipart/byteranges") {
            return unexpected("a partial answer that is encoded or in several parts");
        }
        let Some((start, end, total)) = text(header::CONTENT_RANGE).and_then(content_range) else {
            return unexpected("a partial answer that does not say which part it is");
        };
        head.partial = true;
        head.start = start;
        head.end = Some(end);
        head.total_bytes = total;
    }
    Ok(head)
}

/// Digits and nothing else: no sign, no space, no overflow.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// `bytes 100-199/200` or `bytes 100-199/*`: the first byte, the offset behind the last one, and the total.
fn content_range(text: &str) -> Option<(u64, u64, Option<u64>)> {
    let (range, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (start, last) = range.split_once('-')?;
    let (start, end) = (number(start)?, number(last)?.checked_add(1)?);
    let total = match total {
        "*" => None,
        total => Some(number(total)?),
    };
    (start < end && total.is_none_or(|total| end <= total)).then_some((start, end, total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_are_checked() {
        assert_eq!(content_range("bytes 5-9/10"), Some((5, 10, Some(10))));
        assert_eq!(content_range("bytes 5-9/*"), Some((5, 10, None)));
        for bad in [
            "",
            "bytes */10",
            "bytes 9-5/10",
            "bytes 5-4/10",
            "bytes 5-10/10",
            "5-9/10",
            "bytes 5-9",
            "bytes -1-2/3",
            "bytes +5-9/10",
            "bytes 5- 9/10",
            "bytes 5-18446744073709551615/*",
            "bytes 5-99999999999999999999/*",
        ] {
            assert_eq!(content_range(bad), None, "{bad}");
        }
    }
}
