//! A node under test: the built binary, on ports of its own, with a folder of its own.

use crate::child::Child;
use crate::place::{self, Folder};
use crate::proxy::Proxy;
use crate::receiver::{self, Receiver};
use crate::wait;
use serde_json::Value;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Output};
use std::time::Duration;

/// The key of `--dev`, used everywhere here.
pub const KEY: &str = "devkey";
/// Its secret.
pub const SECRET: &str = "beistand-development-secret-do-not-deploy";
/// With `--dev`: other machines may reach it.
const OUTSIDE: &str = "--dev-public";
/// Shortest that the policy allows: tests wait for it after the last one has left.
pub const DEPARTURE_S: u64 = 5;
/// SIGTERM to exit, as promised, and the time to see it.
const EXIT: Duration = Duration::from_secs(11);

/// The node.
#[derive(Debug)]
pub struct Node {
    // The process ends before its folder goes.
    child: Child,
    arguments: Vec<String>,
    disk_kib: Option<u32>,
    /// `127.0.0.1:PORT` of HTTP and WebSocket.
    pub http: String,
    /// `127.0.0.1:PORT` of metrics and health.
    pub admin: String,
    /// `IP:PORT` of its first worker.
    udp: String,
    folder: Folder,
}

/// A node's ports: HTTP, admin, and the first worker's.
type Ports = (String, String, String);

impl Node {
    /// A node with `--dev`.
    pub fn dev() -> Node {
        Node::start(Folder::new(), vec!["--dev".to_owned()])
    }

    /// A node with `--dev` whose media comes in at an address of this machine that is not loopback's.
    pub fn reachable() -> Node {
        let mode = [OUTSIDE, "--dev"].map(str::to_owned);
        Node::start(Folder::new(), mode.to_vec())
    }

    /// A node with a configuration file that posts to these receivers.
    pub fn with(receivers: &[&Receiver]) -> Node {
        Node::configured(receivers, 15_000)
    }

    /// The same, with a limit of time for an attempt to post.
    pub fn configured(receivers: &[&Receiver], timeout_ms: u64) -> Node {
        let rtc = "advertise = [\"127.0.0.1\"]";
        Node::written(&config(rtc, receivers, timeout_ms))
    }

    /// A node with one worker whose clients come through this proxy.
    pub fn behind(proxy: &Proxy, receivers: &[&Receiver]) -> Node {
        Node::ruled(proxy, receivers, "")
    }

    /// The same with more tables in its configuration.
    pub fn ruled(proxy: &Proxy, receivers: &[&Receiver], rule: &str) -> Node {
        let rtc = format!("advertise = [\"{}\"]\nworkers = 1", proxy.address());
        let node = Node::written(&(config(&rtc, receivers, 15_000) + rule));
        let worker: SocketAddr = node.udp.parse().expect("the worker's port is an address");
        proxy.forward_to(worker);
        node
    }

    /// The same with a policy that lets nobody in without a verdict.
    pub fn requiring_verdicts(proxy: &Proxy) -> Node {
        let rule = "\n[policies.default.floor]\nadmission = \"require\"\n";
        Node::ruled(proxy, &[], rule)
    }

    fn written(config: &str) -> Node {
        let folder = Folder::new();
        let file = folder.join("beistand.toml");
        std::fs::write(&file, config).expect("the configuration is written");
        Node::start(
            folder,
            vec!["--config".to_owned(), file.display().to_string()],
        )
    }

    /// As `with`, with more tables in the configuration.
    pub fn more(receivers: &[&Receiver], more: &str) -> Node {
        let rtc = "advertise = [\"127.0.0.1\"]";
        Node::written(&format!("{}\n{more}", config(rtc, receivers, 15_000)))
    }

    fn start(folder: Folder, mode: Vec<String>) -> Node {
        Node::start_in(folder, mode, None)
    }

    fn start_in(folder: Folder, mode: Vec<String>, disk_kib: Option<u32>) -> Node {
        let data = folder.join("data").display().to_string();
        let udp = if mode.iter().any(|flag| flag == OUTSIDE) {
            format!("{}:0", place::address())
        } else {
            "127.0.0.1:0".to_owned()
        };
        let mut arguments = vec!["serve".to_owned()];
        arguments.extend(mode);
        for (flag, value) in [
            ("--http", "127.0.0.1:0"),
            ("--udp", udp.as_str()),
            ("--admin", "127.0.0.1:0"),
            ("--data", data.as_str()),
            ("--print-ports", "json"),
        ] {
            arguments.extend([flag.to_owned(), value.to_owned()]);
        }
        let (child, (http, admin, udp)) = launch(&folder, &arguments, disk_kib);
        Node {
            child,
            arguments,
            disk_kib,
            http,
            admin,
            udp,
            folder,
        }
    }

