//! Lists that come page by page: how long a page is, where it begins, and where the next one does.

use super::problem::Problem;
use axum::extract::Query;
use axum::http::{StatusCode, Uri};

/// Entries on a page, unless told otherwise.
pub(super) const PAGE: u64 = 50;
/// Entries on a page at most.
const MOST: u64 = 100;

/// Names and values of a query, in their order.
///
/// # Errors
/// The query cannot be decoded.
pub(super) fn parameters(uri: &Uri) -> Result<Vec<(String, String)>, Problem> {
    let pairs = Query::<Vec<(String, String)>>::try_from_uri(uri);
    let malformed = |_| Problem::malformed("the query of the address cannot be decoded");
    pairs.map(|Query(pairs)| pairs).map_err(malformed)
}

/// A parameter with a value that is not allowed.
pub(super) fn refused(name: &str, allowed: &str) -> Problem {
    Problem::field(StatusCode::BAD_REQUEST, name, allowed)
}

/// A parameter that does not exist.
pub(super) fn unknown(name: &str, there: &str) -> Problem {
    let name: String = name.chars().take(64).collect();
    Problem::unknown(StatusCode::BAD_REQUEST, &name, there)
}

/// The place behind which a page begins, from the parameter `name`.
///
/// # Errors
/// The value is no `next` of a page.
pub(super) fn place(name: &str, value: &str) -> Result<u64, Problem> {
    let digits = value.len() <= 18 && value.bytes().all(|b| b.is_ascii_digit());
    let place = digits.then(|| value.parse().ok()).flatten();
    place.ok_or_else(|| refused(name, "`next` of the page before"))
}

/// How many entries the page holds at most, from the parameter `name`.
///
/// # Errors
/// The value is no number, or not an allowed one.
pub(super) fn limit(name: &str, value: &str) -> Result<u64, Problem> {
    let number = value.parse().ok().filter(|n| (1..=MOST).contains(n));
    number.ok_or_else(|| refused(name, "1 to 100"))
}

/// Cuts what was found to a page of `limit`, and says where the next one begins. One entry more was
/// asked for: whether it came says whether there is a next page.
pub(super) fn cut<T>(found: &mut Vec<T>, limit: u64, place: impl Fn(&T) -> u64) -> Option<String> {
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = found.len() > most;
    found.truncate(most);
    let last = found.last().filter(|_| more);
    last.map(|last| place(last).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(problem: Problem) -> serde_json::Value {
        let told = serde_json::to_value(problem).unwrap();
        assert_eq!(told["status"], 400);
        told["field"].clone()
    }

    #[test]
    fn a_place_is_the_next_of_a_page_and_nothing_else() {
        assert_eq!(place("cursor", "0").unwrap(), 0);
        assert_eq!(place("after", "007").unwrap(), 7);
        let longest = "9".repeat(18);
        assert_eq!(place("after", &longest).unwrap().to_string(), longest);
        for wrong in ["", "-1", "+1", "1 ", "x", "1.0", &"1".repeat(19)] {
            for name in ["cursor", "after"] {
                assert_eq!(field(place(name, wrong).unwrap_err()), name, "{wrong}");
            }
        }
    }

    #[test]
    fn a_page_holds_1_to_100() {
        assert_eq!(limit("limit", "1").unwrap(), 1);
        assert_eq!(limit("limit", "100").unwrap(), 100);
        for wrong in ["", "0", "101", "-1", "many", "99999999999999999999"] {
            assert_eq!(
                field(limit("limit", wrong).unwrap_err()),
                "limit",
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_next_page_is_named_if_one_entry_more_came() {
        for (found, limit, kept, next) in [
            (vec![], 2, vec![], None),
            (vec![4, 6], 2, vec![4, 6], None),
            (vec![4, 6, 9], 2, vec![4, 6], Some("6")),
        ] {
            let mut entries = found;
            let told = cut(&mut entries, limit, |seq| *seq);
            assert_eq!((entries, told.as_deref()), (kept, next));
        }
    }

    #[test]
    fn a_query_is_decoded_in_its_order_and_a_foreign_name_is_told_short() {
        let uri: Uri = "/v1/x?b=%41&a=".parse().unwrap();
        let pairs = [("b", "A"), ("a", "")].map(|(n, v)| (n.to_owned(), v.to_owned()));
        assert_eq!(parameters(&uri).unwrap(), pairs);
        assert_eq!(field(unknown(&"x".repeat(99), "limit")), "x".repeat(64));
    }
}
