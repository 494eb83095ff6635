//! The scenario of generated clients, in Rust: create, walk by cursor, change under If-Match, two refusals, a batch.

use std::env::var;
use std::sync::Arc;

use client::apis::batch_api::{BatchApi, BatchApiClient, RunBatchParams};
use client::apis::configuration::{ApiKey, Configuration};
use client::apis::markets_api::{
    CreateMarketParams, ListMarketsParams, MarketsApi, MarketsApiClient, UpdateMarketParams,
};
use client::apis::{Error, ResponseContent};
use client::models::batch_operation::{Collection, Op};
use client::models::market_patch::Status;
use client::models::{BatchBody, BatchOperation, ErrorAnswer, MarketCreateBody, MarketCreatedData, MarketPatch};
use serde_json::{Value, json};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let configuration = Arc::new(Configuration {
        base_path: var("E2E_SQLITE_URL")?,
        api_key: Some(ApiKey { prefix: None, key: var("E2E_KEY")? }),
        ..Configuration::default()
    });
    let markets = MarketsApiClient::new(configuration.clone());
    let made = create_and_walk(&markets).await?;
    change(&markets, &configuration, made.id.to_string()).await?;
    let again = MarketCreateBody::new("crab-0".into(), "Crab again".into());
    let again = CreateMarketParams::builder().market_create_body(again).build();
    assert_eq!(refusal(markets.create_market(again).await)?, (409, "CONFLICT".into(), vec!["/slug taken".into()]));
    batch(&BatchApiClient::new(configuration), made.id.to_string()).await
}

/// Three markets, found again two a page; the last that was made.
async fn create_and_walk(markets: &MarketsApiClient) -> Outcome<MarketCreatedData> {
    let mut made = MarketCreatedData::default();
    for number in 0..3 {
        let mut body = MarketCreateBody::new(format!("crab-{number}"), format!("Crab asks {number}"));
        body.volume = Some("1.5".into());
        body.tags = Some(vec!["rs".into()]);
        let params = CreateMarketParams::builder().market_create_body(body).build();
        made = *markets.create_market(params).await?.data;
        assert_eq!((made.volume.as_str(), made.version, made.closes_at), ("1.5000", 1, None));
    }
    let (mut found, mut cursor) = (Vec::new(), None);
    loop {
        let params = ListMarketsParams::builder().title__startswith("Crab".into()).sort(vec!["-title".into()]);
        let page = markets.list_markets(params.limit(2).maybe_cursor(cursor).build()).await?;
        found.extend(page.data.into_iter().filter_map(|market| market.slug));
        cursor = page.meta.next_cursor;
        if !page.meta.has_more {
            break;
        }
    }
    assert_eq!(found, ["crab-2", "crab-1", "crab-0"]);
    Ok(made)
}

/// The functions of this client give no headers: the tag is asked for with what they send by.
async fn change(markets: &MarketsApiClient, configuration: &Configuration, id: String) -> Outcome<()> {
    let url = format!("{}/api/v1/markets/{id}", configuration.base_path);
    let got = configuration.client.get(url).send().await?;
    let etag = got.headers()["etag"].to_str()?.to_owned();
    let patch = MarketPatch { status: Some(Status::Closed), ..MarketPatch::default() };
    let params = UpdateMarketParams::builder().id(id).if_match(etag).market_patch(patch).build();
    let changed = markets.update_market(params.clone()).await?.data;
    assert_eq!(changed.version, 2);
    assert_eq!(refusal(markets.update_market(params).await)?, (412, "PRECONDITION_FAILED".into(), Vec::new()));
    Ok(())
}

async fn batch(batch: &BatchApiClient, made: String) -> Outcome<()> {
    let operation = |op, id: Option<&str>, data: Value| -> Outcome<BatchOperation> {
        let (id, data) = (id.map(str::to_owned), serde_json::from_value(data)?);
        Ok(BatchOperation { id, data, ..BatchOperation::new(Collection::Markets, op) })
    };
    let delete = BatchOperation { version: Some(2), ..operation(Op::Delete, Some(&made), Value::Null)? };
    let operations = vec![
        operation(Op::Create, None, json!({ "title": "Crab in a batch", "slug": "crab-3" }))?,
        operation(Op::Update, Some("$0.id"), json!({ "status": "closed" }))?,
        delete.clone(),
    ];
    let params = |operations| RunBatchParams::builder().batch_body(BatchBody::new(operations)).build();
    let results = batch.run_batch(params(operations)).await?.data.results;
    let statuses: Vec<i32> = results.iter().map(|result| result.status).collect();
    assert_eq!(statuses, [201, 200, 204]);
    assert_eq!(results[1].data.as_ref().map(|data| &data["status"]), Some(&json!("closed")));
    let gone = refusal(batch.run_batch(params(vec![delete])).await)?;
    assert_eq!(gone, (412, "PRECONDITION_FAILED".into(), vec!["/operations/0 precondition_failed".into()]));
    Ok(())
}

fn refusal<T, E>(outcome: Result<T, Error<E>>) -> Outcome<(u16, String, Vec<String>)> {
    let Err(Error::ResponseError(ResponseContent { status, content, .. })) = outcome else {
        return Err("it was not refused".into());
    };
    let told: ErrorAnswer = serde_json::from_str(&content)?;
    let details = told.details.iter().map(|detail| format!("{} {}", detail.path, detail.code));
    Ok((status.as_u16(), told.code, details.collect()))
}
