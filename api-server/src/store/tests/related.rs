//! What conditions on other records mean: random trees through references and over related records, against the evaluator
//! of one record, which is asked for each of them in turn.

use std::collections::BTreeMap;

use mainstay_crds::filter::eval::eval;
use mainstay_crds::filter::{Filter, Op, Operand};
use mainstay_crds::name::Name;
use mainstay_crds::schema::ID;
use proptest::prelude::*;
use proptest::sample::select as one_of;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::*;
use crate::store::records::exists_where;

const TREES: usize = 300;
const ROWS: u128 = 12;

/// Positions of the fields of both collections: a number and a reference.
const N: usize = 4;
const REF: usize = 5;

pub(crate) type Record = Vec<Value<'static>>;

fn documents() -> [Document; 2] {
    let fields = |target: &str| {
        let reference = json!({ "name": "ref", "type": "ref", "collection": target });
        json!({ "fields": [{ "name": "n", "type": "integer" }, reference] })
    };
    [document("things", fields("links")), document("links", fields("things"))]
}

/// Every record of every collection, as the evaluator sees them.
pub(crate) struct World {
    pub(crate) schema: Arc<Schema>,
    /// By the name of their collection.
    pub(crate) records: BTreeMap<String, Vec<Record>>,
}

impl World {
    fn records(&self, name: &Name) -> &[Record] {
        self.records.get(name.as_str()).map_or(&[], Vec::as_slice)
    }

    /// Whether a bound tree holds for a record, whatever it asks of others.
    pub(crate) fn holds(&self, filter: &Filter, name: &Name, record: &Record, outer: Option<&Record>) -> Option<bool> {
        eval(&self.resolved(filter, record, outer), self.schema.get(name.as_str()).unwrap(), record)
    }

    /// The tree with what it says of other records as constants.
    fn resolved(&self, filter: &Filter, record: &Record, outer: Option<&Record>) -> Filter {
        let all = |filters: &[Filter]| filters.iter().map(|f| self.resolved(f, record, outer)).collect();
        match filter {
            Filter::And(filters) => Filter::And(all(filters)),
            Filter::Or(filters) => Filter::Or(all(filters)),
            Filter::Not(filter) => Filter::Not(Box::new(self.resolved(filter, record, outer))),
            Filter::Test { field, op, operands } => {
                let known = |operand: &Operand| match operand {
                    Operand::Outer(field) => Operand::Value(outer.unwrap()[*field].clone()),
                    other => other.clone(),
                };
                Filter::Test { field: *field, op: *op, operands: operands.iter().map(known).collect() }
            }
            Filter::Words(query) => Filter::Words(query.clone()),
            Filter::Through { field, target, readable, filter } => {
                let counts = |other: &&Record| {
                    let rule = readable.as_ref().map(|rule| self.holds(rule, target, other, None));
                    other[ID] == record[*field] && rule.is_none_or(|holds| holds == Some(true))
                };
                let found = self.records(target).iter().find(counts);
                constant(found.and_then(|found| self.holds(filter, target, found, outer)))
            }
            Filter::Exists { collection, filter } => {
                let mut records = self.records(collection).iter();
                constant(Some(records.any(|other| self.holds(filter, collection, other, Some(record)) == Some(true))))
            }
        }
    }
}

fn constant(truth: Option<bool>) -> Filter {
    match truth {
        Some(true) => Filter::And(Vec::new()),
        Some(false) => Filter::Or(Vec::new()),
        None => Filter::Test { field: N, op: Op::Eq, operands: vec![Operand::Value(Value::Null)] },
    }
}

fn number() -> impl Strategy<Value = Value<'static>> + Clone {
    (0..3i64).prop_map(Value::Integer)
}

fn row() -> impl Strategy<Value = Record> {
    let n = prop_oneof![1 => Just(Value::Null), 3 => number()];
    let id = prop_oneof![1 => Just(Value::Null), 3 => (1..=ROWS).prop_map(|id| Value::Uuid(Uuid::from_u128(id)))];
    (n, id).prop_map(|(n, id)| vec![n, id])
}

