//! The field's words: a WebRTC engineer looks for congestion detectors, layer trackers and
//! backoffs. Pictures of ours that stood for these are gone, and do not come back.

use crate::source::{Finding, Source};
use proc_macro2::Span;
use syn::visit::{self, Visit};

/// What a row is about.
#[derive(Clone, Copy, PartialEq)]
enum Of {
    /// Files, folders, modules and types: the word has other, plain uses.
    Names,
    /// Files, folders and modules alone.
    Files,
    /// A type of just this name.
    Type,
    /// Whatever bears a name, but tests: they are sentences.
    All,
}

/// A word, below which folder it is gone, and what it is called now.
struct Old {
    word: &'static str,
    of: Of,
    under: &'static str,
    new: &'static str,
}

const fn old(word: &'static str, of: Of, under: &'static str, new: &'static str) -> Old {
    Old {
        word,
        of,
        under,
        new,
    }
}

const OLD: [Old; 23] = [
    old("calm", Of::Names, "src/room/", "congestion_detector"),
    old("reach", Of::Names, "src/room/", "probe_ceiling"),
    old("stall", Of::Names, "src/room/", "estimate_watchdog"),
    old("pulse", Of::All, "", "layer_tracker"),
    old("ladder", Of::All, "", "upgrade_backoff"),
    old("rouse", Of::All, "", "publisher_probe"),
    old("wish", Of::All, "", "track_settings"),
    old("wire", Of::Files, "src/peer/signal/", "protobuf_fields"),
    old("handle_way", Of::All, "", "handle_one_way_delay"),
    old("desk", Of::All, "src/", "bookings, pending or api_adapter"),
    old(
        "shelf",
        Of::All,
        "src/",
        "object_store, or the port recordings",
    ),
    old("keeper", Of::All, "src/", "janitor"),
    old("told", Of::Files, "", "terminal"),
    old("evenly", Of::All, "", "audio_fill"),
    old("gauge", Of::All, "src/node/preflight/", "measurement"),
    old("lapse", Of::All, "", "expire"),
    old("doors", Of::Type, "src/", "AppState"),
    old("doors", Of::Files, "src/", "state"),
    old("happening", Of::All, "", "ApiEvent"),
    old("ailment", Of::All, "", "DisconnectCause"),
    old("around", Of::Type, "", "Context"),
    old("surroundings", Of::All, "", "Context"),
    old("studio", Of::All, "src/", "Context"),
];

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    File,
    Type,
    Other,
}

/// Does `name` contain the words of `old`, split at case and underscore?
fn contains(name: &str, old: &str) -> bool {
    let (name, old) = (words(name), words(old));
    name.windows(old.len()).any(|run| run == old)
}

/// The words of a name, in lower case: `LinkReach` and `link_reach` are both `link`, `reach`.
pub fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before_is_small = false;
    for c in name.chars() {
        if c == '_' || c == '-' || (c.is_uppercase() && before_is_small) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut()
            && c != '_'
            && c != '-'
        {
            word.extend(c.to_lowercase());
        }
        before_is_small = c.is_lowercase() || c.is_ascii_digit();
    }
    words
}

fn judge(path: &str, name: &str, kind: Kind) -> Option<&'static Old> {
    OLD.iter().find(|old| {
        let about = match old.of {
            Of::All => true,
            Of::Names => kind != Kind::Other,
            Of::Files => kind == Kind::File,
            Of::Type => kind == Kind::Type && words(name) == words(old.word),
        };
        about && path.starts_with(old.under) && contains(name, old.word)
    })
}

/// These tables have to say the words.
const OURS: &str = "tests/tidy";

pub fn check(source: &Source) -> Vec<Finding> {
    if source.text.path.starts_with(OURS) {
        return Vec::new();
    }
    let mut search = Search {
        source,
        findings: Vec::new(),
    };
    let stem = source.text.path.trim_end_matches(".rs");
    for name in stem.split('/') {
        search.name(name, 1, Kind::File);
    }
    search.visit_file(&source.file);
    search.findings
}

struct Search<'a> {
    source: &'a Source,
    findings: Vec<Finding>,
}

impl Search<'_> {
    fn name(&mut self, name: &str, line: usize, kind: Kind) {
        let Some(old) = judge(&self.source.text.path, name, kind) else {
            return;
        };
        let wrong = format!("`{name}` says `{}`, a word that is gone", old.word);
        let is_new = !self.findings.iter().any(|finding| finding.wrong == wrong);
        if is_new {
            let remedy = format!("say `{}`", old.new);
            self.findings
                .push(self.source.finding(line, wrong, &remedy));
        }
    }

    fn ident(&mut self, ident: &syn::Ident, kind: Kind) {
        let span: Span = ident.span();
        self.name(&ident.to_string(), span.start().line, kind);
    }
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|a| {
        let last = a.path().segments.last();
        last.is_some_and(|last| last.ident == "test")
    })
}

