//! Where each proof type is made: every construction site in every `.rs` file of the workspace, tests, benches,
//! examples and code behind features included.
//!
//! It reads syntax, not types, so it refuses what would hide a site from it: aliases and re-namings of a proof type,
//! a second type of the same name, public fields, `Clone`/`Copy`/`Default`/`Deserialize`, and sites inside macros count.
//! A file that is proven not to compile (a `trybuild` case: a `.stderr` file lies beside it) is printed but not counted.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::sizes::rust_files;

/// The proof types, in the order in which one interaction earns them.
const PROOFS: [&str; 5] = ["Identified", "Inspected", "Permit", "Recorded", "Released"];
/// The only folder in which they may be made.
const HOME: &str = "engine/";
/// Traits that would make a second one without the check.
const MAKERS: [&str; 5] = ["Clone", "Copy", "Default", "Deserialize", "FromStr"];

/// Something found in one file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Found {
    /// The type is declared here.
    Declared,
    /// A value is made here.
    Made,
    /// Something that must not be.
    Wrong(&'static str),
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Site {
    proof: &'static str,
    found: Found,
    line: usize,
}

/// The printed list, and what is wrong.
pub(crate) fn proofs(crates: &Path) -> Result<(String, Vec<String>)> {
    let mut sites: BTreeMap<&str, Vec<(String, Site, bool)>> = BTreeMap::new();
    for path in rust_files(crates)? {
        let name = path.strip_prefix(crates)?.to_string_lossy().into_owned();
        if name.starts_with("xtask/") {
            continue; // names the proof types, makes none: it depends on no crate of the workspace
        }
        let text = std::fs::read_to_string(&path)?;
        let is_refused = path.with_extension("stderr").exists();
        for site in sites_of(&text).with_context(|| format!("cannot read `{name}` as Rust"))? {
            sites.entry(site.proof).or_default().push((name.clone(), site, is_refused));
        }
    }
    Ok(judge(&sites))
}

fn judge(sites: &BTreeMap<&str, Vec<(String, Site, bool)>>) -> (String, Vec<String>) {
    let mut report = String::new();
    let mut wrongs = Vec::new();
    for proof in PROOFS {
        let found = sites.get(proof).map(Vec::as_slice).unwrap_or_default();
        let (mut declared, mut made) = (0, 0);
        for (name, site, is_refused) in found {
            let place = format!("crates/{name}:{}", site.line);
            let note = if *is_refused { " (a case that must not compile)" } else { "" };
            match &site.found {
                Found::Declared => _ = writeln!(report, "proof {proof:10} declared {place}"),
                Found::Made => _ = writeln!(report, "proof {proof:10} made     {place}{note}"),
                Found::Wrong(_) => {}
            }
            if *is_refused {
                continue;
            }
            let is_home = name.starts_with(HOME);
            match &site.found {
                Found::Declared => declared += 1,
                Found::Made => made += 1,
                Found::Wrong(what) => wrongs.push(format!("{place}: {what} (`{proof}`)")),
            }
            if !is_home {
                wrongs.push(format!("{place}: `{proof}` is declared and made only in crates/engine"));
            }
        }
        if declared != 1 {
            wrongs.push(format!("proof type `{proof}` is declared {declared} times, expected once in crates/engine"));
        }
        if made != 1 {
            wrongs.push(format!("proof type `{proof}` is made at {made} places, expected exactly one"));
        }
    }
    (report, wrongs)
}

fn sites_of(text: &str) -> Result<Vec<Site>> {
    let file = syn::parse_file(text)?;
    let mut finder = Finder::default();
    finder.visit_file(&file);
    finder.sites.sort();
    finder.sites.dedup();
    Ok(finder.sites)
}

#[derive(Debug, Default)]
struct Finder {
    /// The proof type that `Self` means here.
    own: Vec<Option<&'static str>>,
    sites: Vec<Site>,
}

fn proof_named(name: &syn::Ident) -> Option<&'static str> {
    PROOFS.into_iter().find(|proof| name == proof)
}

