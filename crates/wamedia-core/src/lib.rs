//! The language of wamedia: the Provider trait, normalized media types, errors, digests and streams.
