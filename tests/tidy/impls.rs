//! A type fits in a head: all its `impl` blocks together, in whichever files of its room they
//! stand. A file limit alone is met by spreading a type over many files.

use crate::modules::{Modules, Target, is_for_tests};
use crate::source::{Finding, Source};
use proc_macro2::Span;
use std::collections::BTreeMap;
use syn::visit::{self, Visit};

/// Inherent blocks and blocks of traits both count: a type is all that it can do. Code for tests
/// does not count, nor what `derive` writes, nor our traits for types of others.
const IMPL_LINES: usize = 400;

const REMEDY: &str = "let a part of it own its state, with methods and tests of its own, or make \
                      plain functions of what needs no `self`";

/// Where a block stands, and its length.
struct Block {
    file: usize,
    line: usize,
    lines: usize,
}

pub fn check(sources: &[Source]) -> Vec<Finding> {
    let modules = Modules::of(sources);
    let mut types: BTreeMap<(usize, String), Vec<Block>> = BTreeMap::new();
    for (file, source) in modules.sources.iter().enumerate() {
        if modules.is_for_tests(file) {
            continue;
        }
        let mut search = Search {
            file,
            module: source.module().unwrap_or_default(),
            modules: &modules,
            types: &mut types,
        };
        search.visit_file(&source.file);
    }
    types
        .iter()
        .filter_map(|((_, name), blocks)| judge(&modules, name, blocks))
        .collect()
}

fn judge(modules: &Modules<'_>, name: &str, blocks: &[Block]) -> Option<Finding> {
    let sum: usize = blocks.iter().map(|block| block.lines).sum();
    if sum <= IMPL_LINES {
        return None;
    }
    let path = |block: &Block| modules.sources[block.file].text.path.as_str();
    let mut by_file: BTreeMap<&str, usize> = BTreeMap::new();
    for block in blocks {
        *by_file.entry(path(block)).or_default() += block.lines;
    }
    let parts: Vec<String> = by_file.iter().map(|(p, n)| format!("{p} {n}")).collect();
    let wrong = format!(
        "the `impl` blocks of `{name}` have {sum} lines in {} file(s), {IMPL_LINES} are allowed ({})",
        by_file.len(),
        parts.join(", ")
    );
    let first = blocks.first()?;
    Some(modules.sources[first.file].finding(first.line, wrong, REMEDY))
}

struct Search<'a, 'm> {
    file: usize,
    module: Vec<String>,
    modules: &'m Modules<'a>,
    types: &'m mut BTreeMap<(usize, String), Vec<Block>>,
}

fn lines_between(from: Span, to: Span) -> usize {
    to.end().line + 1 - from.start().line
}

/// The path of the type that a block is for, seen through `&` and brackets.
fn path_of(ty: &syn::Type) -> Option<Vec<String>> {
    if let syn::Type::Reference(reference) = ty {
        return path_of(&reference.elem);
    }
    if let syn::Type::Paren(paren) = ty {
        return path_of(&paren.elem);
    }
    if let syn::Type::Path(path) = ty
        && path.qself.is_none()
    {
        let segments = path.path.segments.iter();
        return Some(segments.map(|s| s.ident.to_string()).collect());
    }
    None
}

/// Lines of methods that stand in a block for tests alone.
fn test_lines(block: &syn::ItemImpl) -> usize {
    let methods = block.items.iter().filter_map(|item| {
        if let syn::ImplItem::Fn(method) = item
            && is_for_tests(&method.attrs)
        {
            let end = method.block.brace_token.span.close();
            return Some(lines_between(method.sig.fn_token.span, end));
        }
        None
    });
    methods.sum()
}

impl<'ast> Visit<'ast> for Search<'_, '_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_for_tests(&item.attrs) {
            self.module.push(item.ident.to_string());
            visit::visit_item_mod(self, item);
            self.module.pop();
        }
    }

    fn visit_item_impl(&mut self, block: &'ast syn::ItemImpl) {
        let target =
            path_of(&block.self_ty).and_then(|path| self.modules.resolve(&self.module, &path));
        if let Some(Target::Item(file, name)) = target
            && !is_for_tests(&block.attrs)
        {
            let lines = lines_between(block.impl_token.span, block.brace_token.span.close());
            self.types.entry((file, name)).or_default().push(Block {
                file: self.file,
                line: block.impl_token.span.start().line,
                lines: lines - test_lines(block),
            });
        }
        visit::visit_item_impl(self, block);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, String)]) -> Vec<String> {
        let sources: Vec<Source> = files
            .iter()
            .map(|(path, text)| Source::example(path, text))
            .collect();
        check(&sources).iter().map(Finding::to_string).collect()
    }

    /// A block with this head and as many lines in all.
    fn block(head: &str, lines: usize) -> String {
        format!("{head} {{\n{}}}\n", "fn f() {}\n".repeat(lines - 2))
    }

    fn room(second: String, third: String) -> Vec<String> {
        found(&[
            (
                "src/room/mod.rs",
                "mod a; mod b; mod c; pub use a::Room;".to_owned(),
            ),
            (
                "src/room/a.rs",
                "pub struct Room;\n".to_owned() + &block("impl Room", 200),
            ),
            ("src/room/b.rs", "use super::Room;\n".to_owned() + &second),
            ("src/room/c.rs", third),
        ])
    }

    #[test]
    fn a_type_spread_over_files_is_found() {
        let ours = "struct Room; ".to_owned() + &block("impl Room", 300);
        assert_eq!(room(block("impl Room", 200), ours), Vec::<String>::new());
        for second in [
            block("impl Room", 201),
            block("impl Drop for Room", 201),
            block("impl<'a> From<&'a u8> for &'a super::a::Room", 201),
            "mod inner { use super::Room; ".to_owned() + &block("impl Room", 201) + "}",
        ] {
            let found = room(second.clone(), String::new());
            assert!(
                found.len() == 1
                    && found[0].starts_with("src/room/a.rs:2:")
                    && found[0].contains("401"),
                "{second}: {found:?}"
            );
        }
    }

    #[test]
    fn code_for_tests_and_types_of_others_do_not_count() {
        let methods = "#[cfg(test)]\nfn t() {\n".to_owned() + &"g();\n".repeat(300) + "}\n";
        for second in [
            "#[cfg(test)] ".to_owned() + &block("impl Room", 300),
            "#[cfg(test)] mod tests { use super::*; ".to_owned() + &block("impl Room", 300) + "}",
            block("impl Ours for Vec<u8>", 500),
            format!("impl Room {{\n{methods}}}"),
        ] {
            assert_eq!(room(second, String::new()), Vec::<String>::new());
        }
    }
}
