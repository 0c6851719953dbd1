//! Variables of the environment: which are ours, and which only begin like ours.

use std::ffi::OsString;
use std::net::IpAddr;

/// A variable as the operating system has it: name and value may be no UTF-8.
pub type Variable = (OsString, OsString);

/// What all of our variables begin with.
const PREFIX: &str = "BEISTAND_";
/// Variables with our prefix that are no keys of the file.
const OTHERS: [&str; 2] = ["BEISTAND_CONFIG", "BEISTAND_LOG"];

/// What a variable of the environment is to the configuration.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meant {
    /// Nothing.
    Other,
    /// A key of the file, or nothing that we know.
    Key(String, String),
    /// Kubernetes describes a Service whose name begins with ours.
    Service(String),
    /// Ours, and no text: its name, as far as it can be read.
    NotText(String),
}

/// What this variable is to the configuration.
pub(super) fn meant((name, value): Variable) -> Meant {
    let lossy = name.to_string_lossy().into_owned();
    if !lossy.starts_with(PREFIX) || OTHERS.contains(&lossy.as_str()) && value.to_str().is_some() {
        return Meant::Other;
    }
    match (name.into_string(), value.into_string()) {
        (Ok(name), Ok(value)) if is_of_a_service(&name, &value) => Meant::Service(name),
        (Ok(name), Ok(value)) => Meant::Key(name, value),
        (Ok(_) | Err(_), Ok(_) | Err(_)) => Meant::NotText(lossy),
    }
}

/// The variables that describe a Service of Kubernetes named `beistand` or `beistand-…`: it puts them into
/// every pod of that Service's namespace.
pub fn of_services(env: impl IntoIterator<Item = Variable>) -> Vec<String> {
    let found = env
        .into_iter()
        .filter_map(|variable| match meant(variable) {
            Meant::Service(name) => Some(name),
            Meant::Other | Meant::Key(..) | Meant::NotText(_) => None,
        });
    found.collect()
}

/// `{SVC}_SERVICE_HOST` is an address and `{SVC}_SERVICE_PORT[_NAME]` a port; `{SVC}_PORT` and
/// `{SVC}_PORT_{N}_{TCP|UDP|SCTP}[_PROTO|_PORT|_ADDR]` are the same in the form of Docker's links
/// (Kubernetes, "Accessing the Service": environment variables). The values tell them from a key under
/// `BEISTAND_KEYS_`.
fn is_of_a_service(name: &str, value: &str) -> bool {
    let is_port = || value.parse::<u16>().is_ok();
    let is_address = || value.parse::<IpAddr>().is_ok();
    if name.ends_with("_SERVICE_HOST") {
        return is_address();
    }
    if name.ends_with("_SERVICE_PORT") || name.contains("_SERVICE_PORT_") {
        return is_port();
    }
    let Some((_, link)) = name.rsplit_once("_PORT_").or_else(|| {
        let service = name.strip_suffix("_PORT")?;
        Some((service, ""))
    }) else {
        return false;
    };
    // `…_PORT_7880_TCP_PORT` ends in the same word: what it belongs to is in front of it.
    let parts: Vec<&str> = link.split('_').collect();
    match parts.as_slice() {
        [""] => is_link(value),
        [number, protocol] if is_number(number) && is_protocol(protocol) => is_link(value),
        [number, protocol, what] if is_number(number) && is_protocol(protocol) => match *what {
            "PROTO" => is_protocol(&value.to_ascii_uppercase()),
            "PORT" => is_port(),
            "ADDR" => is_address(),
            _ => false,
        },
        _ => false,
    }
}

fn is_number(text: &str) -> bool {
    text.parse::<u16>().is_ok()
}

fn is_protocol(text: &str) -> bool {
    matches!(text, "TCP" | "UDP" | "SCTP")
}

/// `tcp://10.0.0.1:7880`
fn is_link(value: &str) -> bool {
    let Some((protocol, address)) = value.split_once("://") else {
        return false;
    };
    is_protocol(&protocol.to_ascii_uppercase())
        && address
            .rsplit_once(':')
            .is_some_and(|(host, port)| is_number(port) && is_host(host))
}

