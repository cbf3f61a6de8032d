//! Documents of the web: pages that somebody names, those of a sitemap, and those that a crawl of one site finds.
//!
//! A crawl keeps to one host and one folder of it, goes only so deep and so far, asks one thing after the other and no
//! faster than it may, and does what robots.txt and the pages ask of it. What it has to read in order to find links it
//! holds, so that [`WebSource::fetch`] need not ask again; and it remembers the links of pages, so that the next run
//! need not read what has not changed.

mod client;
mod memory;
mod page;
mod robots;
mod sitemap;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::Url;

use super::address::{Site, canonical, file_name};
use super::guard::{Guard, Reach};
use super::pattern::Patterns;
use super::{Content, Entry, Fetched, Item, Limits, Listing, Skip, SourceError, bounded};
use client::{Ask, Client, Found, Redirects, Reply};
pub use memory::Memory;
use memory::Remembered;
use robots::Robots;

/// The most bytes of pages that a crawl holds until they are fetched. What is more than that is asked for again.
const HELD_BYTES_MAX: usize = 64 << 20;
/// The most URLs of one site that a crawl keeps apart.
const URLS_SEEN_MAX: usize = 200_000;
/// An index of sitemaps names sitemaps, by the protocol. Some name further indexes.
const SITEMAP_DEPTH_MAX: usize = 3;
const SITEMAPS_MAX: usize = 1_000;

/// What a web source is told.
#[derive(Debug, Clone)]
pub struct Web {
    pub pages: Pages,
    pub patterns: Patterns,
    /// Least time between two requests; a site's robots.txt can ask for more.
    pub interval: Duration,
    pub reach: Reach,
}

/// Which pages are meant. All URLs are in their one spelling.
#[derive(Debug, Clone)]
pub enum Pages {
    Named(Vec<Url>),
    Sitemap(Url),
    Crawl { start: Url, depth_max: usize, pages_max: usize },
}

/// The one spelling of a URL that somebody wrote. None: it is none that can be asked for.
pub fn parse_url(text: &str) -> Option<Url> {
    Url::parse(text.trim()).ok().and_then(canonical)
}

pub struct WebSource {
    web: Web,
    limits: Limits,
    client: Client,
    robots: Mutex<Option<Arc<Robots>>>,
    held: Mutex<Held>,
    memory: Mutex<Arc<Memory>>,
}

impl WebSource {
    /// `memory` is what [`memory`](Self::memory) gave after an earlier run, or a new one.
    pub fn new(web: Web, limits: Limits, memory: Memory) -> Result<Self, SourceError> {
        let guard = match &web.pages {
            Pages::Named(urls) => Guard::new(&web.reach, urls),
            Pages::Sitemap(start) | Pages::Crawl { start, .. } => Guard::new(&web.reach, [start]),
        };
        let client = Client::new(guard, web.interval, limits.fetch_time_max)?;
        let memory = Mutex::new(Arc::new(memory));
        Ok(Self { web, limits, client, robots: Mutex::default(), held: Mutex::default(), memory })
    }