impl Finder {
    fn push(&mut self, proof: &'static str, found: Found, span: Span) {
        self.sites.push(Site { proof, found, line: span.start().line });
    }

    /// The proof type that a path names; `Verdict::Permit` is a variant of another type and names none.
    fn proof_of(&self, path: &syn::Path) -> Option<&'static str> {
        let last = path.segments.last()?;
        if last.ident == "Self" {
            return self.own.last().copied().flatten();
        }
        let before = path.segments.iter().rev().nth(1);
        let is_variant = before.is_some_and(|segment| segment.ident.to_string().starts_with(char::is_uppercase));
        if is_variant { None } else { proof_named(&last.ident) }
    }

    fn proof_of_type(&self, ty: &syn::Type) -> Option<&'static str> {
        match ty {
            syn::Type::Path(ty) => self.proof_of(&ty.path),
            syn::Type::Paren(ty) => self.proof_of_type(&ty.elem),
            syn::Type::Group(ty) => self.proof_of_type(&ty.elem),
            _ => None,
        }
    }

    /// Tokens of a macro are not parsed: a proof's name before a brace or a parenthesis counts as a site.
    fn tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        for (index, token) in tokens.iter().enumerate() {
            match token {
                TokenTree::Ident(name) => {
                    let own = self.own.last().copied().flatten().filter(|_| name == "Self");
                    let Some(proof) = own.or_else(|| proof_named(name)) else { continue };
                    let makes = matches!(tokens.get(index + 1), Some(TokenTree::Group(group))
                        if matches!(group.delimiter(), Delimiter::Brace | Delimiter::Parenthesis));
                    let is_variant = index >= 3 && is_type_path(tokens.get(index - 3..index));
                    if makes && !is_variant {
                        self.push(proof, Found::Made, name.span());
                    }
                }
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
    }
}

/// Whether the three tokens before a name are `Type::`.
fn is_type_path(tokens: Option<&[TokenTree]>) -> bool {
    let Some([TokenTree::Ident(name), TokenTree::Punct(first), TokenTree::Punct(second)]) = tokens else { return false };
    first.as_char() == ':' && second.as_char() == ':' && name.to_string().starts_with(char::is_uppercase)
}

impl<'ast> Visit<'ast> for Finder {
    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        if let Some(proof) = proof_named(&item.ident) {
            self.push(proof, Found::Declared, item.ident.span());
            for field in &item.fields {
                if !matches!(field.vis, syn::Visibility::Inherited) {
                    self.push(proof, Found::Wrong("a proof's fields are private"), field.span());
                }
            }
            if item.fields.is_empty() {
                self.push(proof, Found::Wrong("a proof owns what it proves"), item.ident.span());
            }
            for attribute in item.attrs.iter().filter(|attribute| attribute.path().is_ident("derive")) {
                let derived = attribute.meta.require_list().map(|list| list.tokens.to_string()).unwrap_or_default();
                let mut words = derived.split(|character: char| !character.is_alphanumeric());
                if words.any(|word| MAKERS.contains(&word)) {
                    self.push(proof, Found::Wrong("a proof cannot be copied, defaulted or read from bytes"), attribute.span());
                }
            }
        }
        visit::visit_item_struct(self, item);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        if let Some(proof) = proof_named(&item.ident) {
            self.push(proof, Found::Wrong("a proof is a struct: the variants of an enum are public"), item.ident.span());
        }
        visit::visit_item_enum(self, item);
    }

    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        if let Some(proof) = self.proof_of_type(&item.ty).or_else(|| proof_named(&item.ident)) {
            self.push(proof, Found::Wrong("an alias would hide where it is made"), item.span());
        }
        visit::visit_item_type(self, item);
    }

    fn visit_use_rename(&mut self, item: &'ast syn::UseRename) {
        if let Some(proof) = proof_named(&item.ident).filter(|_| item.rename != "_") {
            self.push(proof, Found::Wrong("a new name would hide where it is made"), item.span());
        }
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let own = self.proof_of_type(&item.self_ty);
        let of = item.trait_.as_ref().and_then(|(path, _)| path.segments.last());
        if let (Some(proof), Some(of)) = (own, of)
            && (MAKERS.iter().any(|maker| of.ident == maker) || of.ident == "From" || of.ident == "TryFrom")
        {
            self.push(proof, Found::Wrong("a trait must not make a proof"), of.ident.span());
        }
        self.own.push(own);
        visit::visit_item_impl(self, item);
        self.own.pop();
    }

    fn visit_expr_struct(&mut self, expression: &'ast syn::ExprStruct) {
        if let Some(proof) = self.proof_of(&expression.path) {
            self.push(proof, Found::Made, expression.path.span());
        }
        visit::visit_expr_struct(self, expression);
    }

    fn visit_expr_path(&mut self, expression: &'ast syn::ExprPath) {
        // `Permit(…)`, and the constructor handed on as a function: `.map(Permit)`.
        if let Some(proof) = self.proof_of(&expression.path) {
            self.push(proof, Found::Made, expression.span());
        }
        visit::visit_expr_path(self, expression);
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        self.tokens(item.tokens.clone());
        visit::visit_macro(self, item);
    }
}

