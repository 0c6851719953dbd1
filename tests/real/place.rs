//! Where things are: what `scripts/test.sh` has installed, and a folder of its own for each test.

use std::net::{IpAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// What installs everything that is looked for here.
const REMEDY: &str = "run scripts/test.sh: it installs what the real clients need";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn existing(path: PathBuf, what: &str) -> PathBuf {
    assert!(
        path.exists(),
        "{what} is missing at {}; {REMEDY}",
        path.display()
    );
    path
}

/// The Python with the stock clients.
pub fn python() -> PathBuf {
    existing(
        root().join("target/test-env/venv/bin/python"),
        "the Python of the real clients",
    )
}

/// Node.js is taken from the path; its packages lie beside these tests.
pub fn node_js() -> PathBuf {
    existing(
        root().join("tests/real/node_modules/playwright-core"),
        "the npm packages of the real clients",
    );
    PathBuf::from("node")
}

/// The browser.
pub fn chromium() -> PathBuf {
    existing(PathBuf::from("/usr/bin/chromium"), "Chromium")
}

/// The other browser.
pub fn firefox() -> PathBuf {
    existing(PathBuf::from("/usr/bin/firefox-esr"), "Firefox ESR")
}

/// An address of this machine that is none of loopback, at which Firefox gathers no candidates. Connecting a
/// UDP socket to a documentation network (RFC 5737) sends nothing, but makes the kernel choose one.
pub fn address() -> IpAddr {
    let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
    let chosen = socket
        .connect("192.0.2.1:9")
        .and_then(|()| socket.local_addr());
    let ip = chosen.map(|address| address.ip()).ok();
    ip.filter(|ip| !ip.is_loopback())
        .expect("this machine has an address and a default route, which Firefox needs")
}

/// What decodes the files that a recording makes; `ffprobe` comes with it.
pub fn ffmpeg() -> PathBuf {
    existing(PathBuf::from("/usr/bin/ffprobe"), "ffprobe");
    existing(PathBuf::from("/usr/bin/ffmpeg"), "ffmpeg")
}

/// The built page.
pub fn web() -> PathBuf {
    let dist = root().join("web/dist");
    existing(dist.join("join.html"), "the built page");
    dist
}

/// A driver beside these tests.
pub fn driver(name: &str) -> PathBuf {
    root().join("tests/real/drivers").join(name)
}

/// A folder that lives as long as its test; kept when the test fails, for a look.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Makes one.
    pub fn new() -> Folder {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("beistand-real-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a folder can be made in the temporary directory");
        Folder(path)
    }

    /// A place in it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("kept for a look: {}", self.0.display());
        } else {
            drop(std::fs::remove_dir_all(&self.0));
        }
    }
}

/// A folder of golden files.
pub fn golden(name: &str) -> PathBuf {
    root().join("tests/golden").join(name)
}
