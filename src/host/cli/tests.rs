//! Help texts against their golden files, command lines against what they mean.

use super::token::make_token;
use super::*;
use crate::base::{Millis, Mono, Now, Role, Unix};
use crate::peer::signal::token::{Duty, authorize_admin, authorize_join, verify};

fn parsed(line: &str) -> Result<Command, Refusal> {
    parse(std::iter::once("beistand").chain(line.split_whitespace()))
}

fn help(line: &str) -> String {
    let text = parsed(line).unwrap_err().to_string();
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n") + "\n"
}

#[test]
fn help_reads_as_in_the_golden_files() {
    for command in [
        "",
        "serve",
        "token",
        "preflight",
        "usage",
        "recordings",
        "recordings list",
        "recordings show",
        "recordings verify",
        "recordings export",
        "ledger",
        "ledger verify",
        "config",
        "webhooks",
        "webhooks list",
        "webhooks replay",
        "webhooks enable",
        "config check",
    ] {
        let name = match command {
            "" => "beistand".to_owned(),
            command => command.replace(' ', "-"),
        };
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/help");
        let golden = std::fs::read_to_string(format!("{folder}/{name}.txt"));
        assert_eq!(
            help(&format!("{command} --help")),
            golden.unwrap(),
            "{command}"
        );
    }
}

#[test]
fn a_wrong_command_line_is_refused_in_words() {
    for (line, says) in [
        ("serve", "--config <FILE>|--dev"),
        ("serve --dev --config x.toml", "cannot be used with"),
        ("serve --config x.toml --dev-public", "cannot be used with"),
        ("serve --dev --http localhost", "invalid socket address"),
        ("serve --dev --print-ports xml", "--print-ports <json>"),
        ("token --dev --identity i", "--room <ROOM>"),
        (
            "token --dev --room r --identity i --role boss",
            "expert, customer, guest, observer",
        ),
        (
            "token --dev --room r --identity i --ttl soon",
            "30s, 90m, 6h or 2d",
        ),
        ("token --dev --room r --identity i --ttl 0s", "1s to 366d"),
        (
            "token --dev --room r --identity i --ttl 9999d",
            "1s to 366d",
        ),
        (
            "token --dev --room r --identity i --attribute role=expert",
            "use --role",
        ),
        (
            "token --dev --room r --identity i --attribute seat",
            "NAME=TEXT",
        ),
        ("preflight --url ws://h", "--token <TOKEN>"),
        ("usage --data d --config f", "cannot be used with"),
        ("ledger", "Usage: beistand ledger"),
        ("recordings", "Usage: beistand recordings"),
        ("recordings export RC_x_qa", "--to <DIR>"),
        ("config check", "<FILE>"),
        ("fly", "unrecognized subcommand"),
    ] {
        let refusal = parsed(line).unwrap_err();
        assert!(refusal.to_string().contains(says), "{line}: {refusal}");
        assert!(refusal.0.use_stderr(), "{line} is no help request");
    }
}

fn serve(line: &str) -> ServeArgs {
    match parsed(line).unwrap() {
        Command::Serve(args) => args,
        Command::Token(_)
        | Command::Preflight(_)
        | Command::Usage(_)
        | Command::Recordings(_)
        | Command::Ledger(_)
        | Command::Webhooks(_)
        | Command::Config(_) => panic!("{line} is not serve"),
    }
}

#[test]
fn flags_of_serve_reach_the_configuration() {
    let args = serve(
        "serve --dev --http 127.0.0.1:0 --udp [::1]:0 --admin 127.0.0.1:0 --data d --print-ports json",
    );
    assert_eq!(args.print_ports, Some(PortsFormat::Json));
    let config = args.load([]).unwrap();
    assert_eq!(config.http.bind, "127.0.0.1:0".parse().unwrap());
    assert_eq!(config.rtc.udp_bind, "[::1]:0".parse().unwrap());
    assert_eq!(config.admin.bind, "127.0.0.1:0".parse().unwrap());
    assert_eq!(config.data.dir, PathBuf::from("d"));
    let public = serve("serve --dev --http 0.0.0.0:80").load([]).unwrap_err();
    assert!(
        public.to_string().starts_with("--http: http.bind"),
        "{public}"
    );
    assert!(
        serve("serve --dev --dev-public --http 0.0.0.0:80")
            .load([])
            .is_ok()
    );
}

