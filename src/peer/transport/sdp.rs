//! What the protocol reads and rewrites in SDP text: sections, directions, `a=msid`.

use super::factory::channel_config;
use super::{Channel, Transport, TransportError};
use crate::base::TrackKind;
use crate::media::Mid;
use str0m::media::{Direction, MediaKind};

/// One media section of a description (RFC 8866, section 5.14).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Its `a=mid`.
    pub mid: Mid,
    /// Audio or video.
    pub kind: TrackKind,
    /// The describing side sends in it (`sendonly` or `sendrecv`, and a port that is not 0).
    pub sends: bool,
    /// Second token of `a=msid` (RFC 8830).
    pub track_id: Option<String>,
}

/// The audio and video sections of a description; sections without a mid are left out.
pub fn sections(sdp: &str) -> Vec<Section> {
    let mut sections = Vec::new();
    let mut open: Option<(Section, bool)> = None;
    let close = |open: &mut Option<(Section, bool)>, sections: &mut Vec<Section>| {
        if let Some((section, true)) = open.take() {
            sections.push(section);
        }
    };
    for line in sdp.lines() {
        let line = line.trim_end();
        if let Some(media) = line.strip_prefix("m=") {
            close(&mut open, &mut sections);
            open = section_start(media).map(|section| (section, false));
        } else if let Some((section, has_mid)) = &mut open {
            if let Some(mid) = line.strip_prefix("a=mid:") {
                section.mid = Mid::from(mid);
                *has_mid = true;
            } else if let Some(msid) = line.strip_prefix("a=msid:") {
                section.track_id = msid.split(' ').nth(1).map(str::to_owned);
            } else if matches!(line, "a=inactive" | "a=recvonly") {
                section.sends = false;
            }
        }
    }
    close(&mut open, &mut sections);
    sections
}

fn section_start(media: &str) -> Option<Section> {
    let mut words = media.split(' ');
    let kind = match words.next()? {
        "audio" => TrackKind::Audio,
        "video" => TrackKind::Video,
        _ => return None,
    };
    let sends = words.next() != Some("0");
    Some(Section {
        mid: Mid::from(""),
        kind,
        sends,
        track_id: None,
    })
}

/// A change of what we send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// One more section that we send in.
    Add(TrackKind),
    /// Send in the section again.
    Activate(Mid),
    /// Send no more in the section.
    Deactivate(Mid),
}

impl Transport {
    /// Opens the three data channels and carries out `changes`; returns the offer and the mids of
    /// the added sections in order. An offer that is still open is forgotten.
    ///
    /// # Errors
    /// There is nothing to offer.
    pub fn offer(&mut self, changes: &[Change]) -> Result<(String, Vec<Mid>), TransportError> {
        let first = self.channels.is_empty() && !self.is_connected() && self.pending.is_none();
        let mut api = self.rtc.sdp_api();
        if first {
            for channel in Channel::ALL {
                api.add_channel_with_config(channel_config(channel));
            }
        }
        let mut added = Vec::new();
        for change in changes {
            match change {
                Change::Add(kind) => {
                    let kind = match kind {
                        TrackKind::Audio => MediaKind::Audio,
                        TrackKind::Video => MediaKind::Video,
                    };
                    let mid = api.add_media(kind, Direction::SendOnly, None, None, None);
                    added.push(Mid::from(&*mid));
                }
                Change::Activate(mid) => {
                    if let Some(sender) = self.senders.get_mut(mid) {
                        sender.handle_track();
                    }
                    api.set_direction(mid.as_str().into(), Direction::SendOnly);
                }
                Change::Deactivate(mid) => {
                    api.set_direction(mid.as_str().into(), Direction::Inactive);
                }
            }
        }
        let (offer, pending) = api
            .apply()
            .ok_or_else(|| TransportError::Sdp("nothing to offer".into()))?;
        self.pending = Some(pending);
        self.drain();
        Ok((offer.to_sdp_string(), added))
    }
}

/// `sdp` with the `a=msid` of each section replaced: LiveKit clients find a track by it, and str0m
/// cannot change it in a section that is used again. `None` takes the line out.
pub fn rewrite_msid(sdp: &str, msid: impl Fn(Mid) -> Option<String>) -> String {
    let mut out = String::with_capacity(sdp.len() + 256);
    for (index, block) in sdp.split("\r\nm=").enumerate() {
        if index > 0 {
            out.push_str("\r\nm=");
        }
        let mid = block
            .split("\r\n")
            .find_map(|line| line.strip_prefix("a=mid:"))
            .map(Mid::from);
        let is_media = index > 0 && !block.starts_with("application");
        match mid.filter(|_| is_media) {
            None => out.push_str(block),
            Some(mid) => rewrite_block(&mut out, block, msid(mid)),
        }
    }
    out
}

fn rewrite_block(out: &mut String, block: &str, msid: Option<String>) {
    let mut lines: Vec<String> = block
        .split("\r\n")
        .filter(|line| !line.starts_with("a=msid:"))
        .filter(|line| !(line.starts_with("a=ssrc:") && line.contains(" msid:")))
        .map(str::to_owned)
        .collect();
    if let Some(msid) = msid {
        let after = lines
            .iter()
            .position(|line| line.starts_with("a=mid:"))
            .unwrap_or(0);
        lines.insert(after + 1, format!("a=msid:{msid}"));
    }
    out.push_str(&lines.join("\r\n"));
}

#[cfg(test)]
mod tests {
    use super::*;

    const SDP: &str = "v=0\r\no=- 0 0 IN IP4 0\r\nm=application 9 x\r\na=mid:0\r\nm=audio 9 x 111\r\na=mid:1\r\na=msid:- abc\r\na=sendonly\r\nm=video 0 x 96\r\na=mid:2\r\na=msid:s t\r\n";

    #[test]
    fn sections_are_read_with_kind_direction_and_track() {
        let got = sections(SDP);
        assert_eq!(got.len(), 2);
        assert_eq!((got[0].mid, got[0].sends), (Mid::from("1"), true));
        assert_eq!(got[0].track_id.as_deref(), Some("abc"));
        assert_eq!((got[1].kind, got[1].sends), (TrackKind::Video, false));
    }

    #[test]
    fn only_the_msid_of_media_sections_is_rewritten() {
        let got = rewrite_msid(SDP, |mid| {
            (mid.as_str() == "1").then(|| "PA_x|TR_y TR_y".to_owned())
        });
        assert!(got.contains("m=audio 9 x 111\r\na=mid:1\r\na=msid:PA_x|TR_y TR_y\r\na=sendonly"));
        assert!(!got.contains("a=msid:s t"));
        assert!(got.starts_with("v=0\r\n") && got.ends_with("a=mid:2\r\n"));
    }
}
