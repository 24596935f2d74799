//! A tampering proxy between the real client and the fake server, for mutations that show on the wire.
//!
//! It terminates TLS as the fake server would, changes the requests that the client sends and the replies that
//! it gets, and follows the redirects that a mutated client follows. The server sees real requests only. A reply
//! is forwarded when it has ended, so timing is not preserved.

use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use url::{Host, Url};
use wamedia_sandbox::http1::{Answer, Framing, Request, Response, Service, Step};

use super::Mutation;
use crate::matching::Received;

/// Enough hops to show that a client follows any number of redirects.
const MAX_HOPS: usize = 10;

/// A mutation, and what it has to know about the vendor.
#[derive(Clone, Debug)]
pub(crate) struct Tampering {
    pub(crate) mutation: Mutation,
    /// Headers that a client makes anew for every request.
    pub(crate) signed_anew: Vec<String>,
}

/// One mutation in front of the fake server.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) tampering: Tampering,
    /// The fake server, without TLS.
    pub(crate) server: SocketAddr,
}

impl Service for Proxy {
    fn call(&self, request: Request) -> Answer<'_> {
        Box::pin(async move {
            let mut received = Received::new(&request.head, &request.body);
            self.tampering.mutation.request(&mut received, &self.tampering.signed_anew);
            let reply = self.follow(received).await;
            reply.unwrap_or_else(|_| Response::raw(vec![Step::Close])).into_steps()
        })
    }
}

impl Proxy {
    /// Sends the request, and follows the redirects that the mutation follows.
    async fn follow(&self, mut request: Received) -> io::Result<Response> {
        for _ in 0..MAX_HOPS {
            let mut reply = self.send(&request).await?;
            let headers = reply.headers.iter();
            let location = headers.clone().find(|(name, _)| name.eq_ignore_ascii_case("location"));
            let Some((_, location)) = location.filter(|(_, to)| self.tampering.mutation.follows(to)) else {
                self.tamper(&mut reply);
                return Ok(reply);
            };
            let base = Url::parse(&request.origin).map_err(io::Error::other)?;
            let to = base.join(location).map_err(io::Error::other)?;
            let port = to.port_or_known_default().unwrap_or(443);
            match to.host() {
                Some(Host::Domain(host)) => {
                    let host = to.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
                    request.redirect(&host, &to[url::Position::BeforePath..url::Position::AfterQuery]);
                }
                // The connection alone shows that the address was contacted.
                Some(Host::Ipv4(ip)) => drop(TcpStream::connect((ip, port)).await?),
                Some(Host::Ipv6(ip)) => drop(TcpStream::connect((ip.to_canonical(), port)).await?),
                None => {}
            }
        }
        Ok(Response::new(502))
    }

    /// Changes a complete reply; every other reply is forwarded unchanged.
    fn tamper(&self, reply: &mut Response) {
        if matches!(reply.framing, Framing::Raw(_)) && reply.status == 0 {
            return;
        }
        let mut changed = reply.clone();
        changed.headers.retain(|(name, _)| !is_framing(name));
        let before = changed.clone();
        self.tampering.mutation.reply(&mut changed);
        let same = (changed.status, &changed.headers, &changed.body)
            == (before.status, &before.headers, &before.body);
        if !same {
            *reply = changed.framing(Framing::Length);
        }
    }

    /// Sends a request to the fake server. A complete reply is parsed, and keeps its bytes as its framing.
    async fn send(&self, request: &Received) -> io::Result<Response> {
        let mut stream = TcpStream::connect(self.server).await?;
        let mut bytes = request.to_bytes();
        // The server may answer before it has read everything.
        let _ = stream.write_all(&bytes).await;
        bytes.clear();
        let end = loop {
            if let Some(reply) = parse(&bytes) {
                let steps = vec![Step::Write(bytes.into()), Step::KeepAlive];
                return Ok(reply.framing(Framing::Raw(steps)));
            }
            bytes.reserve(64 * 1024);
            match stream.read_buf(&mut bytes).await {
                Ok(0) => break Step::Close,
                Ok(_) => {}
                Err(_) => break Step::Reset,
            }
        };
        let pause = Step::Sleep(std::time::Duration::from_millis(50));
        Ok(Response::raw(vec![Step::Write(bytes.into()), pause, end]))
    }
}

fn is_framing(name: &str) -> bool {
    name.eq_ignore_ascii_case("content-length") || name.eq_ignore_ascii_case("transfer-encoding")
}

/// Parses a complete reply: none while part of it is missing, or when only the end of the connection ends it.
fn parse(bytes: &[u8]) -> Option<Response> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let mut reply = Response::new(status);
    reply.headers.extend(lines.filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_owned(), value.trim().to_owned()))
    }));
    let header = |wanted: &str| {
        reply.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|row| &row.1)
    };
    let rest = &bytes[end + 4..];
    let body = if matches!(status, 204 | 304) {
        Bytes::new()
    } else if header("transfer-encoding").is_some() {
        dechunked(rest)?
    } else {
        let length: usize = header("content-length")?.parse().ok()?;
        Bytes::copy_from_slice(rest.get(..length)?)
    };
    Some(reply.body(body))
}

fn dechunked(mut rest: &[u8]) -> Option<Bytes> {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|window| window == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).ok()?, 16).ok()?;
        let chunk = rest.get(line + 2..line + 2 + size)?;
        rest = rest.get(line + 2 + size..)?.strip_prefix(b"\r\n")?;
        if size == 0 {
            return Some(body.into());
        }
        body.extend_from_slice(chunk);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_complete_replies_are_parsed() {
        let whole = b"HTTP/1.1 200 OK\r\nX-A: 1\r\nContent-Length: 3\r\n\r\nabc";
        let reply = parse(whole).expect("complete");
        assert_eq!((reply.status, &reply.body[..]), (200, &b"abc"[..]));
        assert_eq!(reply.headers[0], ("X-A".to_owned(), "1".to_owned()));
        assert!((0..whole.len()).all(|end| parse(&whole[..end]).is_none()));
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n";
        assert_eq!(parse(chunked).map(|reply| reply.body), Some(Bytes::from_static(b"abc")));
        assert!((0..chunked.len()).all(|end| parse(&chunked[..end]).is_none()));
        assert!(parse(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\nzz\r\n").is_none());
        assert!(parse(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc").is_none());
        assert!(parse(b"HTTP/1.1 204 No Content\r\n\r\n").is_some());
    }
}
