use std::pin::Pin;
use std::task::{Context, Poll, ready};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_core::Stream;
use wamedia_core::Result;

type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;

/// The base64 of a stream, as it comes.
pub(crate) struct Base64 {
    source: Option<Chunks>,
    /// Bytes that do not fill a group of three yet.
    rest: Vec<u8>,
}

impl Base64 {
    pub(crate) fn new(source: Chunks) -> Self {
        Self { source: Some(source), rest: Vec::new() }
    }
}

impl Stream for Base64 {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        while let Some(source) = &mut self.source {
            match ready!(source.as_mut().poll_next(cx)) {
                Some(Ok(chunk)) => {
                    self.rest.extend_from_slice(&chunk);
                    let whole = self.rest.len() / 3 * 3;
                    if whole > 0 {
                        let text = STANDARD.encode(&self.rest[..whole]);
                        self.rest.drain(..whole);
                        return Poll::Ready(Some(Ok(text.into())));
                    }
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => self.source = None,
            }
        }
        let rest = std::mem::take(&mut self.rest);
        Poll::Ready((!rest.is_empty()).then(|| Ok(STANDARD.encode(rest).into())))
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use proptest::prelude::*;

    use super::*;

    /// Chunks, one after the other.
    struct Given(Vec<Bytes>);

    impl Stream for Given {
        type Item = Result<Bytes>;

        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            Poll::Ready((!self.0.is_empty()).then(|| Ok(self.0.remove(0))))
        }
    }

    proptest! {
        #[test]
        fn chunks_of_any_size_give_the_text_of_the_whole(chunks: Vec<Vec<u8>>) {
            let whole = STANDARD.encode(chunks.concat());
            let given = Given(chunks.into_iter().map(Bytes::from).collect());
            let mut stream = Base64::new(Box::pin(given));
            let mut text = Vec::new();
            let mut cx = Context::from_waker(Waker::noop());
            while let Poll::Ready(Some(chunk)) = Pin::new(&mut stream).poll_next(&mut cx) {
                text.extend_from_slice(&chunk.unwrap());
            }
            prop_assert_eq!(String::from_utf8(text).unwrap(), whole);
        }
    }
}
