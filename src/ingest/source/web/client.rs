//! One GET that keeps to the rules: paced, guarded, bounded, redirected only where it may go, tried again where it may
//! heal.
//!
//! Redirects are followed here and not by the HTTP client, so that each hop is checked like the first request. Bodies
//! count after they are unpacked. A request of this module can be dropped at any time.

use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use backon::{ExponentialBuilder, Retryable};
use flate2::read::MultiGzDecoder;
use futures::StreamExt;
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Response, StatusCode, Url};
use tokio::time::Instant;

use super::super::address::{canonical, file_name};
use super::super::guard::{self, Guard};
use super::super::{Content, Skip, SourceError};
use super::page::Wishes;
use crate::tasks::blocking;

pub(super) const USER_AGENT: &str = concat!("cairn/", env!("CARGO_PKG_VERSION"));
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest silence in the middle of a response.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
const REDIRECTS_MAX: usize = 5;
const REPETITIONS_MAX: usize = 3;
/// Before the first repetition; the next ones wait twice as long each.
const WAIT_MIN: Duration = Duration::from_millis(500);
/// A site that wants to be left alone for longer than this is left alone until the next run.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// A date of last change says little if the file can have changed again within its second.
const SETTLED_AFTER: Duration = Duration::from_secs(2);

/// What marks the two kinds of revisions.
const BY_TAG: &str = "etag ";
const BY_DATE: &str = "modified ";

pub(super) struct Client {
    http: reqwest::Client,
    guard: Guard,
    pace: Pace,
    fetch_time_max: Duration,
}

/// What is asked of one GET.
#[derive(Clone, Copy)]
pub(super) struct Ask<'a> {
    /// The revision that is known: only something else is brought.
    pub(super) known: Option<&'a str>,
    /// Where the request and each redirect may go.
    pub(super) gate: &'a (dyn Fn(&Url) -> Result<(), Skip> + Send + Sync),
    pub(super) redirects: Redirects,
    /// Whether the body of a file of this name is wanted.
    pub(super) reads: fn(&str) -> bool,
    pub(super) bytes_max: u64,
}

/// What to do with a redirect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Redirects {
    Follow,
    /// Give it as [`Reply::Moved`].
    Tell,
}

/// What came of one GET.
#[derive(Debug)]
pub(super) enum Reply {
    Unchanged,
    /// The gate was closed, or it is of a kind that is not wanted: no body was read.
    Skipped(Skip),
    Moved(Url),
    Found(Box<Found>),
}

#[derive(Debug)]
pub(super) struct Found {
    pub(super) content: Content,
    pub(super) is_html: bool,
    pub(super) charset: Option<String>,
    pub(super) wishes: Wishes,
}

impl Client {
    pub(super) fn new(guard: Guard, interval: Duration, fetch_time_max: Duration) -> Result<Self, SourceError> {
        let builder = match guard.proxy() {
            Some(proxy) => reqwest::Client::builder().proxy(proxy),
            None => reqwest::Client::builder().no_proxy(),
        };
        let http = builder
            .user_agent(USER_AGENT)
            .redirect(reqwest::redirect::Policy::none())
            .dns_resolver(guard.clone())
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .timeout(fetch_time_max)
            .build()
            .map_err(|error| SourceError::invalid("the web", format!("set up HTTP: {error}")))?;
        Ok(Self { http, guard, pace: Pace::new(interval), fetch_time_max })
    }

    /// Asks less often from now on, if that is less often.
    pub(super) fn slow_down(&self, interval: Duration) {
        self.pace.slow_down(interval);
    }

