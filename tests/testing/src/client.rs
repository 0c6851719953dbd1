//! One client: str0m in its ordinary full-ICE form, and so independent of how the node drives it. It has no
//! network and no clock of its own: the world carries its datagrams and tells it the time.

use crate::link::Link;
use beistand::base::{ConnectionId, Mono};
use livekit_protocol as proto;
use livekit_protocol::signal_response::Message as Response;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant;
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::format::Codec;
use str0m::media::{Direction, MediaKind, Mid, Rid, Simulcast};
use str0m::rtp::{ExtensionValues, RtpWrite};
use str0m::{Candidate, Event, Rtc};

/// One client: two peer connections and what it was told.
pub struct Client {
    pub conn: ConnectionId,
    pub publisher: Rtc,
    pub subscriber: Rtc,
    pub addresses: [SocketAddr; 2],
    pub joined: Option<proto::JoinResponse>,
    pub others: BTreeMap<String, proto::ParticipantInfo>,
    /// Messages that told how participants are.
    pub updates: usize,
    pub left: Option<proto::LeaveRequest>,
    /// The room says that someone is recorded.
    pub recording: bool,
    /// RTP sequence numbers received on the subscriber connection, by media section.
    pub received: BTreeMap<String, Vec<u64>>,
    pub received_bytes: u64,
    /// How loud its packets say to be, in dBov.
    pub level: Option<i8>,
    /// How loud the packets of sound said to be, in dBov, and whether that is speech.
    pub levels: Vec<(i8, bool)>,
    /// When packets came, and the last byte of each.
    pub arrived: Vec<(Mono, u8)>,
    /// The layers of its video whose keyframes the node asked for.
    pub asked: Vec<(Mono, Rid)>,
    pub data: Vec<Vec<u8>>,
    pub tokens: Vec<String>,
    pub tracks: Vec<(MediaKind, Mid)>,
    /// Ids of its tracks that the node has confirmed, and of those that it has forgotten.
    pub confirmed: Vec<String>,
    pub forgotten: Vec<String>,
    /// Why requests were refused, and ids of tracks that cannot be had.
    pub refused: Vec<i32>,
    pub unavailable: Vec<String>,
    /// What the newest answer of the node says, and its newest offer.
    pub answer: String,
    pub offer: String,
    /// It begins DTLS where it may choose, as browsers do (RFC 8842, section 5.3).
    pub starts_dtls: bool,
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

/// A track to announce: what it is, and the codec that the client asks for; none where it takes any.
pub(crate) struct Announcement<'a> {
    pub(crate) kind: MediaKind,
    pub(crate) codec: &'a str,
}

/// A packet to send: of which track and layer, and what is in it.
pub(crate) struct Outgoing<'a> {
    pub(crate) kind: MediaKind,
    pub(crate) rid: Option<Rid>,
    pub(crate) codec: Codec,
    pub(crate) payload: &'a [u8],
    /// The last of its frame.
    pub(crate) marker: bool,
}

impl Client {
    pub(crate) fn new(conn: ConnectionId, addresses: [SocketAddr; 2], at: Instant) -> Client {
        Client {
            conn,
            publisher: rtc(addresses[0], at),
            subscriber: rtc(addresses[1], at),
            addresses,
            joined: None,
            others: BTreeMap::new(),
            updates: 0,
            left: None,
            recording: false,
            received: BTreeMap::new(),
            received_bytes: 0,
            level: None,
            levels: Vec::new(),
            arrived: Vec::new(),
            asked: Vec::new(),
            data: Vec::new(),
            tokens: Vec::new(),
            tracks: Vec::new(),
            confirmed: Vec::new(),
            forgotten: Vec::new(),
            refused: Vec::new(),
            unavailable: Vec::new(),
            answer: String::new(),
            offer: String::new(),
            starts_dtls: false,
            pending: None,
            channel: None,
            seq: BTreeMap::new(),
            cut: false,
            up: Link::default(),
            down: Link::default(),
        }
    }

