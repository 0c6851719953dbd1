//! No circle of imports between the files of a room: what imports each other cannot be read,
//! tested or replaced one by one.

use crate::modules::{Modules, Target};
use crate::source::{Finding, Source};
use crate::walk::{Found, Walk, walk};
use std::collections::{BTreeMap, BTreeSet};

/// Circles that stay: their files, and why. At most three.
const STAY: &[(&[&str], &str)] = &[];

const REMEDY: &str = "move what both need into a file below them, or hand it in as an argument";

/// Who imports whom, and for which line and path.
type Edges = BTreeMap<usize, BTreeMap<usize, (usize, String)>>;

pub fn check(sources: &[Source]) -> Vec<Finding> {
    let modules = Modules::of(sources);
    let edges = edges(&modules);
    let circles = circles(&edges, modules.sources.len());
    let mut findings: Vec<Finding> = circles
        .iter()
        .filter(|circle| !stays(&modules, circle))
        .map(|circle| finding(&modules, &edges, circle))
        .collect();
    findings.extend(check_exceptions(STAY, |files| {
        circles.iter().any(|circle| is_of(&modules, circle, files))
    }));
    findings
}

fn is_of(modules: &Modules<'_>, circle: &[usize], files: &[&str]) -> bool {
    let mut wanted = files.to_vec();
    wanted.sort_unstable();
    let paths = circle
        .iter()
        .map(|file| modules.sources[*file].text.path.as_str());
    paths.eq(wanted)
}

fn stays(modules: &Modules<'_>, circle: &[usize]) -> bool {
    STAY.iter().any(|(files, _)| is_of(modules, circle, files))
}

/// Exceptions are few, have a reason each, and end when their circle does.
fn check_exceptions(stay: &[(&[&str], &str)], is_there: impl Fn(&[&str]) -> bool) -> Vec<Finding> {
    let finding = |wrong: String| Finding {
        path: "tests/tidy/circles.rs".to_owned(),
        line: 1,
        wrong,
        remedy: "take it out of the table".to_owned(),
    };
    let mut findings = Vec::new();
    if stay.len() > 3 {
        findings.push(finding(format!(
            "{} circles stay, 3 are allowed",
            stay.len()
        )));
    }
    for (files, reason) in stay {
        let files_named = files.join(", ");
        if reason.trim().is_empty() {
            findings.push(finding(format!(
                "the circle of {files_named} has no reason"
            )));
        }
        if !is_there(files) {
            findings.push(finding(format!("there is no circle of {files_named}")));
        }
    }
    findings
}

fn finding(modules: &Modules<'_>, edges: &Edges, circle: &[usize]) -> Finding {
    let path = |file: usize| modules.sources[file].text.path.as_str();
    let mut ways = Vec::new();
    for from in circle {
        for (to, (line, written)) in edges.get(from).into_iter().flatten() {
            if circle.contains(to) {
                let from = path(*from);
                ways.push(format!("\n    {from}:{line} → {} ({written})", path(*to)));
            }
        }
    }
    let wrong = format!(
        "{} files import each other in a circle, {} ways:{}\n   ",
        circle.len(),
        ways.len(),
        ways.concat()
    );
    modules.sources[circle[0]].finding(1, wrong, REMEDY)
}

fn edges(modules: &Modules<'_>) -> Edges {
    let mut edges = Edges::new();
    for (file, source) in modules.sources.iter().enumerate() {
        let module = source.module().unwrap_or_default();
        if modules.is_for_tests(file) || module.is_empty() {
            continue;
        }
        let walk = walk(&source.tokens);
        for path in walk.paths.iter().filter(|path| !path.test_only) {
            let here: Vec<String> = module.iter().chain(&path.inside).cloned().collect();
            let Some(Target::Item(to, _)) = modules.resolve(&here, &path.segments) else {
                continue;
            };
            let other_room =
                modules.sources[to].module().unwrap_or_default().first() != module.first();
            if to == file || other_room || is_handed_on(modules, file, path, &walk) {
                continue;
            }
            let written = (path.line, path.segments.join("::"));
            edges.entry(file).or_default().entry(to).or_insert(written);
        }
    }
    edges
}

/// Does the path stand in a `pub use` alone? Then the file hands the name on and does not use it.
fn is_handed_on(modules: &Modules<'_>, file: usize, path: &Found, walk: &Walk) -> bool {
    let within = |line: usize, lines: (usize, usize)| lines.0 <= line && line <= lines.1;
    modules.handed_on(file).iter().any(|handed| {
        let words = walk
            .words
            .iter()
            .filter(|w| !w.test_only && w.word == handed.name);
        let firsts = walk
            .paths
            .iter()
            .filter(|p| !p.test_only && p.segments.first() == Some(&handed.name));
        let mut used = words.map(|w| w.line).chain(firsts.map(|p| p.line));
        handed.path == path.segments
            && within(path.line, handed.lines)
            && !used.any(|line| !within(line, handed.lines))
    })
}

