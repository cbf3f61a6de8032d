//! The files themselves: their length, their first line, what must not stand in them, and what comes in with crates.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use super::{files, files_in, lines, none, read};
use crate::harness::repository;

const LINES_MAX: usize = 500;

#[test]
fn every_module_begins_with_what_it_is_for() {
    let rust = ["src", "tests", "benches"].into_iter().flat_map(|folder| files_in(folder, "rs"));
    let bare = rust.filter(|file| !read(file).starts_with("//! "));
    none("a file does not begin with //!", &bare.map(|file| file.display().to_string()).collect::<Vec<_>>());
}

#[test]
fn no_file_is_too_long_to_read() {
    let rust = ["src", "tests", "benches"].into_iter().flat_map(|folder| files_in(folder, "rs"));
    let long = rust.map(|file| (lines(&file).len(), file)).filter(|(length, _)| *length > LINES_MAX);
    let long: Vec<String> = long.map(|(length, file)| format!("{} has {length} lines", file.display())).collect();
    none(&format!("a file has more than {LINES_MAX} lines"), &long);
}

#[test]
fn nothing_is_left_for_later_and_no_machine_has_left_its_paths() {
    // Put together here, so that this file does not hold them itself.
    let marks = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("/ro", "ot/"),
        concat!("/wo", "rk/"),
        concat!("/Us", "ers/"),
    ];
    let mut found = Vec::new();
    for file in files() {
        for (number, line) in lines(&file) {
            let home = line.replace("/home/someone", "").contains(concat!("/ho", "me/"));
            if home || marks.iter().any(|mark| line.contains(mark)) {
                found.push(format!("{}:{number}: {}", file.display(), line.trim()));
            }
        }
    }
    none("something was left behind", &found);
}

#[test]
fn tests_neither_sleep_nor_are_ignored() {
    let marks = [concat!("#[ig", "nore"), concat!("sle", "ep("), concat!("thread::sle", "ep")];
    let mut found = Vec::new();
    for file in files_in("tests", "rs") {
        for (number, line) in lines(&file) {
            if marks.iter().any(|mark| line.contains(mark)) {
                found.push(format!("{}:{number}: {}", file.display(), line.trim()));
            }
        }
    }
    none("a test sleeps or is ignored", &found);
}

#[test]
fn a_line_of_text_ends_as_it_should() {
    let mut found = Vec::new();
    for file in files().into_iter().filter(|file| !file.starts_with("tests/fixtures")) {
        let Ok(text) = String::from_utf8(std::fs::read(repository().join(&file)).unwrap()) else { continue };
        if text.contains('\r') || text.lines().any(|line| line.ends_with([' ', '\t'])) {
            found.push(format!("{} has white space at the end of a line", file.display()));
        }
        if !text.is_empty() && (!text.ends_with('\n') || text.ends_with("\n\n")) {
            found.push(format!("{} does not end with one line end", file.display()));
        }
    }
    none("white space where none should be", &found);
}

#[test]
fn every_licence_that_comes_in_is_one_that_may() {
    let allowed = allowed_licences();
    let mut wrong = Vec::new();
    for package in packages() {
        let name = format!("{} {}", package["name"].as_str().unwrap(), package["version"].as_str().unwrap());
        match package["license"].as_str() {
            Some(expression) if permits(expression, &allowed) => {}
            Some(expression) => wrong.push(format!("{name}: {expression}")),
            None => wrong.push(format!("{name} names no licence")),
        }
    }
    none("deny.toml does not allow the licence of a crate", &wrong);
}

#[test]
fn every_licence_that_may_come_in_is_one_that_some_crate_needs() {
    let allowed = allowed_licences();
    let expressions: Vec<String> =
        packages().iter().filter_map(|package| package["license"].as_str().map(str::to_owned)).collect();
    let mut unneeded = Vec::new();
    for licence in &allowed {
        let without: BTreeSet<String> = allowed.iter().filter(|other| *other != licence).cloned().collect();
        if expressions.iter().all(|expression| permits(expression, &without)) {
            unneeded.push(licence.clone());
        }
    }
    none("deny.toml allows a licence that no crate needs", &unneeded);
}

#[test]
fn a_licence_expression_is_read_as_spdx_means_it() {
    let allowed = ["MIT", "ISC"].map(str::to_owned).into();
    for yes in
        ["MIT", "MIT OR GPL-3.0-only", "MIT/Apache-2.0", "(GPL-3.0-only OR ISC) AND MIT", "MIT AND ISC OR GPL-3.0-only"]
    {
        assert!(permits(yes, &allowed), "{yes}");
    }
    for no in ["GPL-3.0-only", "MIT AND GPL-3.0-only", "GPL-3.0-only OR (MIT AND Zlib)", "MIT WITH Some-exception", ""]
    {
        assert!(!permits(no, &allowed), "{no}");
    }
}

/// Every crate that is built here, from the lock and from what is downloaded already.
fn packages() -> Vec<Value> {
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut command = Command::new(env!("CARGO"));
    command.args(["metadata", "--format-version", "1", "--offline", "--locked", "--filter-platform", &target]);
    let output = command.current_dir(repository()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

/// The list `allow` of deny.toml.
fn allowed_licences() -> BTreeSet<String> {
    let text = read("deny.toml".as_ref());
    let list = text.split("\nallow = [").nth(1).and_then(|rest| rest.split(']').next()).expect("a list of licences");
    let licences: BTreeSet<String> = list.split('"').skip(1).step_by(2).map(str::to_owned).collect();
    assert!(licences.contains("Apache-2.0"), "{licences:?}");
    licences
}

/// Whether an SPDX expression can be met with these licences alone. An old `/` stands for OR.
fn permits(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let (met, rest) = any_of(&tokens, allowed);
    met && rest.is_empty()
}

fn any_of<'a>(tokens: &'a [&'a str], allowed: &BTreeSet<String>) -> (bool, &'a [&'a str]) {
    let (mut met, mut rest) = all_of(tokens, allowed);
    while let ["OR", after @ ..] = rest {
        let (other, after) = all_of(after, allowed);
        (met, rest) = (met || other, after);
    }
    (met, rest)
}

fn all_of<'a>(tokens: &'a [&'a str], allowed: &BTreeSet<String>) -> (bool, &'a [&'a str]) {
    let (mut met, mut rest) = one(tokens, allowed);
    while let ["AND", after @ ..] = rest {
        let (other, after) = one(after, allowed);
        (met, rest) = (met && other, after);
    }
    (met, rest)
}

fn one<'a>(tokens: &'a [&'a str], allowed: &BTreeSet<String>) -> (bool, &'a [&'a str]) {
    match tokens {
        ["(", inner @ ..] => {
            let (met, rest) = any_of(inner, allowed);
            (met, rest.strip_prefix(&[")"]).expect("a bracket is closed"))
        }
        [licence, "WITH", exception, rest @ ..] => (allowed.contains(&format!("{licence} WITH {exception}")), rest),
        [licence, rest @ ..] => (allowed.contains(*licence), rest),
        [] => (false, &[]),
    }
}
