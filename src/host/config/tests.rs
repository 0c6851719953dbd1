//! The commented file against the types, and a table of bad configurations with their words.

use super::key::keys_of;
use super::origin::Origins;
use super::*;
use crate::base::ProjectId;
use crate::session::Policy;
use std::path::{Path, PathBuf};

const SHIPPED: &str = include_str!("../../../config/beistand.toml");
const KEYS: &str = "[keys]\napp = \"0123456789abcdef0123456789abcdef\"\n";

/// Loads a text as the file `my.toml`, without touching a disk.
fn load_text(text: &str, env: &[(&str, &str)], flags: &Flags) -> Result<Config, Problems> {
    let env = env
        .iter()
        .map(|(name, value)| ((*name).into(), (*value).into()));
    let mut origins = Origins::default();
    let config = load::layered(Some(("my.toml", text)), env, &mut origins);
    load::finish(config, flags, origins)
}

fn load(text: &str) -> Result<Config, Problems> {
    load_text(&format!("{KEYS}{text}"), &[], &Flags::default())
}

#[test]
fn the_shipped_file_is_the_default() {
    let mut origins = Origins::default();
    let config = load::layered(Some(("beistand.toml", SHIPPED)), [], &mut origins);
    assert_eq!(origins.into_result(config), Ok(Config::default()));
}

#[test]
fn the_shipped_file_lacks_nothing_but_an_api_key() {
    let problems = load_text(SHIPPED, &[], &Flags::default()).unwrap_err().0;
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].place.starts_with("my.toml:") && problems[0].key == "keys");
    let env = [("BEISTAND_KEYS_app", "0123456789abcdef0123456789abcdef")];
    assert!(load_text(SHIPPED, &env, &Flags::default()).is_ok());
}

/// Whether the shipped file has a line `name = …`, commented out or not, in that section.
fn is_written_out(section: &str, name: &str) -> bool {
    let heading = format!("[{section}]");
    let lines = SHIPPED.lines().skip_while(|line| *line != heading).skip(1);
    lines.take_while(|line| !line.starts_with('[')).any(|line| {
        line.trim_start_matches("# ")
            .starts_with(&format!("{name} = "))
    })
}

#[test]
fn the_shipped_file_writes_out_every_key() {
    let mut missing = Vec::new();
    let mut see = |path: &[String], under: &str| {
        let path: Vec<&str> = std::iter::once(under)
            .chain(path.iter().map(String::as_str))
            .filter(|part| !part.is_empty())
            .collect();
        let (name, section) = path.split_last().unwrap();
        let free = section.is_empty() && SHIPPED.contains(&format!("\n[{name}"));
        if !free && !is_written_out(&section.join("."), name) {
            missing.push(path.join("."));
        }
    };
    for key in keys_of::<Config>() {
        see(&key.path, "");
    }
    for key in keys_of::<Policy>() {
        see(&key.path, "policies.default");
    }
    for key in keys_of::<Endpoint>() {
        see(&key.path, "webhooks");
    }
    assert!(
        missing.is_empty(),
        "not in config/beistand.toml: {missing:?}"
    );
}

#[test]
fn every_key_has_its_variable_and_no_two_share_one() {
    let variables: Vec<String> = keys_of::<Config>().iter().map(key::Key::variable).collect();
    let golden = include_str!("../../../tests/golden/config/variables.txt");
    assert_eq!(variables.join("\n"), golden.trim_end());
    let distinct: std::collections::BTreeSet<&String> = variables.iter().collect();
    assert_eq!(distinct.len(), variables.len());
}

