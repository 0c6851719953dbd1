//! The words of the code: how its enums are spelled on the wire and in records, the fields of its
//! structs, and the causes that entries of the ledger have.

use crate::modules::is_for_tests;
use crate::source::Source;
use std::collections::BTreeSet;
use syn::visit::{self, Visit};

/// The words that `as_str` of the enum `name` gives, in the order of its variants.
///
/// # Panics
/// If there is no such enum, or a variant has no word: then the rule would see nothing.
pub fn words_of(sources: &[Source], name: &str) -> Vec<String> {
    let mut search = Enum {
        name,
        variants: Vec::new(),
        words: Vec::new(),
        is_snake: false,
    };
    for source in library(sources) {
        search.visit_file(&source.file);
    }
    assert!(!search.variants.is_empty(), "there is no enum `{name}`");
    let words = search.variants.iter().map(|variant| {
        let said = search.words.iter().find(|(of, _)| of == variant);
        match said {
            Some((_, word)) => word.clone(),
            None if search.is_snake => snake(variant),
            None => panic!("`{name}::{variant}` has no word"),
        }
    });
    words.collect()
}

/// The fields of the struct `name`.
///
/// # Panics
/// If there is no such struct.
pub fn fields_of(sources: &[Source], name: &str) -> Vec<String> {
    let mut search = Struct {
        name,
        fields: Vec::new(),
    };
    for source in library(sources) {
        search.visit_file(&source.file);
    }
    assert!(!search.fields.is_empty(), "there is no struct `{name}`");
    search.fields
}

/// The causes that are spelled out: in functions and variables called `cause`, handed to `entry`,
/// and made of a `Change`.
pub fn causes(sources: &[Source]) -> BTreeSet<String> {
    let mut search = Causes(BTreeSet::new());
    for source in library(sources) {
        search.visit_file(&source.file);
    }
    assert!(search.0.len() > 5, "too few causes: {:?}", search.0);
    search.0
}

/// All string literals, tests aside.
pub fn literals(sources: &[Source]) -> BTreeSet<String> {
    let mut search = Literals(BTreeSet::new());
    for source in library(sources) {
        search.visit_file(&source.file);
    }
    search.0
}

/// What is compiled into the library, files of tests aside.
fn library(sources: &[Source]) -> impl Iterator<Item = &Source> {
    sources
        .iter()
        .filter(|source| source.text.path.starts_with("src/") && !source.text.is_test())
        .filter(|source| !source.text.path.contains("/tests/"))
        .filter(|source| !source.text.name().starts_with("fixture"))
}

fn snake(variant: &str) -> String {
    let mut word = String::new();
    for c in variant.chars() {
        if c.is_uppercase() && !word.is_empty() {
            word.push('_');
        }
        word.extend(c.to_lowercase());
    }
    word
}

fn text_of(expression: &syn::Expr) -> Option<String> {
    if let syn::Expr::Lit(literal) = expression
        && let syn::Lit::Str(text) = &literal.lit
    {
        return Some(text.value());
    }
    None
}

struct Enum<'a> {
    name: &'a str,
    variants: Vec<String>,
    words: Vec<(String, String)>,
    is_snake: bool,
}

impl<'ast> Visit<'ast> for Enum<'_> {
    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        if item.ident == self.name {
            self.variants = item.variants.iter().map(|v| v.ident.to_string()).collect();
            self.is_snake = item.attrs.iter().any(|attribute| {
                attribute.path().is_ident("serde")
                    && matches!(&attribute.meta, syn::Meta::List(list)
                        if list.tokens.to_string().contains("snake_case"))
            });
        }
    }

    fn visit_item_impl(&mut self, block: &'ast syn::ItemImpl) {
        let is_ours =
            matches!(&*block.self_ty, syn::Type::Path(path) if path.path.is_ident(self.name));
        for item in &block.items {
            if let syn::ImplItem::Fn(method) = item
                && is_ours
                && method.sig.ident == "as_str"
            {
                let mut arms = Arms(Vec::new());
                arms.visit_block(&method.block);
                self.words.extend(arms.0);
            }
        }
    }
}

/// The path of a pattern such as `Enum::Variant`, `Enum::Variant(…)` or `Enum::Variant { … }`.
fn path_of(pattern: &syn::Pat) -> Option<&syn::Path> {
    if let syn::Pat::Path(pattern) = pattern {
        return Some(&pattern.path);
    }
    if let syn::Pat::TupleStruct(pattern) = pattern {
        return Some(&pattern.path);
    }
    if let syn::Pat::Struct(pattern) = pattern {
        return Some(&pattern.path);
    }
    None
}

/// `Enum::Variant => "word"`, and `Enum::Variant(_) => "word"`.
struct Arms(Vec<(String, String)>);

impl<'ast> Visit<'ast> for Arms {
    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        let last = path_of(&arm.pat).and_then(|path| path.segments.last());
        if let (Some(last), Some(word)) = (last, text_of(&arm.body)) {
            self.0.push((last.ident.to_string(), word));
        }
    }
}

