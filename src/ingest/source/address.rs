//! URLs of documents: one spelling each, which site they belong to, and what file name they stand for.

use reqwest::Url;

/// The longest URL that is followed: longer ones are state, not addresses.
const URL_BYTES_MAX: usize = 2_000;
/// The file that a URL ending in `/` stands for.
const INDEX: &str = "index";

/// The one spelling of a URL: no fragment, no empty query, no needless percent signs. None where it is nothing that can
/// be asked for over HTTP, or holds a password, which would be stored and shown with the document.
pub(super) fn canonical(mut url: Url) -> Option<Url> {
    let is_plain = matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none();
    if !is_plain || !url.has_host() || url.as_str().len() > URL_BYTES_MAX {
        return None;
    }
    url.set_fragment(None);
    if url.query() == Some("") {
        url.set_query(None);
    }
    let path = unescaped(url.path());
    if path != url.path() {
        url.set_path(&path);
    }
    Some(url)
}

/// What a source keeps to: one host, and a folder of it.
#[derive(Debug, Clone)]
pub(super) struct Site {
    start: Url,
    folder: String,
}

impl Site {
    /// The folder is the last one of the path: `/docs/` of `/docs/guide.html`, and of `/docs`, since most servers send
    /// that on to `/docs/`.
    pub(super) fn of(start: &Url) -> Self {
        let path = start.path();
        let (above, name) = path.rsplit_once('/').unwrap_or_default();
        let folder = if name.contains('.') { above } else { path.trim_end_matches('/') };
        Self { start: start.clone(), folder: folder.to_owned() }
    }

    /// Whether it is the same server. A site that moved from `http` to `https` is the same.
    pub(super) fn has(&self, url: &Url) -> bool {
        let port = |url: &Url| url.port_or_known_default();
        let moved = self.start.scheme() == "http" && port(&self.start) == Some(80) && port(url) == Some(443);
        url.host_str() == self.start.host_str()
            && ((url.scheme() == self.start.scheme() && port(url) == port(&self.start))
                || (moved && url.scheme() == "https"))
    }

    /// Whether it is on this server and in the folder.
    pub(super) fn holds(&self, url: &Url) -> bool {
        let below = url.path().strip_prefix(self.folder.as_str());
        self.has(url) && below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// The file name that a URL stands for, with an extension for its media type where it has none that says the same.
pub(super) fn file_name(url: &Url, media_type: Option<&str>) -> String {
    let last = url.path_segments().and_then(|mut parts| parts.next_back()).filter(|name| !name.is_empty());
    let name = last.map_or_else(|| INDEX.to_owned(), decoded);
    let said = name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase()).unwrap_or_default();
    match media_type.and_then(extensions) {
        Some(right) if !right.contains(&said.as_str()) => format!("{name}.{}", right.first().unwrap_or(&"")),
        Some(_) | None if last.is_none() => format!("{INDEX}.html"),
        Some(_) | None => name,
    }
}

/// Extensions of this media type, the usual one first. None where it says no more than the name does: servers send
/// `text/plain` and `application/octet-stream` for everything that they don't know.
fn extensions(media_type: &str) -> Option<&'static [&'static str]> {
    Some(match media_type {
        "text/html" => &["html", "htm"],
        "application/xhtml+xml" => &["xhtml", "html"],
        "text/markdown" => &["md", "markdown"],
        "text/x-rst" => &["rst"],
        "text/csv" => &["csv"],
        "application/json" => &["json", "ipynb"],
        "application/pdf" => &["pdf"],
        "application/epub+zip" => &["epub"],
        "application/msword" => &["doc"],
        "application/vnd.ms-excel" => &["xls"],
        "application/vnd.ms-powerpoint" => &["ppt"],
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document" => &["docx"],
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" => &["xlsx"],
        "application/vnd.openxmlformats-officedocument.presentationml.presentation" => &["pptx"],
        "application/vnd.oasis.opendocument.text" => &["odt"],
        "application/vnd.oasis.opendocument.spreadsheet" => &["ods"],
        "message/rfc822" => &["eml"],
        _ if is_picture_or_sound(media_type) => &["bin"],
        _ => return None,
    })
}