#[test]
#[rustfmt::skip]
fn a_bad_file_is_refused_with_line_and_words() {
    for (text, line, says) in [
        ("[http]\nbnd = \"x\"", 4, "unknown field `bnd`, expected one of `bind`"),
        ("[htp]\nbind = \"x\"", 3, "unknown field `htp`, expected one of `http`"),
        ("[htp]", 3, "unknown field `htp`"),
        ("[http]\nbind = \"localhost\"", 4, "write IP:PORT"),
        ("[http]\nbind = 7880", 4, "expected a string"),
        ("[http]\nbind = \"0.0.0.0:70000\"", 4, "write IP:PORT"),
        ("[http]\nbind = \"::1:80\"", 4, "write IP:PORT"),
        ("[http]\ntrusted_proxies = [\n  \"10.0.0.0/8\",\n  \"10.0.0.0/40\",\n]", 6, "no address or network"),
        ("[tls]\ncert = \"a.pem\"", 4, "set `tls.key` too"),
        ("[tls]\nkey = \"a.pem\"", 4, "set `tls.cert` too"),
        ("[rtc]\nworkers = 65", 4, "65 is too many: 0 (one a core) to 64"),
        ("[rtc]\nworkers = -1", 4, "expected u16"),
        ("[rtc]\nudp_bind = \"0.0.0.0:65530\"\nworkers = 8", 4, "beyond 65535"),
        ("[rtc]\nadvertise = [\"0.0.0.0\"]", 4, "cannot be reached"),
        ("[rtc]\nadvertise = [\"2001:db8::1\"]", 4, "bind \"[::]:PORT\""),
        ("[rtc]\nadvertise = [\"media.example\"]", 4, "IP address"),
        ("[rtc]\nadvertise = [\"media.example:7882\"]", 4, "with a mapped port \"203.0.113.7:7882\""),
        ("[rtc]\nadvertise = [\"203.0.113.7:70000\"]", 4, "IP address"),
        ("[rtc]\nadvertise = [\"203.0.113.7:0\"]", 4, "name the port that leads to the first worker"),
        ("[rtc]\nworkers = 2\nadvertise = [\"203.0.113.7:65535\"]", 5, "the ports of 2 workers"),
        ("[rtc]\nadvertise = [\"[2001:db8::1]:7882\"]", 4, "[2001:db8::1]:7882 is IPv6 but"),
        ("[admin]\nbind = \"0.0.0.0:7880\"", 4, "is taken by http.bind"),
        ("[data]\ndir = \"\"", 4, "name a directory"),
        ("[recordings]\ndir = \"\"", 4, "name a directory, or leave it out"),
        ("[limits]\nmax_sessions = 0", 4, "1 to 100000 are allowed"),
        ("[limits]\nws_message_bytes = \"2 MiB\"", 4, "expected u32"),
        ("[limits]\nhandshake_timeout_ms = 1", 4, "100 to 120000"),
        ("[webhooks]\ntimeout_ms = 0", 4, "100 to 120000"),
        ("[policies.default]\nabandon_after_s = 1", 4, "abandon_after_s is 1; allowed is 20 to"),
        ("[policies.trial.duration]\nmax_min = 0", 4, "duration.max_min is 0; allowed is 1 to 1440"),
        ("[policies.trial]\nmax_min = 5", 4, "unknown field `max_min`"),
        ("[policies.\"a b\"]\nabandon_after_s = 300", 3, "a name has 1 to 64"),
        ("[log]\nlevel = \"loud\"", 4, "expected one of `error`, `warn`"),
        ("[log]\nlevel = \"info\"\nlevel = \"warn\"", 5, "duplicate key"),
        ("[log\nlevel = 1", 3, "table"),
        ("nonsense", 3, "key with no value"),
    ] {
        let problems = load(text).unwrap_err().0;
        let problem = &problems[0];
        assert_eq!(problem.place, format!("my.toml:{line}"), "{text}: {problem}");
        assert!(problem.what.contains(says), "{text}: {problem}");
    }
}

fn endpoint(line: &str) -> String {
    let base = [
        "name = \"billing\"",
        "url = \"https://app.example/hook\"",
        "secret = \"whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\"",
    ];
    let name = line.split(' ').next().unwrap();
    let kept = base
        .iter()
        .filter(|other| !other.starts_with(name))
        .copied();
    let lines: Vec<&str> = std::iter::once(line).chain(kept).collect();
    format!("[[webhooks.endpoints]]\n{}", lines.join("\n"))
}

