//! Serves a router on a socket, plainly or with TLS.

use super::sockets::{Gatekeeper, REST, Sockets};
use axum::Router;
use axum_server::Handle;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

/// A certificate that can be replaced while the server runs.
pub type Tls = RustlsConfig;
/// The way to stop a server.
pub type Listening = Handle<SocketAddr>;

/// Read buffer of a connection: a request line of 64 KiB (a v1 join that could not be compressed
/// has 25 kB) and as much again of headers.
const READ_BYTES: usize = 128 * 1024;
/// A socket, and how it is served.
pub struct Listener {
    /// The socket.
    pub socket: TcpListener,
    /// With this certificate; none: plainly.
    pub tls: Option<Tls>,
    /// Stops it.
    pub listening: Listening,
    /// Limits TLS and the first request.
    pub handshake: Duration,
    /// Counts its sockets; none: it is for the operator alone.
    pub sockets: Option<Arc<Sockets>>,
}

/// Serves until `listening` is told to stop.
///
/// # Errors
/// The socket cannot be listened on.
pub async fn serve(listener: Listener, app: Router) -> io::Result<()> {
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    let handshake = listener.handshake;
    let mut server = axum_server::from_tcp(listener.socket)?
        .handle(listener.listening)
        .first_request_timeout(handshake);
    let mut http1 = server.http_builder().http1();
    http1.max_buf_size(READ_BYTES).header_read_timeout(REST);
    let gatekeeper = Gatekeeper(listener.sockets);
    match listener.tls {
        None => server.acceptor(gatekeeper).serve(app).await,
        Some(tls) => {
            let acceptor = RustlsAcceptor::new(tls).handshake_timeout(handshake);
            let acceptor = acceptor.acceptor(gatekeeper);
            server.acceptor(acceptor).serve(app).await
        }
    }
}
