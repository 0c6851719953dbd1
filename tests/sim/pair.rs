//! A shard and clients that speak the LiveKit protocol to it over an in-memory network, in virtual
//! time: real str0m, real DTLS and SRTP, no socket and no sleep. The clients are str0m in its
//! ordinary full-ICE form, so they are independent of how the node drives it.

use beistand::base::{Bitrate, Millis, Mono, Purpose, Rng};
use beistand::base::{ConnectionId, NodeId, Now, Unix, Verdict};
use beistand::node::{JoinRequest, Output, Shard, ShardConfig};
use beistand::peer::signal::token::{Claims, Keys, authorize_join};
use beistand::peer::signal::{ClientParams, Frame};
use beistand::peer::transport::Factory;
use beistand::record;
use beistand::session::{Mode, Policy};
use livekit_protocol as proto;
use livekit_protocol::signal_request::Message as Ask;
use livekit_protocol::signal_response::Message as Told;
use prost::Message;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::format::Codec;
use str0m::media::{Direction, MediaKind, Mid, Rid, Simulcast, SimulcastLayer};
use str0m::net::{Protocol, Receive};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Event, Input, Rtc};

pub const SECRET: &str = "a-secret-of-the-simulation-32-bytes-long";

/// One client: two peer connections and what it was told.
pub struct Client {
    pub conn: ConnectionId,
    pub publisher: Rtc,
    pub subscriber: Rtc,
    pub addresses: [SocketAddr; 2],
    pub joined: Option<proto::JoinResponse>,
    pub others: BTreeMap<String, proto::ParticipantInfo>,
    pub left: Option<proto::LeaveRequest>,
    /// The room says that someone is recorded.
    pub recording: bool,
    /// RTP sequence numbers received on the subscriber connection, by media section.
    pub received: BTreeMap<String, Vec<u64>>,
    pub received_bytes: u64,
    /// When packets came, and the last byte of each.
    pub arrived: Vec<(Mono, u8)>,
    /// The layers of its video whose keyframes the node asked for.
    pub asked: Vec<(Mono, Rid)>,
    pub data: Vec<Vec<u8>>,
    pub tokens: Vec<String>,
    pub tracks: Vec<(MediaKind, Mid)>,
    /// What the newest answer of the node says.
    pub answer: String,
    pending: Option<SdpPendingOffer>,
    channel: Option<str0m::channel::ChannelId>,
    /// The newest sequence number of each kind.
    seq: BTreeMap<String, u64>,
    /// Nothing of it reaches the network any more.
    pub cut: bool,
    /// Its way to the node, and the node's to it, both connections together.
    pub up: Link,
    pub down: Link,
}

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
    /// While this is set the clients' datagrams are kept in it.
    held: Option<Vec<(SocketAddr, Vec<u8>)>>,
    anchor: Instant,
}

impl Client {
    /// Who is shown as recorded, and for what.
    pub fn recorded(&self) -> BTreeMap<String, String> {
        let shown = self.others.values().filter_map(|info| {
            let purposes = info.attributes.get("recording")?;
            Some((info.identity.clone(), purposes.clone()))
        });
        shown.collect()
    }
}

fn recorded(mode: Mode) -> Policy {
    let mut policy = Policy::default();
    policy.recording.mode = mode;
    policy.recording.purposes = Purpose::ALL.to_vec();
    policy
}

