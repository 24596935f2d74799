//! Endpoints for deliveries under actix-web and on AWS Lambda: verified, written down, and only then answered.

pub mod actix;
pub mod lambda;

use std::sync::Arc;

use wamedia::{Config, Webhooks};

/// What reads the deliveries of Meta, from the variables that the program has, too.
pub fn webhooks() -> wamedia::Result<Arc<dyn Webhooks>> {
    let mut config = Config::default();
    for key in ["app_secret", "verify_token"] {
        if let Ok(value) = std::env::var(format!("WAMEDIA_META_{}", key.to_uppercase())) {
            config = config.with(key, value);
        }
    }
    wamedia::webhooks("meta", &config)
}
