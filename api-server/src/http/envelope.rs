//! The envelope of a success: `{"success":true,"data":…,"meta":…,"included":…}`, around JSON that is ready.

use std::fmt::Write as _;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{ContentType, ETAG, LINK, LOCATION};
use serde_json::json;

use super::prefer::Prefer;
use crate::query::params;
use crate::service::records::batch::Outcome;
use crate::service::records::import::Report;
use crate::service::records::read::{Got, Listed};
use crate::service::records::{Included, Version, Written};

/// One record, or 304 decided before.
pub fn got(got: Got) -> HttpResponse {
    let mut body = Vec::with_capacity(got.json.len() + 64);
    body.extend_from_slice(b"{\"success\":true,\"data\":");
    body.extend_from_slice(&got.json);
    if let Some(cut) = got.included.as_ref().map(|included| &included.truncated).filter(|cut| !cut.is_empty()) {
        body.extend_from_slice(b",\"meta\":");
        body.extend_from_slice(json!({ "truncated": cut }).to_string().as_bytes());
    }
    included(got.included.as_ref(), &mut body);
    body.push(b'}');
    let mut response = HttpResponse::Ok();
    if let Some(version) = got.version {
        response.insert_header((ETAG, quoted(version)));
    }
    response.content_type(ContentType::json()).body(body)
}

/// A page. `link`, the request's path and query, makes the `Link` to the next one (RFC 8288) where a URL can name it.
pub fn listed(listed: Listed, link: Option<(&str, &str)>) -> HttpResponse {
    let mut body = Vec::with_capacity(listed.rows.json.len() + 256);
    body.extend_from_slice(b"{\"success\":true,\"data\":[");
    for row in 0..listed.rows.len() {
        if row > 0 {
            body.push(b',');
        }
        body.extend_from_slice(listed.rows.object(row).unwrap_or_default());
    }
    let mut meta = json!({ "limit": listed.limit, "has_more": listed.has_more });
    if let Some(members) = meta.as_object_mut() {
        members.extend(listed.offset.map(|offset| ("offset".to_owned(), json!(offset))));
        members.extend(listed.next_cursor.as_ref().map(|cursor| ("next_cursor".to_owned(), json!(cursor))));
        members.extend(listed.total.map(|total| ("total".to_owned(), json!(total))));
        let cut = listed.included.as_ref().map(|included| &included.truncated).filter(|cut| !cut.is_empty());
        members.extend(cut.map(|cut| ("truncated".to_owned(), json!(cut))));
    }
    body.extend_from_slice(b"],\"meta\":");
    body.extend_from_slice(meta.to_string().as_bytes());
    included(listed.included.as_ref(), &mut body);
    body.push(b'}');
    let mut response = HttpResponse::Ok();
    if let (Some(cursor), Some((path, raw))) = (&listed.next_cursor, link) {
        response.insert_header((LINK, next_link(path, raw, cursor)));
    }
    response.content_type(ContentType::json()).body(body)
}

/// The elements of an aggregate, as JSON that is ready.
pub fn aggregated(rows: &[u8]) -> HttpResponse {
    let mut body = b"{\"success\":true,\"data\":".to_vec();
    body.extend_from_slice(rows);
    body.push(b'}');
    HttpResponse::Ok().content_type(ContentType::json()).body(body)
}

/// A record that was written. Without a body when the caller may not read it, or does not want it.
pub fn written(collection: &str, written: &Written, prefer: Prefer) -> HttpResponse {
    let json = written.json.as_ref().filter(|_| prefer == Prefer::Representation);
    let mut response = HttpResponse::build(status(written.created, json.is_some()));
    prefer.applied(&mut response);
    if written.created {
        response.insert_header((LOCATION, format!("/api/v1/{collection}/{}", written.id)));
    }
    if written.json.is_some() {
        response.insert_header((ETAG, quoted(written.version)));
    }
    let Some(json) = json else { return response.finish() };
    let mut body = b"{\"success\":true,\"data\":".to_vec();
    body.extend_from_slice(json);
    body.push(b'}');
    response.content_type(ContentType::json()).body(body)
}

fn status(created: bool, has_body: bool) -> StatusCode {
    match (created, has_body) {
        (true, _) => StatusCode::CREATED,
        (false, true) => StatusCode::OK,
        (false, false) => StatusCode::NO_CONTENT,
    }
}

