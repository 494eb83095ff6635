//! What a rule grants is what the evaluator says, by every way to read: random rules and questions over random records, on
//! both databases.

use std::collections::{BTreeMap, BTreeSet};

use mainstay_crds::Problems;
use mainstay_crds::Value;
use mainstay_crds::collection::check;
use mainstay_crds::filter::Filter;
use mainstay_crds::filter::parse::{Place, parse};
use mainstay_crds::schema::{Collection, ID};
use mainstay_crds::words::query;
use proptest::test_runner::TestRunner;

use super::*;
use crate::service::access::{Action, grant};
use crate::store::tests::related::{self, Record};

mod drawn;

use drawn::{draw, link, thing, tree};

const RULES: usize = 60;
const ROWS: u128 = 25;
const LINKS: u128 = 12;
const ME: u128 = 0xa1;

fn documents(rule: &Json) -> Vec<Document> {
    let things = json!({
        "fields": [
            { "name": "title", "type": "text" }, { "name": "team", "type": "text" },
            { "name": "n", "type": "integer" }, { "name": "m", "type": "integer" },
            { "name": "amount", "type": "decimal", "precision": 6, "scale": 2 }, { "name": "ratio", "type": "number" },
            { "name": "flag", "type": "boolean" }, { "name": "at", "type": "timestamp" }, { "name": "day", "type": "date" },
            { "name": "key", "type": "uuid" }, { "name": "state", "type": "enum", "values": ["a", "b", "c"] },
            { "name": "teams", "type": "list", "items": "text" },
            { "name": "owner", "type": "ref", "collection": "users" }, { "name": "link", "type": "ref", "collection": "links" },
        ],
        "search": { "text": ["title"], "language": "english" }, "history": { "keep": 2 },
        "access": { "read": [rule], "update": [{ "roles": ["anyone"] }] },
    });
    let links = json!({
        "fields": [
            { "name": "name", "type": "text" }, { "name": "n", "type": "integer" },
            { "name": "thing", "type": "ref", "collection": "things" },
        ],
        "access": { "read": [{ "roles": ["anyone"], "where": { "n": { "lt": 2 } } }] },
    });
    vec![document("things", things), document("links", links)]
}

fn anyone() -> Json {
    json!({ "roles": ["anyone"] })
}

fn me() -> Caller {
    let claims = json!({ "team": "red", "teams": ["red", "blue"], "level": 1, "key": id(2), "none": [] });
    match user(Uuid::from_u128(ME), &["red", "b"], claims) {
        Sender::As(caller) => caller,
        Sender::Wire(_) => Caller::Anonymous,
    }
}

/// A record as the evaluator sees it.
fn record(collection: &Collection, number: u128, body: &Json) -> Record {
    let system =
        [Value::Uuid(Uuid::from_u128(number)), Value::Integer(1), Value::Timestamp(NOW), Value::Timestamp(NOW)];
    let values = collection.declared().map(|(_, field)| match &body[field.name.as_str()] {
        Json::Null => Value::Null,
        json => field.kind.parse(json, &mut Problems::new()).unwrap(),
    });
    system.into_iter().chain(values).collect()
}

/// Random records, the same for the databases and for the evaluator.
struct Records {
    things: Vec<Json>,
    links: Vec<Json>,
}

impl Records {
    fn drawn(runner: &mut TestRunner) -> Records {
        let numbered = |(number, mut body): (u128, Json)| {
            body["id"] = json!(id(number));
            body
        };
        let things = (1..=ROWS).map(|n| (n, json!(draw(&thing(), runner)))).map(numbered).collect();
        let links = (1..=LINKS).map(|n| (n, draw(&link(), runner))).map(numbered).collect();
        Records { things, links }
    }

