//! Walks the tokens of a file, macros and attributes included, and finds every path in it, each
//! with the module it stands in. Tokens rather than the syntax tree: a path inside `assert_eq!`
//! or `select!` counts as much as one in a `use`.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

/// One path as it is written, with the groups of a `use` taken apart.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    pub segments: Vec<String>,
    pub line: usize,
    /// Inline modules around it, outermost first.
    pub inside: Vec<String>,
    /// Stands in something that is compiled for tests only.
    pub test_only: bool,
}

/// One word (identifier or keyword) that is no part of a longer path, or a literal.
#[derive(Debug, Clone, PartialEq)]
pub struct Word {
    pub word: String,
    pub line: usize,
    pub test_only: bool,
    /// A `!` follows: a macro is called.
    pub called_as_macro: bool,
}

/// One attribute: the tokens between its brackets.
pub struct Attribute {
    pub words: Vec<String>,
    pub line: usize,
}

#[derive(Default)]
pub struct Walk {
    pub paths: Vec<Found>,
    pub words: Vec<Word>,
    pub attributes: Vec<Attribute>,
    inside: Vec<String>,
    test_only: bool,
}

/// Everything that the rules ask of the tokens.
pub fn walk(tokens: &TokenStream) -> Walk {
    let mut walk = Walk::default();
    walk.stream(tokens.clone());
    walk
}

/// All words in a stream, flattened.
pub fn words(stream: TokenStream) -> Vec<String> {
    let mut all = Vec::new();
    for token in stream {
        match token {
            TokenTree::Ident(ident) => all.push(ident.to_string()),
            TokenTree::Group(group) => all.extend(words(group.stream())),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
    all
}

fn is_punct(token: Option<&TokenTree>, wanted: char) -> bool {
    matches!(token, Some(TokenTree::Punct(p)) if p.as_char() == wanted)
}

fn is_word(token: Option<&TokenTree>, wanted: &str) -> bool {
    matches!(token, Some(TokenTree::Ident(i)) if i == wanted)
}

/// Is there a `::` at `at`?
fn is_colons(tokens: &[TokenTree], at: usize) -> bool {
    matches!(tokens.get(at), Some(TokenTree::Punct(p)) if p.as_char() == ':' && p.spacing() == Spacing::Joint)
        && is_punct(tokens.get(at + 1), ':')
}

fn ends_in_braces(tokens: &[TokenTree]) -> bool {
    matches!(tokens.last(), Some(TokenTree::Group(g)) if g.delimiter() == Delimiter::Brace)
}

fn line_of(token: &TokenTree) -> usize {
    token.span().start().line
}

impl Walk {
    fn stream(&mut self, stream: TokenStream) {
        let tokens: Vec<TokenTree> = stream.into_iter().collect();
        let mut at = 0;
        let mut for_tests = false; // a `#[cfg(test)]` or `#[test]` waits for its item
        while let Some(token) = tokens.get(at) {
            match token {
                TokenTree::Punct(p) if p.as_char() == '#' => {
                    for_tests |= self.attribute(&tokens, &mut at);
                }
                TokenTree::Group(group) => {
                    let outer = self.test_only;
                    self.test_only |= for_tests;
                    self.stream(group.stream());
                    self.test_only = outer;
                    if group.delimiter() == Delimiter::Brace {
                        for_tests = false;
                    }
                    at += 1;
                }
                TokenTree::Ident(_) => {
                    let outer = self.test_only;
                    self.test_only |= for_tests;
                    self.ident(&tokens, &mut at);
                    self.test_only = outer;
                    for_tests &= !ends_in_braces(&tokens[..at]);
                }
                TokenTree::Punct(p) => {
                    for_tests &= !matches!(p.as_char(), ';' | ',');
                    at += 1;
                }
                TokenTree::Literal(_) => {
                    self.word(token, false);
                    at += 1;
                }
            }
        }
    }

    fn word(&mut self, token: &TokenTree, called_as_macro: bool) {
        let line = line_of(token);
        let test_only = self.test_only;
        self.words.push(Word {
            word: token.to_string(),
            line,
            test_only,
            called_as_macro,
        });
    }

    /// An attribute; is it one that says "for tests only"?
    fn attribute(&mut self, tokens: &[TokenTree], at: &mut usize) -> bool {
        let inner = is_punct(tokens.get(*at + 1), '!');
        let group_at = *at + 1 + usize::from(inner);
        let Some(TokenTree::Group(group)) = tokens.get(group_at) else {
            *at += 1;
            return false;
        };
        let words = words(group.stream());
        let negated = words.iter().any(|w| w == "not");
        let test = words.first().is_some_and(|w| w == "cfg" || w == "test")
            && words.iter().any(|w| w == "test")
            && !negated;
        self.attributes.push(Attribute {
            words,
            line: line_of(&tokens[*at]),
        });
        self.stream(group.stream());
        *at = group_at + 1;
        test && !inner
    }

    fn ident(&mut self, tokens: &[TokenTree], at: &mut usize) {
        if is_word(tokens.get(*at), "mod")
            && let (Some(TokenTree::Ident(name)), Some(TokenTree::Group(body))) =
                (tokens.get(*at + 1), tokens.get(*at + 2))
        {
            self.inside.push(name.to_string());
            self.stream(body.stream());
            self.inside.pop();
            *at += 3;
            return;
        }
        if is_word(tokens.get(*at), "use") {
            self.word(&tokens[*at], false);
            *at += 1;
            self.path(tokens, at, &[], true);
            return;
        }
        self.path(tokens, at, &[], false);
    }

    /// One path that begins at `at`, behind `before`; in a `use`, one word is a path too.
    fn path(&mut self, tokens: &[TokenTree], at: &mut usize, before: &[String], in_use: bool) {
        let mut segments = before.to_vec();
        let continues = *at >= 2 && is_colons(tokens, *at - 2) && !leads(tokens, *at - 2);
        if is_colons(tokens, *at) {
            *at += 2; // `use ::name`
        }
        let start = *at;
        loop {
            match tokens.get(*at) {
                Some(TokenTree::Ident(ident)) => segments.push(ident.to_string()),
                Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                    self.use_group(group.stream(), &segments);
                    *at += 1;
                    return;
                }
                Some(TokenTree::Punct(p)) if p.as_char() == '*' && !segments.is_empty() => {
                    segments.push("*".to_owned());
                }
                _ => break,
            }
            *at += 1;
            if !is_colons(tokens, *at) || is_punct(tokens.get(*at + 2), '<') {
                break;
            }
            *at += 2;
        }
        if *at == start {
            return;
        }
        let first = &tokens[start];
        let macro_call = is_punct(tokens.get(*at), '!') && !is_punct(tokens.get(*at + 1), '=');
        if segments.len() == 1 || start + 1 == *at {
            self.word(first, macro_call);
        }
        if !continues && (segments.len() > 1 || (in_use && !segments.is_empty())) {
            let (line, inside) = (line_of(first), self.inside.clone());
            self.paths.push(Found {
                segments,
                line,
                inside,
                test_only: self.test_only,
            });
        }
    }

    /// The branches of `use a::{b, c::d}`.
    fn use_group(&mut self, stream: TokenStream, before: &[String]) {
        let tokens: Vec<TokenTree> = stream.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            let from = at;
            self.path(&tokens, &mut at, before, true);
            while at < tokens.len() && !is_punct(tokens.get(at), ',') {
                at += 1; // `as name`
            }
            at = (at + 1).max(from + 1);
        }
    }
}

