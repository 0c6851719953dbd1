//! Recordings as people read them at a terminal.

use super::check::Checked;
use super::listing::{Listed, Shown};
use crate::base::{ConsentState, Millis};
use crate::host::report::{clock, shown as safe, table};
use crate::record::manifest::Manifest;
use std::fmt::Write;
use std::io::IsTerminal;
use std::path::Path;

/// Whether standard output takes colours, and nobody has asked for none (no-color.org).
pub fn is_coloured() -> bool {
    let asked = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    std::io::stdout().is_terminal() && !asked
}

const GREEN: &str = "32";
const RED: &str = "31";
const YELLOW: &str = "33";

/// The word in a colour, for a terminal.
fn painted(word: &str, colour: &str, coloured: bool) -> String {
    if coloured {
        format!("\x1b[{colour}m{word}\x1b[0m")
    } else {
        word.to_owned()
    }
}

fn colour_of(state: &str) -> &'static str {
    match state {
        "ready" => GREEN,
        "failed" => RED,
        _ => YELLOW,
    }
}

fn or_none(text: Option<&String>) -> String {
    text.cloned().unwrap_or_else(|| "-".to_owned())
}

/// `12.3 MB`, in tenths.
fn megabytes(bytes: u64) -> String {
    let tenths = bytes.div_ceil(100_000);
    format!("{}.{} MB", tenths / 10, tenths % 10)
}

/// All recordings as a table with a header.
pub fn list(listed: &[Listed], coloured: bool) -> String {
    let header = [
        "RECORDING",
        "ROOM",
        "STATE",
        "STARTED",
        "DURATION",
        "SIZE",
        "EXPIRES",
    ];
    let mut rows = vec![header.map(str::to_owned)];
    rows.extend(listed.iter().map(|one| {
        [
            one.id.clone(),
            safe(&one.room),
            one.state.to_owned(),
            one.started.clone(),
            one.duration_ms
                .map_or_else(|| "-".to_owned(), |ms| clock(Millis(ms))),
            one.bytes.map_or_else(|| "-".to_owned(), megabytes),
            or_none(one.expires.as_ref()),
        ]
    }));
    let plain = table(&rows);
    if !coloured {
        return plain;
    }
    // Colours have no width: they are put in once everything stands in its column.
    let mut lines = plain.lines();
    let mut text = format!("{}\n", lines.next().unwrap_or_default());
    for (line, one) in lines.zip(listed) {
        let word = format!("  {} ", one.state);
        let paint = format!("  {} ", painted(one.state, colour_of(one.state), true));
        text.push_str(&line.replacen(&word, &paint, 1));
        text.push('\n');
    }
    text
}

/// All that is known of one.
pub fn shown(shown: &Shown, coloured: bool) -> String {
    let one = &shown.listed;
    let mut text = String::new();
    let state = painted(one.state, colour_of(one.state), coloured);
    let why = one.reason.as_ref();
    let why = why.map_or(String::new(), |why| format!(": {}", safe_line(why)));
    let _ = writeln!(text, "{}  {state}{why}", one.id);
    let _ = writeln!(text, "session   {}", one.session);
    let _ = writeln!(text, "room      {}", safe_line(&one.room));
    let _ = writeln!(text, "started   {}", one.started);
    let _ = writeln!(text, "ended     {}", or_none(one.ended.as_ref()));
    let _ = writeln!(text, "expires   {}", or_none(one.expires.as_ref()));
    if let Some(manifest) = &shown.manifest {
        signed(&mut text, manifest);
    }
    for said in &shown.consents {
        let consent = &said.consent;
        let colour = match consent.state {
            ConsentState::Given => GREEN,
            ConsentState::Refused | ConsentState::Withdrawn => RED,
        };
        let _ = writeln!(
            text,
            "consent   {}  {}  {} by {}, wording {}",
            said.at_unix_ms.rfc3339(),
            safe(consent.identity.as_str()),
            painted(consent.state.as_str(), colour, coloured),
            consent.actor.as_str(),
            safe_line(&consent.wording),
        );
    }
    text
}

fn safe_line(text: &str) -> String {
    safe(text)
}

fn signed(text: &mut String, manifest: &Manifest) {
    for file in &manifest.files {
        let about = file
            .duration_ms
            .map_or(String::new(), |ms| format!("  {}", clock(ms)));
        let size = megabytes(file.bytes);
        let _ = writeln!(text, "file      {}  {size}{about}", safe(&file.name));
    }
    for person in &manifest.participants {
        let role = person.role.map_or("-", crate::base::Role::as_str);
        let name = safe(person.identity.as_str());
        let _ = writeln!(text, "in it     {name} ({role}), {}", safe(&person.file));
        for track in &person.tracks {
            let spans = track.intervals_ms.iter();
            let spans = spans.map(|span| {
                let [from, to] = [span.start_ms, span.end_ms].map(|ms| clock(Millis(ms)));
                format!("{from} to {to}")
            });
            let spans = spans.collect::<Vec<_>>().join(", ");
            let gaps = track.gaps_ms.len();
            let codec = safe(&track.codec);
            let _ = writeln!(
                text,
                "          {} {codec}: {spans}; {gaps} gaps",
                crate::record::source_word(track.source)
            );
        }
    }
}

/// What was found when one was checked; `to`: where it was exported.
pub fn checked(checked: &Checked, to: Option<&Path>, coloured: bool) -> String {
    let mut text = String::new();
    if let (Some(recording), Some(kid), Some(key)) =
        (&checked.recording, &checked.kid, &checked.public_key)
    {
        let whose = if checked.key_known {
            "the key that was expected"
        } else {
            "a key that it names itself"
        };
        let _ = writeln!(
            text,
            "{recording}\nsigned with {whose}: {kid} (public key {key})"
        );
    }
    for good in &checked.good {
        let ok = painted("ok", GREEN, coloured);
        let frames = good
            .frames
            .map_or(String::new(), |n| format!(", {n} frames"));
        let _ = writeln!(
            text,
            "{ok}     {}: {} bytes{frames}",
            safe(&good.file),
            good.bytes
        );
    }
    for fault in &checked.faults {
        let word = painted("FAULT", RED, coloured);
        let _ = writeln!(text, "{word}  {}: {}", safe(&fault.file), fault.what);
    }
    let whole = checked.is_whole();
    let verdict = match (whole, to) {
        (true, Some(to)) => format!("the recording is whole in {}", to.display()),
        (true, None) => "the recording is whole".to_owned(),
        (false, _) => "the recording is NOT whole".to_owned(),
    };
    let colour = if whole { GREEN } else { RED };
    let _ = writeln!(text, "{}", painted(&verdict, colour, coloured));
    text
}
