//! Arguments have names. A tuple that is handed in to stay below the limit of arguments hides
//! what a struct would say.

use crate::source::{Finding, Source};
use std::collections::BTreeMap;
use syn::visit::{self, Visit};

/// A pair or a triple may be one thing: a span, a point, a key.
const TUPLE: usize = 3;
/// As clippy's `too_many_arguments` is set: `self` counts, and each part of a tuple that is taken
/// apart in the list of parameters.
const ARGUMENTS: usize = 5;

const STRUCT: &str = "give them a struct with names, or make do with fewer";

pub fn check(source: &Source) -> Vec<Finding> {
    let mut search = Search {
        source,
        aliases: BTreeMap::new(),
        findings: Vec::new(),
    };
    Aliases(&mut search.aliases).visit_file(&source.file);
    search.visit_file(&source.file);
    search.findings
}

/// The types of the file that are tuples under another name.
struct Aliases<'a>(&'a mut BTreeMap<String, syn::Type>);

impl<'ast> Visit<'ast> for Aliases<'_> {
    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        self.0.insert(item.ident.to_string(), (*item.ty).clone());
    }
}

struct Search<'a> {
    source: &'a Source,
    aliases: BTreeMap<String, syn::Type>,
    findings: Vec<Finding>,
}

/// The parts of a tuple pattern, those of tuples in it included; 1 for any other.
fn parts_of_pattern(pattern: &syn::Pat) -> usize {
    if let syn::Pat::Tuple(tuple) = pattern {
        return tuple.elems.iter().map(parts_of_pattern).sum();
    }
    if let syn::Pat::Reference(reference) = pattern {
        return parts_of_pattern(&reference.pat);
    }
    if let syn::Pat::Paren(paren) = pattern {
        return parts_of_pattern(&paren.pat);
    }
    1
}

impl Search<'_> {
    fn parts_of_type(&self, ty: &syn::Type) -> usize {
        if let syn::Type::Tuple(tuple) = ty {
            return tuple
                .elems
                .iter()
                .map(|part| self.parts_of_type(part))
                .sum();
        }
        if let syn::Type::Reference(reference) = ty {
            return self.parts_of_type(&reference.elem);
        }
        if let syn::Type::Paren(paren) = ty {
            return self.parts_of_type(&paren.elem);
        }
        if let syn::Type::Path(path) = ty
            && let Some(name) = path.path.get_ident()
            && let Some(behind) = self.aliases.get(&name.to_string())
        {
            // An alias of an alias is not followed: nobody hides that deep.
            return if let syn::Type::Tuple(tuple) = behind {
                tuple.elems.len()
            } else {
                1
            };
        }
        1
    }

    fn judge(&mut self, signature: &syn::Signature) {
        let name = &signature.ident;
        let mut arguments = 0;
        for input in &signature.inputs {
            let syn::FnArg::Typed(parameter) = input else {
                arguments += 1;
                continue;
            };
            let pattern = parts_of_pattern(&parameter.pat);
            let parts = pattern.max(self.parts_of_type(&parameter.ty));
            arguments += pattern;
            if parts > TUPLE {
                let line = parameter.colon_token.span.start().line;
                let wrong = format!(
                    "`{name}` takes a tuple of {parts} as one argument, {TUPLE} are allowed"
                );
                self.findings.push(self.source.finding(line, wrong, STRUCT));
            }
        }
        if arguments > ARGUMENTS {
            let line = signature.fn_token.span.start().line;
            let wrong = format!(
                "`{name}` takes {arguments} arguments, those in tuples counted, {ARGUMENTS} are allowed"
            );
            self.findings.push(self.source.finding(line, wrong, STRUCT));
        }
    }
}

impl<'ast> Visit<'ast> for Search<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.judge(&item.sig);
        visit::visit_item_fn(self, item);
    }

    /// What a trait asks for is the trait's.
    fn visit_item_impl(&mut self, block: &'ast syn::ItemImpl) {
        if block.trait_.is_none() {
            for item in &block.items {
                if let syn::ImplItem::Fn(method) = item {
                    self.judge(&method.sig);
                }
            }
        }
        visit::visit_item_impl(self, block);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        self.judge(&item.sig);
        visit::visit_trait_item_fn(self, item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> usize {
        check(&Source::example("src/a.rs", text)).len()
    }

    #[test]
    fn a_tuple_that_hides_arguments_is_found() {
        for text in [
            "fn f((a, b, c, d): (u8, u8, u8, u8)) {}",
            "fn f(a: (u8, u8, u8, u8)) {}",
            "fn f(a: &mut (u8, u8, u8, u8)) {}",
            "fn f(a: ((u8, u8), (u8, u8))) {}",
            "fn f(&(a, b, c, d): &T) {}",
            "type Failure = (u8, u8, u8, u8); fn f(failure: Failure) {}",
            "impl A { fn f(&self, a: (u8, u8, u8, u8)) {} }",
            "trait A { fn f(&self, a: (u8, u8, u8, u8)); }",
            "fn f() { fn g(a: (u8, u8, u8, u8)) {} }",
            "mod m { fn f(a: u8, b: u8, c: u8, d: u8, (e, f): (u8, u8)) {} }",
            "impl A { fn f(&self, (a, b): (u8, u8), (c, d): (u8, u8), e: u8) {} }",
        ] {
            assert_eq!(found(text), 1, "{text}");
        }
    }

    #[test]
    fn a_pair_that_is_one_thing_is_free() {
        for text in [
            "fn f((from, to): (u8, u8), a: u8, b: u8, c: u8) {}",
            "fn f(a: u8, b: u8, c: u8, d: u8, span: (u8, u8)) {}",
            "fn f(rows: &[(u8, u8, u8, u8)], made: Vec<(u8, u8, u8, u8)>) {}",
            "impl Foreign for A { fn f(&self, a: (u8, u8, u8, u8)) {} }",
            "fn f() -> (u8, u8, u8, u8) { g(|(a, b, c, d)| a) }",
        ] {
            assert_eq!(found(text), 0, "{text}");
        }
    }
}
