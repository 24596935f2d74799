use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use http::HeaderValue;
use wamedia_core::{Mime, Result, UploadBody, UploadContent};

use crate::Body;
use crate::body::Pieces;

/// A `multipart/form-data` body whose last part is a file that streams.
///
/// Names cannot add headers or parts: control characters, quotes and backslashes are replaced.
///
/// Source: <https://www.rfc-editor.org/rfc/rfc7578>
#[derive(Debug)]
pub struct Multipart {
    boundary: String,
    head: Vec<u8>,
    /// The parts behind the content.
    after: Vec<u8>,
}

impl Default for Multipart {
    fn default() -> Self {
        Self::new()
    }
}

impl Multipart {
    /// A body with a boundary of its own.
    pub fn new() -> Self {
        // 128 random bits: no content holds it by accident.
        let boundary = format!("wamedia-{:032x}", fastrand::u128(..));
        Self { boundary, head: Vec::new(), after: Vec::new() }
    }

    /// Adds a text part.
    #[must_use]
    pub fn text(mut self, name: &str, value: &str) -> Self {
        let part = self.part(name, value);
        self.head.extend_from_slice(&part);
        self
    }

    /// Adds a text part behind the content, for vendors that want it there.
    #[must_use]
    pub fn text_after(mut self, name: &str, value: &str) -> Self {
        let part = self.part(name, value);
        self.after.extend_from_slice(&part);
        self
    }

    fn part(&self, name: &str, value: &str) -> Vec<u8> {
        let head = format!(
            "--{}\r\nContent-Disposition: form-data; name=\"{}\"\r\n\r\n",
            self.boundary,
            quoted(name)
        );
        [head.as_bytes(), value.as_bytes(), b"\r\n"].concat()
    }

    /// Adds content behind the text parts, under its own name and type.
    pub fn content(self, name: &str, content: UploadContent) -> (HeaderValue, Body) {
        self.file(name, &content.name, &content.mime, content.body, content.size_bytes)
    }

    /// Adds the file behind the text parts. With a known size the whole body has one.
    pub fn file(
        mut self,
        name: &str,
        file_name: &str,
        mime: &Mime,
        body: UploadBody,
        size: Option<u64>,
    ) -> (HeaderValue, Body) {
        let head = format!(
            "--{}\r\nContent-Disposition: form-data; name=\"{}\"; filename=\"{}\"\r\nContent-Type: {mime}\r\n\r\n",
            self.boundary,
            quoted(name),
            quoted(file_name),
        );
        self.head.extend_from_slice(head.as_bytes());
        let end = format!("--{}--\r\n", self.boundary);
        let tail = Bytes::from([b"\r\n", &self.after[..], end.as_bytes()].concat());
        let framed = Body::framed(self.head.into(), body, size, tail);
        let kind = format!("multipart/form-data; boundary={}", self.boundary);
        let kind = HeaderValue::try_from(kind).unwrap_or_else(|_| unreachable!("a boundary is plain text"));
        (kind, framed)
    }
}

/// A name for a quoted parameter, in UTF-8, as browsers write it.
fn quoted(name: &str) -> String {
    name.chars()
        .map(|c| match c {
            '"' | '\\' => '_',
            c if c.is_control() => '_',
            c => c,
        })
        .take(200)
        .collect()
}

type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;

impl Body {
    /// Content between two texts, either of which may be empty. The source must have exactly as many bytes as
    /// stated; then the whole body has a known size.
    pub fn framed(head: Bytes, content: UploadBody, size: Option<u64>, tail: Bytes) -> Self {
        let total = size.map(|size| size + head.len() as u64 + tail.len() as u64);
        let source = match content {
            UploadBody::Bytes(bytes) => Box::pin(Pieces(bytes)) as Chunks,
            UploadBody::Stream(stream) => stream,
            _ => unreachable!("every kind of body is listed above"),
        };
        Self::Stream(Box::pin(Framed { head: Some(head), source, left: size, tail: Some(tail) }), total)
    }
}

struct Framed {
    head: Option<Bytes>,
    source: Chunks,
    /// How many bytes the source still has, where that is stated.
    left: Option<u64>,
    tail: Option<Bytes>,
}