const STEP: Millis = Millis(1);

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
        let policies = BTreeMap::from([
            ("asking".to_owned(), asking),
            ("always".to_owned(), recorded(Mode::Always)),
            ("default".to_owned(), Policy::default()),
            ("on_request".to_owned(), recorded(Mode::OnRequest)),
            ("on_request_wide".to_owned(), wide_recorded),
            ("wide".to_owned(), wide),
        ]);
        let config = ShardConfig {
            factory: Factory::new(anchor).expect("a certificate"),
            advertised: vec![node_address],
            node: NodeId::from("ND_sim"),
            keys: Arc::clone(&keys),
            policies: Arc::new(policies),
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
        for (name, value) in attributes {
            claims
                .attributes
                .insert((*name).to_owned(), (*value).to_owned());
        }
        let index = self.clients.len();
        let number = u16::try_from(index).expect("few clients");
        let conn = ConnectionId(u64::from(number));
        let address = |port: u16| SocketAddr::from(([10, 1, 0, 1], 10_000 + 2 * number + port));
        let addresses = [address(0), address(1)];
        let at = self.instant();
        let client = Client {
            conn,
            publisher: rtc(addresses[0], at),
            subscriber: rtc(addresses[1], at),
            addresses,
            joined: None,
            others: BTreeMap::new(),
            left: None,
            recording: false,
            received: BTreeMap::new(),
            received_bytes: 0,
            arrived: Vec::new(),
            asked: Vec::new(),
            data: Vec::new(),
            tokens: Vec::new(),
            tracks: Vec::new(),
            answer: String::new(),
            pending: None,
            channel: None,
            seq: BTreeMap::new(),
            cut: false,
            up: Link::default(),
            down: Link::default(),
        };
        self.clients.push(client);
        let join = authorize_join(&claims).expect("a valid join");
        let request = JoinRequest {
            claims,
            join,
            client: ClientParams::default(),
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
        self.offer(index, &[(MediaKind::Video, "")], Some(layers));
    }

    /// The client announces a track of each kind, with data channels, and offers them.
    pub fn publish_all(&mut self, index: usize, kinds: &[MediaKind]) {
        let tracks: Vec<_> = kinds.iter().map(|kind| (*kind, "")).collect();
        self.offer(index, &tracks, None);
    }

    /// The client announces a video for each codec that it asks for, and offers them.
    pub fn publish_videos(&mut self, index: usize, codecs: &[&str]) {
        let tracks: Vec<_> = codecs
            .iter()
            .map(|codec| (MediaKind::Video, *codec))
            .collect();
        self.offer(index, &tracks, None);
    }

    fn offer(&mut self, index: usize, tracks: &[(MediaKind, &str)], layers: Option<Simulcast>) {
        let mut announced = Vec::new();
        let client = &mut self.clients[index];
        let mut api = client.publisher.sdp_api();
        for (kind, codec) in tracks {
            let cid = format!("cid{index}{kind}{}", client.tracks.len());
            let (stream, id) = (Some("-".into()), Some(cid.clone()));
            let mid = api.add_media(*kind, Direction::SendOnly, stream, id, layers.clone());
            client.tracks.push((*kind, mid));
            announced.push(add_track(cid, (*kind, codec), layers.is_some()));
        }
        if client.channel.is_none() {
            client.channel = Some(api.add_channel("_reliable".into()));
        }
        let (offer, pending) = api.apply().expect("there are changes");
        client.pending = Some(pending);
        for add in announced {
            self.ask(index, Ask::AddTrack(add));
        }
        let description = proto::SessionDescription {
            r#type: "offer".into(),
            sdp: offer.to_sdp_string(),
            id: 1,
            ..proto::SessionDescription::default()
        };
        self.ask(index, Ask::Offer(description));
    }

    pub fn ask(&mut self, index: usize, message: Ask) {
        let bytes = proto::SignalRequest {
            message: Some(message),
        }
        .encode_to_vec();
        let conn = self.clients[index].conn;
        self.shard
            .handle_frame(conn, &Frame::Binary(bytes.into()), self.now);
        self.exchange();
    }

    /// Writes one packet of the client's track, a frame by itself; it leaves with the next step.
    pub fn send_media(&mut self, index: usize, payload: &[u8]) {
        self.send_packet(index, payload, true);
    }

    fn send_packet(&mut self, index: usize, payload: &[u8], marker: bool) {
        let (kind, wanted) = if payload.len() == AUDIO.len() {
            (MediaKind::Audio, Codec::Opus)
        } else {
            (MediaKind::Video, Codec::Vp8)
        };
        self.write(index, (kind, None), wanted, (payload, marker));
    }

    /// Writes a frame of one packet of a layer of the client's video.
    pub fn send_layer(&mut self, index: usize, rid: &str, payload: &[u8]) {
        let of = (MediaKind::Video, Some(Rid::from(rid)));
        self.write(index, of, Codec::Vp8, (payload, true));
    }

    fn write(
        &mut self,
        index: usize,
        (kind, rid): (MediaKind, Option<Rid>),
        wanted: Codec,
        (payload, marker): (&[u8], bool),
    ) {
        let (at, now) = (self.instant(), self.now.mono);
        let client = &mut self.clients[index];
        let Some((_, mid)) = client.tracks.iter().find(|(k, _)| *k == kind).copied() else {
            return;
        };
        let params = client.publisher.codec_config().params();
        let Some(pt) = params
            .iter()
            .find(|p| p.spec().codec == wanted)
            .map(|p| p.pt())
        else {
            return;
        };
        let numbered = rid.map_or_else(|| kind.to_string(), |rid| rid.to_string());
        let seq = client.seq.entry(numbered).or_default();
        *seq += 1;
        let clock = if kind == MediaKind::Audio { 48 } else { 90 };
        let timestamp = u32::try_from(now.since(Mono::ZERO).0 * clock).unwrap_or(0);
        let write = RtpWrite::new(pt, (*seq).into(), timestamp, at, payload).marker(marker);
        if let Some(stream) = client.publisher.direct_api().stream_tx_by_mid(mid, rid) {
            stream.write_rtp(write);
        }
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
            let _ = self.rtc(index, side).close();
            self.drain_client(index, side);
        }
        self.exchange();
        self.clients[index].cut = true;
    }

    pub fn send_data(&mut self, index: usize, bytes: &[u8]) -> bool {
        let client = &mut self.clients[index];
        let Some(id) = client.channel else {
            return false;
        };
        client
            .publisher
            .channel(id)
            .is_some_and(|mut ch| ch.write(true, bytes).unwrap_or(false))
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
                let _ = self.rtc(index, side).handle_input(Input::Timeout(at));
                self.drain_client(index, side);
            }
        }
    }

    fn rtc(&mut self, index: usize, side: usize) -> &mut Rtc {
        let client = &mut self.clients[index];
        if side == 0 {
            &mut client.publisher
        } else {
            &mut client.subscriber
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
                    self.appended.push(*append);
                    self.shard.handle_committed(&session, self.now);
                }
                Output::Checkpoints(all) => {
                    for checkpoint in all {
                        self.shard
                            .handle_committed(&checkpoint.facts.session, self.now);
                    }
                }
                Output::Recorded(output) => {
                    let told = |client: &&Client| client.recording && !client.recorded().is_empty();
                    let told = self.clients.iter().filter(told).count();
                    self.recorded.push((output, told));
                }
                Output::RoomEnded(_) => self.ended += 1,
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
        let _ = self
            .rtc(index, side)
            .handle_input(Input::Receive(at, receive));
        self.drain_client(index, side);
    }

    fn drain_client(&mut self, index: usize, side: usize) {
        loop {
            match self.rtc(index, side).poll_output() {
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
                Ok(str0m::Output::Event(event)) => self.on_event(index, event),
            }
        }
    }

    fn on_event(&mut self, index: usize, event: Event) {
        let client = &mut self.clients[index];
        if let Event::RtpPacket(packet) = event {
            let ssrc = packet.header.ssrc;
            let mut api = client.subscriber.direct_api();
            let mid = api.stream_rx(&ssrc).map(|stream| stream.mid().to_string());
            client.received_bytes += packet.payload.len() as u64;
            let last = packet.payload.last().copied();
            client
                .arrived
                .push((self.now.mono, last.unwrap_or_default()));
            client
                .received
                .entry(mid.unwrap_or_default())
                .or_default()
                .push(*packet.seq_no);
        } else if let Event::ChannelData(data) = event {
            client.data.push(data.data);
        } else if let Event::KeyframeRequest(request) = event {
            let rid = request.rid;
            client.asked.extend(rid.map(|rid| (self.now.mono, rid)));
        }
    }

    pub fn hear(&mut self, conn: ConnectionId, frame: &Frame) {
        let Frame::Binary(bytes) = frame else {
            panic!("binary clients get binary frames")
        };
        let message = proto::SignalResponse::decode(bytes.as_ref()).expect("a valid response");
        let index = usize::try_from(conn.0).expect("small");
        match message.message {
            Some(Told::Join(join)) => {
                for other in &join.other_participants {
                    self.clients[index]
                        .others
                        .insert(other.sid.clone(), other.clone());
                }
                self.clients[index].joined = Some(join);
            }
            Some(Told::Offer(offer)) => self.on_offer(index, &offer),
            Some(Told::Answer(answer)) => {
                self.clients[index].answer.clone_from(&answer.sdp);
                let answer = SdpAnswer::from_sdp_string(&answer.sdp).expect("a valid answer");
                let pending = self.clients[index].pending.take().expect("an open offer");
                let publisher = &mut self.clients[index].publisher;
                publisher
                    .sdp_api()
                    .accept_answer(pending, answer)
                    .expect("a fitting answer");
            }
            Some(Told::Update(update)) => {
                for info in update.participants {
                    self.clients[index].others.insert(info.sid.clone(), info);
                }
            }
            Some(Told::RefreshToken(token)) => self.clients[index].tokens.push(token),
            Some(Told::RoomUpdate(update)) => {
                let room = update.room.expect("an update has a room");
                self.clients[index].recording = room.active_recording;
            }
            Some(Told::Leave(leave)) => self.clients[index].left = Some(leave),
            Some(_) | None => {}
        }
    }

    fn on_offer(&mut self, index: usize, offer: &proto::SessionDescription) {
        let sdp = SdpOffer::from_sdp_string(&offer.sdp).expect("a valid offer");
        let answer = self.clients[index]
            .subscriber
            .sdp_api()
            .accept_offer(sdp)
            .expect("it fits");
        let description = proto::SessionDescription {
            r#type: "answer".into(),
            sdp: answer.to_sdp_string(),
            id: offer.id,
            ..proto::SessionDescription::default()
        };
        // Answered at once: `exchange` is running already and goes on with what follows.
        let bytes = proto::SignalRequest {
            message: Some(Ask::Answer(description)),
        }
        .encode_to_vec();
        let conn = self.clients[index].conn;
        self.shard
            .handle_frame(conn, &Frame::Binary(bytes.into()), self.now);
    }
}

