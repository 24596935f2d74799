//! The behavioural suite that every wamedia provider passes.
