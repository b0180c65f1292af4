//! Network addresses as the limits and the blacklist see them: one IPv4 address, or the /64 that one IPv6 subscriber is given.
//!
//! Not where a client's address is found out: `CF-Connecting-IP` at the edge, the signature at the origin.
//!
//! **Invariant:** an IPv4-mapped IPv6 address (`::ffff:203.0.113.7`, RFC 4291, 2.5.5.2) is its IPv4 address everywhere, so nobody has two.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The identity that limits, holds and blacklist entries of one address use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// One IPv4 address. A mobile carrier may have thousands of fans behind it.
    V4(Ipv4Addr),
    /// The first 64 bits of an IPv6 address: within a /64 a subscriber picks addresses at will.
    V6Net64([u8; 8]),
}

/// A network: the addresses that share their first `length` bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr {
    network: IpAddr,
    length: u8,
}

/// Why a text is no [`Address`] or [`Cidr`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Neither IPv4 nor IPv6.
    #[error("not an IP address")]
    NotAnAddress,
    /// An [`Address`] with a length other than an IPv6 /64.
    #[error("one address was expected: without a length, or an IPv6 /64")]
    NotOneAddress,
    /// A [`Cidr`] without its `/length`.
    #[error("a network needs its length, as in 203.0.113.0/24")]
    NoLength,
    /// Not a decimal number, or over 32 (IPv4) or 128 (IPv6).
    #[error("not a length of a network: 0 to 32 for IPv4, 0 to 128 for IPv6")]
    Length,
}

impl Address {
    /// Reads `203.0.113.7`, `2001:db8:1:2::/64`, or any IPv6 address, which stands for its /64.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let Some((address, length)) = text.split_once('/') else { return Ok(ip(text)?.into()) };
        match (ip(address)?.into(), length) {
            (net @ Self::V6Net64(_), "64") => Ok(net),
            _ => Err(AddressError::NotOneAddress),
        }
    }

    /// The /48 around an IPv6 /64: what one site is given, and so what a looser limit counts. IPv4 has none.
    pub fn site(&self) -> Option<Cidr> {
        match self {
            Self::V4(_) => None,
            Self::V6Net64(_) => Some(Cidr::new(self.network(), 48)),
        }
    }

    /// The address, or the lowest one of the /64.
    fn network(self) -> IpAddr {
        match self {
            Self::V4(address) => address.into(),
            Self::V6Net64(net) => Ipv6Addr::from_bits(u128::from(u64::from_be_bytes(net)) << 64).into(),
        }
    }
}

impl From<IpAddr> for Address {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => Self::V6Net64(address.octets().first_chunk().copied().unwrap_or_default()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(address) => write!(f, "{address}"),
            Self::V6Net64(_) => write!(f, "{}/64", self.network()),
        }
    }
}

impl Cidr {
    /// Reads `203.0.113.0/24` or `2001:db8::/32`. Host bits are cleared: `203.0.113.7/24` is the same network.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let (address, length) = text.split_once('/').ok_or(AddressError::NoLength)?;
        let (address, length) = (ip(address)?, decimal(length)?);
        match (address, address.to_canonical()) {
            (IpAddr::V4(_), _) if length > 32 => Err(AddressError::Length),
            // Written as a mapped network, it is the IPv4 one if the length reaches into the IPv4 part.
            (IpAddr::V6(_), v4 @ IpAddr::V4(_)) if (96..=128).contains(&length) => Ok(Self::new(v4, length - 96)),
            _ if length > 128 => Err(AddressError::Length),
            _ => Ok(Self::new(address, length)),
        }
    }

    /// The network of `length` bits around an address; a length beyond the address family's is its longest.
    pub(crate) fn new(address: IpAddr, length: u8) -> Self {
        match address {
            IpAddr::V4(v4) => {
                let length = length.min(32);
                Self { network: Ipv4Addr::from_bits(v4.to_bits() & mask_v4(length)).into(), length }
            }
            IpAddr::V6(v6) => {
                let length = length.min(128);
                Self { network: Ipv6Addr::from_bits(v6.to_bits() & mask_v6(length)).into(), length }
            }
        }
    }

    /// The lowest address.
    pub fn network(&self) -> IpAddr {
        self.network
    }

    /// The bits that all its addresses share: 0 to 32 (IPv4) or 128 (IPv6).
    pub fn length(&self) -> u8 {
        self.length
    }

    /// Whether the address, mapped IPv4 taken as IPv4, lies in this network. An IPv6 network holds no IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.network.is_ipv4() && Self::new(address, self.length) == *self
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.length)
    }
}

fn ip(text: &str) -> Result<IpAddr, AddressError> {
    text.parse().map_err(|_| AddressError::NotAnAddress)
}

/// Digits alone: `u8`'s own parser would take `+24` too.
fn decimal(text: &str) -> Result<u8, AddressError> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().map_err(|_| AddressError::Length) } else { Err(AddressError::Length) }
}

fn mask_v4(length: u8) -> u32 {
    u32::MAX.checked_shl(32_u32.saturating_sub(length.into())).unwrap_or(0)
}