fn is_picture_or_sound(media_type: &str) -> bool {
    ["image/", "audio/", "video/", "font/"].iter().any(|kind| media_type.starts_with(kind))
}

/// `%7E` is `~`, and `%2f` is `%2F`: <https://www.rfc-editor.org/rfc/rfc3986#section-6.2.2>.
pub(super) fn unescaped(path: &str) -> String {
    let mut plain = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('%') {
        plain.push_str(before);
        let byte = after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte {
            Some(byte) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => plain.push(char::from(byte)),
            Some(byte) => plain.push_str(&format!("%{byte:02X}")),
            None => plain.push('%'),
        }
        rest = if byte.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    plain.push_str(rest);
    plain
}

/// As people write it, where it is UTF-8.
fn decoded(part: &str) -> String {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let pair = after.get(..2).filter(|_| *first == b'%').and_then(|digits| str::from_utf8(digits).ok());
        match pair.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| part.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn spelled(text: &str) -> Option<String> {
        canonical(url(text)).map(String::from)
    }

    #[test]
    fn a_url_has_one_spelling() {
        for other in [
            "HTTP://Example.ORG:80/a/~b?x=1#part",
            "http://example.org/a/%7eb?x=1",
            "http://example.org/c/../a/~b?x=1",
            "http://example.org/%61/./~b?x=1#",
        ] {
            assert_eq!(spelled(other).as_deref(), Some("http://example.org/a/~b?x=1"), "{other}");
        }
        assert_eq!(spelled("http://example.org?#x").as_deref(), Some("http://example.org/"));
        assert_eq!(spelled("http://example.org/a%2fb%").as_deref(), Some("http://example.org/a%2Fb%"));
    }

    #[test]
    fn what_is_no_address_of_a_document_has_none() {
        let long = format!("http://example.org/{}", "x".repeat(URL_BYTES_MAX));
        for other in ["mailto:a@example.org", "ftp://example.org/", "http://user:word@example.org/", &long] {
            assert_eq!(spelled(other), None, "{other}");
        }
    }

    #[test]
    fn a_site_is_one_host_and_a_folder_of_it() {
        let site = Site::of(&url("http://example.org/docs/guide.html"));
        for (other, holds) in [
            ("http://example.org/docs/", true),
            ("http://example.org/docs/a/b", true),
            ("https://example.org/docs", true),
            ("http://example.org/docs2/", false),
            ("http://example.org/", false),
            ("http://example.org:81/docs/", false),
            ("http://other.example.org/docs/", false),
            ("https://example.org:8443/docs/", false),
        ] {
            assert_eq!(site.holds(&url(other)), holds, "{other}");
        }
        assert!(Site::of(&url("https://example.org/docs")).holds(&url("https://example.org/docs/a")));
        assert!(!Site::of(&url("https://example.org/docs")).holds(&url("http://example.org/docs/a")), "downgraded");
        assert!(Site::of(&url("https://example.org")).holds(&url("https://example.org/x")));
    }

    #[test]
    fn the_file_name_says_the_kind_that_the_server_said() {
        let name = |text: &str, media: &str| file_name(&url(text), Some(media).filter(|m| !m.is_empty()));
        assert_eq!(name("http://x.org/", ""), "index.html");
        assert_eq!(name("http://x.org/docs/", "text/html"), "index.html");
        assert_eq!(name("http://x.org/docs/", "application/pdf"), "index.pdf");
        assert_eq!(name("http://x.org/guide", "text/html"), "guide.html");
        assert_eq!(name("http://x.org/v1.2", "text/html"), "v1.2.html");
        assert_eq!(name("http://x.org/a.php?x", "text/html"), "a.php.html");
        assert_eq!(name("http://x.org/a.md", "text/plain"), "a.md");
        assert_eq!(name("http://x.org/a.PDF", "application/octet-stream"), "a.PDF");
        assert_eq!(name("http://x.org/Gr%C3%BC%C3%9Fe.md", ""), "Grüße.md");
        assert_eq!(name("http://x.org/logo.md", "image/png"), "logo.md.bin");
    }
}
