//! Drafts of the handbook's own pages.

use std::fs;

use super::*;

fn drafts() -> Vec<Draft> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "md"));
    paths.sort();
    let texts: Vec<(String, String)> = paths
        .iter()
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read_to_string(path).unwrap()))
        .collect();
    let known = texts.iter().flat_map(|(_, text)| outline::small_words(text)).map(str::to_owned).collect();
    texts.iter().flat_map(|(name, text)| made::drafts(name, text, &known)).collect()
}

#[test]
fn the_handbook_suggests_questions_of_every_kind_and_the_same_each_time() {
    let found = drafts();
    assert_eq!(found, drafts());
    for by in [MadeBy::Heading, MadeBy::Definition, MadeBy::Table, MadeBy::Statement] {
        assert!(found.iter().filter(|draft| draft.by == by).count() >= 20, "{by:?}");
    }
    for draft in found {
        assert!(draft.question.ends_with('?') && !draft.question.contains(['`', '\n']), "{}", draft.question);
    }
}
