//! Many callers at once: money that moves by batch between accounts, equal upserts that race. On both databases.
//!
//! What must hold whatever happens: no money is made or lost, no balance is below zero, one record a key, no 500.

use std::path::Path;
use std::thread;

use mainstay_e2e::database::Database;
use mainstay_e2e::http::Caller;
use mainstay_e2e::server::Server;
use serde_json::{Value as Json, json};

const CLIENTS: u64 = 64;
/// Batches of each client.
const ROUNDS: u64 = 6;
const ACCOUNTS: u64 = 10;
const BATCH: &str = "/api/v1/batch";

fn on_both(test: impl Fn(&Server)) {
    let documents = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/collections.yaml");
    for kind in ["sqlite", "postgres"] {
        let database = Database::new(kind);
        let server = Server::start(documents.to_str().unwrap(), database.url());
        test(&server);
        assert!(!server.log().contains("\"level\":\"ERROR\""), "an error was logged:\n{}", server.log());
    }
}

fn account(number: u64) -> String {
    format!("00000000-0000-7000-8000-{number:012x}")
}

/// Ten accounts, each with 100.00.
fn accounts(server: &Server) {
    let all = (0..ACCOUNTS).map(|n| json!({ "id": account(n), "name": format!("a{n}"), "balance": "100", "moves": 0 }));
    assert_eq!(server.admin.post("/api/v1/accounts", &all.collect()).status, 201);
}

/// The statuses of all clients' calls, each client with its own numbers.
fn at_once(work: impl Fn(u64, u64) -> u16 + Sync) -> Vec<u16> {
    thread::scope(|scope| {
        let work = &work;
        let each = |client| scope.spawn(move || (0..ROUNDS).map(|round| work(client, round)).collect::<Vec<_>>());
        let clients: Vec<_> = (0..CLIENTS).map(each).collect();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    })
}

fn count(statuses: &[u16], status: u16) -> usize {
    statuses.iter().filter(|found| **found == status).count()
}

/// A slow machine may turn away a few, with 503, and has changed nothing for them.
fn assert_few(busy: usize, statuses: &[u16]) {
    assert!(busy * 20 <= statuses.len(), "{busy} of {} were turned away", statuses.len());
}

