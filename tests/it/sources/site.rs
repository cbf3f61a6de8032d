//! A web site that serves what a test says, and remembers what was asked of it.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{Response, StatusCode};
use cairn::tasks::Tasks;
use tokio::net::TcpListener;

/// One answer: a status, headers and a body.
#[derive(Clone)]
pub(crate) struct Page {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    ends: bool,
}

/// One request, as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) condition: Option<String>,
    pub(crate) agent: String,
}

#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) url: String,
    pages: Arc<Mutex<HashMap<String, Vec<Page>>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

pub(crate) fn html(body: &str) -> Page {
    Page {
        status: 200,
        headers: vec![("content-type", "text/html; charset=utf-8".into())],
        body: body.into(),
        ends: true,
    }
}

pub(crate) fn file(media_type: &str, body: impl Into<Vec<u8>>) -> Page {
    Page { status: 200, headers: vec![("content-type", media_type.into())], body: body.into(), ends: true }
}

pub(crate) fn status(status: u16) -> Page {
    Page { status, headers: vec![], body: vec![], ends: true }
}

pub(crate) fn redirect(to: &str) -> Page {
    status(302).with("location", to)
}

/// A text that goes on for ever, without a word of how long it is.
pub(crate) fn endless() -> Page {
    Page { ends: false, ..file("text/plain", vec![b'x'; 10_000]) }
}

impl Page {
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

impl Site {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let site = Self { url, pages: Arc::default(), asked: Arc::default() };
        let answering = site.clone();
        let router = Router::new().fallback(move |request: Request| {
            let site = answering.clone();
            async move { site.answer(&request) }
        });
        Tasks::default().spawn(async move { axum::serve(listener, router).await.unwrap() });
        site
    }

    pub(crate) fn put(&self, path: &str, page: Page) -> &Self {
        self.put_each(path, vec![page])
    }

    /// One answer after the other; the last one stays.
    pub(crate) fn put_each(&self, path: &str, mut pages: Vec<Page>) -> &Self {
        pages.reverse();
        self.pages.lock().unwrap().insert(path.to_owned(), pages);
        self
    }

    /// What was asked since the last call, in order.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    pub(crate) fn paths(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.path).collect()
    }

    fn answer(&self, request: &Request) -> Response<Body> {
        let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let condition = header("if-none-match").or_else(|| header("if-modified-since"));
        let path = request.uri().path_and_query().unwrap().to_string();
        let asked = Asked { path: path.clone(), condition: condition.clone(), agent: header("user-agent").unwrap() };
        self.asked.lock().unwrap().push(asked);
        let page = match self.pages.lock().unwrap().get_mut(&path) {
            Some(pages) if pages.len() > 1 => pages.pop().unwrap(),
            Some(pages) => pages[0].clone(),
            None => status(404),
        };
        let tag =
            page.headers.iter().find(|(name, _)| matches!(*name, "etag" | "last-modified")).map(|(_, v)| v.clone());
        let unchanged = tag.is_some() && tag == condition;
        let code = if unchanged { StatusCode::NOT_MODIFIED } else { StatusCode::from_u16(page.status).unwrap() };
        let mut response = Response::builder().status(code);
        for (name, value) in page.headers {
            response = response.header(name, value);
        }
        let body = if unchanged { vec![] } else { page.body };
        let body = match page.ends {
            true => Body::from(body),
            false => Body::from_stream(futures::stream::repeat(Ok::<_, Infallible>(body))),
        };
        response.body(body).unwrap()
    }
}