    /// What the last crawl that ended well found where.
    pub fn memory(&self) -> Arc<Memory> {
        Arc::clone(&self.memory.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn list(&self) -> Listing<'_> {
        match &self.web.pages {
            Pages::Named(urls) => Box::pin(futures::stream::iter(urls.iter().map(|url| Ok(entry(url, None))))),
            Pages::Sitemap(start) => bounded(start.to_string(), &self.limits, self.read_sitemaps(start)),
            Pages::Crawl { start, depth_max, pages_max } => {
                let crawl = self.crawl(start, *depth_max, *pages_max);
                bounded(start.to_string(), &self.limits, crawl)
            }
        }
    }

    pub async fn fetch(&self, item: &Item, known: Option<&str>) -> Result<Fetched, SourceError> {
        let no_url = || SourceError::invalid(&item.external_id, "it is no web address");
        let url = parse_url(&item.external_id).ok_or_else(no_url)?;
        match self.take_held(url.as_str()) {
            _ if item.is(known) => return Ok(Fetched::Unchanged),
            Some(content) => return Ok(Fetched::Content(content)),
            None => {}
        }
        match &self.web.pages {
            Pages::Named(_) => {
                let site = Site::of(&url);
                match self.get(&url, known, &|url| inside(site.has(url)), Redirects::Follow).await? {
                    // Somebody names this page, so it is not crawled, and what it asks of crawlers is of no matter.
                    Reply::Found(found) => Ok(Fetched::Content(found.content)),
                    Reply::Skipped(Skip::Elsewhere) => {
                        Err(SourceError::invalid(url.as_str(), "it is redirected to another site: name that one"))
                    }
                    reply @ (Reply::Unchanged | Reply::Skipped(_) | Reply::Moved(_)) => Ok(fetched(reply)),
                }
            }
            Pages::Sitemap(start) | Pages::Crawl { start, .. } => {
                let (site, robots) = (Site::of(start), self.robots(start).await?);
                let gate = |url: &Url| inside(site.has(url)).and_then(|()| welcome(&robots, url));
                Ok(fetched(self.get(&url, known, &gate, Redirects::Follow).await?))
            }
        }
    }

    fn read_sitemaps<'a>(&'a self, start: &'a Url) -> Listing<'a> {
        Box::pin(async_stream::try_stream! {
            let (site, robots) = (Site::of(start), self.robots_now(start).await?);
            let gate = |url: &Url| inside(site.has(url)).and_then(|()| welcome(&robots, url));
            let mut sitemaps = VecDeque::from([(start.clone(), 1)]);
            let mut seen = BTreeSet::from([start.clone()]);
            while let Some((url, depth)) = sitemaps.pop_front() {
                let sitemap = match self.sitemap(&url, &gate).await {
                    Ok(sitemap) => sitemap,
                    Err(error) if url == *start => Err(error)?,
                    Err(error) => {
                        yield Entry::Problem { external_id: url.into(), error };
                        continue;
                    }
                };
                for external_id in sitemap.invalid {
                    let error = SourceError::invalid(&external_id, format!("{url} names it, and it is no web address"));
                    yield Entry::Problem { external_id, error };
                }
                for page in sitemap.pages.into_iter().filter(|page| seen.insert(page.clone())) {
                    match gate(&page).and_then(|()| wanted(self.web.patterns.wants(page.path()))) {
                        Ok(()) => yield entry(&page, None),
                        Err(why) => yield Entry::Skipped { external_id: page.into(), why },
                    }
                }
                let further: Vec<Url> = sitemap.sitemaps.into_iter().filter(|url| seen.insert(url.clone())).collect();
                for url in further {
                    if depth == SITEMAP_DEPTH_MAX {
                        yield Entry::Skipped { external_id: url.into(), why: Skip::Depth };
                    } else {
                        sitemaps.push_back((url, depth + 1));
                    }
                }
                if sitemaps.len() > SITEMAPS_MAX {
                    let what = start.to_string();
                    Err(SourceError::TooMany { what, count_max: SITEMAPS_MAX, things: "sitemaps" })?;
                }
            }
        })
    }

    async fn sitemap(&self, url: &Url, gate: Gate<'_>) -> Result<sitemap::Sitemap, SourceError> {
        let bytes_max = sitemap::BYTES_MAX;
        let ask = Ask { known: None, gate, redirects: Redirects::Follow, reads: |_| true, bytes_max };
        let bytes = match self.client.get(url, ask).await? {
            Reply::Found(found) if found.content.bytes.starts_with(&[0x1f, 0x8b]) => {
                client::unpacked(url, found.content.bytes, bytes_max).await?
            }
            Reply::Found(found) => found.content.bytes,
            Reply::Skipped(_) | Reply::Moved(_) | Reply::Unchanged => {
                let reason = "it is on another site, or robots.txt asks cairn not to read it";
                return Err(SourceError::denied(url.as_str(), reason));
            }
        };
        sitemap::parse(&bytes).map_err(|reason| SourceError::invalid(url.as_str(), reason))
    }

    fn crawl<'a>(&'a self, start: &'a Url, depth_max: usize, pages_max: usize) -> Listing<'a> {
        Box::pin(async_stream::try_stream! {
            let (site, robots) = (Site::of(start), self.robots_now(start).await?);
            let gate = |url: &Url| inside(site.holds(url)).and_then(|()| welcome(&robots, url));
            let (before, mut memory) = (self.memory(), Memory::default());
            *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Held::default();
            let mut frontier = VecDeque::from([(start.clone(), 0)]);
            let mut seen = BTreeSet::from([start.clone()]);
            let mut pages = 0;
            while let Some((url, depth)) = frontier.pop_front() {
                if pages == pages_max {
                    Err(SourceError::TooMany { what: start.to_string(), count_max: pages_max, things: "pages" })?;
                }
                pages += 1;
                let visit = match self.visit(&url, &gate, &before).await {
                    Ok(Visit::Page(page)) => page,
                    other if url == *start && !matches!(other, Ok(Visit::Moved(_))) => Err(no_start(start, other))?,
                    Ok(Visit::Moved(to)) if site.holds(&to) => {
                        if seen.insert(to.clone()) {
                            frontier.push_front((to, depth)); // In its place.
                        }
                        continue;
                    }
                    Ok(Visit::Moved(to)) if url == *start => Err(no_start(start, Ok(Visit::Moved(to))))?,
                    Ok(Visit::Moved(_)) => {
                        yield Entry::Skipped { external_id: url.into(), why: Skip::Elsewhere };
                        continue;
                    }
                    Ok(Visit::Skipped(why)) => {
                        yield Entry::Skipped { external_id: url.into(), why };
                        continue;
                    }
                    Err(error) => {
                        yield not_read(url, error);
                        continue;
                    }
                };
                let links = visit.links.iter().filter(|link| site.holds(link));
                memory.note(&url, &visit, links.clone());
                for link in links {
                    if self.web.patterns.excludes(link.path()) || !seen.insert(link.clone()) {
                        continue;
                    } else if depth == depth_max {
                        yield Entry::Skipped { external_id: link.to_string(), why: Skip::Depth };
                    } else if seen.len() > URLS_SEEN_MAX {
                        let what = start.to_string();
                        Err(SourceError::TooMany { what, count_max: URLS_SEEN_MAX, things: "links" })?;
                    } else {
                        frontier.push_back((link.clone(), depth + 1));
                    }
                }
                yield if visit.no_index {
                    Entry::Skipped { external_id: url.into(), why: Skip::NoIndex }
                } else if self.web.patterns.wants(url.path()) {
                    entry(&url, visit.revision)
                } else {
                    Entry::Skipped { external_id: url.into(), why: Skip::Pattern }
                };
            }
            *self.memory.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(memory);
        })
    }

    /// Reads one page of a crawl, or remembers it.
    async fn visit(&self, url: &Url, gate: Gate<'_>, before: &Memory) -> Result<Visit, SourceError> {
        let remembered = before.recall(url);
        let known = remembered.as_ref().and_then(|page| page.revision.as_deref());
        Ok(match (self.get(url, known, gate, Redirects::Tell).await?, remembered) {
            (Reply::Found(found), _) => Visit::Page(self.hold(url, *found)),
            (Reply::Unchanged, Some(page)) => Visit::Page(page),
            (Reply::Unchanged, None) => {
                return Err(SourceError::invalid(url.as_str(), "it is said to be unchanged, and was never seen"));
            }
            (Reply::Moved(to), _) => Visit::Moved(to),
            (Reply::Skipped(why), _) => Visit::Skipped(why),
        })
    }

    /// Keeps the content for [`fetch`](Self::fetch), while there is room, and gives the rest.
    fn hold(&self, url: &Url, found: Found) -> Remembered {
        let Found { content, is_html, charset, mut wishes } = found;
        let mut links = BTreeSet::new();
        if is_html {
            let page = page::read(url, &content.bytes, charset.as_deref());
            wishes.no_index |= page.wishes.no_index;
            wishes.no_follow |= page.wishes.no_follow;
            links = if wishes.no_follow { BTreeSet::new() } else { page.links };
        }
        let revision = content.revision.clone();
        if !wishes.no_index {
            self.held.lock().unwrap_or_else(PoisonError::into_inner).put(url.to_string(), content);
        }
        Remembered { revision, links, no_index: wishes.no_index }
    }

    fn take_held(&self, external_id: &str) -> Option<Content> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).take(external_id)
    }

    async fn get(&self, url: &Url, known: Option<&str>, gate: Gate<'_>, on: Redirects) -> Result<Reply, SourceError> {
        let Limits { reads, file_bytes_max: bytes_max, .. } = self.limits;
        self.client.get(url, Ask { known, gate, redirects: on, reads, bytes_max }).await
    }

    /// The rules as they were when the site was last listed.
    async fn robots(&self, start: &Url) -> Result<Arc<Robots>, SourceError> {
        let loaded = self.robots.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match loaded {
            Some(robots) => Ok(robots),
            None => self.robots_now(start).await,
        }
    }

    /// A site without rules allows all; one whose rules can't be had just now allows nothing.
    async fn robots_now(&self, start: &Url) -> Result<Arc<Robots>, SourceError> {
        let mut url = start.clone();
        url.set_path("/robots.txt");
        url.set_query(None);
        let site = Site::of(start);
        let gate = |url: &Url| inside(site.has(url));
        let ask = Ask {
            known: None,
            gate: &gate,
            redirects: Redirects::Follow,
            reads: |_| true,
            bytes_max: robots::BYTES_MAX,
        };
        let robots = match self.client.get(&url, ask).await {
            Ok(Reply::Found(found)) => Robots::parse(&found.content.bytes),
            Ok(Reply::Skipped(_) | Reply::Moved(_) | Reply::Unchanged) => Robots::default(),
            Err(SourceError::NotFound { .. } | SourceError::Denied { .. }) => Robots::default(),
            Err(error) => return Err(error),
        };
        self.client.slow_down(robots.delay);
        let robots = Arc::new(robots);
        *self.robots.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&robots));
        Ok(robots)
    }
}

