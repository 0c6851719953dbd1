//! What a node listens on, bound before anything else is done.

use crate::host::config::schema::{Config, Rtc};
use crate::host::worker::Prepared;
use anyhow::Context;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

/// What listens, before anything is served.
pub(super) struct Sockets {
    pub http: TcpListener,
    pub admin: TcpListener,
    /// With `--dev` and TLS: the receiver has no certificate that the delivery would trust.
    pub receiver: Option<TcpListener>,
}

impl Sockets {
    /// Binds what HTTP needs.
    ///
    /// # Errors
    /// An address is taken or not ours.
    pub fn bind(config: &Config, dev: bool) -> anyhow::Result<Sockets> {
        let tcp = |address: SocketAddr, what: &str| {
            TcpListener::bind(address).with_context(|| format!("{what} cannot listen on {address}"))
        };
        let apart = dev && config.tls.cert.is_some();
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Ok(Sockets {
            http: tcp(config.http.bind, "http.bind: the node")?,
            admin: tcp(config.admin.bind, "admin.bind: the node")?,
            receiver: apart
                .then(|| tcp(loopback, "--dev: the receiver"))
                .transpose()?,
        })
    }

    /// Where the delivery reaches the receiver of `--dev`.
    ///
    /// # Errors
    /// The socket is gone.
    pub fn receiver_address(&self) -> anyhow::Result<SocketAddr> {
        let bound = self.receiver.as_ref().unwrap_or(&self.http).local_addr()?;
        Ok(reachable(bound))
    }
}

/// A wildcard is no address to connect to.
pub(super) fn reachable(bound: SocketAddr) -> SocketAddr {
    let ip = match bound.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    SocketAddr::new(ip, bound.port())
}

/// One worker for each core that the configuration gives the media, each with its UDP port.
///
/// # Errors
/// A port is taken, or the address is not ours.
pub(super) fn bind_workers(rtc: &Rtc) -> anyhow::Result<Vec<Prepared>> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let udp = rtc.udp_bind;
    let workers = (0..rtc.worker_count(cores)).map(|index| {
        let port = if udp.port() == 0 {
            0
        } else {
            udp.port().saturating_add(index)
        };
        let address = SocketAddr::new(udp.ip(), port);
        Prepared::new(address)
            .with_context(|| format!("rtc.udp_bind: media cannot use UDP {address}"))
    });
    workers.collect()
}
