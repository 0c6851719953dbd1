//! What is not seen at the ends of a text, and makes it another text.

use super::origin::Origins;

/// Whoever signs with a secret has it without the line break that `echo` or a file gave it here: white
/// space at the ends of `what` is refused. True if there is none.
pub(super) fn check_ends(key: &str, what: &str, text: &str, found: &mut Origins) -> bool {
    let ends = [
        ("begins", text.chars().next()),
        ("ends", text.chars().next_back()),
    ];
    let mut good = true;
    for (end, blank) in ends {
        let Some(blank) = blank.filter(|c| is_blank(*c)) else {
            continue;
        };
        good = false;
        let why = format!(
            "{what} {end} with {}, with which nobody would sign: take that off (`printf %s` instead \
             of `echo` stores a text without a line break)",
            name_of(blank)
        );
        found.refuse(key, why);
    }
    good
}

/// White space, controls, and what is not seen: a byte order mark, spaces of no width.
fn is_blank(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
}

fn name_of(blank: char) -> String {
    match blank {
        '\n' | '\r' => "a line break".to_owned(),
        ' ' => "a space".to_owned(),
        '\t' => "a tabulator".to_owned(),
        '\u{feff}' => "a byte order mark".to_owned(),
        other => format!("the invisible character U+{:04X}", u32::from(other)),
    }
}