/// A pair of different accounts and an amount in cents, other ones for each client and round.
fn pick(client: u64, round: u64) -> (u64, u64, u64) {
    let mixed = (client * ROUNDS + round + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20;
    let from = mixed % ACCOUNTS;
    let to = (from + 1 + (mixed >> 8) % (ACCOUNTS - 1)) % ACCOUNTS;
    (from, to, 1 + (mixed >> 16) % 9000)
}

fn cents(decimal: &Json) -> i64 {
    decimal.as_str().unwrap().replace('.', "").parse().unwrap()
}

/// What must hold of the accounts; how many transfers there are.
fn audit(caller: &Caller) -> usize {
    let accounts = caller.walk("/api/v1/accounts", &[("limit", "200")]);
    let balances: Vec<i64> = accounts.iter().map(|account| cents(&account["balance"])).collect();
    assert!(balances.iter().all(|balance| *balance >= 0), "{balances:?}");
    assert_eq!(balances.iter().sum::<i64>(), 10_000 * i64::try_from(ACCOUNTS).unwrap(), "{balances:?}");
    caller.walk("/api/v1/transfers", &[("limit", "200")]).len()
}

#[test]
fn money_moves_and_none_is_made() {
    on_both(|server| {
        accounts(server);
        let statuses = at_once(|client, round| {
            let (from, to, amount) = pick(client, round);
            let amount = format!("{}.{:02}", amount / 100, amount % 100);
            let (from, to) = (account(from), account(to));
            let operations = json!({ "operations": [
                { "op": "update", "collection": "accounts", "id": from, "increment": { "balance": format!("-{amount}"), "moves": 1 },
                  "if": { "balance": { "gte": amount } } },
                { "op": "update", "collection": "accounts", "id": to, "increment": { "balance": amount, "moves": 1 } },
                { "op": "create", "collection": "transfers", "data": { "from": from, "to": to, "amount": amount } },
            ] });
            server.admin.post(BATCH, &operations).status
        });
        let (done, short, busy) = (count(&statuses, 200), count(&statuses, 412), count(&statuses, 503));
        assert_eq!(statuses.len(), done + short + busy, "{statuses:?}");
        assert_few(busy, &statuses);
        assert!(done > 50, "too few went through to tell anything: {done}");
        assert_eq!(audit(&server.admin), done, "one transfer for each batch that was answered 200");
        let moves = server.admin.walk("/api/v1/accounts", &[]);
        let moves: i64 = moves.iter().map(|account| account["moves"].as_i64().unwrap()).sum();
        assert_eq!(moves, 2 * i64::try_from(done).unwrap(), "no increment is lost");
    });
}

#[test]
fn batches_with_references_and_upserts_among_them() {
    on_both(|server| {
        accounts(server);
        let statuses = at_once(|client, round| {
            let (from, to, amount) = pick(client, round);
            let amount = format!("{}.{:02}", amount / 100, amount % 100);
            // An account in between, found by its name or made anew, and emptied again.
            let name = format!("between {}", client % 5);
            let operations = json!({ "operations": [
                { "op": "upsert", "collection": "accounts", "on_conflict": "name", "data": { "name": name } },
                { "op": "update", "collection": "accounts", "id": account(from), "increment": { "balance": format!("-{amount}") } },
                { "op": "update", "collection": "accounts", "id": "$0.id", "increment": { "balance": amount } },
                { "op": "create", "collection": "transfers", "data": { "from": "$1.id", "to": "$2.id", "amount": amount } },
                { "op": "update", "collection": "accounts", "id": "$3.to", "increment": { "balance": format!("-{amount}") } },
                { "op": "update", "collection": "accounts", "id": account(to), "increment": { "balance": amount } },
            ] });
            server.admin.post(BATCH, &operations).status
        });
        let done = count(&statuses, 200);
        let (short, busy) = (count(&statuses, 422), count(&statuses, 503));
        assert_eq!(statuses.len(), done + short + busy, "{statuses:?}");
        // Rows that are found on the way are not locked in order: a deadlock may outlast its five tries.
        assert_few(busy, &statuses);
        assert!(done > 50, "too few went through to tell anything: {done}");
        assert_eq!(audit(&server.admin), done);
        let found = server.admin.walk("/api/v1/accounts", &[("name__startswith", "between"), ("limit", "200")]);
        assert_eq!(found.len(), 5, "one record a key");
        assert!(found.iter().all(|account| account["balance"] == "0.00"), "{found:?}");
    });
}

#[test]
fn equal_upserts_at_once_create_one_record() {
    on_both(|server| {
        for round in 0..10 {
            let statuses: Vec<u16> = thread::scope(|scope| {
                let upsert = |writer: u64| {
                    scope.spawn(move || {
                        let body = json!({ "name": format!("race {round}"), "moves": writer });
                        let parameters = [("on_conflict", "name")];
                        let path = "/api/v1/accounts";
                        server.anonymous.send(reqwest::Method::POST, path, &parameters, Some(&body)).unwrap().status
                    })
                };
                let writers: Vec<_> = (0..16).map(upsert).collect();
                writers.into_iter().map(|writer| writer.join().unwrap()).collect()
            });
            assert_eq!((count(&statuses, 201), count(&statuses, 200)), (1, 15), "{statuses:?}");
        }
        let all = server.admin.walk("/api/v1/accounts", &[]);
        assert_eq!(all.len(), 10);
        assert!(all.iter().all(|account| account["version"] == 16), "each write counts once: {all:?}");
    });
}

#[test]
fn bulk_changes_and_batches_meet() {
    on_both(|server| {
        accounts(server);
        let statuses = at_once(|client, round| match client % 4 {
            0 => {
                let parameters = [("balance__gte", "0"), ("max_affected", "10")];
                let body = json!({ "weight": 0.5 });
                let path = "/api/v1/accounts";
                server.admin.send(reqwest::Method::PATCH, path, &parameters, Some(&body)).unwrap().status
            }
            _ => {
                let (from, to, _) = pick(client, round);
                let add = |id: u64, by: i64| json!({ "op": "update", "collection": "accounts", "id": account(id), "increment": { "moves": by } });
                server.admin.post(BATCH, &json!({ "operations": [add(from, -1), add(to, 1)] })).status
            }
        });
        let busy = count(&statuses, 503);
        assert_eq!(count(&statuses, 200) + busy, statuses.len(), "{statuses:?}");
        assert_few(busy, &statuses);
        let all = server.admin.walk("/api/v1/accounts", &[]);
        assert_eq!(all.iter().map(|account| account["moves"].as_i64().unwrap()).sum::<i64>(), 0);
    });
}