/// A test of one record; within `exists` also against the record outside.
fn test(inside: bool) -> impl Strategy<Value = Filter> + Clone {
    let constant = (one_of(vec![Op::Eq, Op::Ne, Op::Lt]), number()).prop_map(|(op, n)| (N, op, Operand::Value(n)));
    let null = any::<bool>().prop_map(|null| (REF, Op::Isnull, Operand::Value(Value::Boolean(null))));
    // The ids of one collection are the references of the other.
    let outer =
        one_of(vec![(N, N), (REF, ID), (ID, REF)]).prop_map(|(field, outer)| (field, Op::Eq, Operand::Outer(outer)));
    let tests = prop_oneof![2 => constant, 1 => null, (if inside { 3 } else { 0 }) => outer];
    tests.prop_map(|(field, op, operand)| Filter::Test { field, op, operands: vec![operand] })
}

/// Trees for one of two collections that refer to each other: a step to related records is one to the other.
fn tree(name: &'static str, inside: bool, depth: u32) -> BoxedStrategy<Filter> {
    if depth == 0 {
        return test(inside).boxed();
    }
    let other = if name == "things" { "links" } else { "things" };
    let target = Name::collection(other).unwrap();
    let same = || tree(name, inside, depth - 1);
    let readable = prop_oneof![2 => Just(None), 1 => test(false).prop_map(|rule| Some(Box::new(rule)))];
    let through = (readable, tree(other, inside, depth - 1)).prop_map({
        let target = target.clone();
        move |(readable, filter)| Filter::Through {
            field: REF,
            target: target.clone(),
            readable,
            filter: Box::new(filter),
        }
    });
    let exists = tree(other, true, depth - 1)
        .prop_map(move |filter| Filter::Exists { collection: target.clone(), filter: Box::new(filter) });
    prop_oneof![
        2 => test(inside),
        2 => prop::collection::vec(same(), 0..3).prop_map(Filter::And),
        1 => prop::collection::vec(same(), 0..3).prop_map(Filter::Or),
        2 => same().prop_map(|filter| Filter::Not(Box::new(filter))),
        3 => through,
        3 => exists,
    ]
    .boxed()
}

#[tokio::test]
async fn other_records_mean_the_same_everywhere() {
    let (stores, schema) = both_with(&documents()).await;
    let mut runner = TestRunner::default();
    let mut rows =
        || -> Vec<Record> { (1..=ROWS).map(|id| record(id, row().new_tree(&mut runner).unwrap().current())).collect() };
    let world = Arc::new(World {
        schema: Arc::clone(&schema),
        records: ["things", "links"].map(|name| (name.to_owned(), rows())).into(),
    });
    let strategy = tree("things", false, 4);
    let trees: Vec<Filter> = (0..TREES).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect();
    for store in stores {
        let (world, trees, dialect) = (Arc::clone(&world), trees.clone(), store.dialect());
        let filled = Arc::clone(&world);
        let fill = write(&store, move |conn| {
            conn.defer_references()?;
            for (name, records) in &filled.records {
                for record in records {
                    assert!(records::insert(conn, filled.schema.get(name).unwrap(), record)?);
                }
            }
            Ok(())
        });
        fill.await.unwrap();
        let ids: Vec<Uuid> = (1..=ROWS).map(Uuid::from_u128).collect();
        let compared = read(&store, move |conn| {
            let name = Name::collection("things").unwrap();
            let things = Arc::clone(world.schema.get("things").unwrap());
            for tree in &trees {
                // The opposite tells false from unknown.
                for (filter, wanted) in [(tree.clone(), true), (Filter::Not(Box::new(tree.clone())), false)] {
                    let mut found = exists_where(conn, &things, &world.schema, &ids, Some(&filter))?;
                    found.sort_unstable();
                    let holds = |record: &&Record| world.holds(tree, &name, record, None) == Some(wanted);
                    let expected: Vec<Value<'_>> =
                        world.records(&name).iter().filter(holds).map(|record| record[ID].clone()).collect();
                    let found: Vec<Value<'_>> = found.into_iter().map(Value::Uuid).collect();
                    assert_eq!(found, expected, "{filter:?} on {dialect:?}");
                }
            }
            Ok(())
        });
        compared.await.unwrap();
    }
}
