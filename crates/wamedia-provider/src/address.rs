use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A name led to an address that no vendor's host has.
#[derive(Debug)]
pub(crate) struct AddressRefused;

impl fmt::Display for AddressRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the address is not public")
    }
}

impl std::error::Error for AddressRefused {}

/// True for addresses that belong to the public internet.
///
/// Source: <https://www.iana.org/assignments/iana-ipv4-special-registry> and its IPv6 sibling.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(a == 0
        || a == 10
        || a == 127
        || a >= 224
        || (a == 100 && (64..128).contains(&b))
        || (a == 169 && b == 254)
        || (a == 172 && (16..32).contains(&b))
        || (a == 192 && b == 168)
        || (a == 192 && b == 0 && (c == 0 || c == 2))
        || (a == 198 && (b == 18 || b == 19))
        || (a == 198 && b == 51 && c == 100)
        || (a == 203 && b == 0 && c == 113))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(v4) = address.to_ipv4_mapped() {
        return is_public_v4(v4);
    }
    let segments = address.segments();
    // Only 2000::/3 is given out for global use; inside it, what wraps an IPv4 address counts as that one.
    if segments[0] & 0xe000 != 0x2000 {
        return false;
    }
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match (segments[0], segments[1]) {
        (0x2002, _) => embedded(segments[1], segments[2]),
        (0x2001, 0x0000..=0x01ff | 0x0db8) => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_addresses_are_not_public() {
        for text in [
            "127.0.0.1",
            "127.0.0.2",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "192.0.2.1",
            "::",
            "::1",
            "::ffff:127.0.0.2",
            "fe80::1",
            "fc00::1",
            "fd00::1",
            "ff02::1",
            "2002:7f00:1::",
            "2002:a01:203::",
            "2001:db8::1",
            "64:ff9b::7f00:1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
        // Right beside each block, and with one of its numbers in another's place.
        for text in [
            "9.255.255.255",
            "11.0.0.1",
            "126.0.0.1",
            "128.0.0.1",
            "223.255.255.255",
            "100.63.255.255",
            "8.64.0.1",
            "169.253.0.1",
            "8.254.0.1",
            "172.15.255.255",
            "8.16.0.1",
            "192.167.0.1",
            "8.168.0.1",
            "192.0.1.1",
            "192.1.2.1",
            "8.0.2.1",
            "198.17.0.1",
            "198.20.0.1",
            "8.18.0.1",
            "198.51.99.1",
            "198.50.100.1",
            "8.51.100.1",
            "203.0.112.1",
            "203.1.113.1",
            "8.0.113.1",
        ] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
        for text in ["192.0.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "100.127.255.255"] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
        for text in
            ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2002:808:a00::", "::ffff:8.8.8.8"]
        {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }
}
