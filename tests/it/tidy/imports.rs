//! Which module knows which, from the paths in the code: of our own modules, and of the crates that have one home.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{files_in, none, read};

/// Our modules: each may use those after it and no others.
const MODULES: &[(&str, &[&str])] = &[
    ("main", &["cli", "config"]),
    (
        "cli",
        &[
            "answer",
            "app",
            "caller",
            "chat",
            "config",
            "document",
            "embed",
            "error",
            "eval",
            "files",
            "ingest",
            "key",
            "ledger",
            "migrate",
            "openai",
            "record",
            "server",
            "tasks",
            "telemetry",
            "store",
        ],
    ),
    (
        "server",
        &[
            "answer", "caller", "chat", "config", "document", "error", "ingest", "key", "ledger", "record", "store",
            "tasks",
        ],
    ),
    ("record", &["answer", "caller", "chat", "config", "document", "error", "ledger", "store", "tasks"]),
    (
        "eval",
        &[
            "answer", "app", "caller", "chat", "config", "document", "embed", "error", "files", "ground", "ingest",
            "ledger", "store", "tasks",
        ],
    ),
    ("app", &["answer", "chat", "config", "document", "embed", "ground", "ingest", "ledger", "store", "tasks"]),
    ("migrate", &["caller", "document", "embed", "error", "files", "ledger", "store", "tasks"]),
    ("answer", &["caller", "chat", "config", "document", "embed", "error", "ground", "store", "tasks"]),
    ("ground", &["document"]),
    ("ingest", &["caller", "config", "document", "embed", "error", "ledger", "store", "tasks"]),
    ("store", &["caller", "config", "document", "embed", "error", "tasks"]),
    ("embed", &["config", "document", "error", "openai"]),
    ("chat", &["config", "document", "error", "openai"]),
    ("openai", &[]),
    ("key", &["caller", "document", "ledger"]),
    ("ledger", &["caller", "document", "error"]),
    ("telemetry", &["config"]),
    ("config", &["document"]),
    ("caller", &["document"]),
    ("tasks", &[]),
    ("files", &[]),
    ("error", &[]),
    ("document", &[]),
    ("lib", &[]),
];

/// What is said in one place only, and where: paths in the code, and the files that may have them.
const HOMES: &[(&[&str], &[&str])] = &[
    (&["axum", "tower_http", "utoipa", "utoipa_axum", "utoipa_swagger_ui"], &["src/server/"]),
    (&["qdrant_edge"], &["src/store/edge.rs", "src/store/edge/", "src/embed/sparse.rs"]),
    (&["qdrant_client", "tonic"], &["src/store/qdrant/"]),
    (&["fastembed", "ort", "hf_hub"], &["src/embed/local.rs", "src/embed/local/"]),
    (&["async_openai"], &["src/openai.rs", "src/chat.rs", "src/embed/remote.rs"]),
    (&["tower"], &["src/openai.rs"]),
    (&["sqlx"], &["src/ledger/"]),
    (&["clap", "indicatif"], &["src/cli/", "src/main.rs"]),
    (&["text_splitter", "tree_sitter"], &["src/ingest/"]),
    (&["html_to_markdown_rs", "zip", "tar", "csv"], &["src/ingest/extract/"]),
    (&["quick_xml"], &["src/ingest/extract/", "src/ingest/source/web/", "src/eval/report/junit.rs"]),
    (&["flate2"], &["src/ingest/extract/", "src/ingest/source/web/", "src/ingest/texts.rs"]),
    (&["jiff"], &["src/ingest/meta.rs"]),
    (&["html5ever", "httpdate"], &["src/ingest/source/web/"]),
    (&["gix"], &["src/ingest/source/git/"]),
    (&["object_store"], &["src/ingest/source/object.rs"]),
    (&["notify"], &["src/ingest/source/watch.rs"]),
    (&["globset"], &["src/ingest/source/pattern.rs"]),
    (&["anydoc"], &["src/ingest/extract/office/document.rs"]),
    (&["pdfium_render"], &["src/ingest/extract/pdf"]),
    (&["seccompiler", "libc"], &["src/ingest/reader/confine.rs"]),
    (&["tokio::process"], &["src/ingest/reader.rs"]),
    (&["std::env"], &["src/config/", "src/ingest/reader/confine.rs"]),
    (&["tokio::spawn", "tokio::task", "tokio_util::task", "std::thread::spawn"], &["src/tasks.rs"]),
    (&["std::thread::Builder"], &["src/embed/local.rs", "src/embed/local/"]),
];