    /// Asks until there is an answer, or no use, or no time.
    pub(super) async fn get(&self, url: &Url, ask: Ask<'_>) -> Result<Reply, SourceError> {
        let policy =
            ExponentialBuilder::default().with_min_delay(WAIT_MIN).with_max_times(REPETITIONS_MAX).with_jitter();
        // Time in the queue is not the site's fault, so the first turn is taken before the clock runs.
        self.pace.turn().await;
        let is_first = AtomicBool::new(true);
        let attempt = || async {
            if !is_first.swap(false, Ordering::Relaxed) {
                self.pace.turn().await;
            }
            self.attempt(url, ask).await
        };
        let attempts = attempt.retry(policy).when(is_transient).adjust(wait);
        tokio::time::timeout(self.fetch_time_max, attempts).await.unwrap_or_else(|_| {
            let limit = humantime::format_duration(self.fetch_time_max);
            Err(SourceError::unavailable(url.as_str(), format!("it did not arrive within {limit}")))
        })
    }

    async fn attempt(&self, asked: &Url, ask: Ask<'_>) -> Result<Reply, SourceError> {
        let mut url = asked.clone();
        for hop in 0..=REDIRECTS_MAX {
            if let Err(skip) = (ask.gate)(&url) {
                return Ok(Reply::Skipped(skip));
            }
            if hop > 0 {
                self.pace.turn().await;
            }
            self.guard.check(&url).map_err(|refusal| SourceError::denied(url.as_str(), refusal.to_string()))?;
            let request = self.http.get(url.clone()).headers(request_headers(ask.known));
            let response = request.send().await.map_err(|error| failure(&url, &error))?;
            let status = response.status();
            if status == StatusCode::NOT_MODIFIED {
                return Ok(Reply::Unchanged);
            } else if status.is_redirection() {
                url = next(&url, &response)?;
                match ask.redirects {
                    Redirects::Follow => {}
                    Redirects::Tell => return Ok(Reply::Moved(url)),
                }
            } else if status.is_success() {
                return found(url, response, ask).await;
            } else {
                return Err(refused(&url, &response));
            }
        }
        Err(SourceError::invalid(asked.as_str(), format!("it is redirected more than {REDIRECTS_MAX} times")))
    }
}

async fn found(url: Url, response: Response, ask: Ask<'_>) -> Result<Reply, SourceError> {
    let headers = response.headers().clone();
    let revision = revision(&headers);
    if revision.is_some() && revision.as_deref() == ask.known {
        return Ok(Reply::Unchanged); // A server that does not know conditional requests.
    }
    let content_type = text(&headers, &header::CONTENT_TYPE).unwrap_or_default().to_ascii_lowercase();
    let media_type = content_type.split(';').next().map(str::trim).filter(|media| !media.is_empty());
    let charset = content_type.split_once("charset=").map(|(_, name)| name.trim_matches(['"', '\'', ' ']).into());
    let name = file_name(&url, media_type);
    if !(ask.reads)(&name) {
        return Ok(Reply::Skipped(Skip::OtherKind));
    }
    let bytes = body(&url, response, ask.bytes_max).await?;
    let mut wishes = Wishes::default();
    for line in headers.get_all(HeaderName::from_static("x-robots-tag")) {
        wishes.add(line.to_str().unwrap_or_default());
    }
    let is_html = matches!(media_type, Some("text/html" | "application/xhtml+xml"));
    let content = Content { bytes, name, revision };
    Ok(Reply::Found(Box::new(Found { content, is_html, charset, wishes })))
}

fn request_headers(known: Option<&str>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    // Unpacked here: the client's own support would be switched on for every other user of it as well.
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    let mut condition = |name, value| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    if let Some(tag) = known.and_then(|known| known.strip_prefix(BY_TAG)) {
        condition(header::IF_NONE_MATCH, tag);
    } else if let Some(date) = known.and_then(|known| known.strip_prefix(BY_DATE)) {
        condition(header::IF_MODIFIED_SINCE, date);
    }
    headers
}

