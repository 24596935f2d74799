//! The engine of wamedia: a media reference in, verified bytes out.
