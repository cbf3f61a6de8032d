//! What a site's robots.txt allows cairn: <https://www.rfc-editor.org/rfc/rfc9309>.
//!
//! The group for `cairn` counts, else the one for `*`. Of the rules that match, the longest wins, and of two that are
//! equal the one that allows. `Crawl-delay` is in no standard, and is kept to. Any bytes make rules, if only none.

use std::time::Duration;

use super::super::address::unescaped;

/// The name that robots.txt calls cairn by.
const AGENT: &str = "cairn";
/// More than this is not read: the least that crawlers must read, by the standard.
pub(super) const BYTES_MAX: u64 = 500 << 10;
/// A site that wants to be asked less often than once a minute is asked once a minute: more is a mistake, mostly one of
/// units.
const DELAY_SECONDS_MAX: f64 = 60.0;

/// The rules for cairn.
#[derive(Debug, Default)]
pub(super) struct Robots {
    rules: Vec<Rule>,
    /// Least time between two requests.
    pub(super) delay: Duration,
}

#[derive(Debug)]
struct Rule {
    allows: Verdict,
    /// Parts between the stars.
    parts: Vec<String>,
    ends: End,
    length: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Disallow,
    Allow,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    /// The pattern ends in `$`.
    Here,
}

impl Robots {
    pub(super) fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let lines: Vec<(String, &str)> = text.trim_start_matches('\u{feff}').lines().filter_map(field).collect();
        if lines.iter().any(|(key, agent)| key == "user-agent" && is_cairn(agent)) {
            Self::of_group(&lines, is_cairn)
        } else {
            Self::of_group(&lines, |agent| agent == "*")
        }
    }

    /// `path` with its query, as in a request.
    pub(super) fn allows(&self, path: &str) -> bool {
        let path = unescaped(path);
        let matching = self.rules.iter().filter(|rule| rule.matches(&path));
        let strongest = matching.max_by_key(|rule| (rule.length, rule.allows));
        strongest.is_none_or(|rule| rule.allows == Verdict::Allow)
    }

    /// Groups for the same agent are one group.
    fn of_group(lines: &[(String, &str)], is_meant: impl Fn(&str) -> bool) -> Self {
        let mut robots = Self::default();
        let (mut in_group, mut after_agent) = (false, false);
        for (key, value) in lines {
            let is_agent = key == "user-agent";
            if is_agent {
                in_group = is_meant(value) || (in_group && after_agent);
            }
            match key.as_str() {
                "allow" if in_group => robots.rules.extend(Rule::new(Verdict::Allow, value)),
                "disallow" if in_group => robots.rules.extend(Rule::new(Verdict::Disallow, value)),
                "crawl-delay" if in_group => {
                    let seconds = value.parse::<f64>().unwrap_or(0.0).clamp(0.0, DELAY_SECONDS_MAX);
                    robots.delay = Duration::try_from_secs_f64(seconds).unwrap_or_default();
                }
                _ => {}
            }
            after_agent = is_agent;
        }
        robots
    }
}

impl Rule {
    /// None: an empty pattern, which rules nothing.
    fn new(allows: Verdict, pattern: &str) -> Option<Self> {
        let (body, ends) = match pattern.strip_suffix('$') {
            Some(body) => (body, End::Here),
            None => (pattern, End::Open),
        };
        let parts = body.split('*').map(unescaped).collect();
        (!pattern.is_empty()).then_some(Self { allows, parts, ends, length: pattern.len() })
    }

    /// Each part at its first place after the one before: enough, since a star takes anything.
    fn matches(&self, path: &str) -> bool {
        let Some((first, others)) = self.parts.split_first() else { return true };
        let Some(mut rest) = path.strip_prefix(first.as_str()) else { return false };
        let Some((last, middle)) = others.split_last() else { return self.ends == End::Open || rest.is_empty() };
        for part in middle {
            let Some((_, after)) = rest.split_once(part.as_str()) else { return false };
            rest = after;
        }
        match self.ends {
            End::Open => rest.contains(last.as_str()),
            End::Here => rest.ends_with(last.as_str()),
        }
    }
}

fn field(line: &str) -> Option<(String, &str)> {
    let line = line.split_once('#').map_or(line, |(before, _)| before);
    let (key, value) = line.split_once(':')?;
    Some((key.trim().to_ascii_lowercase(), value.trim()))
}

/// `Cairn/1.0` is cairn, and `cairngorm` isn't.
fn is_cairn(agent: &str) -> bool {
    let end = agent.find(|c: char| !c.is_ascii_alphabetic() && c != '-' && c != '_');
    end.and_then(|end| agent.get(..end)).unwrap_or(agent).eq_ignore_ascii_case(AGENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(robots: &str, allowed: &[&str], disallowed: &[&str]) {
        let robots = Robots::parse(robots.as_bytes());
        for path in allowed {
            assert!(robots.allows(path), "{path}");
        }
        for path in disallowed {
            assert!(!robots.allows(path), "{path}");
        }
    }

    #[test]
    fn nothing_said_allows_everything() {
        check("", &["/", "/a"], &[]);
        check("User-agent: *\nDisallow:\n", &["/", "/a"], &[]);
        check("<html>not found</html>", &["/"], &[]);
    }

    #[test]
    fn the_group_for_cairn_counts_and_no_other() {
        let text = "User-agent: other\nDisallow: /\n\nUser-agent: *\nDisallow: /all\nUser-Agent: x\n\
                    user-agent: Cairn/2\nDisallow: /ours # why\nUser-agent: cairngorm\nDisallow: /theirs\n\
                    User-agent: cairn\nDisallow: /more";
        check(text, &["/all", "/theirs"], &["/ours", "/more"]);
        check("User-agent: *\nDisallow: /all", &["/"], &["/all/x"]);
    }

    #[test]
    fn the_longest_rule_wins_and_of_equals_the_one_that_allows() {
        let text = "user-agent: *\ndisallow: /a\nallow: /a/b\ndisallow: /a/b/c\nallow: /x\ndisallow: /x";
        check(text, &["/a/b/d", "/x"], &["/a/z", "/a/b/c"]);
    }

    #[test]
    fn stars_and_ends_match_as_the_standard_says() {
        let text = "user-agent: *\ndisallow: /*.gif$\ndisallow: /p*q*r\ndisallow: /exact$\ndisallow: /*?print";
        check(text, &["/a.gif?x", "/pr", "/exactly", "/prqx"], &["/x/a.gif", "/p1q2r3", "/exact", "/a?print=1"]);
        check("user-agent: *\ndisallow: *", &[], &["/", "/a"]);
        check("user-agent: *\ndisallow: /ab*ab$", &["/ab"], &["/abab", "/abxab"]);
    }

    #[test]
    fn paths_are_compared_by_what_they_mean() {
        check("user-agent: *\ndisallow: /%7ejoe\ndisallow: /a%3cb", &["/joe"], &["/~joe", "/%7Ejoe", "/a%3Cb"]);
    }

    #[test]
    fn a_delay_is_kept_to_and_nonsense_is_none() {
        let delay = |value: &str| Robots::parse(format!("user-agent: *\ncrawl-delay: {value}").as_bytes()).delay;
        assert_eq!(delay("1.5"), Duration::from_millis(1_500));
        for nonsense in ["-1", "NaN", "soon"] {
            assert_eq!(delay(nonsense), Duration::ZERO, "{nonsense}");
        }
        assert_eq!(delay("inf"), Duration::from_secs(60));
    }
}
