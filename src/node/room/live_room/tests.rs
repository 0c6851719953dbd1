//! A room's random life, in which somebody is removed in the middle of every step.

use super::*;
use crate::base::{NodeId, Rng, Unix};
use crate::media::{Codec, Mid, Packet, StreamId};
use crate::node::context::Sockets;
use crate::node::demux::Demux;
use crate::node::io::ShardConfig;
use crate::node::room::opening;
use crate::peer::signal::token::{Claims, Keys, authorize_join};
use crate::peer::signal::{ClientParams, Frame, Target, decode};
use crate::peer::transport::Factory;
use crate::session::{ConsentAnswer, Mode, Policies};
use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

const STEPS: u64 = 10_000;

/// A room without a shard: what it may use of one, and what it had to say.
struct Life {
    room: LiveRoom,
    config: ShardConfig,
    outputs: VecDeque<Output>,
    demux: Demux,
    sockets: Sockets,
    stats: Stats,
    rng: Rng,
    now: Now,
    /// An offer with a section to send video in, as a client makes it.
    offer: String,
    /// Joined and not left, by what admission was told.
    here: i64,
    joins: u64,
    /// Ids of tracks that were announced or published at some time.
    tracks: Vec<String>,
}

fn join_request(who: u64, rng: &mut Rng) -> JoinRequest {
    let mut claims = Claims::new("key", &format!("p{who}"), Unix(1));
    claims.video.room = Some("help".to_owned());
    claims.video.room_join = Some(true);
    claims.video.hidden = Some(rng.below(8) == 0);
    claims.video.can_subscribe = (rng.below(8) == 0).then_some(false);
    let role = ["expert", "customer", "guest", "observer"][usize::try_from(rng.below(4)).unwrap()];
    claims.attributes = [("role".to_owned(), role.to_owned())].into();
    if rng.below(10) == 0 {
        let minor = ("minor".to_owned(), "true".to_owned());
        claims.attributes.extend([minor]);
    }
    JoinRequest {
        join: authorize_join(&claims).unwrap(),
        claims,
        client: ClientParams {
            auto_subscribe: rng.below(4) > 0,
            ..ClientParams::default()
        },
        continues: None,
        booking: None,
        preflight: None,
    }
}

