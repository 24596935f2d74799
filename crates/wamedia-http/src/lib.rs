//! The transport of wamedia: one HTTP client with bound credentials, bounded retries and idle timeouts.
