//! How long texts are in JSON, where entries and events have a bound.

/// Longest identity, room name and reference in JSON, in bytes: the 256 that they may have, and so many more
/// for what JSON escapes. Six bytes stand there for a control character.
pub const MAX_JSON_BYTES: usize = 384;

/// The bytes of a text in JSON (RFC 8259, section 7), without its quotes.
pub fn json_len(text: &str) -> usize {
    let len = |c: char| match c {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..='\u{1f}' => 6,
        c => c.len_utf8(),
    };
    text.chars().map(len).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_as_long_as_it_is_written() {
        let all: String = ('\0'..='\u{300}').collect();
        for text in ["", "anna", "\u{1}", "a\"b\\c\n\t\u{8}\u{c}\r", "ä€😀", &all] {
            let written = serde_json::to_string(text).unwrap();
            assert_eq!(json_len(text) + 2, written.len(), "{text:?}");
        }
    }
}
