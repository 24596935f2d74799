//! `Display` of what has a stable name.

use std::fmt;

use crate::{Authenticity, DeclaredBy, ErrorKind, MediaKind, Phase, Role};

macro_rules! display {
    ($($type:ty),+) => {$(
        /// The stable name, as in serialised shapes.
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }
    )+};
}

display!(Authenticity, DeclaredBy, ErrorKind, MediaKind, Phase, Role);
