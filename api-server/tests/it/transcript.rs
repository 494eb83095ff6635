//! Scenarios as text: requests from a `.http` file, run against a server, written down with their answers.
//!
//! A file holds requests that begin with a line `METHOD /path`, then headers, an empty line and a body. Lines that begin
//! with `#` are comments. Requests carry the admin key unless they say `As: anyone`. `{etag}` and `{cursor}` stand for
//! those of the answer before, `{access}` and `{refresh}` for the last tokens, `{key}` for the admin key; `WALK /path` follows `next_cursor` to the end.

use std::fmt::Write as _;

use mainstay_e2e::server::ADMIN_KEY;
use reqwest::blocking::{Client, Response};

/// The headers of an answer that are written down.
const SHOWN: [&str; 8] = [
    "etag",
    "location",
    "allow",
    "link",
    "retry-after",
    "www-authenticate",
    "preference-applied",
    "idempotency-replayed",
];

/// One request of a scenario.
struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: String,
}

/// Runs every request of `text` against the server at `base` and gives the transcript.
pub fn run(client: &Client, base: &str, text: &str) -> String {
    let mut out = String::new();
    let (mut etag, mut cursor) = (String::new(), String::new());
    let (mut access, mut refresh) = (String::new(), String::new());
    for (index, mut request) in parse(text).into_iter().enumerate() {
        writeln!(out, "> {} {}", request.method, request.path).unwrap();
        for (name, value) in &request.headers {
            writeln!(out, "> {name}: {value}").unwrap();
        }
        if !request.body.is_empty() {
            writeln!(out, "> {}", request.body).unwrap();
        }
        let fill = |text: &str| {
            let text = text.replace("{etag}", &etag).replace("{cursor}", &cursor).replace("{key}", ADMIN_KEY);
            text.replace("{access}", &access).replace("{refresh}", &refresh)
        };
        request.path = fill(&request.path);
        request.headers.iter_mut().for_each(|(_, value)| *value = fill(value));
        request.body = fill(&request.body);
        if request.method == "WALK" {
            walk(client, base, &request, index, &mut out);
            continue;
        }
        let response = send(client, base, &request, index);
        let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        writeln!(out, "< {}", response.status().as_u16()).unwrap();
        etag = header("etag").unwrap_or_default();
        for name in SHOWN {
            if let Some(value) = header(name) {
                writeln!(out, "< {name}: {}", mask(&value)).unwrap();
            }
        }
        if let Some(other) = header("content-type").filter(|value| value != "application/json") {
            writeln!(out, "< content-type: {other}").unwrap();
        }
        let body = response.text().unwrap();
        if let Some((_, rest)) = body.split_once("\"next_cursor\":\"") {
            cursor = rest.split('"').next().unwrap().to_owned();
        }
        for (name, kept) in [("access_token", &mut access), ("refresh_token", &mut refresh)] {
            if let Some((_, rest)) = body.split_once(&format!("\"{name}\":\"")) {
                *kept = rest.split('"').next().unwrap().to_owned();
            }
        }
        writeln!(out, "{}\n", mask(&body)).unwrap();
    }
    out
}

fn walk(client: &Client, base: &str, request: &Request, index: usize, out: &mut String) {
    let mut path = request.path.clone();
    for page in 0.. {
        assert!(page < 1000, "the walk of {} does not end", request.path);
        let one =
            Request { method: "GET".into(), path: path.clone(), headers: request.headers.clone(), body: String::new() };
        let body = send(client, base, &one, index).text().unwrap();
        let json: serde_json::Value = serde_json::from_str(&body).unwrap();
        let data = json["data"].as_array().unwrap_or_else(|| panic!("no page: {body}"));
        writeln!(out, "{}", data.iter().map(|one| mask(&one.to_string())).collect::<Vec<_>>().join(" ")).unwrap();
        let Some(next) = json["meta"]["next_cursor"].as_str() else { break };
        path = format!("{}&cursor={next}", request.path);
    }
    out.push('\n');
}

fn send(client: &Client, base: &str, request: &Request, index: usize) -> Response {
    let method = request.method.parse().unwrap();
    let mut call =
        client.request(method, format!("{base}{}", request.path)).header("X-Request-Id", format!("r{index}"));
    let mut admin = true;
    let mut typed = request.body.is_empty();
    for (name, value) in &request.headers {
        match name.as_str() {
            "As" => admin = value != "anyone",
            name => call = call.header(name, value),
        }
        typed |= name.eq_ignore_ascii_case("content-type");
    }
    if admin {
        call = call.header("X-API-Key", ADMIN_KEY);
    }
    if !typed {
        call = call.header("Content-Type", "application/json");
    }
    if !request.body.is_empty() {
        call = call.body(request.body.clone());
    }
    call.send().unwrap()
}

fn parse(text: &str) -> Vec<Request> {
    let mut requests: Vec<Request> = Vec::new();
    let mut in_headers = false;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let method = line.split(' ').next().unwrap_or_default();
        let starts =
            ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW", "WALK"].contains(&method);
        if starts {
            let path = line.split_once(' ').map_or(String::new(), |(_, path)| path.trim().to_owned());
            requests.push(Request { method: method.to_owned(), path, headers: Vec::new(), body: String::new() });
            in_headers = true;
        } else if let Some(request) = requests.last_mut() {
            match line.split_once(": ").filter(|(name, _)| in_headers && !name.starts_with(['{', '[', '"'])) {
                Some((name, value)) => request.headers.push((name.to_owned(), value.to_owned())),
                None => {
                    in_headers = false;
                    request.body.push_str(line.trim());
                }
            }
        }
    }
    requests
}

/// Leaves out what differs from run to run: times, and the creation time within entity tags.
fn mask(text: &str) -> String {
    let text = mask_after(text, "\"created_at\":\"", '"');
    let text = mask_after(&text, "\"updated_at\":\"", '"');
    let text = mask_after(&text, "\"changed_at\":\"", '"');
    let text = mask_after(&text, "\"stamp\":\"", '"');
    let text = mask_after(&text, "\"access_token\":\"", '"');
    let text = mask_after(&text, "\"refresh_token\":\"", '"');
    let text = mask_after(&text, "/api/v1/users/", '\n');
    let text = mask_after(&text, "\"email\":\"ann@example.com\",\"id\":\"", '"');
    let Some((version, rest)) = text.strip_prefix('"').and_then(|tag| tag.split_once('-')) else { return text };
    let is_tag = version.bytes().all(|byte| byte.is_ascii_digit()) && rest.ends_with('"');
    if is_tag { format!("\"{version}-*\"") } else { text.clone() }
}

fn mask_after(text: &str, mark: &str, end: char) -> String {
    let mut parts = text.split(mark);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str(mark);
        out.push('*');
        out.push_str(part.find(end).map_or("", |at| &part[at..]));
    }
    out
}
