//! Forms in bodies that are already in memory.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::{FutureExt as _, future, stream};
use multer::Multipart;

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
    let boundary = multer::parse_boundary(content_type).ok()?;
    let body = stream::once(future::ready(Ok::<_, Infallible>(body.clone())));
    // The whole body is there, so nothing ever waits.
    read(Multipart::new(body, boundary)).now_or_never()?
}

async fn read(mut form: Multipart<'_>) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    while let Some(field) = form.next_field().await.ok()? {
        let content_type = field.headers().get("content-type");
        parts.push(Part {
            name: field.name()?.to_owned(),
            filename: field.file_name().map(ToOwned::to_owned),
            content_type: content_type.map(|kind| String::from_utf8_lossy(kind.as_bytes()).into_owned()),
            body: field.bytes().await.ok()?,
        });
    }
    Some(parts)
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