#[test]
fn a_ledger_is_found_by_directory_or_configuration() {
    let place = |data: Option<&str>| DataArgs {
        data: data.map(PathBuf::from),
        config: None,
    };
    assert_eq!(place(Some("d")).dir([]).unwrap(), PathBuf::from("d"));
    assert_eq!(place(None).dir([]).unwrap(), PathBuf::from("./data"));
    let file = DataArgs {
        data: None,
        config: Some(PathBuf::from("/nonexistent")),
    };
    assert!(file.dir([]).is_err());
    let dirs = place(Some("d")).dirs([]).unwrap();
    assert_eq!(dirs, (PathBuf::from("d"), PathBuf::from("d/recordings")));
    let verify = parsed("ledger verify --data a --data b --json").unwrap();
    let data = vec![PathBuf::from("a"), PathBuf::from("b")];
    assert_eq!(
        verify,
        Command::Ledger(LedgerCommand::Verify(VerifyArgs { data, json: true }))
    );
}

fn now() -> Now {
    Now {
        mono: Mono::ZERO,
        unix: Unix(1_800_000_000_000),
    }
}

fn token(line: &str, config: &Config) -> anyhow::Result<String> {
    match parsed(line).unwrap() {
        Command::Token(args) => make_token(&args, config, now()),
        Command::Serve(_)
        | Command::Preflight(_)
        | Command::Usage(_)
        | Command::Recordings(_)
        | Command::Ledger(_)
        | Command::Webhooks(_)
        | Command::Config(_) => panic!("{line} is not token"),
    }
}

fn dev() -> Config {
    Source {
        dev: true,
        config: None,
    }
    .load([])
    .unwrap()
}

#[test]
fn a_printed_token_lets_its_bearer_in() {
    let line = "token --dev --room lesson --identity anna --role expert --name Anna --ttl 90m \
                --policy default --attribute seat=3 --attribute note=a=b";
    let config = dev();
    let token = token(line, &config).unwrap();
    let claims = verify(&token, &config.api_keys().unwrap(), now()).unwrap();
    assert_eq!(
        claims.expires,
        Unix(now().unix.0 + Millis::from_secs(5400).0)
    );
    let join = authorize_join(&claims).unwrap();
    assert_eq!(
        (join.room.name.as_str(), join.identity.as_str()),
        ("lesson", "anna")
    );
    assert_eq!(
        (join.role, join.name.as_str()),
        (Some(Role::Expert), "Anna")
    );
    assert_eq!(join.policy.as_deref(), Some("default"));
    assert_eq!(
        (
            join.attributes["seat"].as_str(),
            join.attributes["note"].as_str()
        ),
        ("3", "a=b")
    );
}

#[test]
fn a_token_for_the_sessions_api_carries_its_grants_and_no_join() {
    let config = dev();
    let claims = |line: &str| {
        let token = token(line, &config).unwrap();
        verify(&token, &config.api_keys().unwrap(), now()).unwrap()
    };
    let all = claims("token --dev --admin");
    for duty in [Duty::Create, Duty::List, Duty::AdministerRoom("any")] {
        assert_eq!(authorize_admin(&all, duty), Ok(()));
    }
    assert!(authorize_join(&all).is_err());
    let one = claims("token --dev --admin --room lesson");
    assert!(authorize_admin(&one, Duty::Create).is_err());
    assert!(authorize_admin(&one, Duty::AdministerRoom("other")).is_err());
    assert_eq!(
        authorize_admin(&one, Duty::AdministerRoom("lesson")),
        Ok(())
    );
    assert!(parsed("token --dev --admin --role expert").is_err());
}

#[test]
fn a_token_that_no_join_would_accept_is_not_printed() {
    let mut config = dev();
    let long = format!("token --dev --room r --identity {}", "i".repeat(257));
    assert!(
        token(&long, &config)
            .unwrap_err()
            .to_string()
            .contains("257 bytes")
    );
    let policy = "token --dev --room r --identity i --policy gold";
    assert!(
        token(policy, &config)
            .unwrap_err()
            .to_string()
            .contains("[policies.gold]")
    );
    let line = "token --dev --room r --identity i";
    config.keys.insert(
        "other".to_owned(),
        "0123456789abcdef0123456789abcdef".into(),
    );
    assert!(
        token(line, &config)
            .unwrap_err()
            .to_string()
            .contains("--key devkey|other")
    );
    assert!(token(&format!("{line} --key other"), &config).is_ok());
    let gone = token(&format!("{line} --key gone"), &config).unwrap_err();
    assert!(gone.to_string().contains("no API key \"gone\""));
}
