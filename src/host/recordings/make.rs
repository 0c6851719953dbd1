//! Makes the finished files of a recording from its segments.

use super::object_store::{Interrupted, MANIFEST, SIGNED};
use super::pace::Pace;
use super::place::{Bench, RecordingsDir};
use crate::base::crypto::{Sha256, SigningKey, hex};
use crate::base::{Millis, NodeId, RecordingId, Unix};
use crate::record::manifest::{
    ConsentAt, FORMAT, File, FileKind, Losses, Manifest, Participant, Verified, sign, verify,
};
use crate::record::merge::{Kept, Merge};
use crate::record::mux::{MuxConfig, Muxer};
use crate::record::plan::{FilePlan, plan};
use crate::record::poster::Candidate;
use crate::record::read::{ReadError, Reader};
use crate::record::survey::{Survey, Surveyor};
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};

/// Written at once.
const BUFFER_BYTES: usize = 256 * 1024;
/// Frames between two looks at the clock.
const FRAMES: usize = 64;

/// What a recording's manifest says that is not in its segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestFacts {
    /// Who makes and signs it.
    pub node: NodeId,
    /// Why it ended before its session, where it did.
    pub ended_early: Option<String>,
    /// Every change of a consent to its purpose.
    pub consents: Vec<ConsentAt>,
}

/// Why it did not come to an end.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// Told to stop: the next start goes on.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// A disk or the ledger says no: another try may do.
    #[error(transparent)]
    Later(#[from] anyhow::Error),
    /// The ledger does not answer: the recording itself is all right.
    #[error(transparent)]
    Untold(anyhow::Error),
    /// The making of it has panicked.
    #[error("it panicked: {0}")]
    Panicked(String),
    /// No try will do.
    #[error("{0}")]
    Hopeless(&'static str),
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Trouble {
        Trouble::Later(error.into())
    }
}

/// A recording in the making.
pub struct Maker<'a> {
    /// Where its segments are.
    pub place: &'a RecordingsDir,
    /// Which.
    pub id: &'a RecordingId,
    /// How fast.
    pub pace: &'a mut Pace,
}

/// All segments, as far as they can be read.
struct Surveyed {
    surveys: Vec<Survey>,
    /// The best picture of all: one keyframe is kept, not one of each segment.
    poster: Option<Candidate>,
    losses: Losses,
    bytes: u64,
}

impl Surveyed {
    fn add(&mut self, mut survey: Survey) {
        self.losses.cut += u64::from(survey.damage.cut);
        self.losses.places += survey.damage.places;
        if let Some(picture) = survey.picture.take() {
            let best = self.poster.as_ref();
            if best.is_none_or(|best| picture.is_better_than(best)) {
                self.poster = Some(picture);
            }
        }
        self.surveys.push(survey);
    }
}