    /// Base of its HTTP URLs.
    pub fn url(&self) -> String {
        format!("http://{}", self.http)
    }

    /// Base of its WebSocket URLs.
    pub fn ws_url(&self) -> String {
        format!("ws://{}", self.http)
    }

    /// As `with`, with a disk of this size for its recordings, which goes with the node.
    pub fn with_small_disk(receivers: &[&Receiver], kib: u32) -> Node {
        let folder = Folder::new();
        let disk = folder.join("disk");
        std::fs::create_dir(&disk).expect("a folder can be made");
        let rtc = "advertise = [\"127.0.0.1\"]";
        let more = format!("\n[recordings]\ndir = \"{}\"\n", disk.display());
        let file = folder.join("beistand.toml");
        let text = config(rtc, receivers, 15_000) + &more;
        std::fs::write(&file, text).expect("the configuration is written");
        let mode = vec!["--config".to_owned(), file.display().to_string()];
        Node::start_in(folder, mode, Some(kib))
    }

    /// Its disk for recordings, as it sees it itself.
    pub fn disk(&self) -> PathBuf {
        let seen = format!("/proc/{}/root", self.child.id());
        let disk = self.folder.join("disk");
        PathBuf::from(seen + &disk.display().to_string())
    }

    /// Gives that disk more room.
    pub fn enlarge_disk(&self, kib: u32) {
        let grow = "[ \"$(id -u)\" = 0 ] && u= || u='-U --preserve-credentials'; \
                    exec nsenter $u -m -t \"$1\" mount -o \"remount,size=$2k\" \"$3\"";
        let mut command = Command::new("sh");
        command.args(["-c", grow, "sh", &self.child.id().to_string()]);
        command.arg(kib.to_string()).arg(self.folder.join("disk"));
        let status = command.status().expect("sh can be run");
        assert!(status.success(), "the disk cannot be enlarged: {status}");
    }

    /// What it has logged.
    pub fn logged(&self) -> String {
        std::fs::read_to_string(self.folder.join("node.log")).unwrap_or_default()
    }

    /// Where it keeps its data.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The file that it was started with.
    pub fn config(&self) -> PathBuf {
        self.folder.join("beistand.toml")
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.child.kill();
    }

    /// Starts it again, on the same data and with the same configuration. Ports are new.
    pub fn restart(&mut self) {
        self.child.kill();
        let (child, ports) = launch(&self.folder, &self.arguments, self.disk_kib);
        self.child = child;
        (self.http, self.admin, self.udp) = ports;
    }

    /// Changes its configuration file, which its next start reads.
    pub fn edit(&self, was: &str, is: &str) {
        let file = self.folder.join("beistand.toml");
        let text = std::fs::read_to_string(&file).expect("the configuration can be read");
        assert!(text.contains(was), "{was:?} is not in {text}");
        std::fs::write(&file, text.replace(was, is)).expect("the configuration is written");
    }

    /// Writes its configuration file anew, changed by `change`.
    pub fn reconfigure(&self, change: impl FnOnce(String) -> String) {
        let file = self.folder.join("beistand.toml");
        let text = std::fs::read_to_string(&file).expect("it was started with a file");
        std::fs::write(&file, change(text)).expect("the configuration is written");
    }

    /// It may open so many files from now on, and no more.
    pub fn limit_files(&self, files: u32) {
        let mut command = Command::new("prlimit");
        command.args(["--pid", &self.child.id().to_string()]);
        let status = command.arg(format!("--nofile={files}:{files}")).status();
        assert!(status.expect("prlimit can be run").success());
    }

    /// SIGHUP.
    pub fn hang_up(&self) {
        self.child.signal("HUP");
    }

    /// SIGTERM, until it has ended.
    pub fn terminate(&mut self) -> ExitStatus {
        self.child.terminate();
        self.child.end(EXIT)
    }

    /// `beistand usage --json`.
    pub fn usage(&self) -> Vec<Value> {
        self.used(&["usage", "--json"])
    }

    /// The same of one project.
    pub fn usage_of(&self, project: &str) -> Vec<Value> {
        self.used(&["usage", "--json", "--project", project])
    }

