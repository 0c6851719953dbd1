//! Which files of the web page's directory are served: plain ones, below it, that are not hidden. Who may
//! put a link there might have it lead anywhere.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Lets a request through if what it asks for is neither hidden nor reached by a link.
pub(super) async fn only_plain(
    State(dir): State<Arc<Path>>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path().to_owned();
    if may_be_served(dir, path).await {
        return next.run(request).await;
    }
    StatusCode::NOT_FOUND.into_response()
}

/// The same for a path below the directory.
pub(super) async fn may_be_served(dir: Arc<Path>, path: String) -> bool {
    let looked = tokio::task::spawn_blocking(move || is_plain(&dir, &path));
    looked.await.unwrap_or(false)
}

fn is_plain(dir: &Path, path: &str) -> bool {
    let Some(path) = decoded(path) else {
        return false;
    };
    let mut place = PathBuf::from(dir);
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        if segment.starts_with('.') {
            return false;
        }
        place.push(segment);
        if is_link(&place) {
            return false;
        }
    }
    // A directory stands for the page in it.
    !is_link(&place.join("index.html"))
}

fn is_link(place: &Path) -> bool {
    std::fs::symlink_metadata(place).is_ok_and(|found| found.is_symlink())
}

/// A path without `%XX`; none if that is no text.
fn decoded(path: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, after @ ..] = rest {
        let (byte, left) = match (first, after) {
            (b'%', [high, low, left @ ..]) => {
                let digits = [*high, *low];
                let digits = std::str::from_utf8(&digits).ok()?;
                (u8::from_str_radix(digits, 16).ok()?, left)
            }
            (b'%', _) => return None,
            (byte, left) => (*byte, left),
        };
        bytes.push(byte);
        rest = left;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn what_is_hidden_or_behind_a_link_is_not_served_however_it_is_written() {
        let root = std::env::temp_dir().join(format!("beistand-pages-{}", std::process::id()));
        let dir = root.join("web");
        std::fs::create_dir_all(dir.join("assets")).unwrap();
        std::fs::create_dir_all(dir.join(".git")).unwrap();
        std::fs::create_dir_all(dir.join("linked")).unwrap();
        for file in [
            "join.html",
            "assets/a.js",
            ".git/config",
            ".env",
            "../secret",
        ] {
            std::fs::write(dir.join(file), file).unwrap();
        }
        symlink(root.join("secret"), dir.join("link.html")).unwrap();
        symlink(&root, dir.join("up")).unwrap();
        symlink(dir.join("join.html"), dir.join("linked/index.html")).unwrap();
        symlink(&dir, root.join("current")).unwrap();
        for served in [
            "/",
            "/join.html",
            "/assets/a.js",
            "//assets//a.js",
            "/nothere",
            "/%6Aoin.html",
        ] {
            assert!(is_plain(&dir, served), "{served}");
        }
        for refused in [
            "/.env",
            "/.git/config",
            "/%2eenv",
            "/%2Egit/config",
            "/link.html",
            "/up/secret",
            "/up/",
            "/linked/",
            "/linked",
            "/../secret",
            "/%2e%2e/secret",
            "/assets/../.env",
            "/assets%2f..%2f..%2fsecret",
            "/%ff",
            "/%",
            "/%zz",
        ] {
            assert!(!is_plain(&dir, refused), "{refused}");
        }
        // The directory itself may be one: a new page is put in its place by a link.
        assert!(is_plain(&root.join("current"), "/join.html"));
        std::fs::remove_dir_all(&root).unwrap();
    }
}
