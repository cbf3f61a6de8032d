//! Which paths of a source are wanted, by patterns like those of `.gitignore`.
//!
//! `*` stays within one folder, `**` doesn't. A pattern without a slash counts at any depth: `*.md` is `**/*.md`. No
//! included pattern means everything; what is excluded stays out whatever includes it. The same for a folder's files, a
//! repository's, the keys of a bucket and the paths of a site.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// A choice of paths, which have `/` between their parts and none at the beginning.
#[derive(Debug, Clone, Default)]
pub struct Patterns {
    /// None: everything.
    include: Option<GlobSet>,
    exclude: GlobSet,
}

/// A pattern that means nothing.
#[derive(Debug, thiserror::Error)]
#[error("{pattern:?} is no pattern: {reason}")]
pub struct InvalidPattern {
    pattern: String,
    reason: String,
}

impl Patterns {
    pub fn new(include: &[String], exclude: &[String]) -> Result<Self, InvalidPattern> {
        let include = if include.is_empty() { None } else { Some(set(include)?) };
        Ok(Self { include, exclude: set(exclude)? })
    }

    pub fn wants(&self, path: &str) -> bool {
        let path = path.trim_start_matches('/');
        self.include.as_ref().is_none_or(|include| include.is_match(path)) && !self.exclude.is_match(path)
    }

    /// Whether it is left out by name, and not just wanted by none.
    pub fn excludes(&self, path: &str) -> bool {
        self.exclude.is_match(path.trim_start_matches('/'))
    }
}

fn set(patterns: &[String]) -> Result<GlobSet, InvalidPattern> {
    let invalid = |pattern: &str, error: &globset::Error| InvalidPattern {
        pattern: pattern.to_owned(),
        reason: error.kind().to_string(),
    };
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let whole = match pattern.trim_start_matches('/') {
            "" => return Err(InvalidPattern { pattern: pattern.clone(), reason: "it is empty".into() }),
            name if !pattern.contains('/') => format!("**/{name}"),
            path => path.to_owned(),
        };
        let glob = GlobBuilder::new(&whole).literal_separator(true).backslash_escape(true).build();
        set.add(glob.map_err(|error| invalid(pattern, &error))?);
    }
    set.build().map_err(|error| invalid(&patterns.join(" "), &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(include: &[&str], exclude: &[&str]) -> Patterns {
        let owned = |list: &[&str]| list.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>();
        Patterns::new(&owned(include), &owned(exclude)).unwrap()
    }

    #[test]
    fn nothing_said_wants_everything() {
        assert!(patterns(&[], &[]).wants("a/b.md"));
    }

    #[test]
    fn a_name_counts_at_any_depth_and_a_path_where_it_says() {
        let chosen = patterns(&["*.md", "docs/*.txt", "/api/**"], &[]);
        for (path, wanted) in [
            ("a.md", true),
            ("x/y/a.md", true),
            ("docs/a.txt", true),
            ("docs/x/a.txt", false),
            ("x/docs/a.txt", false),
            ("api/v1/a.html", true),
            ("/api/a", true),
            ("a.rst", false),
        ] {
            assert_eq!(chosen.wants(path), wanted, "{path}");
        }
    }

    #[test]
    fn what_is_excluded_stays_out_whatever_includes_it() {
        let chosen = patterns(&["**/*.md"], &["drafts/**", "CHANGELOG.md"]);
        assert!(chosen.wants("a.md"));
        assert!(!chosen.wants("drafts/a.md"));
        assert!(!chosen.wants("x/CHANGELOG.md"));
    }

    #[test]
    fn a_pattern_that_means_nothing_is_an_error_that_names_it() {
        let error = Patterns::new(&["a[".into()], &[]).unwrap_err().to_string();
        assert!(error.contains("\"a[\""), "{error}");
        assert!(Patterns::new(&[], &[String::new()]).is_err());
    }
}
