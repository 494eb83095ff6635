//! Requests to a running server, and answers as JSON.

use std::time::Duration;

use reqwest::blocking::Client;
use reqwest::header::HeaderMap;
use reqwest::{Method, Url};
use serde_json::Value as Json;

/// A caller of one server. Cloning shares its connections.
#[derive(Clone)]
pub struct Caller {
    base: Url,
    key: Option<String>,
    client: Client,
}

/// What the server said.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The header fields.
    pub headers: HeaderMap,
    /// The body; null when there is none.
    pub body: Json,
}

impl Caller {
    /// A caller of the server at `base`, such as `http://127.0.0.1:8080`, with or without an `X-API-Key`.
    pub fn new(base: &str, key: Option<&str>) -> Caller {
        let client = Client::builder().timeout(Duration::from_secs(30)).no_proxy().build().expect("an HTTP client");
        Caller { base: Url::parse(base).expect("a base URL"), key: key.map(str::to_owned), client }
    }

    /// Sends one request. `path` holds no query; `parameters` are encoded here. The error is a connection that failed or
    /// broke before the whole answer had come.
    pub fn send(
        &self,
        method: Method,
        path: &str,
        parameters: &[(&str, &str)],
        body: Option<&Json>,
    ) -> Result<Answer, reqwest::Error> {
        let mut url = self.base.join(path).expect("a path");
        if !parameters.is_empty() {
            url.query_pairs_mut().extend_pairs(parameters);
        }
        let mut request = self.client.request(method, url);
        if let Some(key) = &self.key {
            request = request.header("X-API-Key", key);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send()?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text()?;
        let body = match text.is_empty() {
            true => Json::Null,
            false => serde_json::from_str(&text).unwrap_or(Json::String(text)),
        };
        Ok(Answer { status, headers, body })
    }

    /// A GET that has to be answered.
    pub fn get(&self, path: &str, parameters: &[(&str, &str)]) -> Answer {
        self.send(Method::GET, path, parameters, None).expect("an answer")
    }

    /// A POST that has to be answered.
    pub fn post(&self, path: &str, body: &Json) -> Answer {
        self.send(Method::POST, path, &[], Some(body)).expect("an answer")
    }

    /// Every record of a list, page after page by cursor. Panics when a page is not as the contract says.
    pub fn walk(&self, path: &str, parameters: &[(&str, &str)]) -> Vec<Json> {
        let mut records = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let mut parameters = parameters.to_vec();
            parameters.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
            let answer = self.get(path, &parameters);
            assert_eq!(answer.status, 200, "{path} {parameters:?}: {}", answer.body);
            let page = answer.body["data"].as_array().expect("an array of records");
            records.extend_from_slice(page);
            let meta = &answer.body["meta"];
            match (meta["has_more"].as_bool(), meta["next_cursor"].as_str()) {
                (Some(true), Some(next)) if !page.is_empty() => cursor = Some(next.to_owned()),
                (Some(false), None) => return records,
                _ => panic!("{path}: has_more and next_cursor disagree: {meta}"),
            }
        }
    }
}
