//! Which bytes of a file are asked for (RFC 9110 section 14).

use std::ops::Range;

/// What a `Range` header means for a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RangeRequest {
    /// All of it: there is no header, or none that we honour.
    Whole,
    /// These bytes.
    Part(Range<u64>),
    /// Bytes that it does not have.
    Beyond,
}

/// Reads the header. Another unit, several parts and what is no range at all are ignored, as section
/// 14.2 allows: the answer is then the whole file.
pub(super) fn asked(header: Option<&str>, length: u64) -> RangeRequest {
    let spec = header.and_then(|header| header.trim().split_once('='));
    let Some((unit, set)) = spec else {
        return RangeRequest::Whole;
    };
    if !unit.eq_ignore_ascii_case("bytes") {
        return RangeRequest::Whole;
    }
    let Some((first, last)) = set.trim().split_once('-') else {
        return RangeRequest::Whole;
    };
    match (first, last) {
        ("", last) => number(last).map_or(RangeRequest::Whole, |suffix| tail(suffix, length)),
        (first, "") => {
            number(first).map_or(RangeRequest::Whole, |first| part(first, u64::MAX, length))
        }
        (first, last) => match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => part(first, last, length),
            (Some(_) | None, Some(_) | None) => RangeRequest::Whole,
        },
    }
}

fn part(first: u64, last: u64, length: u64) -> RangeRequest {
    if first >= length {
        return RangeRequest::Beyond;
    }
    RangeRequest::Part(first..last.saturating_add(1).min(length))
}

fn tail(suffix: u64, length: u64) -> RangeRequest {
    if suffix == 0 || length == 0 {
        return RangeRequest::Beyond;
    }
    RangeRequest::Part(length.saturating_sub(suffix)..length)
}

/// Digits alone; more than a file can have is as good as its end.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_rfc_9110_and_what_is_none_of_them() {
        use RangeRequest::{Beyond, Part, Whole};
        for (header, expected) in [
            ("bytes=0-499", Part(0..500)),
            ("bytes=0-0", Part(0..1)),
            ("bytes=500-999", Part(500..1000)),
            ("bytes=999-", Part(999..1000)),
            ("bytes=0-", Part(0..1000)),
            ("bytes=-1", Part(999..1000)),
            ("bytes=-500", Part(500..1000)),
            ("bytes=-5000", Part(0..1000)),
            ("bytes=500-5000", Part(500..1000)),
            ("bytes=0-99999999999999999999999", Part(0..1000)),
            ("BYTES=0-1", Part(0..2)),
            (" bytes=0-1 ", Part(0..2)),
            ("bytes=1000-", Beyond),
            ("bytes=1000-2000", Beyond),
            ("bytes=18446744073709551615-", Beyond),
            ("bytes=99999999999999999999999-", Beyond),
            ("bytes=-0", Beyond),
            ("bytes=0-0,-1", Whole),
            ("bytes=0-1,5-6", Whole),
            ("bytes=2-1", Whole),
            ("bytes=-", Whole),
            ("bytes=", Whole),
            ("bytes", Whole),
            ("bytes=a-b", Whole),
            ("bytes=+1-2", Whole),
            ("bytes=1-+2", Whole),
            ("bytes=--1", Whole),
            ("bytes=1-2-3", Whole),
            ("bytes=1 - 2", Whole),
            ("seconds=0-1", Whole),
            ("", Whole),
            ("=", Whole),
        ] {
            assert_eq!(asked(Some(header), 1000), expected, "{header}");
        }
        assert_eq!(asked(None, 1000), Whole);
    }

    #[test]
    fn an_empty_file_has_no_part() {
        for header in ["bytes=0-", "bytes=0-0", "bytes=-1"] {
            assert_eq!(asked(Some(header), 0), RangeRequest::Beyond, "{header}");
        }
        assert_eq!(asked(None, 0), RangeRequest::Whole);
    }
}