    async fn fill(&self, world: &World) {
        for number in [ME, 0xa2] {
            world.make("users", json!({ "id": id(number), "email": format!("{number}@example.com") })).await;
        }
        // They refer to each other.
        for link in &self.links {
            let mut bare = link.clone();
            bare["thing"] = Json::Null;
            world.make("links", bare).await;
        }
        for thing in &self.things {
            world.make("things", thing.clone()).await;
        }
        for link in &self.links {
            let uri = format!("/api/v1/links/{}", link["id"].as_str().unwrap());
            world.admin(call("PATCH", uri).body(&json!({ "thing": link["thing"] }))).await;
        }
    }

    fn evaluated(&self, schema: &Arc<Schema>) -> related::World {
        let all = |name: &str, bodies: &[Json]| {
            let collection = schema.get(name).unwrap();
            (1..).zip(bodies).map(|(number, body)| record(collection, number, body)).collect::<Vec<_>>()
        };
        let records =
            [("things".to_owned(), all("things", &self.things)), ("links".to_owned(), all("links", &self.links))];
        related::World { schema: Arc::clone(schema), records: records.into() }
    }
}

type Ids = BTreeSet<String>;

/// What a caller is to see under one rule, by the evaluator.
struct Expected<'a> {
    memory: &'a related::World,
    ctx: Ctx,
    rule: Filter,
}

impl Expected<'_> {
    /// The records that the rule and the question hold for.
    fn ids(&self, question: &Filter) -> Ids {
        let name = self.memory.schema.get("things").unwrap().name.clone();
        let both = Filter::And(vec![self.rule.clone(), question.clone()]);
        let things = self.memory.records["things"].iter();
        let holds = |thing: &&Record| self.memory.holds(&both, &name, thing, None) == Some(true);
        things.filter(holds).map(id_of).collect()
    }

    /// A tree of a request, in which related records are held to their rule.
    fn question(&self, json: &Json) -> Filter {
        let schema = &self.memory.schema;
        let things = schema.get("things").unwrap();
        let mut problems = Problems::new();
        let filter = parse(json, things, schema, Place::Request, &mut problems);
        let filter = filter.unwrap_or_else(|| panic!("{json}: {:?}", problems.into_vec()));
        let filter = filter.bind(&self.ctx.scope()).unwrap();
        filter.guard(&|name| grant(&self.ctx, schema.get(name.as_str())?, Action::Read).into_filter())
    }
}

fn id_of(record: &Record) -> String {
    match &record[ID] {
        Value::Uuid(id) => id.to_string(),
        other => panic!("{other:?} is no id"),
    }
}

fn ids_of<'a>(records: impl IntoIterator<Item = &'a Json>) -> Ids {
    records.into_iter().map(|record| record["id"].as_str().unwrap().to_owned()).collect()
}

#[actix_web::test]
async fn every_read_shows_what_the_evaluator_says() {
    let mut runner = TestRunner::default();
    let records = Records::drawn(&mut runner);
    let schema = Arc::new(check(&documents(&anyone())).unwrap());
    let memory = records.evaluated(&schema);
    let (rules, questions) = (tree(true), tree(false));
    let drawn: Vec<(Json, Json)> =
        (0..RULES).map(|_| (draw(&rules, &mut runner), draw(&questions, &mut runner))).collect();
    let things = schema.get("things").unwrap();
    for world in World::both(&documents(&anyone())).await {
        records.fill(&world).await;
        for (rule, question) in &drawn {
            let ctx = Ctx { caller: me(), now: NOW, once: None };
            let parsed = parse(rule, things, &schema, Place::Rule, &mut Problems::new()).unwrap();
            // A rule that names what the caller lacks grants nothing.
            let granted = parsed.bind(&ctx.scope());
            let expected = Expected { memory: &memory, rule: granted.clone().unwrap_or(Filter::Or(Vec::new())), ctx };
            match check(&documents(&json!({ "roles": ["user"], "where": rule }))) {
                Ok(schema) => world.state.service.schema.store(Arc::new(schema)),
                Err(problems) => {
                    assert!(problems[0].iter().all(|problem| problem.code == "never"), "{rule}: {problems:?}");
                    assert_eq!(expected.ids(&Filter::And(Vec::new())), Ids::new(), "said to hold never: {rule}");
                    continue;
                }
            }
            let told = format!("{rule}, asked {question}, on {:?} of {:?}", world.dialect, records.things);
            match granted {
                None => {
                    let list = world.send(&Sender::As(me()), &call("GET", "/api/v1/things")).await;
                    assert_eq!(list.status, 403, "{told}");
                }
                Some(_) => compare(&world, &expected, question, &told).await,
            }
        }
    }
}