type Gate<'a> = &'a (dyn Fn(&Url) -> Result<(), Skip> + Send + Sync);

/// What came of one page of a crawl.
#[derive(Debug)]
enum Visit {
    Page(Remembered),
    Moved(Url),
    Skipped(Skip),
}

fn inside(is_inside: bool) -> Result<(), Skip> {
    if is_inside { Ok(()) } else { Err(Skip::Elsewhere) }
}

fn wanted(is_wanted: bool) -> Result<(), Skip> {
    if is_wanted { Ok(()) } else { Err(Skip::Pattern) }
}

fn welcome(robots: &Robots, url: &Url) -> Result<(), Skip> {
    let path = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
    if robots.allows(&path) { Ok(()) } else { Err(Skip::Robots) }
}

fn entry(url: &Url, revision: Option<String>) -> Entry {
    Entry::Item(Item { external_id: url.to_string(), name: file_name(url, None), bytes: None, revision })
}

fn fetched(reply: Reply) -> Fetched {
    match reply {
        Reply::Unchanged => Fetched::Unchanged,
        Reply::Skipped(why) => Fetched::Skipped(why),
        Reply::Moved(_) => Fetched::Skipped(Skip::Elsewhere),
        Reply::Found(found) => {
            let Found { content, is_html, charset, mut wishes } = *found;
            if is_html && let Some(url) = parse_url("http://page.invalid/") {
                wishes.no_index |= page::read(&url, &content.bytes, charset.as_deref()).wishes.no_index;
            }
            if wishes.no_index { Fetched::Skipped(Skip::NoIndex) } else { Fetched::Content(content) }
        }
    }
}