#[test]
fn a_bad_endpoint_is_refused_at_its_own_line() {
    assert!(load(&endpoint("allow_http = true")).is_ok());
    let shortest = "secret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"";
    assert!(load(&endpoint(shortest)).is_ok(), "24 bytes");
    for (line, says) in [
        ("name = \"\"", "1 to 64"),
        ("name = \"a b\"", "1 to 64"),
        ("url = \"http://app.example\"", "set `allow_http = true`"),
        ("url = \"ftp://app.example\"", "https://"),
        ("url = \"app.example\"", "https://"),
        ("url = \"https:///hook\"", "needs a host"),
        (
            "url = \"https://app.example:99999\"",
            "is no URL: invalid port",
        ),
        ("url = \"https://10.0.0.7/\"", "(private use, 10.0.0.0/8)"),
        ("url = \"https://2130706433/\"", "(loopback, 127.0.0.0/8)"),
        ("url = \"https://[::1]:1/\"", "set `allow_private = true`"),
        ("url = \"https://localhost/\"", "set `allow_private = true`"),
        ("url = \"https://me:pw@app.example\"", "no user name"),
        ("secret = \"short\"", "whsec_"),
        ("secret = \"whsec_%%%%\"", "base64"),
        (
            "secret = \"whsec_YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=\"",
            "24 to 64 bytes",
        ),
        ("secrets = \"x\"", "unknown field `secrets`"),
    ] {
        let problem = load(&endpoint(line)).unwrap_err().0.remove(0);
        assert_eq!(problem.place, "my.toml:4", "{line}: {problem}");
        assert!(problem.what.contains(says), "{line}: {problem}");
    }
    let two = format!("{0}\n{0}", endpoint("allow_http = false"));
    assert!(
        load(&two)
            .unwrap_err()
            .to_string()
            .contains("name of two endpoints")
    );
}

#[test]
fn a_project_has_keys_policies_and_endpoints_of_its_own() {
    let hook = endpoint("allow_http = false").replace("webhooks", "projects.acme.webhooks");
    let config = load(&format!(
        "[projects.acme.keys]\nacme-1 = \"{}\"\nacme-2 = \"{0}\"\n\
         [projects.acme.policies.trial.duration]\nmax_min = 5\n{hook}\n{}\n",
        "a".repeat(32),
        endpoint("allow_http = false"),
    ))
    .unwrap();
    let acme = ProjectId::from("acme");
    let keys = config.api_keys().unwrap();
    assert_eq!(keys.project("app"), Some(&ProjectId::default()));
    assert_eq!(keys.project("acme-2"), Some(&acme));
    let policies = config.all_policies();
    assert!(policies.are_whole());
    assert_eq!(
        policies.names(&acme).collect::<Vec<_>>(),
        ["default", "trial"]
    );
    assert!(policies.get(&ProjectId::default(), "trial").is_none());
    let called = config
        .all_endpoints()
        .map(|(project, one)| project.endpoint(&one.name));
    assert_eq!(called.collect::<Vec<_>>(), ["billing", "acme/billing"]);
    // Tenants alone will do.
    let alone = format!("[projects.acme.keys]\nacme-1 = \"{}\"", "a".repeat(32));
    assert!(load_text(&alone, &[], &Flags::default()).is_ok());
}

#[test]
#[rustfmt::skip]
fn what_two_projects_may_not_share_is_refused_at_its_line() {
    let (a, b) = ("a".repeat(32), "b".repeat(32));
    let taken = "0123456789abcdef0123456789abcdef";
    let acme = format!("[projects.acme.keys]\nx = \"{a}\"\n");
    let odd = endpoint("url = \"ftp://app.example\"").replace("webhooks", "projects.acme.webhooks");
    for (text, line, says) in [
        (format!("[projects.acme.keys]\napp = \"{a}\""), 4, "is in [keys] as well"),
        (format!("[projects.acme.keys]\nacme = \"{taken}\""), 4, "could sign for the other"),
        (format!("{acme}[projects.bolt.keys]\nx = \"{b}\""), 6, "is in [projects.acme.keys] as well"),
        (format!("{acme}[projects.bolt.keys]\ny = \"{a}\""), 6, "could sign for the other"),
        (format!("[projects.default.keys]\nx = \"{a}\""), 3, "name it otherwise"),
        (format!("[projects.\"a/b\".keys]\nx = \"{a}\""), 3, "a name has 1 to 64"),
        ("[projects.acme.policies.default]".to_owned(), 3, "add one to [projects.acme.keys]"),
        ("[projects.acme.keys]\nx = \"short\"".to_owned(), 4, "the secret has 5 bytes"),
        (format!("{acme}[projects.acme.policies.gold]\nabandon_after_s = 1"), 6, "abandon_after_s is 1"),
        (format!("{acme}{odd}"), 6, "https://"),
        ("[projects.acme.limits]\nx = 1".to_owned(), 3, "unknown field `limits`"),
    ] {
        let problems = load(&text).unwrap_err();
        let problem = &problems.0[0];
        assert!(problem.what.contains(says), "{text}: {problems}");
        assert_eq!(problem.place, format!("my.toml:{line}"), "{text}: {problem}");
        assert!(!problems.to_string().contains(&a), "no secret is printed");
    }
}

