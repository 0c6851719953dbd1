//! One recording: its tracks, their gates, and the bytes to write.

use super::output::{Output, TrackFacts, TrackKey};
use super::stats::Stats;
use super::take::{Context, Segments, Take};
use super::timeline::SenderClock;
use crate::base::{Millis, Mono, Now, ParticipantSid, RecordingId, TrackSource};
use crate::media::Packet;
use std::collections::VecDeque;

/// A track changes its codec, and thereby its file, no sooner than after so long: a sender cannot make files at will.
const CODEC_STAYS: Millis = Millis(1_000);
/// Keys above this are no tracks: `node` numbers them from 0 and uses numbers again.
const MAX_TRACKS: usize = 4_096;

/// What a recorder must know from the beginning.
#[derive(Clone, Debug)]
pub struct RecorderConfig {
    /// Which recording.
    pub id: RecordingId,
    /// Where its timeline begins.
    pub origin: Now,
}

#[derive(Debug)]
struct RecordedTrack {
    facts: TrackFacts,
    /// Index of its participant's clock.
    clock: usize,
    gate: Gate,
}

/// Whether a track may be recorded: nobody may, until it is said.
#[derive(Debug)]
enum Gate {
    Closed,
    /// With what was begun, after the first packet.
    Open(Option<Box<Take>>),
}

/// A participant's clock, as long as they have tracks.
#[derive(Debug)]
struct Clock {
    participant: ParticipantSid,
    clock: SenderClock,
    tracks: usize,
}

/// A recording under way. Drain its outputs after each input.
#[derive(Debug)]
pub struct Recorder {
    config: RecorderConfig,
    tracks: Vec<Option<RecordedTrack>>,
    clocks: Vec<Option<Clock>>,
    segments: Segments,
    failed: bool,
    /// Not later than any deadline of a take.
    deadline: Option<Mono>,
    outputs: VecDeque<Output>,
    stats: Stats,
}

impl Recorder {
    /// Nobody is recorded yet.
    pub const fn new(config: RecorderConfig) -> Recorder {
        Recorder {
            config,
            tracks: Vec::new(),
            clocks: Vec::new(),
            segments: Segments::new(),
            failed: false,
            deadline: None,
            outputs: VecDeque::new(),
            stats: Stats {
                offered: 0,
                refused: 0,
                late: 0,
                holes: 0,
                malformed: 0,
                frames: 0,
                frames_dropped: 0,
                bytes: 0,
                keyframes_wanted: 0,
                clock_restarts: 0,
                segments: 0,
            },
        }
    }

    /// A track that exists. Its gate is closed.
    pub fn handle_track(&mut self, key: TrackKey, facts: TrackFacts) {
        if key.0 >= MAX_TRACKS {
            return;
        }
        self.remove(key);
        if self.tracks.len() <= key.0 {
            self.tracks.resize_with(key.0 + 1, || None);
        }
        let clock = self.join_clock(&facts.participant);
        self.tracks[key.0] = Some(RecordedTrack {
            facts,
            clock,
            gate: Gate::Closed,
        });
    }

    /// The track may be recorded, or no longer. Closing drops at once all that was not handed out.
    pub fn handle_gate(&mut self, key: TrackKey, open: bool, _now: Now) {
        let Some(track) = self.tracks.get_mut(key.0).and_then(Option::as_mut) else {
            return;
        };
        match (open, &mut track.gate) {
            (true, Gate::Closed) if !self.failed => {
                track.gate = Gate::Open(None);
                if matches!(
                    track.facts.source,
                    TrackSource::Camera | TrackSource::ScreenShare
                ) {
                    self.stats.keyframes_wanted += 1;
                    self.outputs
                        .push_back(Output::KeyframeWanted { track: key });
                }
            }
            (false, Gate::Open(take)) => {
                let take = take.take();
                track.gate = Gate::Closed;
                if let Some(take) = take {
                    self.abandon(&take);
                    self.renew_deadline();
                }
            }
            (true, _) | (false, Gate::Closed) => {}
        }
    }

    /// The track has ended. What was recorded of it stays.
    pub fn handle_track_ended(&mut self, key: TrackKey, now: Now) {
        self.finish(key, now);
        self.remove(key);
    }

    /// A packet of a track. With a closed gate it is not looked at.
    pub fn handle_packet(&mut self, key: TrackKey, packet: &Packet, now: Now) {
        self.stats.offered += 1;
        let gate = self.tracks.get_mut(key.0).and_then(Option::as_mut);
        let Some(RecordedTrack {
            gate: Gate::Open(take),
            ..
        }) = gate
        else {
            self.stats.refused += 1;
            return;
        };
        let other = take.as_ref().filter(|take| take.codec() != packet.codec);
        if let Some(other) = other {
            if now.mono.since(other.since()) < CODEC_STAYS {
                self.stats.late += 1;
                return;
            }
            self.finish(key, now);
        }
        let origin = self.config.origin;
        let Some((take, mut context)) = self.stage(key) else {
            return;
        };
        let take = take.get_or_insert_with(|| Box::new(Take::new(packet, now, origin)));
        take.handle_packet(packet, now.mono, &mut context);
        let due = take.deadline();
        self.note_deadline(due);
    }