/// Every way to read, against what is expected.
async fn compare(world: &World, expected: &Expected<'_>, question: &Json, told: &str) {
    let me = Sender::As(me());
    let get = async |uri: &str| {
        let answer = world.send(&me, &call("GET", format!("/api/v1/{uri}"))).await;
        assert_eq!(answer.status, 200, "{uri}: {answer:?} for {told}");
        answer
    };
    let all = expected.ids(&Filter::And(Vec::new()));
    let list = get("things?limit=200&count=exact&sort=-n,title").await.json();
    assert_eq!(ids_of(list["data"].as_array().unwrap()), all, "a list: {told}");
    assert_eq!(list["meta"]["total"], json!(all.len()), "a count: {told}");
    let groups = get("things/aggregate?count=true&group=state").await.json();
    let counted: u64 = groups["data"].as_array().unwrap().iter().map(|group| group["count"].as_u64().unwrap()).sum();
    assert_eq!(counted, all.len() as u64, "an aggregate: {told}");
    let lines = get("things/export?format=ndjson&sort=-at").await.body;
    let lines: Vec<Json> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(ids_of(&lines), all, "an export: {told}");
    let words = query::parse(
        "rain",
        expected.memory.schema.get("things").unwrap().search.as_ref().unwrap().language,
        &mut Problems::new(),
    );
    let found = get("things?limit=200&q=rain&sort=relevance").await.json();
    assert_eq!(
        ids_of(found["data"].as_array().unwrap()),
        expected.ids(&Filter::Words(words.unwrap())),
        "words: {told}"
    );
    let linked = get("links?limit=200&include=thing").await.json();
    let wanted = linked["data"].as_array().unwrap().iter().filter_map(|link| link["thing"].as_str().map(str::to_owned));
    let wanted: Ids = wanted.filter(|thing| all.contains(thing)).collect();
    let included = linked["included"]["things"].as_object().unwrap();
    assert_eq!(included.keys().cloned().collect::<Ids>(), wanted, "an include: {told}");

    let asked = expected.ids(&expected.question(question));
    let body = json!({ "where": question, "limit": 200, "count": "exact" });
    let searched = world.send(&me, &call("POST", "/api/v1/things/search").body(&body)).await.json();
    assert_eq!(ids_of(searched["data"].as_array().unwrap()), asked, "a search: {told}");
    assert_eq!(searched["meta"]["total"], json!(asked.len()), "its count: {told}");
    for number in [1, 2, 3] {
        let (id, uri) = (id(number), format!("/api/v1/things/{}", id(number)));
        let status = if all.contains(&id) { 200 } else { 404 };
        let (one, history) = (call("GET", uri.clone()), call("GET", format!("{uri}/history")));
        assert_eq!(world.send(&me, &one).await.status, status, "{id}: {told}");
        assert_eq!(world.send(&me, &history).await.status, status, "the history of {id}: {told}");
        let update = json!({ "op": "update", "collection": "things", "id": id, "data": {}, "if": question });
        let batch = call("POST", "/api/v1/batch").body(&json!({ "operations": [update] }));
        let status = if !all.contains(&id) {
            404
        } else if asked.contains(&id) {
            200
        } else {
            412
        };
        let answer = world.send(&me, &batch).await;
        assert_eq!(answer.status, status, "`if` of {id}: {answer:?} for {told}");
    }
}