/// Files that reach each other, each group sorted.
fn circles(edges: &Edges, files: usize) -> Vec<Vec<usize>> {
    let reach: Vec<BTreeSet<usize>> = (0..files).map(|file| reachable(edges, file)).collect();
    let mut seen = BTreeSet::new();
    let mut circles = Vec::new();
    for file in 0..files {
        if !reach[file].contains(&file) || !seen.insert(file) {
            continue;
        }
        let circle: Vec<usize> = reach[file]
            .iter()
            .copied()
            .filter(|other| reach[*other].contains(&file))
            .collect();
        seen.extend(&circle);
        circles.push(circle);
    }
    circles
}

fn reachable(edges: &Edges, from: usize) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from];
    while let Some(file) = open.pop() {
        for to in edges.get(&file).into_iter().flat_map(BTreeMap::keys) {
            if reached.insert(*to) {
                open.push(*to);
            }
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let sources: Vec<Source> = files
            .iter()
            .map(|(path, text)| Source::example(path, text))
            .collect();
        check(&sources).iter().map(|f| f.wrong.clone()).collect()
    }

    const PLATE: (&str, &str) = (
        "src/room/mod.rs",
        "mod a; mod b; mod c; pub use a::A; pub use b::B;",
    );

    #[test]
    fn a_circle_is_found_however_it_is_written() {
        for (a, b) in [
            (
                "use super::b::B; pub struct A;",
                "use super::a::A; pub struct B;",
            ),
            (
                "use super::B; pub struct A;",
                "use crate::room::A; pub struct B;",
            ),
            (
                "pub struct A(super::B);",
                "pub struct B(Option<crate::room::A>);",
            ),
            (
                "pub struct A; fn f() { super::b::g() }",
                "pub struct B; pub fn g() { let _ = super::A; }",
            ),
            (
                "pub struct A; fn f() { vec![super::B]; }",
                "pub struct B; fn g() { use super::A; }",
            ),
            (
                "pub struct A; use super::b; fn f(x: b::B) {}",
                "pub struct B(super::A);",
            ),
        ] {
            let found = found(&[PLATE, ("src/room/a.rs", a), ("src/room/b.rs", b)]);
            assert!(
                found.len() == 1 && found[0].starts_with("2 files"),
                "{a} {b}: {found:?}"
            );
        }
    }

    #[test]
    fn a_circle_over_three_files_and_one_of_parent_and_child_are_found() {
        let three = found(&[
            PLATE,
            ("src/room/a.rs", "pub struct A(super::b::B);"),
            ("src/room/b.rs", "pub struct B(super::c::C);"),
            ("src/room/c.rs", "pub struct C(super::A);"),
        ]);
        assert!(
            three.len() == 1 && three[0].starts_with("3 files"),
            "{three:?}"
        );
        let child = found(&[
            ("src/room/a.rs", "mod part; pub struct A(part::Part);"),
            ("src/room/a/part.rs", "use super::A; pub struct Part;"),
        ]);
        assert_eq!(child.len(), 1, "{child:?}");
        let plate = found(&[
            ("src/room/mod.rs", "mod a; pub struct Here(a::A);"),
            ("src/room/a.rs", "pub struct A; fn f(x: super::Here) {}"),
        ]);
        assert_eq!(
            plate.len(),
            1,
            "a plate that computes is a file like any other: {plate:?}"
        );
    }

    #[test]
    fn a_way_down_a_door_plate_a_test_and_another_room_are_free() {
        for files in [
            [
                ("src/room/a.rs", "pub struct A(super::B);"),
                ("src/room/b.rs", "pub struct B;"),
            ],
            [
                ("src/room/a.rs", "pub struct A(super::B);"),
                (
                    "src/room/b.rs",
                    "pub struct B; #[cfg(test)] mod tests { use crate::room::A; }",
                ),
            ],
            [
                (
                    "src/room/a.rs",
                    "mod part; pub use part::Part; pub struct A;",
                ),
                ("src/room/a/part.rs", "use super::A; pub struct Part(A);"),
            ],
            [
                ("src/room/a.rs", "pub struct A(crate::node::N);"),
                ("src/node/mod.rs", "pub struct N(crate::room::A);"),
            ],
            [
                ("src/room/a.rs", "pub struct A; #[cfg(test)] mod tests;"),
                ("src/room/a/tests.rs", "use super::A;"),
            ],
        ] {
            let all: Vec<_> = [PLATE].into_iter().chain(files).collect();
            assert_eq!(found(&all), Vec::<String>::new(), "{files:?}");
        }
    }

    #[test]
    fn an_exception_needs_a_reason_and_its_circle_and_has_two_others_beside_it_at_most() {
        let files: &[&str] = &["src/room/a.rs", "src/room/b.rs"];
        let count = |stay: &[(&[&str], &str)], there: bool| check_exceptions(stay, |_| there).len();
        assert_eq!(count(&[(files, "why")], true), 0);
        assert_eq!(count(&[(files, " ")], true), 1);
        assert_eq!(count(&[(files, "why")], false), 1);
        assert_eq!(count(&[(files, "why"); 4], true), 1);
    }
}
