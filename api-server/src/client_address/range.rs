//! Ranges of addresses, in CIDR notation or as one address.
//!
//! Read from the settings; asked once or more for each request.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// Addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    base: IpAddr,
    prefix: u8,
}

/// Several of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranges(pub Vec<Range>);

impl Ranges {
    /// Whether the address, in canonical form, is in one of them.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|range| range.contains(address))
    }
}

impl Range {
    fn contains(&self, address: IpAddr) -> bool {
        match (self.base, address) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                (u32::from(base) ^ u32::from(address)).leading_zeros() >= u32::from(self.prefix)
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                (u128::from(base) ^ u128::from(address)).leading_zeros() >= u32::from(self.prefix)
            }
            _ => false,
        }
    }
}

impl FromStr for Range {
    type Err = String;

    /// `10.0.0.0/8`, `fd00::/8`, or one address. Bits after the prefix are refused: they are a mistake in one or the other.
    fn from_str(text: &str) -> Result<Range, String> {
        let wrong = || format!("`{text}` is no range of addresses: write it as 10.0.0.0/8, 192.0.2.7 or fd00::/8");
        let (base, prefix) = match text.split_once('/') {
            Some((base, prefix)) => (base, Some(prefix)),
            None => (text, None),
        };
        let base: IpAddr = base.parse().map_err(|_| wrong())?;
        if base != base.to_canonical() {
            return Err(format!("`{text}` is an IPv4 address written as IPv6: write it as IPv4"));
        }
        let bits = if base.is_ipv4() { 32 } else { 128 };
        let digits = |prefix: &str| prefix.bytes().all(|byte| byte.is_ascii_digit());
        let prefix = match prefix {
            None => bits,
            Some(prefix) if digits(prefix) => prefix.parse().ok().filter(|prefix| *prefix <= bits).ok_or_else(wrong)?,
            Some(_) => return Err(wrong()),
        };
        let clean = match base {
            IpAddr::V4(base) => u32::from(base).checked_shl(u32::from(prefix)).unwrap_or(0) == 0,
            IpAddr::V6(base) => u128::from(base).checked_shl(u32::from(prefix)).unwrap_or(0) == 0,
        };
        if !clean {
            return Err(format!(
                "`{text}` has bits beyond /{prefix}: write the first address of the range, or another prefix"
            ));
        }
        Ok(Range { base, prefix })
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_holds_what_begins_like_it() {
        for (range, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("192.0.2.6/31", "192.0.2.7", "192.0.2.8"),
            ("0.0.0.0/0", "203.0.113.9", "::1"),
            ("::/0", "2001:db8::1", "127.0.0.1"),
            ("fd00::/8", "fdff::1", "fe80::1"),
            ("2001:db8::1", "2001:db8::1", "2001:db8::2"),
        ] {
            let parsed: Range = range.parse().unwrap();
            assert!(parsed.contains(inside.parse().unwrap()), "{inside} in {range}");
            assert!(!parsed.contains(outside.parse().unwrap()), "{outside} in {range}");
            assert_eq!(parsed.to_string().parse::<Range>().unwrap(), parsed);
        }
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in [
            "",
            "/",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "10.0.0.1/8",
            "10.0.0/8",
            "::/129",
            "fd00::1/8",
            "::ffff:10.0.0.0/104",
            "localhost",
            "10.0.0.0/8/8",
            "010.0.0.0/8",
            "[::1]",
            "10.0.0.0 /8",
            "fe80::1%eth0",
        ] {
            assert!(text.parse::<Range>().is_err(), "{text}");
        }
    }
}