impl<'ast> Visit<'ast> for Search<'_> {
    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.ident(&item.ident, Kind::Type);
        visit::visit_item_struct(self, item);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.ident(&item.ident, Kind::Type);
        visit::visit_item_enum(self, item);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.ident(&item.ident, Kind::Type);
        visit::visit_item_trait(self, item);
    }

    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        self.ident(&item.ident, Kind::Type);
        visit::visit_item_type(self, item);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.ident(&item.ident, Kind::File);
        visit::visit_item_mod(self, item);
    }

    fn visit_item_const(&mut self, item: &'ast syn::ItemConst) {
        self.ident(&item.ident, Kind::Other);
        visit::visit_item_const(self, item);
    }

    fn visit_item_static(&mut self, item: &'ast syn::ItemStatic) {
        self.ident(&item.ident, Kind::Other);
        visit::visit_item_static(self, item);
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if !is_test(&item.attrs) {
            self.ident(&item.sig.ident, Kind::Other);
        }
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.ident(&item.sig.ident, Kind::Other);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        self.ident(&item.sig.ident, Kind::Other);
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        if let Some(ident) = &field.ident {
            self.ident(ident, Kind::Other);
        }
        visit::visit_field(self, field);
    }

    fn visit_variant(&mut self, variant: &'ast syn::Variant) {
        self.ident(&variant.ident, Kind::Other);
        visit::visit_variant(self, variant);
    }

    /// A variable: of a parameter, a `let`, a `match`.
    fn visit_pat_ident(&mut self, pattern: &'ast syn::PatIdent) {
        self.ident(&pattern.ident, Kind::Other);
        visit::visit_pat_ident(self, pattern);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        let findings = check(&Source::example(path, text));
        findings.into_iter().map(|finding| finding.wrong).collect()
    }

    #[test]
    fn an_old_word_is_found_in_whatever_bears_it() {
        for text in [
            "struct Calm;",
            "enum LinkReach { A }",
            "type Stalls = u8; mod stall {}",
            "struct A { pulse: u8 }",
            "fn f(ladder: u8) {}",
            "impl A { fn handle_wish(&self) {} }",
            "trait A { fn handle_way(&self); }",
            "enum A { Lapse }",
            "const DESK: u8 = 1;",
            "static KEEPER_STATS: u8 = 1;",
            "fn f() { let shelf = 1; }",
            "fn f() { if let Some(studio) = g() {} }",
            "struct Doors;",
            "struct Around;",
            "#[cfg(test)] mod tests { struct Desk; }",
        ] {
            assert_eq!(found("src/room/a.rs", text).len(), 1, "{text}");
        }
        for path in [
            "src/room/calm.rs",
            "src/api/doors.rs",
            "src/record/read/told.rs",
            "src/peer/signal/wire.rs",
            "src/host/desk/mod.rs",
            "src/node/preflight/gauge.rs",
        ] {
            assert_eq!(found(path, "").len(), 1, "{path}");
        }
    }

    #[test]
    fn the_plain_uses_of_a_word_and_the_other_rooms_are_free() {
        for text in [
            "fn is_calm(reach: u8) { let stall = 1; let told = 2; let around = 3; }",
            "struct ReachableTold { doors: u8, elapsed: u8 }",
            "#[test] fn a_desk_lapses() {}",
            "struct Wire; struct DoorsOpen; struct Gauge; struct Breach; struct Bookkeeper;",
            "fn f() { g(\"desk\"); lapse(); }",
        ] {
            assert_eq!(found("src/host/a.rs", text), Vec::<String>::new(), "{text}");
        }
        for path in [
            "src/host/gauges.rs",
            "src/wire/mod.rs",
            "src/peer/signal/reach.rs",
            "tests/real/doors.rs",
            "tests/real/studio.rs",
        ] {
            assert_eq!(found(path, "struct Gauge;"), Vec::<String>::new(), "{path}");
        }
    }

    #[test]
    fn a_word_that_is_said_often_in_a_file_is_one_finding() {
        let text = "fn f(desk: u8) {} fn g(desk: u8) { let desk = desk; } struct Desk;";
        assert_eq!(found("src/host/a.rs", text).len(), 2);
    }
}