fn add_track(
    cid: String,
    (kind, codec): (MediaKind, &str),
    layered: bool,
) -> proto::AddTrackRequest {
    let video = kind == MediaKind::Video;
    let layer = |quality: u8| proto::VideoLayer {
        quality: i32::from(quality),
        width: 320 << quality,
        height: 180 << quality,
        bitrate: 1_500_000,
        ..proto::VideoLayer::default()
    };
    let layers = if layered { 0..=2 } else { 2..=2 }.map(layer).collect();
    let codec = proto::SimulcastCodec {
        codec: codec.to_owned(),
        cid: cid.clone(),
        ..proto::SimulcastCodec::default()
    };
    proto::AddTrackRequest {
        cid,
        r#type: i32::from(video),
        source: if video { 1 } else { 2 },
        simulcast_codecs: (!codec.codec.is_empty())
            .then_some(codec)
            .into_iter()
            .collect(),
        layers: if video { layers } else { Vec::new() },
        ..proto::AddTrackRequest::default()
    }
}

/// A way with a rate, a queue that is not endless, and a delay; without a rate nothing waits.
#[derive(Debug, Default)]
pub struct Link {
    pub rate: Option<Bitrate>,
    /// Every so many datagrams one is lost.
    pub lost: Option<u64>,
    pub rough: Option<Rough>,
    sent: u64,
    queue: BTreeMap<(Mono, u64), (SocketAddr, Vec<u8>)>,
    /// When the last datagram of the queue will have left.
    free: Mono,
    pub dropped: u64,
    /// Bits carried, lower layers included.
    pub bits: u64,
}