#[test]
fn there_are_at_most_64_projects() {
    for (most, good) in [(64, true), (65, false)] {
        let many: String = (0..most)
            .map(|n| format!("[projects.p{n}.keys]\nk{n} = \"{n:032}\"\n"))
            .collect();
        let loaded = load(&many).map_err(|problems| problems.to_string());
        assert_eq!(loaded.is_ok(), good);
        let why = loaded.err().unwrap_or_default();
        assert!(good || why.contains("65 are too many: at most 64"), "{why}");
    }
}

#[test]
fn all_problems_are_reported_at_once_in_the_words_of_the_golden_file() {
    let golden = include_str!("../../../tests/golden/config/problems.txt");
    let bad = include_str!("../../../tests/golden/config/bad.toml");
    let values = load_text(bad, &[("BEISTAND_HTPP_BIND", "x")], &Flags::default()).unwrap_err();
    let ranges = include_str!("../../../tests/golden/config/bad_ranges.toml");
    let ranges = load_text(ranges, &[], &Flags::default()).unwrap_err();
    assert_eq!(format!("{values}\n---\n{ranges}"), golden.trim_end());
}

#[test]
fn a_secret_is_never_printed() {
    let secret = "0123456789abcdef0123456789abcdef";
    assert!(!format!("{:?}", load("").unwrap()).contains(secret));
    for text in [
        "[keys]\napp = 31415926535",
        "[keys]\napp = \"31415926535\"",
        "[keys]\napp = \"31415926535",
        "[keys]\napp = [\"31415926535\"]",
        "[[webhooks.endpoints]]\nname = \"a\"\nurl = \"https://a\"\nsecret = 31415926535",
        "[[webhooks.endpoints]]\nname = \"a\"\nurl = \"https://a\"\nsecret = \"31415926535\"",
    ] {
        let problems = load_text(text, &[], &Flags::default()).unwrap_err();
        assert!(
            !format!("{problems} {problems:?}").contains("31415926535"),
            "{problems}"
        );
    }
    let env = [("BEISTAND_KEYS_app", "31415926535")];
    let problems = load_text("", &env, &Flags::default()).unwrap_err();
    assert!(!problems.to_string().contains("31415926535"), "{problems}");
    assert!(
        problems.to_string().contains("BEISTAND_KEYS_app: keys.app"),
        "{problems}"
    );
}

#[test]
fn the_environment_overrides_the_file() {
    let text = format!("{KEYS}[http]\nbind = \"127.0.0.1:1\"\n[limits]\nmax_sessions = 7\n");
    let env = [
        ("BEISTAND_HTTP_BIND", "[::1]:80"),
        ("BEISTAND_RTC_ADVERTISE", "203.0.113.7, 203.0.113.8:443"),
        ("BEISTAND_HTTP_TRUSTED_PROXIES", "[\"10.0.0.0/8\"]"),
        ("BEISTAND_RTC_WORKERS", "3"),
        ("BEISTAND_DATA_DIR", "12345"),
        ("BEISTAND_TLS_CERT", "a.pem"),
        ("BEISTAND_TLS_KEY", "b.pem"),
        ("BEISTAND_LOG_LEVEL", "debug"),
        ("BEISTAND_LOG", "a filter"),
        (
            "BEISTAND_POLICIES",
            "{ trial = { duration = { max_min = 5 } } }",
        ),
        ("BEISTAND_KEYS_OTHER", "0123456789abcdef0123456789abcdef"),
        ("PATH", "/bin"),
    ];
    let config = load_text(&text, &env, &Flags::default()).unwrap();
    assert_eq!(config.http.bind, "[::1]:80".parse().unwrap());
    let told = ["203.0.113.7", "203.0.113.8:443"].map(|text| text.parse().unwrap());
    assert_eq!(config.rtc.advertise, told);
    assert!(config.http.trusted_proxies[0].contains("10.1.1.1".parse().unwrap()));
    assert_eq!((config.rtc.workers, config.limits.max_sessions), (3, 7));
    assert_eq!(config.data.dir, PathBuf::from("12345"));
    assert_eq!(config.tls.key, Some(PathBuf::from("b.pem")));
    assert_eq!(config.log.level, Level::Debug);
    assert_eq!(config.policies["trial"].duration.max_min, 5);
    assert_eq!(config.policies.len(), 2);
    assert_eq!(
        config.keys.keys().map(String::as_str).collect::<Vec<_>>(),
        ["OTHER", "app"]
    );
}

