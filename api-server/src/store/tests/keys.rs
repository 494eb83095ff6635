//! Stored keys: every column there and back, who is found by what, and which row a change reaches.

use super::*;
use crate::store::keys::{self, StoredKey};

fn key(id: u128) -> StoredKey {
    StoredKey {
        id: Uuid::from_u128(id),
        machine: Uuid::from_u128(1),
        name: format!("k{id}"),
        hash: vec![id as u8; 32],
        prefix: "ms_12345678".to_owned(),
        roles: r#"["a","b"]"#.to_owned(),
        rate_limit: Some(r#"{"limit":1,"window":"1s"}"#.to_owned()),
        created_at: NOW,
        created_by: "admin".to_owned(),
        lives_for: Some(i64::MAX),
        expires_at: Some(NOW + 9),
        revoked_at: None,
        last_used_at: Some(NOW + 1),
        replaces: Some(Uuid::from_u128(9)),
    }
}

async fn insert(store: &Store, key: StoredKey) -> Result<(), Error> {
    write(store, move |conn| keys::insert(conn, key.clone())).await
}

async fn found(store: &Store, hash: u8) -> Option<StoredKey> {
    read(store, move |conn| keys::by_hash(conn, &[hash; 32])).await.unwrap()
}

#[tokio::test]
async fn keys_come_back_as_they_were_written() {
    let (stores, _) = both_with(&[]).await;
    for store in stores {
        let bare = StoredKey {
            rate_limit: None,
            lives_for: None,
            expires_at: None,
            last_used_at: None,
            replaces: None,
            ..key(2)
        };
        for key in [key(1), bare.clone(), key(3)] {
            insert(&store, key).await.unwrap();
        }
        assert_eq!([found(&store, 1).await, found(&store, 2).await], [Some(key(1)), Some(bare)]);
        assert_eq!(found(&store, 7).await, None);
        let again = insert(&store, StoredKey { id: Uuid::from_u128(4), ..key(1) }).await;
        assert!(matches!(again, Err(Error::Unique { .. })), "{again:?}");

        let ids = [1, 3, 5].map(Uuid::from_u128);
        let mut some = read(&store, move |conn| keys::by_ids(conn, &ids)).await.unwrap();
        some.sort_by_key(|key| key.id);
        assert_eq!(some, [key(1), key(3)]);
        let page = |before: Option<u128>| {
            let before = before.map(Uuid::from_u128);
            read(&store, move |conn| keys::page(conn, before, 2))
        };
        let ids = |keys: Vec<StoredKey>| keys.iter().map(|key| key.id.as_u128()).collect::<Vec<_>>();
        assert_eq!(ids(page(None).await.unwrap()), [3, 2]);
        assert_eq!(ids(page(Some(2)).await.unwrap()), [1]);
    }
}

#[tokio::test]
async fn changes_reach_their_key_alone_and_uses_only_go_on() {
    let (stores, _) = both_with(&[]).await;
    for store in stores {
        let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
        insert(&store, key(1)).await.unwrap();
        insert(&store, StoredKey { replaces: Some(one), ..key(2) }).await.unwrap();
        let successor = |now: i64| read(&store, move |conn| keys::successor(conn, one, now));
        assert_eq!(successor(NOW + 8).await.unwrap(), Some(two));
        assert_eq!(successor(NOW + 9).await.unwrap(), None, "it has ended");
        write(&store, move |conn| keys::end(conn, two, NOW + 5)).await.unwrap();
        assert_eq!(successor(NOW + 5).await.unwrap(), None);
        for (at, last) in [(NOW + 7, NOW + 7), (NOW + 6, NOW + 7)] {
            write(&store, move |conn| keys::used(conn, two, at)).await.unwrap();
            assert_eq!(found(&store, 2).await.unwrap().last_used_at, Some(last));
        }
        for now in [NOW + 1, NOW + 2] {
            write(&store, move |conn| keys::revoke(conn, two, now)).await.unwrap();
        }
        assert_eq!(found(&store, 2).await.unwrap().revoked_at, Some(NOW + 1), "the first time counts");
        assert_eq!(successor(NOW).await.unwrap(), None);
        assert_eq!(found(&store, 1).await, Some(key(1)));
        let locked = write(&store, move |conn| keys::lock(conn, one)).await.unwrap();
        assert_eq!(locked, Some(key(1)));
    }
}
