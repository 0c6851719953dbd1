//! Which file a name comes from: all modules of the library, what each defines, and what each
//! hands on under `use`. Door plates are seen through.

use crate::source::Source;
use std::collections::{BTreeMap, BTreeSet};
use syn::visit::{self, Visit};

/// One module: a file, or an inline `mod` inside one.
#[derive(Default)]
struct Module {
    /// Index into the sources.
    file: usize,
    defines: BTreeSet<String>,
    /// A name in scope by `use`, and the path that it stands for.
    uses: BTreeMap<String, Vec<String>>,
    /// Paths behind `use …::*`.
    globs: Vec<Vec<String>>,
}

/// A `pub use` and the lines that it stands on: it hands names on.
#[derive(Debug, PartialEq)]
pub struct HandedOn {
    pub name: String,
    pub path: Vec<String>,
    pub lines: (usize, usize),
}

pub struct Modules<'a> {
    pub sources: Vec<&'a Source>,
    modules: BTreeMap<Vec<String>, Module>,
    /// Files that are compiled for tests only.
    tests: BTreeSet<usize>,
    handed_on: BTreeMap<usize, Vec<HandedOn>>,
}

/// Where a path leads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    Module(Vec<String>),
    /// The file that defines it, and its name there.
    Item(usize, String),
}

/// A path that goes in circles ends here.
const DEEPEST: usize = 32;

impl<'a> Modules<'a> {
    pub fn of(sources: impl IntoIterator<Item = &'a Source>) -> Modules<'a> {
        let mut all = Modules {
            sources: sources
                .into_iter()
                .filter(|source| source.module().is_some() && source.text.path != "src/main.rs")
                .collect(),
            modules: BTreeMap::from([(Vec::new(), Module::default())]),
            tests: BTreeSet::new(),
            handed_on: BTreeMap::new(),
        };
        let mut for_tests = BTreeSet::new();
        for (file, source) in all.sources.clone().into_iter().enumerate() {
            let mut reader = Reader {
                file,
                path: source.module().unwrap_or_default(),
                modules: &mut all.modules,
                handed_on: all.handed_on.entry(file).or_default(),
                for_tests: &mut for_tests,
            };
            reader.module(&source.file.items);
        }
        for (file, source) in all.sources.iter().enumerate() {
            let module = source.module().unwrap_or_default();
            let behind_tests = (1..=module.len()).any(|n| for_tests.contains(&module[..n]));
            if behind_tests || source.text.is_test() {
                all.tests.insert(file);
            }
        }
        all
    }

    pub fn is_for_tests(&self, file: usize) -> bool {
        self.tests.contains(&file)
    }

    pub fn handed_on(&self, file: usize) -> &[HandedOn] {
        self.handed_on.get(&file).map_or(&[], Vec::as_slice)
    }

    /// Where `path`, written in the module `from`, leads; `None` where it leaves the library.
    pub fn resolve(&self, from: &[String], path: &[String]) -> Option<Target> {
        self.follow(from, path, DEEPEST)
    }

    fn follow(&self, from: &[String], path: &[String], depth: usize) -> Option<Target> {
        let depth = depth.checked_sub(1)?;
        let (first, mut rest) = path.split_first()?;
        let mut here = match first.as_str() {
            "crate" | "beistand" => Vec::new(),
            "self" => from.to_vec(),
            "super" => from.split_last()?.1.to_vec(),
            _ => match self.step(from, first, rest.is_empty(), depth)? {
                Target::Module(module) => module,
                item @ Target::Item(..) => return Some(item),
            },
        };
        while let Some((name, after)) = rest.split_first() {
            match name.as_str() {
                "super" => drop(here.pop()),
                "self" => {}
                "*" => break,
                _ => match self.step(&here, name, after.is_empty(), depth)? {
                    Target::Module(module) => here = module,
                    item @ Target::Item(..) => return Some(item),
                },
            }
            rest = after;
        }
        Some(Target::Module(here))
    }

    /// What `name` means in the module `here`. A module and an item may share a name: in the
    /// middle of a path it is the module, at its end the item.
    fn step(&self, here: &[String], name: &str, is_last: bool, depth: usize) -> Option<Target> {
        let child: Vec<String> = here.iter().cloned().chain([name.to_owned()]).collect();
        let module = self.modules.get(here)?;
        if module.defines.contains(name) {
            return Some(Target::Item(module.file, name.to_owned()));
        }
        let behind_use = || self.follow(here, module.uses.get(name)?, depth);
        if self.modules.contains_key(&child) {
            let item = behind_use().filter(|found| is_last && matches!(found, Target::Item(..)));
            return item.or(Some(Target::Module(child)));
        }
        if module.uses.contains_key(name) {
            return behind_use();
        }
        module.globs.iter().find_map(|glob| {
            let Target::Module(behind) = self.follow(here, glob, depth)? else {
                return None;
            };
            (behind != here)
                .then(|| self.step(&behind, name, is_last, depth.checked_sub(1)?))
                .flatten()
        })
    }
}

struct Reader<'m> {
    file: usize,
    path: Vec<String>,
    modules: &'m mut BTreeMap<Vec<String>, Module>,
    handed_on: &'m mut Vec<HandedOn>,
    for_tests: &'m mut BTreeSet<Vec<String>>,
}

