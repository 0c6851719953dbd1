//! What operators set, and mean otherwise: told by `config check`, and by a start.

use crate::node::{Node, SECRET, beistand};
use crate::place::{self, Folder};
use crate::turn;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::process::{Command, Output};

/// Exit code of a wrong configuration.
const USAGE: Option<i32> = Some(2);

/// A configuration file in a folder of its own.
struct Settings {
    folder: Folder,
    file: PathBuf,
}

impl Settings {
    fn new(more: &str) -> Settings {
        let folder = Folder::new();
        let file = folder.join("beistand.toml");
        let text = format!("[keys]\nmyapp = \"0123456789abcdef0123456789abcdef\"\n{more}");
        std::fs::write(&file, text).expect("the configuration is written");
        Settings { folder, file }
    }

    /// `config check` and a start, each with these variables.
    fn tried(&self, env: &[(&str, OsString)]) -> [Output; 2] {
        let file = self.file.display().to_string();
        let data = self.folder.join("data").display().to_string();
        let port = "127.0.0.1:0";
        let check = beistand(&["config", "check", &file]);
        let start = beistand(&[
            "serve", "--config", &file, "--http", port, "--udp", port, "--admin", port, "--data",
            &data,
        ]);
        [check, start].map(|mut command| {
            command.envs(env.iter().map(|(name, value)| (name, value)));
            // A start that is not refused would go on.
            let mut limited = Command::new("timeout");
            limited
                .arg("5")
                .arg(command.get_program())
                .args(command.get_args());
            for (name, value) in command.get_envs() {
                match value {
                    Some(value) => limited.env(name, value),
                    None => limited.env_remove(name),
                };
            }
            limited.output().expect("the binary runs")
        })
    }

    fn refused(&self, env: &[(&str, OsString)], says: &str) {
        for output in self.tried(env) {
            let told = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), USAGE, "{told}");
            assert!(told.contains(says), "{says}: {told}");
        }
    }
}

#[test]
fn a_certificate_that_cannot_be_served_is_refused_with_its_line_by_the_check_and_by_a_start() {
    let _turn = turn::shared();
    let folder = place::golden("tls");
    let with_bom = Folder::new();
    let key = std::fs::read_to_string(folder.join("leaf.key")).expect("a golden file");
    let bom = with_bom.join("bom.key");
    std::fs::write(&bom, format!("\u{feff}{key}")).expect("a file can be written");
    let of = |name: &str| folder.join(name);
    for (cert, key, says) in [
        (
            of("leaf.pem"),
            of("encrypted.key"),
            ":5: tls.key: is encrypted with a passphrase",
        ),
        (
            of("leaf.pem"),
            of("encrypted_old.key"),
            ":5: tls.key: is encrypted with a passphrase",
        ),
        (of("leaf.pem"), bom, "has a byte order mark (BOM)"),
        (
            of("leaf.pem"),
            of("other.key"),
            ":5: tls.key: does not belong to the certificate",
        ),
        (
            of("leaf.key"),
            of("leaf.pem"),
            ":4: tls.cert: holds a private key and no certificate",
        ),
        (
            of("leaf.pem"),
            of("nothere.key"),
            "nothere.key cannot be read: No such file",
        ),
        (of("leaf.pem"), folder.clone(), "is no file"),
    ] {
        let more = format!(
            "[tls]\ncert = \"{}\"\nkey = \"{}\"\n",
            cert.display(),
            key.display()
        );
        Settings::new(&more).refused(&[], says);
    }
    let good = format!(
        "[tls]\ncert = \"{}\"\nkey = \"{}\"\n",
        of("leaf.pem").display(),
        of("leaf.key").display()
    );
    let [check, _] = Settings::new(&good).tried(&[]);
    assert!(check.status.success(), "{check:?}");
}

#[test]
fn a_secret_with_white_space_at_its_end_and_a_variable_that_is_no_text_are_refused_by_name() {
    let _turn = turn::shared();
    let settings = Settings::new("");
    let secret = OsString::from(format!("{SECRET}\n"));
    let says = "BEISTAND_KEYS_other: keys.other: the secret ends with a line break";
    settings.refused(&[("BEISTAND_KEYS_other", secret)], says);
    let odd = || OsString::from_vec(vec![b'/', 0xff]);
    let says = "its name or its value is no text in UTF-8";
    settings.refused(
        &[("BEISTAND_DATA_DIR", odd())],
        &format!("BEISTAND_DATA_DIR: {says}"),
    );
    settings.refused(&[("BEISTAND_LOG", odd())], &format!("BEISTAND_LOG: {says}"));
}

#[test]
fn a_node_beside_a_service_of_its_name_starts_and_says_at_debug_what_it_passes_over() {
    let _turn = turn::shared();
    let settings = Settings::new("[log]\nlevel = \"debug\"\n");
    let env = [
        ("BEISTAND_SERVICE_HOST", "10.0.0.1"),
        ("BEISTAND_SERVICE_PORT", "7880"),
        ("BEISTAND_SERVICE_PORT_HTTP", "7880"),
        ("BEISTAND_PORT", "tcp://10.0.0.1:7880"),
        ("BEISTAND_PORT_7880_TCP", "tcp://10.0.0.1:7880"),
        ("BEISTAND_PORT_7880_TCP_PROTO", "tcp"),
        ("BEISTAND_PORT_7880_TCP_PORT", "7880"),
        ("BEISTAND_PORT_7880_TCP_ADDR", "10.0.0.1"),
    ];
    let env = env.map(|(name, value)| (name, OsString::from(value)));
    let [check, start] = settings.tried(&env);
    assert!(check.status.success(), "{check:?}");
    let told = String::from_utf8_lossy(&start.stderr);
    assert!(
        told.contains("\"ready\"") || told.contains("ready"),
        "{told}"
    );
    let line = told
        .lines()
        .find(|line| line.contains("describes a Service"));
    let line = line.unwrap_or_else(|| panic!("no line of it: {told}"));
    assert!(
        line.contains("DEBUG") && env.iter().all(|(name, _)| line.contains(name)),
        "{line}"
    );
}

#[test]
fn the_scheme_of_a_token_is_taken_in_any_case() {
    let _turn = turn::shared();
    let node = Node::dev();
    let token = beistand(&["token", "--dev", "--admin"])
        .output()
        .expect("the binary runs");
    let token = String::from_utf8_lossy(&token.stdout).trim().to_owned();
    for (scheme, status) in [
        ("Bearer", 200),
        ("bearer", 200),
        ("BEARER", 200),
        ("Basic", 401),
    ] {
        let request = format!(
            "GET /v1/sessions HTTP/1.0\r\nHost: {}\r\nAuthorization: {scheme} {token}\r\n\r\n",
            node.http
        );
        assert_eq!(
            crate::api::exchange(&node.http, &request).status,
            status,
            "{scheme}"
        );
    }
}