#[test]
fn a_bad_variable_is_refused_by_its_name() {
    for (variable, value, says) in [
        ("BEISTAND_HTTP_BNID", "x", "no such variable"),
        ("BEISTAND_KEYS_", "x", "no such variable"),
        ("BEISTAND_RTC_WORKERS", "many", "expected u16"),
        ("BEISTAND_RTC_WORKERS", "65", "0 (one a core) to 64"),
        ("BEISTAND_HTTP_BIND", "80", "write IP:PORT"),
        ("BEISTAND_RTC_ADVERTISE", "a,b", "IP address"),
    ] {
        let problem = load_text(KEYS, &[(variable, value)], &Flags::default())
            .unwrap_err()
            .0
            .remove(0);
        assert_eq!(problem.place, variable, "{problem}");
        assert!(problem.what.contains(says), "{problem}");
    }
}

fn dev() -> Flags {
    Flags {
        dev: true,
        ..Flags::default()
    }
}

#[test]
fn dev_listens_on_loopback_with_the_published_key() {
    let config = load_text("", &[], &dev()).unwrap();
    assert_eq!(config.http.bind, "127.0.0.1:7880".parse().unwrap());
    assert_eq!(config.rtc.udp_bind, "127.0.0.1:7882".parse().unwrap());
    assert_eq!(config.rtc.advertise, ["127.0.0.1".parse().unwrap()]);
    assert_eq!(config.data.dir, PathBuf::from("./data"));
    assert_eq!(config.keys[DEV_KEY].expose(), DEV_SECRET);
    assert!(config.api_keys().is_ok());
}

#[test]
fn dev_refuses_other_addresses_unless_told_so() {
    let mut flags = Flags {
        http: Some("0.0.0.0:7880".parse().unwrap()),
        ..dev()
    };
    flags.udp = Some("[::1]:0".parse().unwrap());
    let problems = load_text("", &[], &flags).unwrap_err();
    assert!(
        problems
            .to_string()
            .starts_with("--http: http.bind: 0.0.0.0:7880 can be reached")
    );
    assert!(problems.to_string().ends_with("add --dev-public") && problems.0.len() == 1);
    let env = [("BEISTAND_RTC_UDP_BIND", "0.0.0.0:1")];
    assert!(load_text("", &env, &dev()).is_err());
    flags.dev_public = true;
    let config = load_text("", &[], &flags).unwrap();
    assert_eq!(config.rtc.advertise, ["::1".parse().unwrap()]);
    flags.udp = flags.http;
    assert!(load_text("", &[], &flags).unwrap().rtc.advertise.is_empty());
}

#[test]
fn the_published_secret_is_refused_on_a_public_address() {
    let text = format!("[keys]\ndevkey = \"{DEV_SECRET}\"\n");
    let problems = load_text(&text, &[], &Flags::default()).unwrap_err();
    assert!(
        problems
            .to_string()
            .contains("my.toml:2: keys.devkey: this is the published")
    );
}

#[test]
fn a_missing_file_is_named() {
    let path = Path::new("/nonexistent/beistand.toml");
    let problems = Config::load(Some(path), [], &Flags::default()).unwrap_err();
    assert!(
        problems
            .to_string()
            .starts_with("/nonexistent/beistand.toml: cannot read")
    );
}

#[test]
fn workers_follow_the_cores_within_bounds() {
    let mut rtc = Rtc::default();
    assert_eq!(
        [0, 1, 8, 500].map(|cores| rtc.worker_count(cores)),
        [1, 1, 8, 64]
    );
    rtc.workers = 3;
    assert_eq!(rtc.worker_count(8), 3);
}