    /// Who is shown as recorded, and for what.
    pub fn recorded(&self) -> BTreeMap<String, String> {
        let shown = self.others.values().filter_map(|info| {
            let purposes = info.attributes.get("recording")?;
            Some((info.identity.clone(), purposes.clone()))
        });
        shown.collect()
    }

    /// The connection on which it publishes (0) or subscribes (1).
    pub(crate) fn rtc(&mut self, side: usize) -> &mut Rtc {
        if side == 0 {
            &mut self.publisher
        } else {
            &mut self.subscriber
        }
    }

    /// Adds tracks, and data channels with the first: the announcements and the offer to send.
    pub(crate) fn offer(
        &mut self,
        tracks: &[Announcement<'_>],
        layers: Option<Simulcast>,
    ) -> (Vec<proto::AddTrackRequest>, proto::SessionDescription) {
        let mut announced = Vec::new();
        let mut api = self.publisher.sdp_api();
        for track in tracks {
            let cid = format!("cid{}{}{}", self.conn.0, track.kind, self.tracks.len());
            let (stream, id) = (Some("-".into()), Some(cid.clone()));
            let mid = api.add_media(track.kind, Direction::SendOnly, stream, id, layers.clone());
            self.tracks.push((track.kind, mid));
            announced.push(add_track(cid, track, layers.is_some()));
        }
        if self.channel.is_none() {
            self.channel = Some(api.add_channel("_reliable".into()));
        }
        let (offer, pending) = api.apply().expect("there are changes");
        self.pending = Some(pending);
        let description = proto::SessionDescription {
            r#type: "offer".into(),
            sdp: offer.to_sdp_string(),
            id: 1,
            ..proto::SessionDescription::default()
        };
        (announced, description)
    }

    /// Writes one packet; it leaves with the next step. Nothing happens where there is no such track.
    pub(crate) fn write(&mut self, packet: &Outgoing<'_>, now: Mono, at: Instant) {
        let of_kind = |track: &&(MediaKind, Mid)| track.0 == packet.kind;
        let Some((_, mid)) = self.tracks.iter().find(of_kind).copied() else {
            return;
        };
        let params = self.publisher.codec_config().params();
        let Some(pt) = params
            .iter()
            .find(|p| p.spec().codec == packet.codec)
            .map(|p| p.pt())
        else {
            return;
        };
        let rid = packet.rid;
        let numbered = rid.map_or_else(|| packet.kind.to_string(), |rid| rid.to_string());
        let seq = self.seq.entry(numbered).or_default();
        *seq += 1;
        let clock = if packet.kind == MediaKind::Audio {
            48
        } else {
            90
        };
        let timestamp = u32::try_from(now.since(Mono::ZERO).0 * clock).unwrap_or(0);
        let write = RtpWrite::new(pt, (*seq).into(), timestamp, at, packet.payload);
        if let Some(stream) = self.publisher.direct_api().stream_tx_by_mid(mid, rid) {
            let values = ExtensionValues {
                audio_level: self.level,
                voice_activity: Some(true),
                ..ExtensionValues::default()
            };
            stream.write_rtp(write.marker(packet.marker).ext_vals(values));
        }
    }

    pub(crate) fn send_data(&mut self, bytes: &[u8]) -> bool {
        let Some(id) = self.channel else {
            return false;
        };
        self.publisher
            .channel(id)
            .is_some_and(|mut ch| ch.write(true, bytes).unwrap_or(false))
    }

    pub(crate) fn on_event(&mut self, event: Event, now: Mono) {
        if let Event::RtpPacket(packet) = event {
            let ssrc = packet.header.ssrc;
            let mut api = self.subscriber.direct_api();
            let mid = api.stream_rx(&ssrc).map(|stream| stream.mid().to_string());
            self.received_bytes += packet.payload.len() as u64;
            let values = &packet.header.ext_vals;
            let level = values.audio_level.zip(values.voice_activity);
            self.levels.extend(level);
            let last = packet.payload.last().copied();
            self.arrived.push((now, last.unwrap_or_default()));
            self.received
                .entry(mid.unwrap_or_default())
                .or_default()
                .push(*packet.seq_no);
        } else if let Event::ChannelData(data) = event {
            self.data.push(data.data);
        } else if let Event::KeyframeRequest(request) = event {
            let rid = request.rid;
            self.asked.extend(rid.map(|rid| (now, rid)));
        }
    }

    /// A message of the node. What to answer to an offer.
    pub(crate) fn hear(&mut self, message: Option<Response>) -> Option<proto::SessionDescription> {
        match message {
            Some(Response::Join(join)) => {
                for other in &join.other_participants {
                    self.others.insert(other.sid.clone(), other.clone());
                }
                self.joined = Some(join);
            }
            Some(Response::Offer(offer)) => return Some(self.on_offer(&offer)),
            Some(Response::Answer(answer)) => self.on_answer(answer.sdp),
            Some(Response::Update(update)) => {
                self.updates += 1;
                for info in update.participants {
                    self.others.insert(info.sid.clone(), info);
                }
            }
            Some(Response::TrackPublished(published)) => {
                self.confirmed
                    .extend(published.track.map(|track| track.sid));
            }
            Some(Response::TrackUnpublished(gone)) => self.forgotten.push(gone.track_sid),
            Some(Response::RequestResponse(outcome)) => self.refused.push(outcome.reason),
            Some(Response::SubscriptionResponse(failed)) => self.unavailable.push(failed.track_sid),
            Some(Response::RefreshToken(token)) => self.tokens.push(token),
            Some(Response::RoomUpdate(update)) => {
                let room = update.room.expect("an update has a room");
                self.recording = room.active_recording;
            }
            Some(Response::Leave(leave)) => self.left = Some(leave),
            Some(_) | None => {}
        }
        None
    }

    fn on_answer(&mut self, sdp: String) {
        let answer = SdpAnswer::from_sdp_string(&sdp).expect("a valid answer");
        self.answer = sdp;
        let pending = self.pending.take().expect("an open offer");
        self.publisher
            .sdp_api()
            .accept_answer(pending, answer)
            .expect("a fitting answer");
    }

    fn on_offer(&mut self, offer: &proto::SessionDescription) -> proto::SessionDescription {
        self.offer.clone_from(&offer.sdp);
        let roles = if self.starts_dtls {
            offer.sdp.replace("a=setup:actpass", "a=setup:passive")
        } else {
            offer.sdp.clone()
        };
        let sdp = SdpOffer::from_sdp_string(&roles).expect("a valid offer");
        let answer = self
            .subscriber
            .sdp_api()
            .accept_offer(sdp)
            .expect("it fits");
        proto::SessionDescription {
            r#type: "answer".into(),
            sdp: answer.to_sdp_string(),
            id: offer.id,
            ..proto::SessionDescription::default()
        }
    }
}

fn add_track(cid: String, track: &Announcement<'_>, layered: bool) -> proto::AddTrackRequest {
    let video = track.kind == MediaKind::Video;
    let layer = |quality: u8| proto::VideoLayer {
        quality: i32::from(quality),
        width: 320 << quality,
        height: 180 << quality,
        bitrate: 1_500_000,
        ..proto::VideoLayer::default()
    };
    let layers = if layered { 0..=2 } else { 2..=2 }.map(layer).collect();
    let codec = proto::SimulcastCodec {
        codec: track.codec.to_owned(),
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

fn rtc(address: SocketAddr, at: Instant) -> Rtc {
    let mut rtc = Rtc::builder()
        .set_rtp_mode(true)
        .set_stats_interval(None)
        .build(at);
    rtc.add_local_candidate(Candidate::host(address, "udp").expect("a valid candidate"));
    rtc
}
