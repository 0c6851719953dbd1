//! A shard and clients that speak the LiveKit protocol to it over an in-memory network, in virtual
//! time: real str0m, real DTLS and SRTP, no socket and no sleep.

use crate::client::{Announcement, Client, Outgoing};
use crate::payload::{AUDIO, MIDDLE};
use beistand::base::{ConnectionId, Millis, Mono, NodeId, Now, Purpose, SessionId, Unix, Verdict};
use beistand::node::{JoinRequest, Output, SessionCommand, Shard, ShardConfig};
use beistand::peer::signal::token::{Claims, Keys, authorize_join};
use beistand::peer::signal::{ClientParams, Frame};
use beistand::peer::transport::Factory;
use beistand::record;
use beistand::session::{Mode, Policies, Policy};
use beistand::usage::Stored;
use livekit_protocol as proto;
use livekit_protocol::signal_request::Message as Ask;
use prost::Message;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use str0m::Input;
use str0m::format::Codec;
use str0m::media::{MediaKind, Rid, Simulcast, SimulcastLayer};
use str0m::net::{Protocol, Receive};

pub const SECRET: &str = "a-secret-of-the-simulation-32-bytes-long";

pub struct World {
    pub shard: Shard,
    pub clients: Vec<Client>,
    pub now: Now,
    pub ended: u32,
    pub appended: Vec<beistand::usage::Append>,
    /// What recorders want written, and how many clients had been shown a recording by then.
    pub recorded: Vec<(record::Output, usize)>,
    pub node_address: SocketAddr,
    pub keys: Arc<Keys>,
    /// What the next to join has measured before.
    pub preflight: Option<Verdict>,
    /// Whether those who join from now on get all tracks unasked.
    pub auto_subscribe: bool,
    /// While this is set the clients begin DTLS, and their answers are kept in it.
    answers: Option<Vec<(ConnectionId, proto::SessionDescription)>>,
    /// While this is set the clients' datagrams are kept in it.
    held: Option<Vec<(SocketAddr, Vec<u8>)>>,
    anchor: Instant,
}

/// The templates that a token can name.
fn policies() -> BTreeMap<String, Policy> {
    let mut wide = Policy::default();
    wide.capacity.max_participants = 1_000;
    // For the benchmark: nothing is paused, and the controllers look far.
    wide.floor.on_breach = Vec::new();
    wide.floor.down_bps = 20_000_000;
    let mut wide_recorded = wide.clone();
    wide_recorded.recording = recorded(Mode::OnRequest).recording;
    let mut asking = Policy::default();
    asking.presence.after_min = 1;
    asking.presence.grace_min = 1;
    BTreeMap::from([
        ("asking".to_owned(), asking),
        ("always".to_owned(), recorded(Mode::Always)),
        ("default".to_owned(), Policy::default()),
        ("on_request".to_owned(), recorded(Mode::OnRequest)),
        ("on_request_wide".to_owned(), wide_recorded),
        ("wide".to_owned(), wide),
    ])
}

fn recorded(mode: Mode) -> Policy {
    let mut policy = Policy::default();
    policy.recording.mode = mode;
    policy.recording.purposes = Purpose::ALL.to_vec();
    policy
}

/// A project of the node beside the default one.
pub const TENANT: &str = "acme";

const STEP: Millis = Millis(1);
/// For long lives in which a millisecond decides nothing.
const COARSE_STEP: Millis = Millis(10);