fn mask_v6(length: u8) -> u128 {
    u128::MAX.checked_shl(128_u32.saturating_sub(length.into())).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"))
    }

    fn cidr(text: &str) -> Cidr {
        Cidr::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"))
    }

    #[test]
    fn an_address_is_printed_as_the_identity_that_it_stands_for() {
        let cases = [
            ("203.0.113.7", "203.0.113.7"),
            ("2001:db8:1:2::", "2001:db8:1:2::/64"),
            ("2001:db8:1:2:aaaa:bbbb:cccc:dddd", "2001:db8:1:2::/64"),
            ("2001:DB8:1:2::/64", "2001:db8:1:2::/64"),
            ("2001:db8:1:2::7/64", "2001:db8:1:2::/64"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("::ffff:cb00:7107", "203.0.113.7"),
            ("::1", "::/64"),
        ];
        for (text, printed) in cases {
            assert_eq!(address(text).to_string(), printed, "{text}");
        }
    }

    #[test]
    fn what_is_not_one_address_is_refused() {
        use AddressError::{NotAnAddress, NotOneAddress};
        let cases = [
            ("", NotAnAddress),
            ("lol", NotAnAddress),
            ("203.0.113", NotAnAddress),
            ("203.0.113.256", NotAnAddress),
            ("203.0.113.07", NotAnAddress),
            ("203.0.113.7 ", NotAnAddress),
            ("203.0.113.7:443", NotAnAddress),
            ("[2001:db8::1]", NotAnAddress),
            ("fe80::1%eth0", NotAnAddress),
            ("/64", NotAnAddress),
            ("203.0.113.7/32", NotOneAddress),
            ("203.0.113.7/64", NotOneAddress),
            ("::ffff:203.0.113.7/64", NotOneAddress),
            ("2001:db8::/48", NotOneAddress),
            ("2001:db8::/", NotOneAddress),
            ("2001:db8::/064", NotOneAddress),
            ("2001:db8::/64/64", NotOneAddress),
        ];
        for (text, error) in cases {
            assert_eq!(Address::parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn the_site_of_an_ipv6_address_is_its_48() {
        assert_eq!(address("2001:db8:1:2::9").site().unwrap().to_string(), "2001:db8:1::/48");
        assert_eq!(address("203.0.113.7").site(), None);
    }

    #[test]
    fn a_network_is_printed_without_host_bits() {
        let cases = [
            ("203.0.113.7/24", "203.0.113.0/24"),
            ("203.0.113.7/32", "203.0.113.7/32"),
            ("203.0.113.7/0", "0.0.0.0/0"),
            ("2001:db8:ffff::1/33", "2001:db8:8000::/33"),
            ("2001:db8::1/128", "2001:db8::1/128"),
            ("2001:db8::1/0", "::/0"),
            ("::ffff:203.0.113.7/120", "203.0.113.0/24"),
            ("::ffff:203.0.113.7/96", "0.0.0.0/0"),
        ];
        for (text, printed) in cases {
            assert_eq!(cidr(text).to_string(), printed, "{text}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        use AddressError::{Length, NoLength, NotAnAddress};
        let cases = [
            ("203.0.113.0", NoLength),
            ("", NoLength),
            ("/24", NotAnAddress),
            ("203.0.113/24", NotAnAddress),
            ("203.0.113.0/33", Length),
            ("203.0.113.0/", Length),
            ("203.0.113.0/+8", Length),
            ("203.0.113.0/-1", Length),
            ("203.0.113.0/8 ", Length),
            ("203.0.113.0/255.255.255.0", Length),
            ("203.0.113.0/256", Length),
            ("2001:db8::/129", Length),
            ("::ffff:203.0.113.0/129", Length),
        ];
        for (text, error) in cases {
            assert_eq!(Cidr::parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn a_network_contains_its_own_family_only() {
        let cases = [
            ("203.0.113.0/24", "203.0.113.255", true),
            ("203.0.113.0/24", "203.0.114.0", false),
            ("203.0.113.0/24", "::ffff:203.0.113.9", true),
            ("0.0.0.0/0", "255.255.255.255", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "2001:db8::1", true),
            ("::/0", "203.0.113.9", false),
            ("::/0", "::ffff:203.0.113.9", false),
            ("2001:db8::/47", "2001:db8:1:ffff::1", true),
            ("2001:db8::/47", "2001:db8:2::1", false),
        ];
        for (network, member, contained) in cases {
            assert_eq!(cidr(network).contains(member.parse().unwrap()), contained, "{network} {member}");
        }
    }

    proptest! {
        #[test]
        fn a_printed_address_parses_back(ip: IpAddr) {
            let identity = Address::from(ip);
            prop_assert_eq!(Address::parse(&identity.to_string()), Ok(identity));
            prop_assert_eq!(Address::parse(&ip.to_string()), Ok(identity));
        }

        #[test]
        fn a_mapped_address_is_its_ipv4_address(v4: Ipv4Addr) {
            prop_assert_eq!(Address::from(IpAddr::from(v4.to_ipv6_mapped())), Address::V4(v4));
        }

        #[test]
        fn a_printed_network_parses_back_and_contains_its_origin(ip: IpAddr, length in 0_u8..=128) {
            let network = Cidr::new(ip.to_canonical(), length);
            prop_assert_eq!(Cidr::parse(&network.to_string()), Ok(network));
            prop_assert!(network.contains(ip) && network.contains(network.network()));
        }

        #[test]
        fn a_bit_flipped_within_the_length_leaves_the_network(ip: Ipv4Addr, length in 1_u8..=32, bit in 0_u8..32) {
            let flipped = Ipv4Addr::from_bits(ip.to_bits() ^ (1 << (31 - bit)));
            prop_assert_eq!(Cidr::new(ip.into(), length).contains(flipped.into()), bit >= length);
        }

        #[test]
        fn any_text_is_parsed_without_panic(text in ".*") {
            _ = (Address::parse(&text), Cidr::parse(&text));
        }
    }
}
