//! What a vendor's deliveries look like and how they are signed: facts that the cases about deliveries need.

/// The format of a vendor's deliveries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeliveryFormat {
    /// JSON with lists at the top, `messages` among them.
    #[default]
    Messages,
    /// The JSON of the Cloud API: entries, changes, values.
    CloudApi,
    /// The same, and in place of it a vendor's own envelope: `payload.message_echoes`.
    CloudApiOrPayload,
    /// One message as an HTML form: `MessageSid`, `NumMedia`, `MediaUrl0`, `MediaContentType0`.
    Form,
}

/// How a vendor writes the signature of a delivery, and what it covers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignatureFormat {
    /// Hex over the body.
    #[default]
    Hex,
    /// Hex behind `sha256=`, over the body.
    PrefixedHex,
    /// Hex over the body. GUESS: `sha256=` before it is not documented and does no harm.
    HexOrPrefixedHex,
    /// Base64 over the public URL and the fields of the form in the order of their names.
    Base64OfUrlAndForm,
}

impl SignatureFormat {
    pub(crate) fn is_hex(self) -> bool {
        self != Self::Base64OfUrlAndForm
    }

    /// Whether a signature with `sha256=` before it is accepted.
    pub(crate) fn takes_prefix(self) -> bool {
        matches!(self, Self::PrefixedHex | Self::HexOrPrefixedHex)
    }

    /// Whether a signature without `sha256=` is accepted.
    pub(crate) fn takes_bare(self) -> bool {
        self != Self::PrefixedHex
    }
}
