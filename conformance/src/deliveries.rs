//! How a vendor proves its deliveries: a rule, and so code of a harness. What its fields are called is data, in
//! `profile.json` beside its fixtures.

/// How a vendor writes the signature of a delivery, and what it covers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignatureFormat {
    /// The vendor signs nothing.
    #[default]
    None,
    /// No signature: the header holds a fixed secret.
    SharedSecret,
    /// Hex over the body.
    Hex,
    /// Hex behind `sha256=`, over the body.
    PrefixedHex,
    /// Hex over the body. GUESS: `sha256=` before it is not documented and does no harm.
    HexOrPrefixedHex,
    /// Base64 over the public URL and the fields of the form in the order of their names.
    Base64OfUrlAndForm,
}

impl SignatureFormat {
    /// Whether what proves a delivery depends on its content.
    pub(crate) fn is_signature(self) -> bool {
        !matches!(self, Self::None | Self::SharedSecret)
    }

    pub(crate) fn is_hex(self) -> bool {
        self.is_signature() && self != Self::Base64OfUrlAndForm
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
