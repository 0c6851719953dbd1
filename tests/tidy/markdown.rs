//! Reads our documents: headings, tables, links and words in backticks, with their lines. Fenced
//! blocks are code and not looked at.

use crate::source::Text;

/// One table: the heading above it, its header row, its rows.
#[derive(Debug)]
pub struct Table {
    pub line: usize,
    pub head: Vec<String>,
    pub rows: Vec<Row>,
}

#[derive(Debug)]
pub struct Row {
    pub line: usize,
    pub cells: Vec<String>,
}

/// The lines outside fences, numbered from 1.
pub fn prose(document: &Text) -> Vec<(usize, &str)> {
    let mut fenced = false;
    let lines = document.text.lines().enumerate().filter(|(_, line)| {
        let is_fence = line.trim_start().starts_with("```");
        fenced ^= is_fence;
        !fenced && !is_fence
    });
    lines.map(|(at, line)| (at + 1, line)).collect()
}

fn cells(line: &str) -> Vec<String> {
    let inside = line.trim().trim_matches('|');
    inside
        .split('|')
        .map(|cell| cell.trim().to_owned())
        .collect()
}

pub fn tables(document: &Text) -> Vec<Table> {
    let lines = prose(document);
    let mut tables: Vec<Table> = Vec::new();
    let mut inside = false;
    for (at, (number, line)) in lines.iter().enumerate() {
        if !line.trim_start().starts_with('|') {
            inside = false;
            continue;
        }
        let next = lines.get(at + 1).map_or("", |(_, next)| next.trim_start());
        if !inside && next.starts_with("|-") {
            inside = true;
            tables.push(Table {
                line: *number,
                head: cells(line),
                rows: Vec::new(),
            });
        } else if let Some(table) = tables.last_mut()
            && !line.trim_start().starts_with("|-")
        {
            table.rows.push(Row {
                line: *number,
                cells: cells(line),
            });
        }
    }
    tables
}

/// The words in backticks.
pub fn spans(line: &str) -> Vec<&str> {
    line.split('`').skip(1).step_by(2).collect()
}

/// What `[…](…)` leads to.
pub fn links(line: &str) -> Vec<&str> {
    let behind = line.split("](").skip(1);
    behind.filter_map(|rest| rest.split(')').next()).collect()
}

/// The name under which a heading is linked to.
pub fn anchor(line: &str) -> Option<String> {
    let title = line
        .strip_prefix('#')?
        .trim_start_matches('#')
        .strip_prefix(' ')?;
    let kept = title
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect();
    Some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str) -> Text {
        Text {
            path: "docs/a.md".to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn tables_are_read_and_fences_are_not() {
        let text = "x\n| a | b |\n|---|---|\n| `c`, `d` | e |\n\n```\n| no | no |\n|---|---|\n```\n| f |\n|---|\n| g |\n";
        let tables = tables(&document(text));
        let seen: Vec<_> = tables
            .iter()
            .map(|t| {
                (
                    t.line,
                    t.head.join(","),
                    t.rows.iter().map(|r| r.cells.join(",")).collect::<Vec<_>>(),
                )
            })
            .collect();
        assert_eq!(
            seen,
            [
                (2, "a,b".to_owned(), vec!["`c`, `d`,e".to_owned()]),
                (10, "f".to_owned(), vec!["g".to_owned()]),
            ]
        );
        assert_eq!(spans("`c`, `d` e"), ["c", "d"]);
    }

    #[test]
    fn links_and_anchors_are_read() {
        assert_eq!(links("[a](b.md#c), ![d](e.png)"), ["b.md#c", "e.png"]);
        assert_eq!(
            anchor("## The Sessions API").as_deref(),
            Some("the-sessions-api")
        );
        assert_eq!(
            anchor("# Preflight: the connection, first").as_deref(),
            Some("preflight-the-connection-first")
        );
        assert_eq!(anchor("no heading"), None);
    }
}