/// A page that is linked and can't be read. Links break: that is no problem of the source.
fn not_read(url: Url, error: SourceError) -> Entry {
    let external_id = url.into();
    match error {
        SourceError::NotFound { .. } => Entry::Skipped { external_id, why: Skip::Gone },
        SourceError::Denied { .. } => Entry::Skipped { external_id, why: Skip::Forbidden },
        SourceError::Unavailable { .. }
        | SourceError::Invalid { .. }
        | SourceError::TooLarge { .. }
        | SourceError::TooMany { .. } => Entry::Problem { external_id, error },
    }
}

/// Why there is nothing to crawl: an empty listing would be taken for an empty site.
fn no_start(start: &Url, visit: Result<Visit, SourceError>) -> SourceError {
    let start = start.as_str();
    match visit {
        Err(error) => error,
        Ok(Visit::Skipped(Skip::Robots)) => SourceError::denied(start, "the site's robots.txt asks cairn to stay out"),
        Ok(Visit::Moved(to)) => SourceError::invalid(start, format!("it is redirected to {to}: name that one")),
        Ok(Visit::Skipped(_) | Visit::Page(_)) => {
            SourceError::invalid(start, "it is no page that a crawl can begin at")
        }
    }
}

/// Contents that were read and not yet fetched.
#[derive(Default)]
struct Held {
    contents: HashMap<String, Content>,
    bytes: usize,
}

impl Held {
    fn put(&mut self, external_id: String, content: Content) {
        self.take(&external_id);
        let bytes = content.bytes.len();
        if self.bytes.saturating_add(bytes) <= HELD_BYTES_MAX {
            self.bytes += bytes;
            self.contents.insert(external_id, content);
        }
    }

    fn take(&mut self, external_id: &str) -> Option<Content> {
        let content = self.contents.remove(external_id)?;
        self.bytes = self.bytes.saturating_sub(content.bytes.len());
        Some(content)
    }
}
