//! Pages that are named, sitemaps and crawls, against a site that the test makes.

use std::io::Write;
use std::time::{Duration, Instant};

use cairn::error::Class;
use cairn::ingest::source::pattern::Patterns;
use cairn::ingest::source::web::{Memory, Pages, Web, WebSource, parse_url};
use cairn::ingest::source::{Fetched, Limits, Reach, Skip, Source};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::site::{Site, endless, file, html, redirect, status};
use super::{LIMITS, Listed, list, text};

fn web(pages: Pages) -> Web {
    Web { pages, patterns: Patterns::default(), interval: Duration::ZERO, reach: Reach::default() }
}

fn source(pages: Pages) -> Source {
    Source::Web(Box::new(WebSource::new(web(pages), LIMITS, Memory::default()).unwrap()))
}

fn named(urls: &[String]) -> Source {
    source(Pages::Named(urls.iter().map(|url| parse_url(url).unwrap()).collect()))
}

fn crawl(site: &Site, path: &str) -> Pages {
    Pages::Crawl { start: parse_url(&format!("{}{path}", site.url)).unwrap(), depth_max: 5, pages_max: 100 }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

/// A small handbook: a start page, two pages, one of them linked from the other alone, and a PDF.
async fn handbook() -> Site {
    let site = Site::start().await;
    site.put("/docs/", html("<a href=a>a</a> <a href='/blog/x'>blog</a> <a href='#top'>top</a>").with("etag", "\"1\""))
        .put("/docs/a", html("<a href=b.html?x=1#y>b</a><a href='.'>up</a>").with("etag", "\"a1\""))
        .put("/docs/b.html?x=1", html("<a href=c.pdf>c</a>").with("etag", "\"b1\""))
        .put("/docs/c.pdf", file("application/pdf", "%PDF"))
        .put("/blog/x", html("elsewhere"));
    site
}

#[tokio::test]
async fn a_crawl_finds_what_is_linked_below_its_start_and_fetches_nothing_twice() {
    let site = handbook().await;
    let source = source(crawl(&site, "/docs/"));
    let listed = list(&source).await;
    assert_eq!(listed.ids(&site.url), ["/docs/", "/docs/a", "/docs/b.html?x=1", "/docs/c.pdf"]);
    assert_eq!(listed.skipped, []);
    let asked = site.asked();
    assert!(asked.iter().all(|asked| asked.agent.starts_with("cairn/")));
    let paths: Vec<&str> = asked.iter().map(|asked| asked.path.as_str()).collect();
    assert_eq!(paths, ["/robots.txt", "/docs/", "/docs/a", "/docs/b.html?x=1", "/docs/c.pdf"]);

    let Ok(Fetched::Content(page)) = source.fetch(listed.item("/docs/a"), None).await else { panic!() };
    assert_eq!((page.name.as_str(), page.revision.as_deref()), ("a.html", Some("etag \"a1\"")));
    assert_eq!(text(source.fetch(listed.item("c.pdf"), None).await), "%PDF");
    assert_eq!(site.paths(), [""; 0], "what the crawl has read is not asked for again");
    assert_eq!(text(source.fetch(listed.item("c.pdf"), None).await), "%PDF");
    assert_eq!(site.paths(), ["/docs/c.pdf"], "what is held is held once");
    let start = listed.item("/docs/");
    assert_eq!(source.fetch(start, start.revision.as_deref()).await.unwrap(), Fetched::Unchanged);
    assert!(text(source.fetch(start, None).await).contains("blog"));
    assert_eq!(site.paths(), ["/docs/"], "what nobody needs is not held");
}

#[tokio::test]
async fn a_second_crawl_reads_only_what_changed_and_finds_the_same() {
    let site = handbook().await;
    let first = WebSource::new(web(crawl(&site, "/docs/")), LIMITS, Memory::default()).unwrap();
    Listed::of(first.list()).await;
    let memory: Memory = serde_json::from_str(&serde_json::to_string(&*first.memory()).unwrap()).unwrap();
    site.asked();

    site.put("/docs/a", html("<a href=b.html?x=1>b</a><a href=new>new</a>").with("etag", "\"a2\""))
        .put("/docs/new", html("new"));
    let second = WebSource::new(web(crawl(&site, "/docs/")), LIMITS, memory).unwrap();
    let source = Source::Web(Box::new(second));
    let listed = list(&source).await;
    assert_eq!(listed.ids(&site.url), ["/docs/", "/docs/a", "/docs/b.html?x=1", "/docs/c.pdf", "/docs/new"]);
    let conditions: Vec<_> = site.asked().into_iter().filter_map(|asked| asked.condition).collect();
    assert_eq!(conditions, ["\"1\"", "\"a1\"", "\"b1\""]);

    let known = Some("etag \"b1\"");
    assert_eq!(source.fetch(listed.item("b.html?x=1"), known).await.unwrap(), Fetched::Unchanged);
    assert_eq!(site.paths(), [""; 0], "its revision came with the listing");
    assert!(text(source.fetch(listed.item("b.html?x=1"), None).await).contains("c.pdf"), "the ledger lost it");
}

#[tokio::test]
async fn robots_pages_and_links_are_heeded() {
    let site = Site::start().await;
    site.put("/robots.txt", file("text/plain", "User-agent: *\nDisallow: /secret\n"))
        .put("/", html("<a href=/secret/a>s</a><a href=/hidden>h</a><a href=/ends>e</a><a rel=nofollow href=/no>n</a>"))
        .put("/hidden", html("<meta name=robots content=noindex><a href=/behind>b</a>"))
        .put("/behind", html("behind"))
        .put("/ends", html("<a href=/unseen>u</a>").with("x-robots-tag", "nofollow"))
        .put("/secret/a", html("s"))
        .put("/no", html("n"))
        .put("/unseen", html("u"));
    let listed = list(&source(crawl(&site, "/"))).await;
    assert_eq!(listed.ids(&site.url), ["/", "/behind", "/ends"]);
    assert_eq!(listed.skipped(&site.url), [("/hidden", Skip::NoIndex), ("/secret/a", Skip::Robots)]);
    assert!(!site.paths().iter().any(|path| path.starts_with("/secret")));
}

#[tokio::test]
async fn rules_that_can_not_be_had_allow_nothing_and_missing_ones_everything() {
    let site = Site::start().await;
    site.put("/", html("x")).put("/robots.txt", status(403));
    assert_eq!(list(&source(crawl(&site, "/"))).await.ids(&site.url), ["/"]);
    site.put("/robots.txt", file("text/plain", "user-agent: cairn\ndisallow: /"));
    let error = list(&source(crawl(&site, "/"))).await.error.unwrap();
    assert_eq!(error.class(), Class::Denied, "{error}");
    site.asked();
    site.put("/robots.txt", status(503));
    let error = list(&source(crawl(&site, "/"))).await.error.unwrap();
    assert_eq!(error.class(), Class::Unavailable, "{error}");
    assert_eq!(site.paths(), ["/robots.txt"; 4], "tried again, and nothing else was asked for");
}

#[tokio::test]
async fn links_break_without_breaking_the_crawl_and_every_one_is_accounted_for() {
    let site = Site::start().await;
    let links = "<a href=gone><a href=closed><a href=logo><a href=moved><a href=away><a href=large><a href=loop>";
    site.put("/", html(links))
        .put("/closed", status(401))
        .put("/logo", file("image/png", "PNG"))
        .put("/moved", redirect("/target#x"))
        .put("/target", html("t"))
        .put("/away", redirect("http://example.org/"))
        .put("/large", file("text/plain", vec![b'x'; 100_001]).with("content-disposition", "inline"))
        .put("/large.txt", file("text/plain", "x"))
        .put("/loop", redirect("/loop"));
    let listed = list(&source(crawl(&site, "/"))).await;
    let ids: Vec<&str> = listed.items.iter().map(|item| item.external_id.rsplit('/').next().unwrap()).collect();
    assert_eq!(ids, ["", "target"]);
    let expected = [
        ("/away", Skip::Elsewhere),
        ("/closed", Skip::Forbidden),
        ("/gone", Skip::Gone),
        ("/large", Skip::OtherKind),
        ("/logo", Skip::OtherKind),
    ];
    assert_eq!(listed.skipped(&site.url), expected);
    assert_eq!(listed.error, None);
}

#[tokio::test]
async fn a_crawl_that_can_not_begin_is_an_error_and_no_empty_site() {
    let site = Site::start().await;
    site.put("/moved", redirect("http://example.org/docs/"));
    for (path, class, says) in
        [("/gone", Class::NotFound, "not there"), ("/moved", Class::Invalid, "http://example.org/docs/")]
    {
        let error = list(&source(crawl(&site, path))).await.error.unwrap();
        assert_eq!(error.class(), class);
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[tokio::test]
async fn depth_and_pages_end_a_crawl_with_a_word_about_it() {
    let site = Site::start().await;
    for n in 0..6 {
        site.put(&format!("/{n}.html"), html(&format!("<a href={}.html>next</a>", n + 1)));
    }
    let start = parse_url(&format!("{}/0.html", site.url)).unwrap();
    let crawl = |depth_max, pages_max| source(Pages::Crawl { start: start.clone(), depth_max, pages_max });
    let listed = list(&crawl(2, 100)).await;
    assert_eq!(listed.ids(&site.url), ["/0.html", "/1.html", "/2.html"]);
    assert_eq!(listed.skipped(&site.url), [("/3.html", Skip::Depth)]);
    let listed = list(&crawl(100, 3)).await;
    assert_eq!(listed.items.len(), 3);
    assert!(listed.error.unwrap().to_string().contains("more than 3 pages"));
    let listed = list(&crawl(100, 6)).await;
    assert!(listed.error.is_some(), "the sixth page links a seventh");
    assert_eq!(list(&crawl(100, 7)).await.ids(&site.url).len(), 6);
}

#[tokio::test]
async fn patterns_choose_pages_and_keep_a_crawl_out() {
    let site = handbook().await;
    let mut web = web(crawl(&site, "/docs/"));
    web.patterns = Patterns::new(&["*.pdf".into(), "*.html".into()], &["docs/a".into()]).unwrap();
    let excluding = WebSource::new(web.clone(), LIMITS, Memory::default()).unwrap();
    assert_eq!(Listed::of(excluding.list()).await.ids(&site.url), [""; 0]);
    web.patterns = Patterns::new(&["*.pdf".into(), "*.html".into()], &[]).unwrap();
    let including = WebSource::new(web, LIMITS, Memory::default()).unwrap();
    let listed = Listed::of(including.list()).await;
    assert_eq!(listed.ids(&site.url), ["/docs/b.html?x=1", "/docs/c.pdf"]);
    assert_eq!(listed.skipped(&site.url), [("/docs/", Skip::Pattern), ("/docs/a", Skip::Pattern)]);
}

#[tokio::test]
async fn a_page_that_is_busy_is_asked_again_after_as_long_as_it_says() {
    let site = Site::start().await;
    site.put_each("/a.txt", vec![status(429).with("retry-after", "1"), status(500), file("text/plain", "there")]);
    let source = named(&[format!("{}/a.txt", site.url)]);
    let listed = list(&source).await;
    let start = Instant::now();
    assert_eq!(text(source.fetch(&listed.items[0], None).await), "there");
    assert!(start.elapsed() >= Duration::from_secs(1));
    assert_eq!(site.paths().len(), 3);
    site.put("/a.txt", status(503).with("retry-after", "3600"));
    let error = source.fetch(&listed.items[0], None).await.unwrap_err();
    assert_eq!((error.class(), site.paths().len()), (Class::Unavailable, 1), "it wants to be left alone");
    for (code, class) in [(404, Class::NotFound), (410, Class::NotFound), (403, Class::Denied), (400, Class::Invalid)] {
        site.put("/a.txt", status(code));
        assert_eq!(source.fetch(&listed.items[0], None).await.unwrap_err().class(), class);
        assert_eq!(site.paths().len(), 1, "final");
    }
}

#[tokio::test]
async fn named_pages_are_fetched_on_a_condition_and_robots_have_no_say() {
    let site = Site::start().await;
    let long_ago = "Sun, 06 Nov 1994 08:49:37 GMT";
    site.put("/robots.txt", file("text/plain", "user-agent: *\ndisallow: /"))
        .put("/a.txt", file("text/plain", "a").with("last-modified", long_ago))
        .put("/b", html("<meta name=robots content=noindex>b").with("etag", "W/\"b\""));
    let source = named(&[format!("{}/a.txt", site.url), format!("{}/b#x", site.url)]);
    let listed = list(&source).await;
    assert_eq!(listed.ids(&site.url), ["/a.txt", "/b"]);
    for (ending, revision) in [("/a.txt", format!("modified {long_ago}")), ("/b", "etag W/\"b\"".to_owned())] {
        let item = listed.item(ending);
        let Fetched::Content(content) = source.fetch(item, None).await.unwrap() else { panic!("{ending}") };
        assert_eq!(content.revision.as_ref(), Some(&revision));
        assert_eq!(source.fetch(item, Some(&revision)).await.unwrap(), Fetched::Unchanged);
    }
    assert_eq!(site.paths(), ["/a.txt", "/a.txt", "/b", "/b"]);
}

#[tokio::test]
async fn a_named_page_that_moves_to_another_site_says_so() {
    let site = Site::start().await;
    let other = Site::start().await;
    other.put("/", html("other"));
    site.put("/a", redirect(&other.url)).put("/b", redirect("/c")).put("/c", html("here"));
    site.put("/loop", redirect("/loop"));
    let source = named(&["/a", "/b", "/loop"].map(|path| format!("{}{path}", site.url)));
    let listed = list(&source).await;
    let error = source.fetch(listed.item("/a"), None).await.unwrap_err();
    assert!(error.to_string().contains("another site"), "{error}");
    assert_eq!(other.paths(), [""; 0]);
    assert_eq!(text(source.fetch(listed.item("/b"), None).await), "here");
    assert!(source.fetch(listed.item("/loop"), None).await.unwrap_err().to_string().contains("redirected more than"));
}

#[tokio::test]
async fn what_is_too_large_is_refused_before_and_while_it_arrives_packed_or_not() {
    let site = Site::start().await;
    let bomb = gzip(&vec![b'x'; 50 << 20]);
    assert!(bomb.len() < 100_000);
    let packed = |bytes| file("text/plain", bytes).with("content-encoding", "gzip");
    site.put("/plain.txt", file("text/plain", vec![b'x'; 100_001]))
        .put("/bomb.txt", packed(bomb))
        .put("/endless.txt", endless())
        .put("/broken.txt", packed(b"no gzip".to_vec()))
        .put("/brotli.txt", file("text/plain", "x").with("content-encoding", "br"))
        .put("/right.txt", packed(gzip(&vec![b'x'; 100_000])));
    let names = ["plain", "endless", "bomb", "broken", "brotli", "right"];
    let source = named(&names.map(|name| format!("{}/{name}.txt", site.url)));
    let listed = list(&source).await;
    for (name, says) in [
        ("plain", "larger than 100000"),
        ("endless", "larger than 100000"),
        ("bomb", "larger than 100000"),
        ("broken", "unpack"),
        ("brotli", "\"br\""),
    ] {
        let error = source.fetch(listed.item(&format!("{name}.txt")), None).await.unwrap_err();
        assert!(error.to_string().contains(says) && error.class() == Class::Invalid, "{error}");
    }
    assert_eq!(text(source.fetch(listed.item("right.txt"), None).await).len(), 100_000);
}

#[tokio::test]
async fn sitemaps_are_read_through_their_index_packed_or_not() {
    let site = Site::start().await;
    let urlset = |paths: &[&str]| {
        let urls: String = paths.iter().map(|path| format!("<url><loc>{}{path}</loc></url>", site.url)).collect();
        format!("<urlset>{urls}<url><loc>http://example.org/x</loc></url></urlset>")
    };
    let index = ["/1.xml", "/2.xml.gz", "/1.xml", "/missing.xml"];
    let index: String = index.iter().map(|p| format!("<sitemap><loc>{}{p}</loc></sitemap>", site.url)).collect();
    site.put("/sitemap.xml", file("text/xml", format!("<sitemapindex>{index}</sitemapindex>")))
        .put("/1.xml", file("text/xml", urlset(&["/a", "/b.pdf", "/a#x"])))
        .put("/2.xml.gz", file("application/gzip", gzip(urlset(&["/c.html", "/drafts/d", "/no"]).as_bytes())))
        .put("/robots.txt", file("text/plain", "user-agent: *\ndisallow: /no"))
        .put("/a", html("<meta name=robots content=noindex>"))
        .put("/c.html", html("c"));
    let start = parse_url(&format!("{}/sitemap.xml", site.url)).unwrap();
    let mut web = web(Pages::Sitemap(start));
    web.patterns = Patterns::new(&[], &["drafts/**".into()]).unwrap();
    let source = Source::Web(Box::new(WebSource::new(web, LIMITS, Memory::default()).unwrap()));
    let listed = list(&source).await;
    let ids: Vec<&str> = listed.items.iter().map(|item| item.external_id.strip_prefix(&site.url).unwrap()).collect();
    assert_eq!(ids, ["/a", "/b.pdf", "/c.html"]);
    let why: Vec<Skip> = listed.skipped.iter().map(|(_, why)| *why).collect();
    assert_eq!(why, [Skip::Elsewhere, Skip::Pattern, Skip::Robots]);
    assert_eq!(listed.problems.len(), 1, "{:?}", listed.problems);
    assert_eq!(listed.problems[0].1.class(), Class::NotFound);
    assert_eq!(text(source.fetch(listed.item("c.html"), None).await), "c");
    assert_eq!(source.fetch(listed.item("/a"), None).await.unwrap(), Fetched::Skipped(Skip::NoIndex));
}

#[tokio::test]
async fn a_site_is_asked_no_faster_than_it_and_the_operator_allow() {
    let site = handbook().await;
    site.put("/robots.txt", file("text/plain", "user-agent: *\ncrawl-delay: 0.2"));
    let start = Instant::now();
    list(&source(crawl(&site, "/docs/"))).await;
    assert!(start.elapsed() >= Duration::from_millis(600), "four pages after the rules");
}

#[tokio::test]
async fn a_site_without_end_is_left_in_time_and_within_the_count() {
    let site = Site::start().await;
    let links: String = (0..200).map(|n| format!("<a href=/{n}.html>")).collect();
    site.put("/", html(&links));
    let limits = Limits { entries_max: 50, ..LIMITS };
    let source = WebSource::new(web(crawl(&site, "/")), limits, Memory::default()).unwrap();
    let error = Listed::of(source.list()).await.error.unwrap();
    assert!(error.to_string().contains("more than 50 entries"), "{error}");

    let limits = Limits { list_time_max: Duration::from_millis(300), ..LIMITS };
    let mut slow = web(crawl(&site, "/"));
    slow.interval = Duration::from_millis(100);
    let source = WebSource::new(slow, limits, Memory::default()).unwrap();
    let error = Listed::of(source.list()).await.error.unwrap();
    assert!(error.to_string().contains("not done within 300ms"), "{error}");
}