impl Maker<'_> {
    /// Makes all files and the signed manifest, which is written last: where it is, all are.
    ///
    /// # Errors
    /// It did not come to an end.
    pub fn make(&mut self, said: &ManifestFacts, key: &SigningKey) -> Result<Verified, Trouble> {
        let surveyed = self.survey()?;
        let Some(first) = surveyed.surveys.first() else {
            return Err(Trouble::Hopeless("not one whole frame was recorded"));
        };
        let origin = first.label.origin;
        let bench = self.place.empty_bench(self.id)?;
        let plan = plan(&surveyed.surveys);
        // Each segment goes into two files; each file is then read, stored, and read back.
        self.pace.set_rest(8 * surveyed.bytes);
        let (mut files, mut participants) = (Vec::new(), Vec::new());
        for (number, person) in (1_u32..).zip(&plan.people) {
            let name = format!("participant-{number}.{}", person.file.extension());
            let (file, kept) = self.file(&bench, &surveyed.surveys, &person.file, name)?;
            participants.push(Participant::of(person, &file.name, &kept));
            files.push(file);
        }
        let name = format!("session.{}", plan.session.extension());
        let (mut file, _) = self.file(&bench, &surveyed.surveys, &plan.session, name)?;
        file.kind = FileKind::Session;
        files.push(file);
        files.extend(poster(&bench, surveyed.poster.as_ref())?);
        for file in &mut files {
            self.sum(&bench, file)?;
        }
        let span = plan.session.span;
        let manifest = Manifest {
            format: FORMAT,
            recording: self.id.clone(),
            session: self.id.session().clone(),
            purpose: self.id.purpose(),
            node: said.node.clone(),
            origin_unix_ms: origin,
            started_unix_ms: Unix(origin.0 + span.start_ms),
            ended_unix_ms: Unix(origin.0 + span.end_ms),
            duration_ms: Millis(plan.session.duration_ms()),
            files,
            participants,
            consents: said.consents.clone(),
            ended_early: said.ended_early.clone(),
            losses: surveyed.losses,
        };
        self.seal(&bench, &manifest, key)
    }

    /// The manifest of an earlier attempt that came to its end; none if there was none.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn made(&self, key: &SigningKey) -> Result<Option<Verified>, Trouble> {
        let Some(bench) = self.place.bench(self.id)? else {
            return Ok(None);
        };
        let signed = bench.read(SIGNED)?.unwrap_or_default();
        let text = String::from_utf8_lossy(&signed);
        // Anything else was cut off, or made with another key: it is made anew.
        Ok(verify(&text, Some(&key.public())).ok())
    }

    fn survey(&mut self) -> Result<Surveyed, Trouble> {
        let segments = self.place.segments(self.id)?;
        let bytes = segments.iter().map(|(_, bytes)| bytes).sum();
        self.pace.set_rest(9 * bytes);
        let mut surveyed = Surveyed {
            surveys: Vec::new(),
            poster: None,
            losses: Losses::default(),
            bytes,
        };
        for (number, _) in segments {
            match self.survey_one(number)? {
                Some(survey) => surveyed.add(survey),
                None => surveyed.losses.segments += 1,
            }
        }
        Ok(surveyed)
    }

    /// None if not one frame of it can be read, or if it does not belong here.
    fn survey_one(&mut self, number: u32) -> Result<Option<Survey>, Trouble> {
        let mut reader = match Reader::new(self.place.segment(self.id, number)?) {
            Ok(reader) => reader,
            Err(ReadError::NoHeader) => return Ok(None),
            Err(ReadError::Io(error)) => return Err(error.into()),
        };
        let Some(mut surveyor) = Surveyor::new(number, reader.header()) else {
            return Ok(None);
        };
        let mut before = 0;
        let mut broken = false;
        for frame in 1_usize.. {
            match reader.next_block() {
                Ok(Some(block)) => surveyor.handle_block(&block),
                Ok(None) => break,
                Err(error) => {
                    tracing::error!(recording = %self.id, number, %error,
                        "a segment cannot be read any further: what comes before that is kept");
                    broken = true;
                    break;
                }
            }
            if frame.is_multiple_of(FRAMES) {
                self.pace.advance(reader.offset() - before)?;
                before = reader.offset();
            }
        }
        self.pace.advance(reader.offset() - before)?;
        let mut damage = reader.damage();
        damage.cut |= broken;
        let survey = surveyor.finish(damage, reader.offset());
        let belongs = |survey: &Survey| {
            survey.label.session == *self.id.session() && survey.label.purpose == self.id.purpose()
        };
        Ok(survey.filter(belongs))
    }

    fn file(
        &mut self,
        bench: &Bench,
        surveys: &[Survey],
        file: &FilePlan,
        name: String,
    ) -> Result<(File, Vec<Kept>), Trouble> {
        let origin = surveys.first().map_or(0, |survey| survey.label.origin.0);
        let config = MuxConfig {
            doc_type: file.doc_type(),
            date_unix_ms: origin + file.span.start_ms,
            duration_ms: file.duration_ms(),
            tracks: file.mux_tracks(),
            tags: vec![("RECORDING".to_owned(), self.id.to_string())],
        };
        if file.left_out > 0 {
            tracing::warn!(recording = %self.id, name, tracks = file.left_out,
                "a file has no numbers for all tracks: the last ones are in their own files alone");
        }
        let out = BufWriter::with_capacity(BUFFER_BYTES, bench.create(&name)?);
        let mut muxer = Muxer::new(out, config)?;
        let (place, id) = (self.place, self.id);
        let open = |index: usize| {
            let survey = surveys.get(index).ok_or(std::io::ErrorKind::NotFound)?;
            Ok(place.segment(id, survey.number)?.take(survey.bytes))
        };
        let mut merge = Merge::new(file, surveys, open);
        let mut before = 0;
        for frame in 1_usize.. {
            if !merge.step(&mut muxer).map_err(anyhow::Error::from)? {
                break;
            }
            if frame.is_multiple_of(FRAMES) {
                let read = merge.read_bytes();
                self.pace.advance(read - before)?;
                before = read;
            }
        }
        self.pace.advance(merge.read_bytes() - before)?;
        let kept = merge.kept();
        let out = muxer.finish()?.into_inner();
        out.map_err(std::io::IntoInnerError::into_error)?
            .sync_all()?;
        Ok((File::of(file, FileKind::Participant, name), kept))
    }

    /// Reads the file back for its size and sum.
    fn sum(&mut self, bench: &Bench, file: &mut File) -> Result<(), Trouble> {
        let mut from = bench.open(&file.name)?;
        from.seek(SeekFrom::Start(0))?;
        let (mut sum, mut buffer) = (Sha256::default(), vec![0; BUFFER_BYTES]);
        loop {
            let read = from.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            sum.update(&buffer[..read]);
            file.bytes += read as u64;
            self.pace.advance(read as u64)?;
        }
        file.sha256 = hex(&sum.finish());
        Ok(())
    }

    fn seal(
        &mut self,
        bench: &Bench,
        manifest: &Manifest,
        key: &SigningKey,
    ) -> Result<Verified, Trouble> {
        let bytes = manifest.encode().map_err(anyhow::Error::from)?;
        let jws = sign(&bytes, key).map_err(anyhow::Error::from)?;
        bench.write(MANIFEST, &bytes)?;
        bench.write(SIGNED, jws.as_bytes())?;
        let checked = verify(&jws, Some(&key.public()));
        Ok(checked.map_err(anyhow::Error::from)?)
    }
}

/// The best picture that anyone has sent.
fn poster(bench: &Bench, best: Option<&Candidate>) -> Result<Option<File>, Trouble> {
    let Some(best) = best else {
        return Ok(None);
    };
    let mut out = bench.create("poster.webp")?;
    out.write_all(&best.webp())?;
    out.sync_all()?;
    Ok(Some(File {
        name: "poster.webp".to_owned(),
        kind: FileKind::Poster,
        mime: "image/webp".to_owned(),
        bytes: 0,
        sha256: String::new(),
        offset_ms: None,
        duration_ms: None,
        tracks_left_out: 0,
    }))
}
