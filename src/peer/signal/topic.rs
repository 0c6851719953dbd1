//! Whose a topic of data messages is. Those of the server are compared by what people and lenient
//! decoders see: JavaScript strips a byte order mark, apps trim and normalise.

use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::props::{DefaultIgnorableCodePoint, GeneralCategory};
use icu_properties::{CodePointMapData, CodePointSetData};

/// Topics that start with this are between a client and the server alone.
const RESERVED: &str = "beistand.";

/// Whose a topic is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// The app's.
    Clients,
    /// The server's.
    Server,
    /// It only looks like one of the server's, or decoders read it differently: nobody's.
    Nobody,
}

/// Whose `topic` is.
pub(super) fn owner(topic: &str) -> Owner {
    // Decoders of JavaScript strip it, others do not.
    if topic.starts_with('\u{feff}') {
        return Owner::Nobody;
    }
    if topic.is_ascii() && !topic.contains(|c: char| c.is_ascii_control() || c == ' ') {
        let reserved = topic.starts_with(RESERVED);
        return if reserved {
            Owner::Server
        } else {
            Owner::Clients
        };
    }
    if visible(topic).starts_with(RESERVED) {
        Owner::Nobody
    } else {
        Owner::Clients
    }
}

/// What is left to see: normalised (NFKC), without white space and what has no shape of its own.
fn visible(topic: &str) -> String {
    let nfkc = ComposingNormalizerBorrowed::new_nfkc();
    // Stripped before, since a joiner between two characters keeps them from being composed, and after.
    let stripped: String = topic.chars().filter(|c| !is_invisible(*c)).collect();
    let normal = nfkc.normalize(&stripped);
    normal.chars().filter(|c| !is_invisible(*c)).collect()
}

fn is_invisible(c: char) -> bool {
    let ignorable = CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c);
    let category = CodePointMapData::<GeneralCategory>::new().get(c);
    ignorable
        || c.is_whitespace()
        || matches!(category, GeneralCategory::Control | GeneralCategory::Format)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_that_looks_like_one_of_the_server_is_nobodys() {
        for (topic, whose) in [
            ("chat", Owner::Clients),
            ("", Owner::Clients),
            ("beistand", Owner::Clients),
            ("my beistand.clock", Owner::Clients),
            ("Größe 🙂", Owner::Clients),
            ("beistand.clock", Owner::Server),
            ("beistand.", Owner::Server),
            ("\u{feff}beistand.clock", Owner::Nobody),
            ("\u{feff}chat", Owner::Nobody),
            (" beistand.clock", Owner::Nobody),
            ("beistand.clock\u{200b}", Owner::Nobody),
            ("bei\u{200b}stand.clock", Owner::Nobody),
            ("bei\u{feff}stand.clock", Owner::Nobody),
            ("\u{202e}beistand.clock", Owner::Nobody),
            ("\u{2066}beistand.clock", Owner::Nobody),
            ("be\u{ad}istand.clock", Owner::Nobody),
            ("beistand\0.clock", Owner::Nobody),
            ("\tbeistand.clock", Owner::Nobody),
            ("\u{a0}beistand.clock", Owner::Nobody),
            ("\u{180e}beistand.clock", Owner::Nobody),
            ("beistand\u{fe0f}.clock", Owner::Nobody),
            ("beistand\u{e0020}.clock", Owner::Nobody),
            ("ｂｅｉｓｔａｎｄ．ｃｌｏｃｋ", Owner::Nobody),
            ("beistand\u{2024}clock", Owner::Nobody),
            ("𝐛eistand.clock", Owner::Nobody),
            ("beiﬆand.clock", Owner::Nobody),
        ] {
            assert_eq!(owner(topic), whose, "{topic:?}");
        }
    }
}