/// What befalls each datagram by itself.
#[derive(Debug)]
pub struct Rough {
    pub rng: Rng,
    pub lost_percent: u64,
    /// It comes up to so much later, and may be overtaken.
    pub jitter: Millis,
}

/// Longest wait in a queue, and the time on the way after it.
const QUEUE: Millis = Millis(300);
const DELAY: Millis = Millis(20);
/// IPv4 and UDP headers.
const HEADERS: u64 = 28;

impl Link {
    /// The datagram, if it arrives at once.
    fn send(&mut self, address: SocketAddr, bytes: &[u8], now: Mono) -> Option<Vec<u8>> {
        self.sent += 1;
        if self.lost.is_some_and(|each| self.sent.is_multiple_of(each)) {
            return None;
        }
        let Some(rate) = self.rate else {
            return Some(bytes.to_vec());
        };
        let start = self.free.max(now);
        if start.since(now) > QUEUE {
            self.dropped += 1;
            return None;
        }
        let bits = (bytes.len() as u64 + HEADERS) * 8;
        self.bits += bits;
        self.free = start + Duration::from_micros(bits * 1_000_000 / rate.0);
        let mut at = self.free + DELAY;
        if let Some(rough) = &mut self.rough {
            if rough.rng.below(100) < rough.lost_percent {
                return None;
            }
            at = at + Millis(rough.rng.below(rough.jitter.0 + 1));
        }
        self.queue
            .insert((at, self.sent), (address, bytes.to_vec()));
        None
    }

    fn arrive(&mut self, now: Mono) -> Option<(SocketAddr, Vec<u8>)> {
        let first = self.queue.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }
}

/// A VP8 keyframe's first bytes, then padding.
pub const KEYFRAME: [u8; 1_100] = {
    let mut payload = [0x55; 1_100];
    payload[0] = 0x10;
    payload[1] = 0x00;
    // Start code, 320 by 180 pixels (RFC 6386, 9.1).
    let head = [0x9d, 0x01, 0x2a, 0x40, 0x01, 0xb4, 0x00];
    let mut index = 0;
    while index < head.len() {
        payload[4 + index] = head[index];
        index += 1;
    }
    payload
};

/// A VP8 delta frame.
pub const DELTA: [u8; 1_100] = {
    let mut payload = [0x55; 1_100];
    payload[0] = 0x10;
    payload[1] = 0x01;
    payload
};

/// What follows in a frame of several packets.
pub const MIDDLE: [u8; 1_100] = {
    let mut payload = [0x55; 1_100];
    payload[0] = 0x00;
    payload
};

/// An Opus frame.
pub const AUDIO: [u8; 80] = [0x78; 80];

fn rtc(address: SocketAddr, at: Instant) -> Rtc {
    let mut rtc = Rtc::builder()
        .set_rtp_mode(true)
        .set_stats_interval(None)
        .build(at);
    rtc.add_local_candidate(Candidate::host(address, "udp").expect("a valid candidate"));
    rtc
}
