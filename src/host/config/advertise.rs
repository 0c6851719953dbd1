//! An address that clients are told: of the machine alone, or with the port of a mapping.

use serde::{Deserialize, Deserializer, de};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// `203.0.113.7` or `203.0.113.7:7882`. The port is the one that leads to the first worker; the
/// ports above it lead to the others, as with `rtc.udp_bind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advertise {
    /// The address.
    pub ip: IpAddr,
    /// None: the port that the worker is bound to.
    pub port: Option<u16>,
}

impl Advertise {
    /// What clients of worker `index` are told, who is bound to `bound`. None beyond port 65535.
    pub fn of_worker(self, index: u16, bound: u16) -> Option<SocketAddr> {
        let port = match self.port {
            Some(first) => first.checked_add(index)?,
            None => bound,
        };
        Some(SocketAddr::new(self.ip, port))
    }
}

impl From<IpAddr> for Advertise {
    fn from(ip: IpAddr) -> Advertise {
        Advertise { ip, port: None }
    }
}

/// Neither an address nor an address with a port.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0:?} is no IP address: write one such as \"203.0.113.7\" or \"2001:db8::7\", not a host name; \
     with a mapped port \"203.0.113.7:7882\" or \"[2001:db8::7]:7882\""
)]
pub struct AdvertiseError(String);

impl FromStr for Advertise {
    type Err = AdvertiseError;

    fn from_str(text: &str) -> Result<Advertise, AdvertiseError> {
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Ok(Advertise::from(ip));
        }
        let with_port: SocketAddr = text.parse().map_err(|_| AdvertiseError(text.to_owned()))?;
        Ok(Advertise {
            ip: with_port.ip(),
            port: Some(with_port.port()),
        })
    }
}

impl fmt::Display for Advertise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => SocketAddr::new(self.ip, port).fmt(f),
            None => self.ip.fmt(f),
        }
    }
}

impl<'de> Deserialize<'de> for Advertise {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Advertise, D::Error> {
        String::deserialize(from)?
            .parse()
            .map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_stands_alone_or_with_a_port() {
        for (text, first, third) in [
            ("203.0.113.7", "203.0.113.7:7884", "203.0.113.7:7884"),
            ("203.0.113.7:443", "203.0.113.7:443", "203.0.113.7:445"),
            ("2001:db8::7", "[2001:db8::7]:7884", "[2001:db8::7]:7884"),
            (
                "[2001:db8::7]:443",
                "[2001:db8::7]:443",
                "[2001:db8::7]:445",
            ),
        ] {
            let advertise: Advertise = text.parse().unwrap();
            assert_eq!(advertise.to_string(), text);
            for (index, told) in [(0, first), (2, third)] {
                let expected = Some(told.parse().unwrap());
                assert_eq!(advertise.of_worker(index, 7884), expected, "{text} {index}");
            }
        }
    }

    #[test]
    fn there_is_no_port_beyond_the_last() {
        let advertise: Advertise = "203.0.113.7:65535".parse().unwrap();
        assert!(advertise.of_worker(0, 1).is_some());
        assert_eq!(advertise.of_worker(1, 1), None);
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "media.example",
            "media.example:7882",
            "203.0.113.7:",
            "203.0.113.7:70000",
            "[2001:db8::7]",
            ":7882",
            "203.0.113.0/24",
        ] {
            let error = text.parse::<Advertise>().unwrap_err().to_string();
            assert!(error.contains("is no IP address"), "{text}: {error}");
        }
    }
}