/// Does the `::` at `at` begin a path, rather than go on with one (`Vec::<u8>::new`)?
fn leads(tokens: &[TokenTree], at: usize) -> bool {
    match at.checked_sub(1).and_then(|before| tokens.get(before)) {
        Some(TokenTree::Punct(p)) => p.as_char() != '>',
        Some(TokenTree::Ident(_) | TokenTree::Group(_)) => false,
        Some(TokenTree::Literal(_)) | None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(text: &str) -> Vec<String> {
        let tokens: TokenStream = text.parse().unwrap();
        walk(&tokens)
            .paths
            .iter()
            .map(|p| p.segments.join("::"))
            .collect()
    }

    #[test]
    fn every_form_of_a_path_is_found() {
        for (text, wanted) in [
            ("use crate::room::Room;", vec!["crate::room::Room"]),
            (
                "use a::{b, c::{d, self}, e as f};",
                vec!["a::b", "a::c::d", "a::c::self", "a::e"],
            ),
            ("use {a::b, c::d};", vec!["a::b", "c::d"]),
            ("use ::tokio::spawn;", vec!["tokio::spawn"]),
            ("use tokio;", vec!["tokio"]),
            ("use a::*;", vec!["a::*"]),
            ("fn f() { let x: ::a::B = a::c(1); }", vec!["a::B", "a::c"]),
            (
                "fn f() { assert_eq!(crate::node::X, 1); }",
                vec!["crate::node::X"],
            ),
            (
                "fn f() { Vec::<tokio::X>::tokio::new(); }",
                vec!["tokio::X"],
            ),
            ("#[tokio::main] async fn f() {}", vec!["tokio::main"]),
            ("pub(in crate::room) struct A;", vec!["crate::room"]),
            (
                "macro_rules! m { () => { $crate::base::X }; }",
                vec!["crate::base::X"],
            ),
        ] {
            assert_eq!(paths(text), wanted, "{text}");
        }
    }

    #[test]
    fn a_path_knows_its_module_and_whether_it_is_for_tests() {
        let text = "use a::b; #[cfg(test)] mod tests { use super::c; } \
                    #[test] fn f() { d::e(); } fn g() { h::i(); } #[cfg(not(test))] use j::k;";
        let walk = walk(&text.parse().unwrap());
        let seen: Vec<_> = walk
            .paths
            .iter()
            .map(|p| (p.segments.join("::"), p.inside.join("::"), p.test_only))
            .collect();
        let row = |path: &str, inside: &str, test| (path.to_owned(), inside.to_owned(), test);
        assert_eq!(
            seen,
            [
                row("a::b", "", false),
                row("super::c", "tests", true),
                row("d::e", "", true),
                row("h::i", "", false),
                row("j::k", "", false),
            ]
        );
    }
}