    fn used(&self, arguments: &[&str]) -> Vec<Value> {
        let output = self.tool(arguments);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "usage fails: {output:?}");
        serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("usage says no JSON list: {error}: {text}"))
    }

    /// `beistand ledger verify`; panics with its words if the ledger is not whole.
    pub fn verify_ledger(&self) {
        let output = self.tool(&["ledger", "verify"]);
        assert!(
            output.status.success(),
            "the ledger is not whole: {output:?}"
        );
    }

    /// The binary with its configuration file.
    pub fn command(&self, arguments: &[&str]) -> Output {
        beistand(arguments)
            .arg("--config")
            .arg(self.folder.join("beistand.toml"))
            // The secret of `--dev` is for loopback alone; the node has this by `--http`.
            .env("BEISTAND_HTTP_BIND", "127.0.0.1:0")
            .output()
            .expect("the binary runs")
    }

    fn tool(&self, arguments: &[&str]) -> Output {
        beistand(arguments)
            .arg("--data")
            .arg(self.folder.join("data"))
            .output()
            .expect("the binary runs")
    }
}

/// A command that sees no setting of ours, such as the marks of the task runner.
pub fn without_settings(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("BEISTAND_") {
            command.env_remove(name);
        }
    }
    command
}

/// The built binary with nothing of our environment in its configuration.
pub fn beistand(arguments: &[&str]) -> Command {
    let mut command = without_settings(Command::new(env!("CARGO_BIN_EXE_beistand")));
    command.args(arguments);
    command
}

fn launch(folder: &Folder, arguments: &[String], disk_kib: Option<u32>) -> (Child, Ports) {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut command = match disk_kib {
        Some(kib) => on_small_disk(folder, kib, &words),
        None => beistand(&words),
    };
    // The page is found from the root of the repository, whatever folder the tests are run in.
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    let mut child = Child::start("the node", &mut command, &folder.join("node.log"));
    let line = child.line("the line of --print-ports", wait::PATIENCE);
    let ports: Value = serde_json::from_str(&line)
        .unwrap_or_else(|error| panic!("the line of --print-ports is no JSON: {error}: {line}"));
    let first_worker = address(&ports["udp"][0]);
    (
        child,
        (port(&ports["http"]), port(&ports["admin"]), first_worker),
    )
}

/// The binary in a namespace of its own, where a file system in memory lies on the folder `disk`: it is
/// gone when the process is.
fn on_small_disk(folder: &Folder, kib: u32, arguments: &[&str]) -> Command {
    let mount = "mount -t tmpfs -o \"size=$1k,mode=700\" tmpfs \"$2\" && shift 2 && exec \"$@\"";
    // Who is not root may mount in a namespace in which they are.
    let script =
        format!("[ \"$(id -u)\" = 0 ] && r= || r=-r; exec unshare $r -m sh -c '{mount}' sh \"$@\"");
    let mut command = without_settings(Command::new("sh"));
    command.args(["-c", &script, "sh", &kib.to_string()]);
    command.arg(folder.join("disk"));
    command.arg(env!("CARGO_BIN_EXE_beistand")).args(arguments);
    command
}

fn port(value: &Value) -> String {
    let address = address(value);
    assert!(
        address.starts_with("127.0.0.1:"),
        "no address on loopback: {value}"
    );
    address
}

fn address(value: &Value) -> String {
    let text = value.as_str().unwrap_or_default();
    let address = text.rsplit("//").next().unwrap_or_default();
    assert!(!address.ends_with(":0"), "no port: {value}");
    address.to_owned()
}

fn config(rtc: &str, receivers: &[&Receiver], timeout_ms: u64) -> String {
    let web: PathBuf = place::web();
    let mut text = format!(
        "[http]\nweb_dir = \"{}\"\n\n[rtc]\n{rtc}\n\n\
         [keys]\n{KEY} = \"{SECRET}\"\n\n\
         [limits]\nconnections_per_address = 10000\njoins_per_s = 1000\njoin_burst = 10000\n\
         requests_per_s = 1000\nrequest_burst = 10000\n\n\
         [policies.default]\ndeparture_timeout_s = {DEPARTURE_S}\n\
         external_ref = \"booking-4711\"\nmetadata = {{ product = \"lesson\" }}\n\n\
         [policies.default.capacity]\nmax_participants = 50\n\n\
         [webhooks]\ntimeout_ms = {timeout_ms}\n",
        web.display()
    );
    for (number, receiver) in receivers.iter().enumerate() {
        let _ = write!(
            text,
            "\n[[webhooks.endpoints]]\nname = \"receiver-{number}\"\nurl = \"{}\"\n\
             secret = \"{}\"\nallow_http = true\nallow_private = true\n",
            receiver.url(),
            receiver::SECRET
        );
    }
    text
}