fn add_track(cid: u64, video: bool) -> Request {
    let (kind, source) = if video {
        ("VIDEO", "CAMERA")
    } else {
        ("AUDIO", "MICROPHONE")
    };
    let json = format!(r#"{{"addTrack":{{"cid":"{cid}","type":"{kind}","source":"{source}"}}}}"#);
    decode(&Frame::Text(json)).unwrap()
}

fn packet(seq: u64, keyframe: bool) -> Packet {
    Packet {
        stream: StreamId {
            mid: Mid::from("0"),
            rid: None,
        },
        seq,
        timestamp: 0,
        marker: true,
        codec: Codec::Vp8,
        payload: Arc::from([0_u8; 4].as_slice()),
        audio_level: None,
        voice_activity: None,
        keyframe,
        picture: None,
        temporal: None,
        reported: None,
    }
}

/// An empty room; whoever joins later is drawn by themselves.
fn room(config: &ShardConfig, rng: &mut Rng, now: Now) -> LiveRoom {
    let first = join_request(0, rng);
    let rules = opening::Rules {
        template: "default",
        policy: (config.policies)
            .get(&first.join.room.project, "default")
            .unwrap()
            .clone(),
    };
    let (opening, facts) = opening::open(rules, &first, config, rng, now);
    LiveRoom::new(0, opening, facts, rng.next_u64(), now)
}

impl Life {
    fn new(seed: u64) -> Life {
        #[expect(clippy::disallowed_methods, reason = "an anchor; no time passes")]
        let factory = Factory::new(Instant::now()).unwrap();
        let now = Now {
            mono: Mono::from_millis(1_000),
            unix: Unix(1_800_000_000_000),
        };
        let offer = factory.prober(now.mono).unwrap().1;
        let secret = "0123456789abcdef0123456789abcdef";
        let mut policy = Policy::default();
        policy.recording.mode = Mode::Always;
        policy.recording.purposes = crate::base::Purpose::ALL.to_vec();
        policy.capacity.max_participants = 6;
        let config = ShardConfig {
            factory,
            advertised: vec![SocketAddr::from(([192, 0, 2, 1], 7882))],
            node: NodeId::from("ND_test"),
            keys: Arc::new(Keys::new([("key", secret)]).unwrap()),
            policies: Arc::new(Policies::of_keys([("default".to_owned(), policy)].into())),
        };
        let mut rng = Rng::from_seed(seed);
        Life {
            room: room(&config, &mut rng, now),
            config,
            outputs: VecDeque::new(),
            demux: Demux::default(),
            sockets: Sockets::new(),
            stats: Stats::default(),
            rng,
            now,
            offer,
            here: 0,
            joins: 0,
            tracks: vec!["TR_nowhere".to_owned()],
        }
    }

    /// The next room, after one is over.
    fn begin_anew(&mut self) {
        assert_eq!(self.room.parts.members.len(), 0, "everyone goes with it");
        self.room = room(&self.config, &mut self.rng, self.now);
        self.here = 0;
    }

    fn below(&mut self, limit: usize) -> usize {
        let below = self.rng.below(u64::try_from(limit).unwrap());
        usize::try_from(below).unwrap()
    }

    fn with<T>(&mut self, act: impl FnOnce(&mut LiveRoom, &mut Context<'_>) -> T) -> T {
        let mut context = Context {
            config: &self.config,
            outputs: &mut self.outputs,
            demux: &mut self.demux,
            sockets: &mut self.sockets,
            stats: &mut self.stats,
            rng: &mut self.rng,
            now: self.now,
        };
        act(&mut self.room, &mut context)
    }

    fn join(&mut self) {
        self.joins += 1;
        let conn = ConnectionId(self.joins);
        let who = self.rng.below(9);
        let request = join_request(who, &mut self.rng);
        // Admission counts a join when it places it.
        let known = self.room.has(&request.join.identity);
        self.with(|room, context| room.handle_join(conn, request, context));
        let refused = self
            .room
            .parts
            .members
            .find(&Identity::from(format!("p{who}")))
            .is_none();
        if refused && !known {
            self.here += 1;
        }
    }

    fn request(&mut self) -> Request {
        let track = self.below(self.tracks.len());
        let sid = self.tracks[track].clone();
        let on = self.rng.below(2) == 0;
        match self.below(10) {
            0 | 1 => add_track(self.joins, on),
            2 => Request::Offer(1, self.offer.clone()),
            3 => Request::Offer(2, self.offer.replace("a=sendonly", "a=inactive")),
            4 => Request::Answer(u32::try_from(self.rng.below(3)).unwrap(), "v=0".to_owned()),
            5 => Request::Mute(sid, on),
            6 => Request::Subscription(vec![sid], on),
            7 => {
                let setting = crate::peer::signal::TrackSetting {
                    enabled: on,
                    quality: 2,
                    size: None,
                    fps: 0,
                    priority: 0,
                };
                Request::TrackSetting(vec![sid], setting)
            }
            8 => Request::Leave,
            _ => Request::Candidate(Target::Subscriber, "nonsense".to_owned()),
        }
    }

    /// Something happens to a member that is there, or to one that is not any more.
    fn act(&mut self, key: usize) {
        let side = Side::BOTH[self.below(2)];
        let now = self.now;
        match self.below(12) {
            0..=4 => {
                let request = self.request();
                self.with(|room, context| room.handle_request(key, (request, false), context));
            }
            5 => self.with(|room, context| {
                room.parts.handle_connected(key, side, now);
                room.finish(context);
            }),
            6 => self.with(|room, context| {
                room.parts.handle_closed(key, now.mono);
                room.finish(context);
            }),
            7 => {
                let seq = self.joins + now.mono.micros();
                let keyframe = self.rng.below(3) == 0;
                self.with(|room, context| {
                    let packet = packet(seq, keyframe);
                    let from = MemberKey(key);
                    if room.egress.forward(from, &packet, &mut room.parts, context) {
                        room.recordings.handle_packet(from, &packet, context.now);
                    }
                    room.finish(context);
                });
            }
            8 => {
                let identity = Identity::from(format!("p{}", self.rng.below(9)));
                let answer = ConsentAnswer {
                    identity,
                    purpose: Purpose::ALL[self.below(2)],
                    given: self.rng.below(2) == 0,
                    actor: crate::base::Actor::App,
                    wording: "v1".to_owned(),
                };
                let command = SessionCommand::Consent(answer);
                drop(self.with(|room, context| room.handle_command(command, context)));
            }
            9 => self.with(|room, context| {
                let track = room.parts.room.subscribed(MemberKey(key)).pop();
                if let Some(track) = track {
                    let mid = Mid::from("1");
                    room.parts.room.handle_section(MemberKey(key), track, mid);
                }
                room.finish(context);
            }),
            10 => {
                // The shard forgets the socket first.
                self.sockets.retain(|_, (_, member)| *member != key);
                self.with(|room, context| room.handle_socket_closed(key, context));
            }
            _ => self.with(|room, context| {
                let packet = DataPacket {
                    from: key,
                    channel: Channel::Reliable,
                    bytes: b"\x12",
                };
                let (parts, recordings) = (&mut room.parts, &mut room.recordings);
                data::handle(packet, parts, recordings, context);
                room.finish(context);
            }),
        }
    }

    fn check(&mut self, step: u64) {
        for output in self.outputs.drain(..) {
            match output {
                Output::News(News::Joined(..)) => self.here += 1,
                Output::News(News::Left(..)) => self.here -= 1,
                Output::CloseSocket { conn } => {
                    assert!(
                        !self.sockets.contains_key(&conn),
                        "step {step}: a closed socket is kept"
                    );
                }
                Output::News(News::Opened { .. })
                | Output::Datagram { .. }
                | Output::Signal { .. }
                | Output::Append(_)
                | Output::Checkpoints(_)
                | Output::Recorded(_)
                | Output::RoomEnded(_)
                | Output::RoomNotOpened(_)
                | Output::Abandoned { .. }
                | Output::Preflighted { .. } => {}
            }
        }
        let members = &mut self.room.parts.members;
        assert!(
            members.poll_leaving().is_none(),
            "step {step}: somebody still has to go"
        );
        let keys: BTreeSet<usize> = members.keys().into_iter().collect();
        let strangers = self.sockets.values().filter(|(_, key)| !keys.contains(key));
        assert_eq!(
            strangers.count(),
            0,
            "step {step}: a socket of somebody who is gone"
        );
        let here = i64::try_from(keys.len()).unwrap();
        assert_eq!(self.here, here, "step {step}: admission knows who is here");
        for (_, member) in members.iter() {
            let tracks = member.tracks.iter().map(|(sid, _)| sid.to_string());
            self.tracks.extend(tracks);
        }
        self.tracks.sort();
        self.tracks.dedup();
        while self.tracks.len() > 64 {
            let index = self.rng.below(64);
            self.tracks.remove(usize::try_from(index).unwrap());
        }
    }
}

#[test]
fn members_are_removed_at_every_step_of_a_random_life_and_nothing_breaks() {
    let mut life = Life::new(18);
    let mut most = 0;
    for step in 0..STEPS {
        life.now.mono = life.now.mono + Millis(life.rng.below(80));
        let wanted = 3 + life.below(4);
        while life.room.parts.members.len() < wanted && !life.room.is_over() {
            life.join();
        }
        // The one to whom something happens, and the one who goes in the middle of it.
        let keys = life.room.parts.members.keys();
        let (acting, leaving) = (life.below(7), life.below(keys.len().max(1)));
        let how = [
            Leave::lost(LeaveReason::MediaFailure),
            Leave::explicit(LeaveReason::ClientInitiated),
            Leave::unbilled(LeaveAction::Disconnect, LeaveReason::DuplicateIdentity),
        ][life.below(3)];
        if let Some(leaving) = keys.get(leaving) {
            life.room.parts.members.leave(*leaving, how);
        }
        life.act(acting);
        life.with(|room, context| room.handle_timeout(context));
        life.check(step);
        most = most.max(life.room.parts.members.len());
        if life.room.is_over() {
            life.begin_anew();
        }
    }
    assert_eq!(most, 5, "six at most, and one goes at each step");
}