/// Modules that both paths must stay free of: neither path knows the other, and nothing below knows a door.
const ABSENCES: &[(&str, &str)] =
    &[("ingest", "answer"), ("answer", "ingest"), ("answer", "server"), ("ingest", "server"), ("answer", "ledger")];

#[test]
fn each_module_uses_only_those_that_it_may_know() {
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for file in sources() {
        let module = top_module(&file);
        seen.insert(module.clone());
        let Some((_, allowed)) = MODULES.iter().find(|(name, _)| *name == module) else {
            wrong.push(format!("{}: the module {module} is not in the table of this test", file.display()));
            continue;
        };
        for path in paths(&file) {
            let Some(used) = own_module(&file, &path) else { continue };
            if used != module && !allowed.contains(&used.as_str()) {
                wrong.push(format!("{}: {module} may not know {used} ({path})", file.display()));
            }
        }
    }
    none("a module knows what it may not", &wrong);
    assert_eq!(seen.len(), MODULES.len(), "the table has modules that are no more: {seen:?}");
    for (module, absent) in ABSENCES {
        let (_, allowed) = MODULES.iter().find(|(name, _)| name == module).unwrap();
        assert!(!allowed.contains(absent), "{module} shall never know {absent}");
    }
}

#[test]
fn what_has_one_home_is_used_nowhere_else() {
    let mut wrong = Vec::new();
    for file in sources() {
        for path in paths(&file) {
            for (names, homes) in HOMES {
                let names_it = |name: &&&str| path == **name || path.starts_with(&format!("{name}::"));
                let at_home = homes.iter().any(|home| file.to_str().unwrap().starts_with(home));
                if let Some(name) = names.iter().find(names_it).filter(|_| !at_home) {
                    wrong.push(format!("{}: {name} belongs in {} ({path})", file.display(), homes.join(" and ")));
                }
            }
        }
    }
    none("something is used outside of its home", &wrong);
}

#[test]
fn the_reader_of_paths_sees_every_way_to_write_one() {
    let code =
        "use a::{b, c::{self, d as e}, super::f};\npub(crate) use g;\nfn x() { h::i::<j::K>(\"l::m\"); } // n::o\n";
    let expected = ["a::b", "a::c", "a::c::d", "a::super::f", "g", "h::i", "j::K"];
    let found = paths_in(&without_comments(code));
    assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), expected);
    assert_eq!(without_tests("a\n#[cfg(test)]\npub(crate) mod tests {\nb\n}\n"), "a\n");
}

/// The files of src whose code is not only for tests.
fn sources() -> Vec<PathBuf> {
    let all = files_in("src", "rs");
    let test_only: Vec<PathBuf> = all.iter().flat_map(|file| test_modules(file)).collect();
    all.into_iter().filter(|file| !test_only.contains(file)).collect()
}

/// The files of `#[cfg(test)] mod name;`.
fn test_modules(file: &Path) -> Vec<PathBuf> {
    let text = read(file);
    let declared = text.split("#[cfg(test)]\nmod ").skip(1).filter_map(|rest| rest.split_once(';'));
    let named = declared.map(|(name, _)| name).filter(|name| name.chars().all(|c| c.is_alphanumeric() || c == '_'));
    let folder = match file.file_stem().unwrap().to_str().unwrap() {
        "mod" | "lib" | "main" => file.parent().unwrap().to_path_buf(),
        _ => file.with_extension(""),
    };
    named.map(|name| folder.join(format!("{name}.rs"))).collect()
}