fn is_host(text: &str) -> bool {
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
    bare.unwrap_or(text).parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt;

    fn of(name: &str, value: &str) -> Meant {
        meant((name.into(), value.into()))
    }

    #[test]
    fn what_kubernetes_says_of_a_service_is_told_from_what_the_operator_says() {
        for (name, value, of_a_service) in [
            ("BEISTAND_SERVICE_HOST", "10.0.0.1", true),
            ("BEISTAND_SERVICE_HOST", "fd00::1", true),
            ("BEISTAND_SERVICE_PORT", "7880", true),
            ("BEISTAND_SERVICE_PORT_HTTP", "7880", true),
            ("BEISTAND_SERVICE_PORT_RTC_UDP", "7882", true),
            ("BEISTAND_PORT", "tcp://10.0.0.1:7880", true),
            ("BEISTAND_PORT", "tcp://[fd00::1]:7880", true),
            ("BEISTAND_PORT_7880_TCP", "tcp://10.0.0.1:7880", true),
            ("BEISTAND_PORT_7880_TCP_PROTO", "tcp", true),
            ("BEISTAND_PORT_7880_TCP_PORT", "7880", true),
            ("BEISTAND_PORT_7880_TCP_ADDR", "10.0.0.1", true),
            ("BEISTAND_PORT_7882_UDP", "udp://10.0.0.1:7882", true),
            ("BEISTAND_PORT_7882_UDP_ADDR", "fd00::1", true),
            ("BEISTAND_PORT_9_SCTP_PROTO", "sctp", true),
            ("BEISTAND_MEDIA_SERVICE_HOST", "10.0.0.1", true),
            ("BEISTAND_KEYS_SERVICE_HOST", "10.0.0.1", true),
            (
                "BEISTAND_KEYS_PORT_7880_TCP",
                "tcp://[fd00:1:2:3:4:5:6:7]:7880",
                true,
            ),
            // What an operator may have meant is not passed over.
            ("BEISTAND_PORT", "7880", false),
            ("BEISTAND_HTTP_PORT", "7880", false),
            ("BEISTAND_HTTP_PORT", "https://media.example:1", false),
            ("BEISTAND_HTTP_BIND", "10.0.0.1", false),
            ("BEISTAND_SERVICE_HOST", "media.example", false),
            ("BEISTAND_PORT_X_TCP", "tcp://10.0.0.1:7880", false),
            ("BEISTAND_PORT_7880_TCP_NAME", "x", false),
            (
                "BEISTAND_KEYS_SERVICE_PORT",
                "0123456789abcdef0123456789abcdef",
                false,
            ),
            (
                "BEISTAND_KEYS_PORT_7_TCP",
                "0123456789abcdef0123456789abcdef",
                false,
            ),
        ] {
            let expected = if of_a_service {
                Meant::Service(name.to_owned())
            } else {
                Meant::Key(name.to_owned(), value.to_owned())
            };
            assert_eq!(of(name, value), expected, "{name}={value}");
        }
        assert_eq!(of("PATH", "/bin"), Meant::Other);
        assert_eq!(of("BEISTAND_LOG", "info"), Meant::Other);
        assert_eq!(of("MY_BEISTAND_SERVICE_HOST", "10.0.0.1"), Meant::Other);
    }

    #[test]
    fn what_is_no_text_is_ours_by_what_its_name_begins_with() {
        let odd = || OsString::from_vec(vec![b'a', 0xff]);
        let named = |name: &str| Meant::NotText(name.to_owned());
        for name in ["BEISTAND_DATA_DIR", "BEISTAND_LOG", "BEISTAND_CONFIG"] {
            assert_eq!(meant((name.into(), odd())), named(name));
        }
        let mut name = OsString::from("BEISTAND_KEYS_");
        name.push(odd());
        assert_eq!(meant((name, "x".into())), named("BEISTAND_KEYS_a\u{fffd}"));
        assert_eq!(meant(("PATH".into(), odd())), Meant::Other);
        assert_eq!(meant((odd(), odd())), Meant::Other);
    }
}