/// What names these bytes: the tag, or the date of the last change where it is one to rely on.
fn revision(headers: &HeaderMap) -> Option<String> {
    if let Some(tag) = text(headers, &header::ETAG) {
        return Some(format!("{BY_TAG}{tag}"));
    }
    let modified = text(headers, &header::LAST_MODIFIED)?;
    let changed = httpdate::parse_http_date(modified).ok()?;
    let sent = text(headers, &header::DATE).and_then(|date| httpdate::parse_http_date(date).ok());
    let settled = sent.unwrap_or_else(SystemTime::now).duration_since(changed).is_ok_and(|age| age >= SETTLED_AFTER);
    settled.then(|| format!("{BY_DATE}{modified}"))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn next(url: &Url, response: &Response) -> Result<Url, SourceError> {
    let target = text(response.headers(), &header::LOCATION).and_then(|target| url.join(target).ok());
    target.and_then(canonical).ok_or_else(|| SourceError::invalid(url.as_str(), "it is redirected to no web address"))
}

/// All of the body, unpacked. It is read piece by piece, so that one without end costs no more than the limit.
async fn body(url: &Url, response: Response, bytes_max: u64) -> Result<Vec<u8>, SourceError> {
    let too_large = || SourceError::TooLarge { what: url.to_string(), bytes_max };
    if response.content_length().is_some_and(|length| length > bytes_max) {
        return Err(too_large());
    }
    let encoding = text(response.headers(), &header::CONTENT_ENCODING).unwrap_or_default().to_ascii_lowercase();
    let mut packed = Vec::new();
    let mut pieces = response.bytes_stream();
    while let Some(piece) = pieces.next().await {
        packed.extend_from_slice(&piece.map_err(|error| failure(url, &error))?);
        if !fits(&packed, bytes_max) {
            return Err(too_large());
        }
    }
    match encoding.as_str() {
        "" | "identity" => Ok(packed),
        "gzip" | "x-gzip" => unpacked(url, packed, bytes_max).await,
        other => {
            let other: String = other.chars().take(40).collect();
            Err(SourceError::invalid(url.as_str(), format!("it came packed as {other:?}, which was not asked for")))
        }
    }
}

/// What a gzip holds, if it is no more than this.
pub(super) async fn unpacked(url: &Url, packed: Vec<u8>, bytes_max: u64) -> Result<Vec<u8>, SourceError> {
    let unpacking = blocking(move || {
        let mut bytes = Vec::new();
        let mut unpacker = MultiGzDecoder::new(packed.as_slice()).take(bytes_max.saturating_add(1));
        unpacker.read_to_end(&mut bytes).map(|_| bytes)
    });
    match unpacking.await {
        Ok(Ok(bytes)) if fits(&bytes, bytes_max) => Ok(bytes),
        Ok(Ok(_)) => Err(SourceError::TooLarge { what: url.to_string(), bytes_max }),
        Ok(Err(error)) => Err(SourceError::invalid(url.as_str(), format!("unpack it: {error}"))),
        Err(panicked) => Err(SourceError::invalid(url.as_str(), panicked.to_string())),
    }
}

fn fits(bytes: &[u8], bytes_max: u64) -> bool {
    u64::try_from(bytes.len()).is_ok_and(|length| length <= bytes_max)
}

/// No answer came.
fn failure(url: &Url, error: &reqwest::Error) -> SourceError {
    if let Some(refusal) = guard::refusal(error) {
        return SourceError::denied(url.as_str(), refusal.to_string());
    }
    let reason = if error.is_timeout() {
        "it did not answer in time"
    } else if error.is_connect() {
        "it can't be reached"
    } else {
        "the connection broke"
    };
    SourceError::unavailable(url.as_str(), reason)
}

/// An answer came, and it is no.
fn refused(url: &Url, response: &Response) -> SourceError {
    let (what, status) = (url.to_string(), response.status());
    let reason = format!("the server answered {status}");
    match status.as_u16() {
        404 | 410 => SourceError::NotFound { what },
        401 | 403 | 407 | 451 => SourceError::Denied { what, reason },
        408 | 425 | 429 | 500..=599 => {
            SourceError::Unavailable { what, reason, retry_after: retry_after(response.headers()) }
        }
        _ => SourceError::Invalid { what, reason },
    }
}

/// In seconds or as a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = text(headers, &header::RETRY_AFTER)?;
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

fn is_transient(error: &SourceError) -> bool {
    match error {
        SourceError::Unavailable { .. } => true,
        SourceError::Denied { .. }
        | SourceError::NotFound { .. }
        | SourceError::Invalid { .. }
        | SourceError::TooLarge { .. }
        | SourceError::TooMany { .. } => false,
    }
}

/// As long as the server asks for, within reason.
fn wait(error: &SourceError, planned: Option<Duration>) -> Option<Duration> {
    match error {
        SourceError::Unavailable { retry_after: Some(asked), .. } => {
            planned.map(|planned| planned.max(*asked)).filter(|wait| *wait <= WAIT_MAX)
        }
        SourceError::Unavailable { retry_after: None, .. }
        | SourceError::Denied { .. }
        | SourceError::NotFound { .. }
        | SourceError::Invalid { .. }
        | SourceError::TooLarge { .. }
        | SourceError::TooMany { .. } => planned,
    }
}

/// Gives each request its moment: no two closer together than the interval.
struct Pace(Mutex<Turns>);

struct Turns {
    interval: Duration,
    next: Instant,
}

impl Pace {
    fn new(interval: Duration) -> Self {
        Self(Mutex::new(Turns { interval, next: Instant::now() }))
    }

    fn slow_down(&self, interval: Duration) {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        turns.interval = turns.interval.max(interval);
    }

    async fn turn(&self) {
        let mine = {
            let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let mine = turns.next.max(Instant::now());
            turns.next = mine + turns.interval;
            mine
        };
        tokio::time::sleep_until(mine).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(k, v)| (HeaderName::from_static(k), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn a_date_counts_as_a_revision_only_when_it_has_settled() {
        let of = |sent| revision(&headers(&[("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"), ("date", sent)]));
        assert_eq!(of("Sun, 06 Nov 1994 08:49:38 GMT"), None);
        assert_eq!(of("Sun, 06 Nov 1994 08:49:40 GMT").as_deref(), Some("modified Sun, 06 Nov 1994 08:49:37 GMT"));
        assert_eq!(revision(&headers(&[("last-modified", "yesterday")])), None);
        assert_eq!(revision(&headers(&[("etag", "W/\"x\"")])).as_deref(), Some("etag W/\"x\""));
    }

    #[test]
    fn a_site_is_left_alone_for_as_long_as_it_asks() {
        let busy = |after| SourceError::Unavailable { what: "x".into(), reason: "x".into(), retry_after: after };
        let planned = Some(Duration::from_millis(500));
        assert_eq!(wait(&busy(Some(Duration::from_secs(3))), planned), Some(Duration::from_secs(3)));
        assert_eq!(wait(&busy(Some(Duration::from_secs(3_600))), planned), None, "too long to hold the others");
        assert_eq!(wait(&busy(None), planned), planned);
        assert_eq!(retry_after(&headers(&[("retry-after", "7")])), Some(Duration::from_secs(7)));
        assert_eq!(retry_after(&headers(&[("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")])), Some(Duration::ZERO));
        assert_eq!(retry_after(&headers(&[("retry-after", "soon")])), None);
    }

    #[tokio::test]
    async fn requests_are_as_far_apart_as_was_asked() {
        let pace = Pace::new(Duration::from_millis(10));
        pace.slow_down(Duration::from_millis(40));
        pace.slow_down(Duration::from_millis(20));
        let start = Instant::now();
        for _ in 0..4 {
            pace.turn().await;
        }
        assert!(start.elapsed() >= Duration::from_millis(120), "{:?}", start.elapsed());
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_never_connected_to() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = Client::new(Guard::default(), Duration::ZERO, Duration::from_secs(5)).unwrap();
        let ask = Ask { known: None, gate: &|_| Ok(()), redirects: Redirects::Follow, reads: |_| true, bytes_max: 9 };
        for host in ["localhost", "127.0.0.1", "[::ffff:127.0.0.1]"] {
            let url = Url::parse(&format!("http://{host}:{port}/")).unwrap();
            let error = client.get(&url, ask).await.unwrap_err();
            assert!(matches!(&error, SourceError::Denied { .. }), "{error}");
            assert!(error.to_string().contains("private_hosts"), "{error}");
        }
        let none = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
        assert!(none.is_err(), "nobody knocked");
    }
}