#[cfg(test)]
mod tests {
    use super::{Found, sites_of};

    /// How many sites make a `Permit`, and how many things are wrong with it.
    fn check(text: &str, n_made: usize, n_wrong: usize) {
        let sites = sites_of(text).unwrap();
        let made = sites.iter().filter(|site| site.found == Found::Made).count();
        let wrong = sites.iter().filter(|site| matches!(site.found, Found::Wrong(_))).count();
        assert_eq!((made, wrong), (n_made, n_wrong), "{text}\n{sites:?}");
    }

    #[test]
    fn every_way_to_make_one_is_seen() {
        check("fn a() -> Permit { Permit { bytes } }", 1, 0);
        check("fn a() -> Permit { engine::decide::Permit { bytes } }", 1, 0);
        check("impl Permit { fn new() -> Self { Self { bytes } } }", 1, 0);
        check("impl Permit { fn new() -> Self { Self(bytes) } }", 1, 0);
        check("fn a() { bytes.map(Permit) }", 1, 0);
        check("#[cfg(test)] mod tests { #[test] fn a() { Permit { bytes }; } }", 1, 0);
        check("#[cfg(feature = \"x\")] fn a() { Permit(bytes); }", 1, 0);
        check("macro_rules! m { () => { Permit { bytes } } }", 1, 0);
        check("fn a() { assert!(is(Permit { bytes })); }", 1, 0);
        check("impl Other { fn a() { fn b() -> Permit { Permit { bytes } } Self { x } } }", 1, 0);
    }

    #[test]
    fn what_makes_none_is_not_counted() {
        check("fn a() -> Verdict { Verdict::Permit }", 0, 0);
        check("fn a() { matches!(v, Verdict::Permit) }", 0, 0);
        check("fn a() { m!(Verdict::Permit { x }) }", 0, 0);
        check("fn a(Permit { bytes, .. }: Permit) {}", 0, 0);
        check("impl Other { fn new() -> Self { Self { x } } }", 0, 0);
        check("impl Permit { fn b(&self) -> &[u8] { &self.bytes } }", 0, 0);
        check("pub struct Permit { bytes: Bytes }", 0, 0);
    }

    #[test]
    fn what_would_hide_or_forge_one_is_refused() {
        check("use engine::Permit as P;", 0, 1);
        check("type P = Permit;", 0, 1);
        check("pub struct Permit { pub bytes: Bytes }", 0, 1);
        check("pub struct Permit;", 0, 1);
        check("#[derive(Debug, Clone)] pub struct Permit { bytes: Bytes }", 0, 1);
        check("#[derive(serde::Deserialize)] pub struct Permit { bytes: Bytes }", 0, 1);
        check("impl Default for Permit { fn default() -> Self { make() } }", 0, 1);
        check("impl From<Bytes> for Permit { fn from(b: Bytes) -> Self { make(b) } }", 0, 1);
        check("enum Permit { A }", 0, 1);
    }
}
