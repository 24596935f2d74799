//! What receivers and workers share.

use std::time::Duration;

use async_trait::async_trait;
use wamedia::MediaRef;

pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// A reference that one worker has until its lease runs out.
#[derive(Debug)]
pub struct Claim {
    pub identity: String,
    pub media: MediaRef,
    /// The how-manieth claim it is. Only the last one may write an end state.
    pub number: i64,
}

/// What became of a claim.
#[derive(Debug)]
pub enum Outcome {
    /// It is stored there.
    Stored(String),
    /// It can never be had, and why.
    Failed(String),
    /// To be tried again after this time, and why.
    Later(Duration, String),
}

impl Outcome {
    /// State, detail, and seconds until the next claim.
    pub fn columns(self) -> (&'static str, String, f64) {
        match self {
            Self::Stored(place) => ("stored", place, 0.0),
            Self::Failed(why) => ("failed", why, 0.0),
            Self::Later(wait, why) => ("waiting", why, wait.as_secs_f64()),
        }
    }
}

/// The table of references.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Takes all of them in one transaction; those that are known already stay as they are.
    async fn accept(&self, media: Vec<MediaRef>) -> Result<()>;
    /// Claims the reference that is due for the longest time.
    async fn claim(&self, lease: Duration) -> Result<Option<Claim>>;
    /// Writes what became of it, and says whether the claim was still the last one.
    async fn finish(&self, claim: &Claim, outcome: Outcome) -> Result<bool>;
    /// How many have no end state.
    async fn waiting(&self) -> Result<i64>;
}

/// The text form of a reference does not carry whether its delivery was verified, so that is a column of its own.
pub fn reference(text: &str, signed: bool) -> Result<MediaRef> {
    Ok(text.parse::<MediaRef>()?.with_signed(signed))
}
