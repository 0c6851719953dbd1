//! The rows as the store would have them, shown to the ledger's own verification; and no two
//! sessions of the room at one time.

use crate::world::Case;
use beistand::usage::ledger::{ChainHead, Hash, Row, verify};

pub fn faults(cases: &[Case]) -> Vec<String> {
    let mut rows = Vec::new();
    let mut head = ChainHead::genesis("ND_sim000000001".into(), 1);
    let boot = serde_json::json!({
        "kind": "boot", "node": "ND_sim000000001", "boot_epoch": 1, "at_unix_ms": 0, "version": "sim",
    });
    let mut push = |body: String, session, entry_seq| {
        let prev_hash: Hash = head.hash;
        head = head.next(body.as_bytes());
        let (place, hash) = (head.place.clone(), head.hash);
        rows.push(Row {
            place,
            session,
            entry_seq,
            labels: serde_json::from_str(&body).ok(),
            prev_hash,
            hash,
            body,
        });
    };
    push(boot.to_string(), None, None);
    let of = |case: &Case| [case.entries.clone(), case.after.clone()].concat();
    for entry in cases.iter().flat_map(of) {
        let body = serde_json::to_string(&entry).unwrap();
        push(body, Some(entry.session.clone()), Some(entry.entry_seq));
    }
    let report = verify(rows);
    let mut faults: Vec<_> = report
        .faults
        .iter()
        .map(|fault| format!("{fault:?}"))
        .collect();
    if report.open_sessions > 0 {
        faults.push(format!("{} sessions are open", report.open_sessions));
    }
    faults.extend(together(cases));
    faults
}

/// The sum over the sessions of a room is the union of their intervals.
fn together(cases: &[Case]) -> Option<String> {
    let mut spans: Vec<_> = cases
        .iter()
        .filter_map(|case| Some((case, &case.entries.last()?.totals.intervals)))
        .flat_map(|(case, intervals)| {
            let ms = |label: u64| label.wrapping_sub(case.label_zero);
            intervals
                .iter()
                .map(move |i| (ms(i.start_unix_ms.0), ms(i.end_unix_ms.0)))
        })
        .collect();
    spans.sort_unstable();
    let clash = spans.windows(2).find(|pair| pair[1].0 < pair[0].1)?;
    Some(format!("two sessions at one time: {clash:?}"))
}