#[test]
fn white_space_at_the_ends_of_a_secret_is_refused_wherever_the_secret_comes_from() {
    let secret = "0123456789abcdef0123456789abcdef";
    for (blank, named) in [
        ("\n", "a line break"),
        ("\r\n", "a line break"),
        (" ", "a space"),
        ("\t", "a tabulator"),
        ("\u{feff}", "a byte order mark"),
        ("\u{a0}", "U+00A0"),
        ("\u{200b}", "U+200B"),
        ("\u{7}", "U+0007"),
    ] {
        for (end, odd) in [
            ("begins", format!("{blank}{secret}")),
            ("ends", format!("{secret}{blank}")),
        ] {
            let toml = toml::Value::String(odd.clone());
            let env = [("BEISTAND_KEYS_other", odd.as_str())];
            let project = format!("{KEYS}[projects.acme.keys]\nacme = {toml}");
            for (loaded, place) in [
                (
                    load_text(KEYS, &env, &Flags::default()),
                    "BEISTAND_KEYS_other: ",
                ),
                (load(&format!("other = {toml}")), "my.toml:3: keys.other: "),
                (
                    load_text(&project, &[], &Flags::default()),
                    "my.toml:4: projects.acme.",
                ),
            ] {
                let problems = loaded.unwrap_err().to_string();
                let says = format!("the secret {end} with ");
                assert!(
                    problems.contains(&says) && problems.contains(named),
                    "{problems}"
                );
                assert!(problems.starts_with(place), "{problems}");
                assert!(!problems.contains(secret), "{problems}");
            }
        }
    }
    let inside = "0123456789abcdef 0123456789abcdef";
    assert!(load(&format!("other = \"{inside}\"")).is_ok());
    let hook = endpoint("secret = \"whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\\n\"");
    let problems = load(&hook).unwrap_err().to_string();
    assert!(
        problems.contains("secret: the secret ends with a line break"),
        "{problems}"
    );
    let problems = load(&format!("\"b \" = \"{secret}\""))
        .unwrap_err()
        .to_string();
    assert!(
        problems.contains("the name ends with a space"),
        "{problems}"
    );
}

#[test]
fn a_variable_that_is_no_text_is_refused_by_its_name_and_those_of_a_service_are_passed_over() {
    use std::os::unix::ffi::OsStringExt;
    let odd = std::ffi::OsString::from_vec(vec![b'/', 0xff]);
    let env = [
        ("BEISTAND_DATA_DIR".into(), odd),
        ("BEISTAND_PORT".into(), "tcp://10.0.0.1:7880".into()),
    ];
    let mut origins = Origins::default();
    let config = load::layered(Some(("my.toml", KEYS)), env, &mut origins);
    let problems = origins.into_result(config).unwrap_err();
    let says = "BEISTAND_DATA_DIR: its name or its value is no text in UTF-8";
    assert_eq!(problems.to_string(), says);
}

#[test]
fn links_begin_with_an_address_and_those_who_embed_the_page_are_origins() {
    let config = load("[http]\npublic_url = \"https://media.example/calls/\"\nembed_origins = [\"https://a.example:1\"]").unwrap();
    assert_eq!(
        config.http.public_url.as_deref(),
        Some("https://media.example/calls")
    );
    assert_eq!(config.http.embed_origins, ["https://a.example:1"]);
    let many = vec!["https://a.example"; 17];
    for (line, says) in [
        (
            "public_url = \"media.example\"".to_owned(),
            "write SCHEME://HOST",
        ),
        (
            "public_url = \"wss://media.example\"".to_owned(),
            "write SCHEME://HOST",
        ),
        (
            "embed_origins = [\"https://a.example/page\"]".to_owned(),
            "is no origin",
        ),
        ("embed_origins = [\"*\"]".to_owned(), "is no origin"),
        (
            "embed_origins = [\"https://a.example; script-src *\"]".to_owned(),
            "is no origin",
        ),
        (format!("embed_origins = {many:?}"), "at most 16"),
    ] {
        let problems = load(&format!("[http]\n{line}")).unwrap_err();
        assert_eq!(problems.0[0].place, "my.toml:4", "{line}: {problems}");
        assert!(problems.0[0].what.contains(says), "{line}: {problems}");
    }
}