struct Struct<'a> {
    name: &'a str,
    fields: Vec<String>,
}

impl<'ast> Visit<'ast> for Struct<'_> {
    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        if item.ident == self.name {
            let names = item.fields.iter().filter_map(|field| field.ident.as_ref());
            self.fields = names.map(ToString::to_string).collect();
        }
    }
}

struct Literals(BTreeSet<String>);

impl<'ast> Visit<'ast> for Literals {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_for_tests(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}

    fn visit_lit_str(&mut self, literal: &'ast syn::LitStr) {
        self.0.insert(literal.value());
    }

    /// What is handed to a macro may be text, too.
    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        let tokens = crate::walk::walk(&called.tokens);
        for word in tokens.words {
            if let Ok(text) = syn::parse_str::<syn::LitStr>(&word.word) {
                self.0.insert(text.value());
            }
        }
    }
}

struct Causes(BTreeSet<String>);

impl Causes {
    fn all_of(&mut self, find: impl Fn(&mut Literals)) {
        let mut literals = Literals(BTreeSet::new());
        find(&mut literals);
        let is_word = |text: &String| {
            !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        };
        self.0.extend(literals.0.into_iter().filter(is_word));
    }
}

fn is_called_cause(pattern: &syn::Pat) -> bool {
    if let syn::Pat::Ident(ident) = pattern {
        return ident.ident == "cause";
    }
    if let syn::Pat::Type(typed) = pattern {
        return is_called_cause(&typed.pat);
    }
    if let syn::Pat::Tuple(tuple) = pattern {
        return tuple.elems.iter().any(is_called_cause);
    }
    false
}

impl<'ast> Visit<'ast> for Causes {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_for_tests(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, method: &'ast syn::ImplItemFn) {
        if method.sig.ident == "cause" {
            self.all_of(|literals| literals.visit_block(&method.block));
        }
        visit::visit_impl_item_fn(self, method);
    }

    fn visit_local(&mut self, local: &'ast syn::Local) {
        if let Some(init) = &local.init
            && is_called_cause(&local.pat)
        {
            self.all_of(|literals| literals.visit_expr(&init.expr));
        }
        visit::visit_local(self, local);
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        if call.method == "entry" {
            self.0.extend(call.args.iter().filter_map(text_of));
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        let first = path_of(&arm.pat).and_then(|path| path.segments.first());
        if first.is_some_and(|first| first.ident == "Change") {
            self.all_of(|literals| literals.visit_expr(&arm.body));
        }
        visit::visit_arm(self, arm);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(text: &str) -> Vec<Source> {
        vec![Source::example("src/base/words.rs", text)]
    }

    #[test]
    fn an_enum_is_spelled_by_as_str_or_by_serde() {
        let said = "enum A { One, Two(u8) } impl A { fn as_str(self) -> &'static str { \
                    match self { A::One => \"first\", A::Two(_) => \"second\" } } }";
        assert_eq!(words_of(&sources(said), "A"), ["first", "second"]);
        let derived = "#[serde(rename_all = \"snake_case\")] enum B { OneTwo, Three }";
        assert_eq!(words_of(&sources(derived), "B"), ["one_two", "three"]);
        assert_eq!(
            fields_of(&sources("struct C { a: u8, b: u8 }"), "C"),
            ["a", "b"]
        );
    }

    #[test]
    #[should_panic(expected = "has no word")]
    fn a_variant_without_a_word_is_no_silence() {
        words_of(&sources("enum A { One }"), "A");
    }

    #[test]
    fn a_cause_is_found_wherever_it_is_made() {
        let text = "impl W { fn cause(&self) -> &'static str { match self { _ => \"a\" } } } \
                    fn f() { let cause = if x { \"b\" } else { \"c\" }; \
                    let (cause, kind) = match y { _ => (\"d\", K::D) }; \
                    account.entry(K::S, \"e\", now); \
                    match z { Change::F => (\"f\", None), Change::G(who) => (\"g\", who) }; \
                    log(\"h\"); } \
                    impl V { fn cause() { m(\"i\", \"j\", \"k\", \"Not one.\") } } \
                    #[cfg(test)] mod tests { fn f() { let cause = \"l\"; } }";
        let found: Vec<String> = causes(&sources(text)).into_iter().collect();
        assert_eq!(found.concat(), "abcdefgijk");
    }

    #[test]
    fn literals_are_found_in_macros_and_not_in_tests() {
        let text = "fn f() { g(\"a\"); h!(x = \"b\"); } #[doc = \"c\"] mod m { const C: &str = \"d\"; } \
                    #[cfg(test)] mod tests { const E: &str = \"e\"; }";
        let found: Vec<String> = literals(&sources(text)).into_iter().collect();
        assert_eq!(found.concat(), "abd");
    }
}
