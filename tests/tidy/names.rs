//! Names: a thing is called what it is. Words that fit everything say nothing.

use crate::source::{Finding, Source};
use syn::visit::{self, Visit};

/// The last word of no type, module or file of ours. Names of LiveKit's wire messages come from
/// their crate and are not declared here.
const BANNED: [&str; 14] = [
    "manager",
    "managers",
    "helper",
    "helpers",
    "util",
    "utils",
    "common",
    "misc",
    "service",
    "services",
    "processor",
    "processors",
    "info",
    "infos",
];

fn last_word(name: &str) -> String {
    let start = name
        .char_indices()
        .rev()
        .find(|(_, c)| c.is_uppercase() || *c == '_')
        .map_or(0, |(at, c)| if c == '_' { at + 1 } else { at });
    name[start..].to_lowercase()
}

fn is_banned(name: &str) -> bool {
    BANNED.contains(&last_word(name).as_str())
}

pub fn check(source: &Source) -> Vec<Finding> {
    let mut search = Search {
        source,
        findings: Vec::new(),
    };
    let stem = source.text.name().trim_end_matches(".rs");
    let folders = source.text.path.split('/').rev().skip(1);
    for name in std::iter::once(stem).chain(folders) {
        if is_banned(name) {
            let wrong = format!("the file or folder `{name}` has a name that fits everything");
            search.findings.push(source.finding(1, wrong, WORD));
        }
    }
    search.visit_file(&source.file);
    search.findings
}

const WORD: &str = "name it by the noun that it is: Manager, Helper, Util, Common, Misc, Service, \
                    Processor and Info are banned";

struct Search<'a> {
    source: &'a Source,
    findings: Vec<Finding>,
}

impl Search<'_> {
    fn name(&mut self, kind: &str, ident: &syn::Ident) {
        if is_banned(&ident.to_string()) {
            let line = ident.span().start().line;
            let wrong = format!("the {kind} `{ident}` has a name that fits everything");
            self.findings.push(self.source.finding(line, wrong, WORD));
        }
    }

    fn function(&mut self, signature: &syn::Signature, attributes: &[syn::Attribute]) {
        let name = signature.ident.to_string();
        let is_test = attributes.iter().any(|a| {
            a.path()
                .segments
                .last()
                .is_some_and(|last| last.ident == "test")
        });
        if name.starts_with("get_") && !is_test {
            let line = signature.ident.span().start().line;
            let remedy = "say what it answers without `get_`";
            let wrong = format!("the function `{name}` begins with `get_`");
            self.findings.push(self.source.finding(line, wrong, remedy));
        }
    }
}

impl<'ast> Visit<'ast> for Search<'_> {
    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.name("struct", &item.ident);
        visit::visit_item_struct(self, item);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.name("enum", &item.ident);
        visit::visit_item_enum(self, item);
    }

    fn visit_item_union(&mut self, item: &'ast syn::ItemUnion) {
        self.name("union", &item.ident);
        visit::visit_item_union(self, item);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.name("trait", &item.ident);
        visit::visit_item_trait(self, item);
    }

    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        self.name("type", &item.ident);
        visit::visit_item_type(self, item);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.name("module", &item.ident);
        visit::visit_item_mod(self, item);
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.function(&function.sig, &function.attrs);
        visit::visit_item_fn(self, function);
    }

    /// A method of a foreign trait bears the name that the trait gives it.
    fn visit_item_impl(&mut self, block: &'ast syn::ItemImpl) {
        if block.trait_.is_none() {
            for item in &block.items {
                if let syn::ImplItem::Fn(function) = item {
                    self.function(&function.sig, &function.attrs);
                }
            }
        }
        visit::visit_item_impl(self, block);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        self.function(&function.sig, &function.attrs);
        visit::visit_trait_item_fn(self, function);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> usize {
        check(&Source::example(path, text)).len()
    }

    #[test]
    fn a_banned_name_is_found() {
        for text in [
            "struct RoomManager;",
            "enum Misc { A }",
            "trait TokenHelper {}",
            "type PeerInfo = u8;",
            "mod string_utils {}",
            "mod a { pub struct Service; }",
            "fn f() { struct AudioProcessor; }",
            "fn get_room() {}",
            "impl A { fn get_room(&self) {} }",
            "trait A { fn get_room(&self); }",
        ] {
            assert_eq!(found("src/room/a.rs", text), 1, "{text}");
        }
        for path in [
            "src/room/util.rs",
            "src/common/mod.rs",
            "tests/real/test_helpers.rs",
        ] {
            assert_eq!(found(path, ""), 1, "{path}");
        }
    }

    #[test]
    fn a_name_that_says_something_is_free() {
        for text in [
            "use livekit_protocol::ParticipantInfo; fn f(x: ParticipantInfo) {}",
            "impl Foreign for A { fn get_room(&self) {} }",
            "#[test] fn get_on_the_root_answers_ok() {}",
            "struct Informer; struct Utility; fn widget_room() {} fn get(x: u8) {}",
        ] {
            assert_eq!(found("src/room/a.rs", text), 0, "{text}");
        }
    }
}
