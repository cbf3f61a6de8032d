//! What a crawl remembers of a site's pages: their revisions, and where they lead.
//!
//! An unchanged page is not sent again, and its links are needed all the same. Kept between runs by whoever runs the
//! crawl; without it the crawl is as right, and reads everything again. URLs are kept once and named by number, because
//! every page of a site leads to many of the others.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use reqwest::Url;
use serde::{Deserialize, Serialize};

/// The pages of one crawl that have a revision.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Memory {
    urls: Vec<String>,
    pages: BTreeMap<String, Page>,
    #[serde(skip)]
    numbers: HashMap<String, usize>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Page {
    revision: String,
    /// Numbers of `urls`.
    links: Vec<usize>,
    no_index: bool,
}

/// What is known of a page without its text.
#[derive(Debug)]
pub(super) struct Remembered {
    pub(super) revision: Option<String>,
    pub(super) links: BTreeSet<Url>,
    pub(super) no_index: bool,
}

impl Memory {
    pub(super) fn note<'a>(&mut self, url: &Url, page: &Remembered, links: impl Iterator<Item = &'a Url>) {
        let Some(revision) = page.revision.clone() else { return };
        let links = links.map(|link| self.number(link.as_str())).collect();
        self.pages.insert(url.to_string(), Page { revision, links, no_index: page.no_index });
    }

    pub(super) fn recall(&self, url: &Url) -> Option<Remembered> {
        let page = self.pages.get(url.as_str())?;
        let links = page.links.iter().filter_map(|number| Url::parse(self.urls.get(*number)?).ok()).collect();
        Some(Remembered { revision: Some(page.revision.clone()), links, no_index: page.no_index })
    }

    fn number(&mut self, url: &str) -> usize {
        if let Some(number) = self.numbers.get(url) {
            return *number;
        }
        let number = self.urls.len();
        self.urls.push(url.to_owned());
        self.numbers.insert(url.to_owned(), number);
        number
    }
}
