//! A configuration file's text in, the same text with one key set out: every other line, comments too, stays as it is.

use anyhow::{Context, bail};

/// A key that a threshold is written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    section: &'static str,
    key: &'static str,
}

pub const RELEVANCE_MIN: Setting = Setting { section: "retrieval", key: "relevance_min" };
pub const RETRACT_BELOW: Setting = Setting { section: "answer", key: "retract_below" };

impl Setting {
    /// As people name it: `retrieval.relevance_min`.
    pub fn name(self) -> String {
        format!("{}.{}", self.section, self.key)
    }

    /// The file's text with the key set to this.
    pub fn written(self, text: &str, threshold: f64) -> anyhow::Result<String> {
        let line = format!("{} = {threshold}", self.key);
        let header = format!("[{}]", self.section);
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        match lines.iter().position(|line| line.trim() == header) {
            None => {
                if lines.last().is_some_and(|last| !last.is_empty()) {
                    lines.push(String::new());
                }
                lines.extend([header, line]);
            }
            Some(at) => {
                let end = lines.iter().skip(at + 1).position(|line| line.trim_start().starts_with('['));
                let end = end.map_or(lines.len(), |length| at + 1 + length);
                let known = lines.get(at..end).and_then(|section| section.iter().position(|line| self.is_set_in(line)));
                match known.and_then(|place| lines.get_mut(at + place)) {
                    Some(place) => *place = line,
                    None => lines.insert(at + 1, line),
                }
            }
        }
        let written = lines.join("\n") + "\n";
        let table: toml::Table =
            toml::from_str(&written).context("the file is no TOML that one line can be changed of")?;
        if self.value(&table).is_none_or(|found| (found - threshold).abs() > 1e-9) {
            bail!("the file has {} in another form: set it to {threshold} by hand", self.name());
        }
        Ok(written)
    }

    fn is_set_in(self, line: &str) -> bool {
        line.trim_start().strip_prefix(self.key).is_some_and(|rest| rest.trim_start().starts_with('='))
    }

    fn value(self, table: &toml::Table) -> Option<f64> {
        let found = table.get(self.section)?.get(self.key)?;
        let whole = || found.as_integer().and_then(|whole| i32::try_from(whole).ok()).map(f64::from);
        found.as_float().or_else(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_file_keeps_all_but_the_one_line() {
        let text = "# mine\n[chat]\nmodel = \"x\"\n\n[retrieval]\n# few\npassages_max = 4\nrelevance_min = 0.5 # old\n";
        let written = |text: &str| RELEVANCE_MIN.written(text, 0.62);
        assert_eq!(written(text).unwrap(), text.replace("relevance_min = 0.5 # old", "relevance_min = 0.62"));
        assert_eq!(written("").unwrap(), "[retrieval]\nrelevance_min = 0.62\n");
        assert_eq!(written("[retrieval]\n[chat]\n").unwrap(), "[retrieval]\nrelevance_min = 0.62\n[chat]\n");
        assert!(written("retrieval = { relevance_min = 0.5 }\n").is_err());
        assert!(written("[[[").is_err());
        let beside = RETRACT_BELOW.written("[answer]\nunsupported = \"retract\"\n", 1.0).unwrap();
        assert_eq!(beside, "[answer]\nretract_below = 1\nunsupported = \"retract\"\n");
    }
}
