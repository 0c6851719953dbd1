//! The rules of the house as tests: each reads the sources and names file, line, what is wrong
//! and what to do. A rule lives in a file of its own under `tests/tidy/`, next to the tests that
//! prove that it can fail.

#[path = "tidy/absent.rs"]
mod absent;
#[path = "tidy/arguments.rs"]
mod arguments;
#[path = "tidy/circles.rs"]
mod circles;
#[path = "tidy/contract.rs"]
mod contract;
#[path = "tidy/deny.rs"]
mod deny;
#[path = "tidy/doors.rs"]
mod doors;
#[path = "tidy/extensions.rs"]
mod extensions;
#[path = "tidy/habits.rs"]
mod habits;
#[path = "tidy/impls.rs"]
mod impls;
#[path = "tidy/layers.rs"]
mod layers;
#[path = "tidy/licences.rs"]
mod licences;
#[path = "tidy/limits.rs"]
mod limits;
#[path = "tidy/markdown.rs"]
mod markdown;
#[path = "tidy/metadata.rs"]
mod metadata;
#[path = "tidy/modules.rs"]
mod modules;
#[path = "tidy/named.rs"]
mod named;
#[path = "tidy/names.rs"]
mod names;
#[path = "tidy/old_words.rs"]
mod old_words;
#[path = "tidy/purity.rs"]
mod purity;
#[path = "tidy/references.rs"]
mod references;
#[path = "tidy/sizes.rs"]
mod sizes;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/spelled.rs"]
mod spelled;
#[path = "tidy/walk.rs"]
mod walk;

use references::Paths;
use source::{Finding, Source, Tree};

/// Runs one rule over all Rust sources and fails with everything that it found.
fn hold(rule: fn(&Source) -> Vec<Finding>) {
    let tree = Tree::of_the_house();
    assert!(
        !tree.sources.is_empty(),
        "no Rust source was found: the rule saw nothing"
    );
    report(tree.sources.iter().flat_map(rule).collect());
}

/// Runs a rule that looks at all Rust sources together.
fn hold_together(rule: fn(&[Source]) -> Vec<Finding>) {
    let tree = Tree::of_the_house();
    assert!(
        !tree.sources.is_empty(),
        "no Rust source was found: the rule saw nothing"
    );
    report(rule(&tree.sources));
}

fn report(findings: Vec<Finding>) {
    let lines: Vec<String> = findings.iter().map(Finding::to_string).collect();
    assert!(
        lines.is_empty(),
        "{} finding(s):\n{}\n",
        lines.len(),
        lines.join("\n")
    );
}

#[test]
fn imports_go_strictly_down_and_siblings_never_import_each_other() {
    hold(layers::check);
}

#[test]
fn below_api_there_is_no_async_lock_channel_clock_socket_file_or_thread() {
    hold(purity::check);
}

#[test]
fn usage_counts_in_integers_only() {
    hold(purity::check_integers);
}

#[test]
fn every_third_party_crate_stays_behind_its_one_door() {
    hold(doors::check);
}

#[test]
fn every_dependency_has_a_row_in_the_table_of_doors() {
    report(doors::check_rows(&metadata::direct_dependencies()));
}

#[test]
fn no_function_is_longer_than_70_lines() {
    hold(sizes::check_functions);
}

#[test]
fn no_file_is_longer_than_its_limit() {
    hold(sizes::check_file);
}

#[test]
fn nothing_bears_a_banned_name() {
    hold(names::check);
}

#[test]
fn every_file_begins_by_saying_what_it_is_for() {
    hold(habits::check_opening);
}

#[test]
fn no_test_is_ignored_and_nothing_is_left_to_be_done() {
    hold(habits::check_leftovers);
}

#[test]
fn no_text_carries_a_note_to_finish_it_later() {
    report(
        Tree::of_the_house()
            .texts
            .iter()
            .flat_map(habits::check_notes)
            .collect(),
    );
}

#[test]
fn no_test_sleeps() {
    hold(habits::check_sleep);
}

#[test]
fn every_lint_that_is_let_off_says_why() {
    hold(habits::check_reasons);
}

#[test]
fn every_dependency_has_a_licence_that_we_accept() {
    report(licences::check(&metadata::packages(), &deny::rules()));
}

#[test]
fn every_dependency_comes_from_where_it_may_and_none_is_banned() {
    report(deny::check(&metadata::packages(), &deny::rules()));
}

#[test]
fn what_the_documents_list_is_what_the_code_has() {
    let tree = Tree::of_the_house();
    let schemas: Vec<String> = tree
        .paths
        .iter()
        .filter(|path| path.starts_with("config/schemas/") && path.ends_with(".json"))
        .cloned()
        .collect();
    report(contract::check(&tree.sources, &tree.documents, &schemas));
}

#[test]
fn the_table_of_header_extensions_says_what_the_lists_say() {
    let tree = Tree::of_the_house();
    report(extensions::check(&tree.sources, &tree.documents));
}

#[test]
fn every_metric_and_setting_that_a_document_names_exists() {
    let tree = Tree::of_the_house();
    let settings = std::fs::read_to_string(source::root().join("config/beistand.toml"))
        .unwrap_or_else(|e| panic!("config/beistand.toml: {e}"));
    let mut findings = named::check_metrics(&tree.sources, &tree.documents);
    findings.extend(named::check_settings(&tree.documents, &settings));
    report(findings);
}

#[test]
fn what_the_readme_says_is_not_there_is_not_there() {
    let tree = Tree::of_the_house();
    report(absent::check(&tree.sources, &tree.documents));
}

#[test]
fn every_link_of_a_document_leads_somewhere() {
    let tree = Tree::of_the_house();
    report(references::check_links(&tree.documents, &Paths(tree.paths)));
}

#[test]
fn every_file_that_a_document_names_exists() {
    let mut tree = Tree::of_the_house();
    tree.documents.retain(|d| d.path != "ARCHITECTURE.md");
    report(references::check_names(&tree.documents, &Paths(tree.paths)));
}

#[test]
fn the_impl_blocks_of_one_type_fit_in_a_head() {
    hold_together(impls::check);
}

#[test]
fn no_files_of_a_room_import_each_other_in_a_circle() {
    hold_together(circles::check);
}

#[test]
fn the_field_s_words_are_used_and_our_old_ones_are_gone() {
    hold(old_words::check);
}

#[test]
fn no_argument_hides_in_a_tuple() {
    hold(arguments::check);
}

#[test]
fn every_file_and_module_that_architecture_names_exists() {
    let mut tree = Tree::of_the_house();
    tree.documents.retain(|d| d.path == "ARCHITECTURE.md");
    report(references::check_names(&tree.documents, &Paths(tree.paths)));
}

#[test]
fn the_limits_of_architecture_are_those_of_the_constants() {
    let tree = Tree::of_the_house();
    let paths = Paths(tree.paths);
    report(limits::check(&tree.sources, &tree.documents, &paths));
}

#[test]
fn every_document_that_the_code_cites_is_one_of_the_project() {
    let tree = Tree::of_the_house();
    let paths = Paths(tree.paths);
    let cited = |text| references::check_cited(text, &paths);
    report(tree.texts.iter().flat_map(cited).collect());
}
