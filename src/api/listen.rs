//! Serves a router on a socket, plainly or with TLS.

use axum::Router;
use axum_server::Handle;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

/// A certificate that can be replaced while the server runs.
pub type Tls = RustlsConfig;
/// The way to stop a server.
pub type Listening = Handle<SocketAddr>;

/// Read buffer of a connection: a request line of 64 KiB (a v1 join that could not be compressed
/// has 25 kB) and as much again of headers.
const READ_BYTES: usize = 128 * 1024;
/// How long a kept connection may rest, or take for the headers of a further request: idle ones
/// cost a file descriptor each.
const IDLE: Duration = Duration::from_secs(15);

/// Serves until `listening` is told to stop. `handshake` limits TLS and the first request.
///
/// # Errors
/// The socket cannot be listened on.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Tls>,
    app: Router,
    (listening, handshake): (Listening, Duration),
) -> io::Result<()> {
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    let mut server = axum_server::from_tcp(listener)?
        .handle(listening)
        .first_request_timeout(handshake);
    let mut http1 = server.http_builder().http1();
    http1.max_buf_size(READ_BYTES).header_read_timeout(IDLE);
    match tls {
        None => server.serve(app).await,
        Some(tls) => {
            let acceptor = RustlsAcceptor::new(tls).handshake_timeout(handshake);
            server.acceptor(acceptor).serve(app).await
        }
    }
}
