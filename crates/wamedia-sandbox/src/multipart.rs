//! A tiny `multipart/form-data` reader for bodies that are already in memory.

use bytes::Bytes;

/// One part of a form.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Part {
    /// The name of the field.
    pub name: String,
    /// The file name, unquoted.
    pub filename: Option<String>,
    /// The type, as sent.
    pub content_type: Option<String>,
    /// The content.
    pub body: Bytes,
}

/// The parts of a form, or `None` when the framing is broken.
pub fn parse(content_type: &str, body: &Bytes) -> Option<Vec<Part>> {
    if !content_type.trim_start().to_ascii_lowercase().starts_with("multipart/form-data") {
        return None;
    }
    let boundary = parameter(content_type, "boundary")?;
    let open = format!("--{boundary}").into_bytes();
    let delimiter = [b"\r\n", open.as_slice()].concat();
    let mut at = find(body, &open, 0)? + open.len();
    let mut parts = Vec::new();
    loop {
        let rest = &body[at..];
        if rest.starts_with(b"--") {
            return Some(parts);
        }
        let head_start = at + find(rest, b"\r\n", 0)? + 2;
        let head_end = find(body, b"\r\n\r\n", head_start.saturating_sub(2))?;
        let body_start = head_end + 4;
        let body_end = find(body, &delimiter, body_start.saturating_sub(2))?;
        let head = String::from_utf8_lossy(body.get(head_start..head_end).unwrap_or_default()).into_owned();
        let header = |wanted: &str| {
            head.split("\r\n").find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.trim().eq_ignore_ascii_case(wanted).then(|| value.trim().to_owned())
            })
        };
        let disposition = header("content-disposition")?;
        parts.push(Part {
            name: parameter(&disposition, "name")?,
            filename: parameter(&disposition, "filename"),
            content_type: header("content-type"),
            body: body.slice(body_start.min(body_end)..body_end),
        });
        at = body_end + delimiter.len();
    }
}

/// A parameter such as `name="x"` of a header value.
fn parameter(value: &str, name: &str) -> Option<String> {
    let mut rest = value;
    loop {
        let semicolon = rest.find(';')?;
        rest = rest[semicolon + 1..].trim_start();
        let Some((key, after)) = rest.split_once('=') else { continue };
        if let Some(quoted) = after.strip_prefix('"') {
            let mut text = String::new();
            let mut escaped = false;
            let mut end = quoted.len();
            for (at, character) in quoted.char_indices() {
                match character {
                    '\\' if !escaped => escaped = true,
                    '"' if !escaped => {
                        end = at;
                        break;
                    }
                    _ => {
                        escaped = false;
                        text.push(character);
                    }
                }
            }
            if key.trim().eq_ignore_ascii_case(name) {
                return Some(text);
            }
            rest = &quoted[end..];
        } else if key.trim().eq_ignore_ascii_case(name) {
            return Some(after.split(';').next().unwrap_or_default().trim().to_owned());
        }
    }
}

fn find(haystack: &[u8], needle: &[u8], from: usize) -> Option<usize> {
    let first = *needle.first()?;
    let mut at = from;
    while at + needle.len() <= haystack.len() {
        let step = haystack[at..].iter().position(|byte| *byte == first)?;
        at += step;
        if haystack[at..].starts_with(needle) {
            return Some(at);
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_keep_their_names_types_and_bytes() {
        let body = Bytes::from_static(
            b"--b1\r\nContent-Disposition: form-data; name=\"type\"\r\n\r\nimage/jpeg\r\n--b1\r\n\
              Content-Disposition: form-data; name=\"file\"; filename=\"a;\\\"b\\\".jpg\"\r\n\
              Content-Type: image/jpeg\r\n\r\n\r\n--b\r\n\xff\r\n--b1--\r\n",
        );
        let parts = parse("multipart/form-data; boundary=b1", &body).expect("a form");
        assert_eq!(parts.len(), 2);
        assert_eq!((parts[0].name.as_str(), &parts[0].body[..]), ("type", &b"image/jpeg"[..]));
        assert_eq!(parts[1].filename.as_deref(), Some("a;\"b\".jpg"));
        assert_eq!(parts[1].content_type.as_deref(), Some("image/jpeg"));
        assert_eq!(&parts[1].body[..], b"\r\n--b\r\n\xff");
        assert!(parse("multipart/form-data; boundary=b1", &body.slice(..90)).is_none());
    }
}