impl World {
    pub fn new(seed: u64) -> World {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one anchor; time is virtual from here on"
        )]
        let anchor = Instant::now();
        let now = Now {
            mono: Mono::from_millis(1_000),
            unix: Unix(1_800_000_000_000),
        };
        let keys = Arc::new(Keys::new([("key", SECRET)]).expect("the secret is long enough"));
        let node_address = SocketAddr::from(([10, 0, 0, 1], 7882));
        let config = ShardConfig {
            factory: Factory::new(anchor).expect("a certificate"),
            advertised: vec![node_address],
            node: NodeId::from("ND_sim"),
            keys: Arc::clone(&keys),
            policies: Arc::new(Policies::of_keys(policies()).with(TENANT.into(), policies())),
        };
        let shard = Shard::new(config, seed, now);
        World {
            shard,
            clients: Vec::new(),
            now,
            ended: 0,
            appended: Vec::new(),
            recorded: Vec::new(),
            node_address,
            keys,
            preflight: None,
            auto_subscribe: true,
            answers: None,
            held: None,
            anchor,
        }
    }

    fn instant(&self) -> Instant {
        self.anchor + Duration::from_micros(self.now.mono.micros())
    }

    /// A new client joins `room`; returns its index.
    pub fn join(&mut self, room: &str, identity: &str, role: Option<&str>) -> usize {
        let role = role.map(|role| ("role", role));
        self.join_with(room, identity, role.as_slice())
    }

    /// The same with other attributes of the token.
    pub fn join_with(&mut self, room: &str, identity: &str, attributes: &[(&str, &str)]) -> usize {
        let mut claims = Claims::new("key", identity, Unix(self.now.unix.0 + 3_600_000));
        claims.video.room = Some(room.to_owned());
        claims.video.room_join = Some(true);
        let attributes = attributes.iter();
        let owned = attributes.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        claims.attributes.extend(owned);
        self.join_by(claims)
    }

    /// The same with these claims of a good token.
    pub fn join_by(&mut self, claims: Claims) -> usize {
        let index = self.clients.len();
        let number = u16::try_from(index).expect("few clients");
        let conn = ConnectionId(u64::from(number));
        let address = |port: u16| SocketAddr::from(([10, 1, 0, 1], 10_000 + 2 * number + port));
        let addresses = [address(0), address(1)];
        let at = self.instant();
        self.clients.push(Client::new(conn, addresses, at));
        let join = authorize_join(&claims).expect("a valid join");
        let request = JoinRequest {
            claims,
            join,
            client: ClientParams {
                auto_subscribe: self.auto_subscribe,
                ..ClientParams::default()
            },
            continues: None,
            booking: None,
            preflight: self.preflight.take(),
        };
        self.shard.handle_join(conn, Box::new(request), self.now);
        self.exchange();
        index
    }

    /// As `join`, in a room that is larger than the default policy allows.
    pub fn join_wide(&mut self, room: &str, identity: &str) -> usize {
        self.join_with(room, identity, &[("policy", "wide")])
    }

    /// What the network carries of `packets` packets of the client's track, undelivered; 33 ms pass.
    pub fn burst(
        &mut self,
        index: usize,
        payload: &[u8],
        packets: usize,
    ) -> Vec<(SocketAddr, Vec<u8>)> {
        self.run(Millis(35));
        for _ in 0..packets {
            self.send_media(index, payload);
        }
        let at = self.instant();
        let publisher = &mut self.clients[index].publisher;
        let _ = publisher.handle_input(Input::Timeout(at));
        let mut burst = Vec::new();
        while let Ok(str0m::Output::Transmit(_) | str0m::Output::Event(_)) = {
            let output = publisher.poll_output();
            if let Ok(str0m::Output::Transmit(transmit)) = &output {
                burst.push((transmit.source, transmit.contents.to_vec()));
            }
            output
        } {}
        burst
    }

    /// The client announces one track, with data channels, and offers it.
    pub fn publish(&mut self, index: usize, kind: MediaKind) {
        self.publish_all(index, &[kind]);
    }

    /// The client announces a video of these layers, the lowest first, and offers it.
    pub fn publish_layers(&mut self, index: usize, rids: &[&str]) {
        let mut layers = Simulcast::new();
        for rid in rids {
            layers.add_send_layer(SimulcastLayer::new(rid));
        }
        let track = Announcement {
            kind: MediaKind::Video,
            codec: "",
        };
        self.offer(index, &[track], Some(layers));
    }

    /// The client announces a track of each kind, with data channels, and offers them.
    pub fn publish_all(&mut self, index: usize, kinds: &[MediaKind]) {
        let tracks: Vec<_> = kinds
            .iter()
            .map(|kind| Announcement {
                kind: *kind,
                codec: "",
            })
            .collect();
        self.offer(index, &tracks, None);
    }

    /// The client announces a video for each codec that it asks for, and offers them.
    pub fn publish_videos(&mut self, index: usize, codecs: &[&str]) {
        let kind = MediaKind::Video;
        let tracks: Vec<_> = codecs
            .iter()
            .map(|codec| Announcement { kind, codec })
            .collect();
        self.offer(index, &tracks, None);
    }

    /// The client announces a track; returns the offer that is to publish it.
    pub fn announce(&mut self, index: usize, kind: MediaKind) -> proto::SessionDescription {
        self.announce_all(index, &[Announcement { kind, codec: "" }], None)
    }

    fn announce_all(
        &mut self,
        index: usize,
        tracks: &[Announcement<'_>],
        layers: Option<Simulcast>,
    ) -> proto::SessionDescription {
        let (announced, offer) = self.clients[index].offer(tracks, layers);
        for add in announced {
            self.ask(index, Ask::AddTrack(add));
        }
        offer
    }

    fn offer(&mut self, index: usize, tracks: &[Announcement<'_>], layers: Option<Simulcast>) {
        let offer = self.announce_all(index, tracks, layers);
        self.ask(index, Ask::Offer(offer));
    }

    pub fn ask(&mut self, index: usize, message: Ask) {
        self.tell(self.clients[index].conn, message);
        self.exchange();
    }

    fn tell(&mut self, conn: ConnectionId, message: Ask) {
        let message = Some(message);
        let bytes = proto::SignalRequest { message }.encode_to_vec();
        self.shard
            .handle_frame(conn, &Frame::Binary(bytes.into()), self.now);
    }

    /// From now on the clients' answers stay on their way.
    pub fn hold_answers(&mut self) {
        self.answers = Some(Vec::new());
    }

    /// Those that were held arrive.
    pub fn release_answers(&mut self) {
        for (conn, answer) in self.answers.take().unwrap_or_default() {
            self.tell(conn, Ask::Answer(answer));
        }
        self.exchange();
    }

    /// Writes one packet of the client's track, a frame by itself; it leaves with the next step.
    pub fn send_media(&mut self, index: usize, payload: &[u8]) {
        self.send_packet(index, payload, true);
    }

    fn send_packet(&mut self, index: usize, payload: &[u8], marker: bool) {
        let (kind, codec) = if payload.len() == AUDIO.len() {
            (MediaKind::Audio, Codec::Opus)
        } else {
            (MediaKind::Video, Codec::Vp8)
        };
        let packet = Outgoing {
            kind,
            rid: None,
            codec,
            payload,
            marker,
        };
        self.write(index, &packet);
    }

    /// Writes a frame of one packet of a layer of the client's video.
    pub fn send_layer(&mut self, index: usize, rid: &str, payload: &[u8]) {
        let packet = Outgoing {
            kind: MediaKind::Video,
            rid: Some(Rid::from(rid)),
            codec: Codec::Vp8,
            payload,
            marker: true,
        };
        self.write(index, &packet);
    }

    fn write(&mut self, index: usize, packet: &Outgoing<'_>) {
        let (now, at) = (self.now.mono, self.instant());
        self.clients[index].write(packet, now, at);
    }

    /// Writes a frame of the client's video: `packets` packets with one timestamp.
    pub fn send_frame(&mut self, index: usize, payload: &[u8], packets: usize) {
        for packet in 0..packets {
            let payload = if packet == 0 { payload } else { &MIDDLE };
            self.send_packet(index, payload, packet + 1 == packets);
        }
    }

    /// A millisecond passes for the clients; what they send is kept for [`World::depart`].
    pub fn tick(&mut self) {
        self.now = Now {
            mono: self.now.mono + STEP,
            unix: Unix(self.now.unix.0 + STEP.0),
        };
        self.held = Some(Vec::new());
        self.drive_clients();
    }

    /// What the clients have sent since the last tick.
    pub fn depart(&mut self) -> Vec<(SocketAddr, Vec<u8>)> {
        self.held.take().unwrap_or_default()
    }

    /// Both connections say goodbye by DTLS, and the network goes silent.
    pub fn hang_up(&mut self, index: usize) {
        for side in 0..2 {
            let _ = self.clients[index].rtc(side).close();
            self.drain_client(index, side);
        }
        self.exchange();
        self.clients[index].cut = true;
    }

    pub fn send_data(&mut self, index: usize, bytes: &[u8]) -> bool {
        self.clients[index].send_data(bytes)
    }

    /// `span` passes.
    pub fn run(&mut self, span: Millis) {
        let until = self.now.mono + span;
        while self.now.mono < until {
            self.now = Now {
                mono: self.now.mono + STEP,
                unix: Unix(self.now.unix.0 + STEP.0),
            };
            self.carry();
            self.drive_clients();
            self.shard.handle_timeout(self.now);
            self.exchange();
        }
    }

    /// `span` passes; `passes` says of each datagram of a client whether it arrives.
    pub fn run_through(
        &mut self,
        span: Millis,
        mut passes: impl FnMut(Mono, SocketAddr, &[u8]) -> bool,
    ) {
        let until = self.now.mono + span;
        while self.now.mono < until {
            self.now = Now {
                mono: self.now.mono + COARSE_STEP,
                unix: Unix(self.now.unix.0 + COARSE_STEP.0),
            };
            self.held = Some(self.held.take().unwrap_or_default());
            self.drive_clients();
            for (from, bytes) in self.depart() {
                if passes(self.now.mono, from, &bytes) {
                    self.shard.handle_datagram(from, &bytes, self.now);
                }
            }
            // What the clients answer at once waits for the next step.
            self.held = Some(Vec::new());
            self.shard.handle_timeout(self.now);
            self.exchange();
        }
        self.held = None;
    }

    /// What the session has on its clock, as the API would show it.
    pub fn accrued(&mut self, session: &SessionId) -> Option<Millis> {
        let inspect = SessionCommand::Inspect;
        let view = self.shard.handle_command(session, inspect, self.now).ok()?;
        view.clock.map(|clock| clock.accrued_ms)
    }

    /// Brings to their end the datagrams whose time on a link is over.
    fn carry(&mut self) {
        for index in 0..self.clients.len() {
            while let Some((to, bytes)) = self.clients[index].down.arrive(self.now.mono) {
                self.arrive(index, to, &bytes);
            }
            while let Some((from, bytes)) = self.clients[index].up.arrive(self.now.mono) {
                self.shard.handle_datagram(from, &bytes, self.now);
            }
        }
        self.exchange();
    }

    /// `span` passes in one step: for what is slow, with clients that send nothing.
    pub fn skip(&mut self, span: Millis) {
        self.now = Now {
            mono: self.now.mono + span,
            unix: Unix(self.now.unix.0 + span.0),
        };
        self.drive_clients();
        self.shard.handle_timeout(self.now);
        self.exchange();
    }

    fn drive_clients(&mut self) {
        let at = self.instant();
        for index in 0..self.clients.len() {
            for side in 0..2 {
                let rtc = self.clients[index].rtc(side);
                let _ = rtc.handle_input(Input::Timeout(at));
                self.drain_client(index, side);
            }
        }
    }

    /// Delivers everything until nobody has more to say.
    fn exchange(&mut self) {
        while let Some(output) = self.shard.poll_output() {
            match output {
                Output::Datagram { to, bytes } => self.deliver(to, &bytes),
                Output::Signal { conn, frame } => self.hear(conn, &frame),
                Output::CloseSocket { .. } => {}
                Output::Append(append) => {
                    let session = append.entry.session.clone();
                    let stored = Stored::entry(append.entry.entry_seq);
                    self.appended.push(*append);
                    self.shard.handle_committed(&session, stored, self.now);
                }
                Output::Checkpoints(all) => {
                    for checkpoint in all {
                        let session = &checkpoint.facts.session;
                        let rows = self.appended.iter();
                        let rows = rows.filter(|append| append.entry.session == *session);
                        let newest = rows.map(|append| append.entry.entry_seq).max();
                        assert!(
                            Some(checkpoint.entry_seq) <= newest,
                            "a checkpoint counts on entries that come after it"
                        );
                        let stored = Stored::checkpoint(checkpoint.number);
                        self.shard
                            .handle_committed(&checkpoint.facts.session, stored, self.now);
                    }
                }
                Output::Recorded(output) => {
                    let told = |client: &&Client| client.recording && !client.recorded().is_empty();
                    let told = self.clients.iter().filter(told).count();
                    self.recorded.push((output, told));
                }
                Output::RoomEnded(_) => self.ended += 1,
                Output::Abandoned { session, .. } => panic!("the room of {session} panicked"),
                Output::RoomNotOpened(_) | Output::News(_) | Output::Preflighted { .. } => {}
            }
        }
    }

    pub fn deliver(&mut self, to: SocketAddr, bytes: &[u8]) {
        let found = self.clients.iter().enumerate().find_map(|(index, client)| {
            client
                .addresses
                .iter()
                .position(|a| *a == to)
                .map(|side| (index, side))
        });
        let Some((index, _)) = found.filter(|(index, _)| !self.clients[*index].cut) else {
            return;
        };
        let now = self.now.mono;
        if let Some(bytes) = self.clients[index].down.send(to, bytes, now) {
            self.arrive(index, to, &bytes);
        }
    }

    fn arrive(&mut self, index: usize, to: SocketAddr, bytes: &[u8]) {
        let (at, node) = (self.instant(), self.node_address);
        let side = usize::from(self.clients[index].addresses[1] == to);
        let Ok(receive) = Receive::new(Protocol::Udp, node, to, bytes) else {
            return;
        };
        let rtc = self.clients[index].rtc(side);
        let _ = rtc.handle_input(Input::Receive(at, receive));
        self.drain_client(index, side);
    }

    fn drain_client(&mut self, index: usize, side: usize) {
        loop {
            match self.clients[index].rtc(side).poll_output() {
                Ok(str0m::Output::Timeout(_)) | Err(_) => return,
                Ok(str0m::Output::Transmit(transmit)) => {
                    let now = self.now;
                    let client = &mut self.clients[index];
                    let (source, bytes) = (transmit.source, &transmit.contents[..]);
                    let sent = (!client.cut).then(|| client.up.send(source, bytes, now.mono));
                    if let Some(bytes) = sent.flatten() {
                        match &mut self.held {
                            Some(held) => held.push((source, bytes)),
                            None => self.shard.handle_datagram(source, &bytes, now),
                        }
                    }
                }
                Ok(str0m::Output::Event(event)) => {
                    let now = self.now.mono;
                    self.clients[index].on_event(event, now);
                }
            }
        }
    }

    pub fn hear(&mut self, conn: ConnectionId, frame: &Frame) {
        let Frame::Binary(bytes) = frame else {
            panic!("binary clients get binary frames")
        };
        let message = proto::SignalResponse::decode(bytes.as_ref()).expect("a valid response");
        let index = usize::try_from(conn.0).expect("small");
        // Answered at once: `exchange` is running already and goes on with what follows.
        self.clients[index].starts_dtls = self.answers.is_some();
        if let Some(answer) = self.clients[index].hear(message.message) {
            match &mut self.answers {
                Some(answers) => answers.push((conn, answer)),
                None => self.tell(conn, Ask::Answer(answer)),
            }
        }
    }
}