/// Records that were written together: created, if one of them was. A record that the caller may not read is null.
pub fn written_many(records: &[Written], prefer: Prefer) -> HttpResponse {
    let created = records.iter().any(|record| record.created);
    let mut response = HttpResponse::build(status(created, prefer == Prefer::Representation));
    prefer.applied(&mut response);
    if prefer == Prefer::Minimal {
        return response.finish();
    }
    let mut body = b"{\"success\":true,\"data\":[".to_vec();
    for (index, record) in records.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        body.extend_from_slice(record.json.as_deref().unwrap_or(b"null"));
    }
    body.extend_from_slice(b"]}");
    response.content_type(ContentType::json()).body(body)
}

/// What became of each operation of a batch, with the status and the data that it would have had alone.
pub fn batch(outcomes: &[Outcome], prefer: Prefer) -> HttpResponse {
    let mut response = HttpResponse::build(status(false, prefer == Prefer::Representation));
    prefer.applied(&mut response);
    if prefer == Prefer::Minimal {
        return response.finish();
    }
    let mut body = b"{\"success\":true,\"data\":{\"results\":[".to_vec();
    for (index, outcome) in outcomes.iter().enumerate() {
        let (status, json) = match outcome {
            Outcome::Written(written) => (status(written.created, written.json.is_some()), written.json.as_ref()),
            Outcome::Deleted => (StatusCode::NO_CONTENT, None),
        };
        let between = if index == 0 { "" } else { "," };
        body.extend_from_slice(format!("{between}{{\"status\":{}", status.as_u16()).as_bytes());
        if let Some(json) = json {
            body.extend_from_slice(b",\"data\":");
            body.extend_from_slice(json);
        }
        body.push(b'}');
    }
    body.extend_from_slice(b"]}}");
    response.content_type(ContentType::json()).body(body)
}

/// How many records a bulk change was about.
pub fn affected(number: usize) -> HttpResponse {
    let body = format!("{{\"success\":true,\"data\":{{\"affected\":{number}}}}}");
    HttpResponse::Ok().content_type(ContentType::json()).body(body)
}

/// What came of an import.
pub fn imported(report: &Report) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "success": true, "data": report }))
}

/// The entity tag of a whole record.
pub fn quoted(version: Version) -> String {
    format!("\"{}\"", version.tag())
}

fn included(included: Option<&Included>, body: &mut Vec<u8>) {
    let Some(included) = included else { return };
    body.extend_from_slice(b",\"included\":{");
    for (index, (collection, records)) in included.records.iter().enumerate() {
        body.extend_from_slice(if index == 0 { b"\"" } else { b",\"" });
        body.extend_from_slice(collection.as_bytes());
        body.extend_from_slice(b"\":{");
        for (index, (id, json)) in records.iter().enumerate() {
            body.extend_from_slice(if index == 0 { b"\"" } else { b",\"" });
            body.extend_from_slice(id.hyphenated().to_string().as_bytes());
            body.extend_from_slice(b"\":");
            body.extend_from_slice(json);
        }
        body.push(b'}');
    }
    body.push(b'}');
}

/// The same request with the cursor in place of `cursor` and `offset`.
fn next_link(path: &str, raw: &str, cursor: &str) -> String {
    let mut link = format!("<{path}?cursor={cursor}");
    let paging = |name: &str| matches!(params::decode(name).as_deref(), Some("cursor" | "offset"));
    let kept = raw.split('&').filter(|part| !part.is_empty() && !paging(part.split('=').next().unwrap_or_default()));
    for part in kept {
        // Writing to a String cannot fail.
        if write!(link, "&{part}").is_err() {
            break;
        }
    }
    link.push_str(">; rel=\"next\"");
    link
}

#[cfg(test)]
mod tests {
    use super::next_link;

    #[test]
    fn the_next_page_keeps_every_parameter_but_the_position() {
        for (raw, kept) in [
            ("", ""),
            ("limit=2&&sort=-a", "&limit=2&sort=-a"),
            ("offset=4&limit=2&cursor=old", "&limit=2"),
            ("%63ursor=old&a__in=x%2Cy&off%73et=1", "&a__in=x%2Cy"),
        ] {
            assert_eq!(
                next_link("/api/v1/things", raw, "new"),
                format!("</api/v1/things?cursor=new{kept}>; rel=\"next\"")
            );
        }
    }
}