impl Stream for Framed {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(head) = self.head.take().filter(|head| !head.is_empty()) {
            return Poll::Ready(Some(Ok(head)));
        }
        if self.tail.is_none() {
            return Poll::Ready(None);
        }
        match self.source.as_mut().poll_next(cx) {
            Poll::Ready(Some(Ok(chunk))) => {
                if let Some(left) = self.left {
                    let Some(rest) = left.checked_sub(chunk.len() as u64) else {
                        return Poll::Ready(Some(Err(wrong_size("has more bytes than declared"))));
                    };
                    self.left = Some(rest);
                }
                Poll::Ready(Some(Ok(chunk)))
            }
            Poll::Ready(None) if self.left.is_some_and(|left| left > 0) => {
                Poll::Ready(Some(Err(wrong_size("ended before the declared size"))))
            }
            Poll::Ready(None) => Poll::Ready(self.tail.take().filter(|tail| !tail.is_empty()).map(Ok)),
            other => other,
        }
    }
}

fn wrong_size(what: &str) -> wamedia_core::Error {
    wamedia_core::Error::new(wamedia_core::ErrorKind::Local, format!("the source of the upload {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collect(body: Body) -> (Result<Vec<u8>>, Option<u64>) {
        let Body::Stream(mut stream, total) = body else { panic!("a stream") };
        let mut out = Vec::new();
        let mut cx = Context::from_waker(std::task::Waker::noop());
        loop {
            match stream.as_mut().poll_next(&mut cx) {
                Poll::Ready(Some(Ok(chunk))) => out.extend_from_slice(&chunk),
                Poll::Ready(Some(Err(error))) => return (Err(error), total),
                Poll::Ready(None) => return (Ok(out), total),
                Poll::Pending => panic!("never pending"),
            }
        }
    }

    #[test]
    fn names_cannot_add_headers_or_parts() {
        let mime = Mime::parse("image/jpeg").unwrap();
        let (_, body) = Multipart::new().text("type", "image/jpeg").file(
            "file",
            "a\"\r\nX-Evil: 1\r\n\r\n--b\\.jpg",
            &mime,
            UploadBody::Bytes(Bytes::from_static(b"data")),
            Some(4),
        );
        let (bytes, total) = collect(body);
        let text = String::from_utf8(bytes.unwrap()).unwrap();
        assert_eq!(total, Some(text.len() as u64));
        assert!(text.contains("filename=\"a___X-Evil: 1____--b_.jpg\"\r\n"), "{text}");
    }

    #[test]
    fn parts_stand_before_and_behind_the_content_and_the_size_counts_them() {
        let mime = Mime::parse("image/jpeg").unwrap();
        let form = Multipart::new().text("type", "x").text_after("name\"", "a.jpg").text_after("end", "");
        let (kind, body) = form.file("file", "a.jpg", &mime, UploadBody::Bytes("data".into()), Some(4));
        let boundary = kind.to_str().unwrap().split_once("boundary=").unwrap().1.to_owned();
        let (bytes, total) = collect(body);
        let text = String::from_utf8(bytes.unwrap()).unwrap();
        assert_eq!(total, Some(text.len() as u64));
        let text = text.replace(&boundary, "B");
        let part = "--B\r\nContent-Disposition: form-data; name=";
        let file = format!("{part}\"file\"; filename=\"a.jpg\"\r\nContent-Type: image/jpeg\r\n\r\ndata\r\n");
        let after = format!("{part}\"name_\"\r\n\r\na.jpg\r\n{part}\"end\"\r\n\r\n\r\n");
        assert_eq!(text, format!("{part}\"type\"\r\n\r\nx\r\n{file}{after}--B--\r\n"));
    }

    #[test]
    fn content_alone_has_nothing_around_it() {
        let data = || UploadBody::Bytes(Bytes::from_static(b"data"));
        let (bytes, total) = collect(Body::framed(Bytes::new(), data(), Some(4), Bytes::new()));
        assert_eq!((bytes.unwrap(), total), (b"data".to_vec(), Some(4)));
        let (bytes, total) = collect(Body::framed("<".into(), data(), None, ">".into()));
        assert_eq!((bytes.unwrap(), total), (b"<data>".to_vec(), None));
        for size in [3, 5] {
            assert!(
                collect(Body::framed(Bytes::new(), data(), Some(size), Bytes::new())).0.is_err(),
                "{size}"
            );
        }
    }

    #[test]
    fn the_declared_size_is_checked_in_both_directions() {
        let mime = Mime::parse("image/jpeg").unwrap();
        for size in [3, 5] {
            let body = UploadBody::Bytes(Bytes::from_static(b"data"));
            let (_, body) = Multipart::new().file("file", "a.jpg", &mime, body, Some(size));
            assert!(collect(body).0.is_err(), "{size}");
        }
    }
}