/// Is it compiled for tests only?
pub fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let words = match &attribute.meta {
            syn::Meta::List(list) => crate::walk::words(list.tokens.clone()),
            syn::Meta::Path(_) | syn::Meta::NameValue(_) => Vec::new(),
        };
        let says = |word: &str| words.iter().any(|w| w == word);
        attribute.path().is_ident("test")
            || (attribute.path().is_ident("cfg") && says("test") && !says("not"))
    })
}

impl Reader<'_> {
    fn module(&mut self, items: &[syn::Item]) {
        let module = self.modules.entry(self.path.clone()).or_default();
        module.file = self.file;
        for item in items {
            self.visit_item(item);
        }
    }

    fn here(&mut self) -> &mut Module {
        self.modules.entry(self.path.clone()).or_default()
    }

    fn define(&mut self, name: &syn::Ident) {
        let name = name.to_string();
        self.here().defines.insert(name);
    }

    fn leaves(&mut self, tree: &syn::UseTree, before: &[String], item: &syn::ItemUse) {
        let mut path = before.to_vec();
        match tree {
            syn::UseTree::Path(inner) => {
                path.push(inner.ident.to_string());
                self.leaves(&inner.tree, &path, item);
            }
            syn::UseTree::Group(group) => {
                for inner in &group.items {
                    self.leaves(inner, &path, item);
                }
            }
            syn::UseTree::Name(name) if name.ident == "self" => {
                let called = path.last().cloned().unwrap_or_default();
                self.bind(called, path, item);
            }
            syn::UseTree::Name(name) => {
                path.push(name.ident.to_string());
                self.bind(name.ident.to_string(), path, item);
            }
            syn::UseTree::Rename(renamed) => {
                path.push(renamed.ident.to_string());
                self.bind(renamed.rename.to_string(), path, item);
            }
            syn::UseTree::Glob(_) => self.here().globs.push(path),
        }
    }

    fn bind(&mut self, name: String, path: Vec<String>, item: &syn::ItemUse) {
        if !matches!(item.vis, syn::Visibility::Inherited) {
            let lines = (
                item.use_token.span.start().line,
                item.semi_token.span.end().line,
            );
            let (name, path) = (name.clone(), path.clone());
            self.handed_on.push(HandedOn { name, path, lines });
        }
        self.here().uses.insert(name, path);
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.path.push(item.ident.to_string());
        if is_for_tests(&item.attrs) {
            self.for_tests.insert(self.path.clone());
        }
        if let Some((_, items)) = &item.content {
            self.module(items);
        }
        self.path.pop();
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.leaves(&item.tree, &[], item);
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.define(&item.ident);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.define(&item.ident);
    }

    fn visit_item_union(&mut self, item: &'ast syn::ItemUnion) {
        self.define(&item.ident);
    }

    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        self.define(&item.ident);
    }

    fn visit_item_const(&mut self, item: &'ast syn::ItemConst) {
        self.define(&item.ident);
    }

    fn visit_item_static(&mut self, item: &'ast syn::ItemStatic) {
        self.define(&item.ident);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.define(&item.ident);
        visit::visit_item_trait(self, item);
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.define(&item.sig.ident);
        visit::visit_item_fn(self, item); // it may have a `use` of its own
    }

    /// What a macro makes is among the words that it is given.
    fn visit_item_macro(&mut self, item: &'ast syn::ItemMacro) {
        if let Some(name) = &item.ident {
            self.define(name);
            return;
        }
        for word in crate::walk::words(item.mac.tokens.clone()) {
            if word.starts_with(|c: char| c.is_uppercase()) {
                self.here().defines.insert(word);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn house() -> Vec<Source> {
        [
            ("src/lib.rs", "pub mod room;"),
            (
                "src/room/mod.rs",
                "mod a; pub mod b; pub use a::Thing; pub use a::inner::b; pub use b::c::*; pub const HERE: u8 = 1; \
                 #[cfg(test)] mod fixture;",
            ),
            (
                "src/room/a.rs",
                "pub struct Thing; pub(super) use super::b::c::Deep as Low; \
                 mod inner { pub fn f() {} pub fn b() {} } tag!(Made);",
            ),
            ("src/room/b/mod.rs", "pub mod c;"),
            ("src/room/b/c.rs", "pub struct Deep; fn g() { use crate::room::Thing; }"),
            ("src/room/fixture.rs", ""),
            ("src/room/tests.rs", ""),
        ]
        .map(|(path, text)| Source::example(path, text))
        .into()
    }

    fn target(from: &str, path: &str) -> Option<String> {
        let house = house();
        let modules = Modules::of(&house);
        let split = |text: &str| text.split("::").map(str::to_owned).collect::<Vec<_>>();
        Some(match modules.resolve(&split(from), &split(path))? {
            Target::Module(module) => module.join("::"),
            Target::Item(file, name) => format!("{} {name}", modules.sources[file].text.path),
        })
    }

    #[test]
    fn a_name_is_followed_to_the_file_that_defines_it() {
        for (from, path, wanted) in [
            (
                "room::b::c",
                "crate::room::Thing",
                Some("src/room/a.rs Thing"),
            ),
            (
                "room::b::c",
                "crate::room::Thing::new",
                Some("src/room/a.rs Thing"),
            ),
            ("room::b::c", "Thing", Some("src/room/a.rs Thing")),
            ("room::a", "super::Deep", Some("src/room/b/c.rs Deep")),
            ("room::a", "Low", Some("src/room/b/c.rs Deep")),
            ("room::a", "super::b::c::Deep", Some("src/room/b/c.rs Deep")),
            ("room::a", "super::HERE", Some("src/room/mod.rs HERE")),
            ("room::a", "inner::f", Some("src/room/a.rs f")),
            (
                "room::a::inner",
                "super::Thing",
                Some("src/room/a.rs Thing"),
            ),
            ("room::b", "super::a::Made", Some("src/room/a.rs Made")),
            ("room::a", "super::b::c", Some("room::b::c")),
            ("room::a", "super::b", Some("src/room/a.rs b")),
            ("room::a", "std::fmt::Display", None),
            ("room::a", "crate::room::Nothing", None),
        ] {
            assert_eq!(target(from, path).as_deref(), wanted, "{from}: {path}");
        }
    }

    #[test]
    fn files_for_tests_and_names_that_are_handed_on_are_known() {
        let house = house();
        let modules = Modules::of(&house);
        let for_tests: Vec<&str> = (0..house.len())
            .filter(|file| modules.is_for_tests(*file))
            .map(|file| modules.sources[file].text.path.as_str())
            .collect();
        assert_eq!(for_tests, ["src/room/fixture.rs", "src/room/tests.rs"]);
        let names = |file: usize| {
            let names = modules.handed_on(file).iter().map(|h| h.name.as_str());
            names.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            (names(1), names(2)),
            ("Thing b".to_owned(), "Low".to_owned())
        );
    }
}
