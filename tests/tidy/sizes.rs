//! Sizes: a function fits on a screen or two, a file in a head.

use crate::source::{Finding, Source};
use proc_macro2::Span;
use syn::visit::{self, Visit};

/// Aim at 15 lines, look twice at 40.
const FUNCTION_LINES: usize = 70;
/// Aim at 100 to 300 lines. Files of tests are exempt: tables grow.
const FILE_LINES: usize = 600;
/// A door plate: documentation, modules, re-exports.
const DOOR_PLATE_LINES: usize = 120;
/// The central nouns delegate and never compute; every code base has its god file there.
const CENTRAL_LINES: usize = 400;
const CENTRAL: [&str; 2] = ["src/room/room.rs", "src/node/mod.rs"];

pub fn check_file(source: &Source) -> Vec<Finding> {
    let lines = source.text.lines();
    let name = source.text.name();
    let (limit, remedy) = if CENTRAL.contains(&source.text.path.as_str()) || name == "connection.rs"
    {
        (
            CENTRAL_LINES,
            "let it delegate: move what it computes into a file of its own",
        )
    } else if source.text.is_test() {
        return Vec::new();
    } else if name == "mod.rs" || source.text.path == "src/lib.rs" {
        (
            DOOR_PLATE_LINES,
            "keep documentation, modules and re-exports; move the rest beside it",
        )
    } else {
        (
            FILE_LINES,
            "split it by the question that each part answers",
        )
    };
    if lines <= limit {
        return Vec::new();
    }
    let wrong = format!("the file has {lines} lines, {limit} are allowed");
    vec![source.finding(limit + 1, wrong, remedy)]
}

pub fn check_functions(source: &Source) -> Vec<Finding> {
    let mut search = Search {
        source,
        findings: Vec::new(),
    };
    search.visit_file(&source.file);
    search.findings
}

struct Search<'a> {
    source: &'a Source,
    findings: Vec<Finding>,
}

fn lines_between(from: Span, to: Span) -> usize {
    to.end().line + 1 - from.start().line
}

/// Tables that stand inside a function: they are data, whatever their length.
fn table_lines(block: &syn::Block) -> usize {
    let tables = block.stmts.iter().map(|statement| {
        if let syn::Stmt::Item(syn::Item::Const(table)) = statement {
            lines_between(table.const_token.span, table.semi_token.span)
        } else if let syn::Stmt::Item(syn::Item::Static(table)) = statement {
            lines_between(table.static_token.span, table.semi_token.span)
        } else {
            0
        }
    });
    tables.sum()
}

impl Search<'_> {
    fn measure(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let from = signature.fn_token.span;
        let lines = lines_between(from, block.brace_token.span.close()) - table_lines(block);
        if lines > FUNCTION_LINES {
            let name = &signature.ident;
            let wrong =
                format!("the function `{name}` has {lines} lines, {FUNCTION_LINES} are allowed");
            let remedy = "split it, or move its table into a `const`";
            self.findings
                .push(self.source.finding(from.start().line, wrong, remedy));
        }
    }
}

impl<'ast> Visit<'ast> for Search<'_> {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.measure(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.measure(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        if let Some(block) = &function.default {
            self.measure(&function.sig, block);
        }
        visit::visit_trait_item_fn(self, function);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, lines: usize) -> usize {
        check_file(&Source::example(path, &"// x\n".repeat(lines))).len()
    }

    #[test]
    fn a_file_above_its_limit_is_found() {
        for (path, limit) in [
            ("src/room/forward.rs", 600),
            ("benches/forward.rs", 600),
            ("scripts/xtask/src/main.rs", 600),
            ("src/room/mod.rs", 120),
            ("src/lib.rs", 120),
            ("src/room/room.rs", 400),
            ("src/node/mod.rs", 400),
            ("src/peer/connection.rs", 400),
        ] {
            assert_eq!(file(path, limit), 0, "{path}");
            assert_eq!(file(path, limit + 1), 1, "{path}");
        }
        assert_eq!(
            file("src/room/tests.rs", 2000) + file("tests/sim/main.rs", 2000),
            0
        );
    }

    /// A function of `lines` lines.
    fn function(lines: usize) -> String {
        format!("fn f() {{\n{}}}", "g();\n".repeat(lines - 2))
    }

    fn functions(path: &str, text: &str) -> usize {
        check_functions(&Source::example(path, text)).len()
    }

    #[test]
    fn a_function_above_70_lines_is_found_wherever_it_hides() {
        let long = function(71);
        for text in [
            long.clone(),
            format!("impl A {{ {long} }}"),
            format!("trait A {{ {long} }}"),
            format!("mod a {{ fn g() {{ {} }} }}", function(69)) + &long,
            format!("#[test]\n{long}"),
        ] {
            assert_eq!(functions("src/room/tests.rs", &text), 1, "{text}");
        }
        assert_eq!(functions("src/room/a.rs", &function(70)), 0);
    }

    #[test]
    fn a_table_is_no_function() {
        let table = format!("const T: [u8; 100] = [\n{}];\n", "1,\n".repeat(100));
        assert_eq!(functions("src/a.rs", &table), 0);
        assert_eq!(functions("src/a.rs", &format!("fn f() {{\n{table}}}")), 0);
    }
}