/// `answer` for src/answer/cite.rs, `chat` for src/chat.rs.
fn top_module(file: &Path) -> String {
    let first = file.strip_prefix("src").unwrap().iter().next().unwrap().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// Every path in a file's code, as it is written.
fn paths(file: &Path) -> Vec<String> {
    paths_in(&without_comments(&without_tests(&read(file))))
}

/// Which of our modules a path names, if any.
fn own_module(file: &Path, path: &str) -> Option<String> {
    let mut names = path.split("::");
    let second = |mut names: std::str::Split<'_, &str>| names.next().map(str::to_owned);
    match names.next()? {
        "crate" | "cairn" => second(names),
        "super" => {
            let mut module: Vec<&str> = file.strip_prefix("src").unwrap().iter().map(|n| n.to_str().unwrap()).collect();
            let last = module.pop().unwrap().trim_end_matches(".rs");
            if last != "mod" {
                module.push(last);
            }
            module.pop();
            let mut rest = path.split("::").skip(1).peekable();
            while rest.peek() == Some(&"super") {
                rest.next();
                module.pop();
            }
            module.first().map(|name| (*name).to_owned()).or_else(|| rest.next().map(str::to_owned))
        }
        _ => None,
    }
}

/// Up to the tests, which stand last.
fn without_tests(text: &str) -> String {
    let marks = ["#[cfg(test)]\nmod tests {", "#[cfg(test)]\npub(crate) mod tests {"];
    let end = marks.iter().filter_map(|mark| text.find(mark)).min().unwrap_or(text.len());
    text[..end].to_owned()
}

/// Neither comments nor what stands in quotes.
fn without_comments(text: &str) -> String {
    let mut code = String::new();
    for line in text.lines() {
        let mut quoted = false;
        let mut last = ' ';
        for c in line.chars() {
            if c == '"' && last != '\\' && last != '\'' {
                quoted = !quoted;
            } else if !quoted && c == '/' && last == '/' {
                code.pop();
                break;
            } else if !quoted {
                code.push(c);
            }
            last = c;
        }
        code.push('\n');
    }
    code
}

/// The paths of `use` trees, spelled out, and those within the code.
fn paths_in(code: &str) -> Vec<String> {
    let mut paths = Vec::new();
    let mut rest = String::new();
    let mut lines = code.lines();
    while let Some(line) = lines.next() {
        let Some(tree) = use_tree(line) else {
            rest.push_str(line);
            rest.push('\n');
            continue;
        };
        let mut tree = tree.to_owned();
        while !tree.contains(';') {
            tree.push_str(lines.next().expect("a `use` has an end"));
        }
        expand("", tree.split(';').next().unwrap(), &mut paths);
    }
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let words = rest.split(|c: char| !is_part(c)).map(|word| word.trim_matches(':'));
    paths.extend(words.filter(|word| word.contains("::")).map(str::to_owned));
    paths
}

/// What stands after `use`, whoever may see it.
fn use_tree(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let line = match line.strip_prefix("pub") {
        Some(rest) if rest.starts_with('(') => rest.split_once(')')?.1.trim_start(),
        Some(rest) => rest.trim_start(),
        None => line,
    };
    line.strip_prefix("use ")
}

/// `a::{b, c::d}` as `a::b` and `a::c::d`.
fn expand(prefix: &str, tree: &str, paths: &mut Vec<String>) {
    let tree = tree.trim();
    let joined = |name: &str| if prefix.is_empty() { name.to_owned() } else { format!("{prefix}::{name}") };
    if let Some((head, group)) = tree.split_once('{') {
        let prefix = joined(head.trim().trim_end_matches(':'));
        let group = group.trim().strip_suffix('}').expect("a group has an end");
        let (mut depth, mut start) = (0, 0);
        for (at, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    expand(&prefix, &group[start..at], paths);
                    start = at + 1;
                }
                _ => {}
            }
        }
        expand(&prefix, &group[start..], paths);
    } else if tree == "self" {
        paths.push(prefix.to_owned());
    } else if !tree.is_empty() {
        paths.push(joined(tree.split(" as ").next().unwrap().trim()));
    }
}
