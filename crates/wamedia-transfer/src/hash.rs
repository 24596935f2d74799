//! SHA-256, by the library that the feature `aws-lc` chooses.
//!
//! Where the processor has instructions for SHA-256, the libraries are equally fast. Where it has none,
//! `aws-lc-rs` takes two thirds of the time of `sha2`, and hashing is most of the work. A program with TLS
//! links `aws-lc-rs` anyway.

use wamedia_core::Sha256;

#[cfg(feature = "aws-lc")]
type Inner = aws_lc_rs::digest::Context;
#[cfg(not(feature = "aws-lc"))]
type Inner = sha2::Sha256;

/// Computes the SHA-256 of bytes as they pass.
#[derive(Clone)]
pub struct Hasher(Inner);

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hasher").finish_non_exhaustive()
    }
}

impl Default for Hasher {
    fn default() -> Self {
        Self::new()
    }
}

impl Hasher {
    #[cfg(feature = "aws-lc")]
    /// Of no bytes yet.
    pub fn new() -> Self {
        Self(Inner::new(&aws_lc_rs::digest::SHA256))
    }

    #[cfg(not(feature = "aws-lc"))]
    /// Of no bytes yet.
    pub fn new() -> Self {
        Self(sha2::Digest::new())
    }

    #[cfg(feature = "aws-lc")]
    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    #[cfg(not(feature = "aws-lc"))]
    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        sha2::Digest::update(&mut self.0, bytes);
    }

    #[cfg(feature = "aws-lc")]
    /// The digest of all bytes.
    pub fn finish(self) -> Sha256 {
        let mut out = [0; 32];
        // This digest has 32 bytes by its definition, so no byte is left out.
        out.iter_mut().zip(self.0.finish().as_ref()).for_each(|(to, from)| *to = *from);
        Sha256::from_bytes(out)
    }

    #[cfg(not(feature = "aws-lc"))]
    /// The digest of all bytes.
    pub fn finish(self) -> Sha256 {
        Sha256::from_bytes(sha2::Digest::finalize(self.0).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_give_what_the_core_gives_for_the_whole() {
        let content: Vec<u8> = (0..=255).cycle().take(100_000).collect();
        let mut hasher = Hasher::new();
        content.chunks(777).for_each(|chunk| hasher.update(chunk));
        assert_eq!(hasher.clone().finish(), Sha256::of(&content));
        assert_eq!(hasher.finish(), Sha256::of(&content));
    }
}