    /// The recording stops, with everyone's consent: what came is kept. All gates are closed.
    pub fn handle_stop(&mut self, now: Now) {
        for key in 0..self.tracks.len() {
            self.finish(TrackKey(key), now);
            if let Some(track) = self.tracks[key].as_mut() {
                track.gate = Gate::Closed;
            }
        }
    }

    /// What was handed out could not be written. Nothing more is recorded, but that files end is told.
    pub fn handle_failed(&mut self) {
        self.failed = true;
        self.outputs.retain(|output| match output {
            Output::Close { .. } => true,
            Output::Open { .. } | Output::Append { .. } | Output::KeyframeWanted { .. } => false,
        });
        self.deadline = None;
        for track in self.tracks.iter_mut().flatten() {
            let gate = std::mem::replace(&mut track.gate, Gate::Closed);
            let Gate::Open(Some(take)) = gate else {
                continue;
            };
            if let Some(segment) = take.segment().cloned() {
                self.outputs.push_back(Output::Close { segment });
            }
        }
    }

    /// It is tried again: gates may open, and what comes goes into new files.
    pub const fn handle_again(&mut self) {
        self.failed = false;
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Now) {
        if self.deadline.is_none_or(|at| at > now.mono) {
            return;
        }
        for key in 0..self.tracks.len() {
            if let Some((Some(take), mut context)) = self.stage(TrackKey(key)) {
                take.handle_timeout(now.mono, &mut context);
            }
        }
        self.renew_deadline();
    }

    /// When [`Recorder::handle_timeout`] has something to do.
    pub const fn poll_timeout(&self) -> Option<Mono> {
        self.deadline
    }

    /// What to do next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// What was seen and done.
    pub const fn stats(&self) -> Stats {
        self.stats
    }

    fn note_deadline(&mut self, due: Option<Mono>) {
        self.deadline = match (self.deadline, due) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }

    /// Reckons the deadline anew, where takes have ended.
    fn renew_deadline(&mut self) {
        let takes = self.tracks.iter().flatten().map(|track| &track.gate);
        let deadlines = takes.filter_map(|gate| match gate {
            Gate::Open(Some(take)) => take.deadline(),
            Gate::Open(None) | Gate::Closed => None,
        });
        self.deadline = deadlines.min();
    }

    /// A track whose gate is open, and what its take needs.
    fn stage(&mut self, key: TrackKey) -> Option<(&mut Option<Box<Take>>, Context<'_>)> {
        let track = self.tracks.get_mut(key.0)?.as_mut()?;
        let Gate::Open(take) = &mut track.gate else {
            return None;
        };
        let clock = self.clocks.get_mut(track.clock)?.as_mut()?;
        let context = Context {
            key,
            recording: &self.config.id,
            origin: self.config.origin,
            facts: &track.facts,
            clock: &mut clock.clock,
            segments: &mut self.segments,
            outputs: &mut self.outputs,
            stats: &mut self.stats,
        };
        Some((take, context))
    }

    /// The track's file ends with all that came. Its gate stays as it is.
    fn finish(&mut self, key: TrackKey, now: Now) {
        let Some((take, mut context)) = self.stage(key) else {
            return;
        };
        let Some(mut take) = take.take() else {
            return;
        };
        take.finish(now.mono, &mut context);
        if let Some(segment) = take.segment().cloned() {
            self.outputs.push_back(Output::Close { segment });
        }
        self.renew_deadline();
    }

    /// The track's file ends with what was handed out and fetched. Outputs that nobody has fetched yet are
    /// taken back too.
    fn abandon(&mut self, take: &Take) {
        let Some(id) = take.segment() else {
            return;
        };
        let mut opened = true;
        self.outputs.retain(|output| match output {
            Output::Open { segment, .. } if segment == id => {
                opened = false;
                false
            }
            Output::Append { segment, .. } => segment != id,
            Output::Open { .. } | Output::Close { .. } | Output::KeyframeWanted { .. } => true,
        });
        if opened {
            let segment = id.clone();
            self.outputs.push_back(Output::Close { segment });
        }
    }

    fn remove(&mut self, key: TrackKey) {
        let Some(track) = self.tracks.get_mut(key.0).and_then(Option::take) else {
            return;
        };
        if let Gate::Open(Some(take)) = &track.gate {
            self.abandon(take);
        }
        if let Some(slot) = self.clocks.get_mut(track.clock) {
            if let Some(clock) = slot {
                clock.tracks -= 1;
            }
            if slot.as_ref().is_some_and(|clock| clock.tracks == 0) {
                *slot = None;
            }
        }
    }

    /// Index of a participant's clock, which gets one more track.
    fn join_clock(&mut self, participant: &ParticipantSid) -> usize {
        let mut slots = self.clocks.iter_mut();
        let known = slots.position(|slot| match slot {
            Some(clock) if clock.participant == *participant => {
                clock.tracks += 1;
                true
            }
            Some(_) | None => false,
        });
        if let Some(index) = known {
            return index;
        }
        let clock = Some(Clock {
            participant: participant.clone(),
            clock: SenderClock::default(),
            tracks: 1,
        });
        if let Some(free) = self.clocks.iter().position(Option::is_none) {
            self.clocks[free] = clock;
            return free;
        }
        self.clocks.push(clock);
        self.clocks.len() - 1
    }
}
