use std::time::{Duration, SystemTime};

/// How a provider reads the shape.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ParseOptions {
    /// The provider's name.
    pub provider: &'static str,
    /// How long ids from webhooks live.
    pub id_lifetime: Option<Duration>,
    /// How long the link in a message lives; `None` where the provider's credential cannot open it.
    pub link_lifetime: Option<Duration>,
}

impl ParseOptions {
    /// A provider whose credential cannot open the links in messages.
    pub const fn new(provider: &'static str) -> Self {
        Self { provider, id_lifetime: None, link_lifetime: None }
    }

    /// Ids from webhooks live this long.
    #[must_use]
    pub const fn with_id_lifetime(mut self, lifetime: Duration) -> Self {
        self.id_lifetime = Some(lifetime);
        self
    }

    /// Links in messages can be opened with the provider's credential, for this long.
    #[must_use]
    pub const fn with_link_lifetime(mut self, lifetime: Duration) -> Self {
        self.link_lifetime = Some(lifetime);
        self
    }
}

/// What is known about a message from outside of it, for what the message itself does not say.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct MessageContext<'a> {
    /// The number that received it.
    pub account: Option<&'a str>,
    /// The message id.
    pub message_id: Option<&'a str>,
    /// When the message was sent.
    pub sent_at: Option<SystemTime>,
}

impl<'a> MessageContext<'a> {
    /// The message id, where the message has none.
    #[must_use]
    pub const fn with_message_id(mut self, id: Option<&'a str>) -> Self {
        self.message_id = id;
        self
    }

    /// When the message was sent, where it does not say so.
    #[must_use]
    pub const fn with_sent_at(mut self, at: Option<SystemTime>) -> Self {
        self.sent_at = at;
        self
    }
}
