//! Sessions and passwords: what ends with what, and the sweep.

use super::*;
use crate::store::auth::session::{self, Session, Token};
use crate::store::auth::{Owner, password};

fn session(number: u128, owner: Owner, expires_at: i64) -> Session {
    Session { id: Uuid::from_u128(number), owner, expires_at }
}

fn token(number: u8, session: Session) -> Token {
    Token { hash: vec![number; 32], session: session.id, salt: vec![number; 32], used_at: None }
}

const ANN: Owner = Owner { id: Uuid::from_u128(1), created_at: NOW };
/// A later record of the same id.
const ANNA: Owner = Owner { id: Uuid::from_u128(1), created_at: NOW + 1 };

#[tokio::test]
async fn sessions_end_with_their_tokens() {
    let (stores, _) = both_with(&[]).await;
    for store in stores {
        let all = [session(1, ANN, NOW + 9), session(2, ANN, NOW + 9), session(3, ANNA, NOW + 9)];
        write(&store, move |conn| {
            for (number, one) in (0..).zip(&all) {
                session::start(conn, *one, NOW)?;
                session::keep(conn, &token(number, *one))?;
            }
            session::mark_used(conn, &[0; 32], NOW + 1)?;
            session::extend(conn, all[0].id, NOW + 20)
        })
        .await
        .unwrap();
        let first = read(&store, move |conn| session::find(conn, all[0].id, true)).await.unwrap();
        assert_eq!(first, Some(Session { expires_at: NOW + 20, ..all[0] }));
        let used = read(&store, |conn| session::token(conn, &[0; 32])).await.unwrap();
        assert_eq!(used, Some(Token { used_at: Some(NOW + 1), ..token(0, all[0]) }));

        write(&store, move |conn| session::end_all(conn, ANN, Some(all[1].id))).await.unwrap();
        let left = move |conn: &mut Conn| {
            let tokens = (0..3).map(|n| session::token(conn, &[n; 32])).collect::<Result<Vec<_>, _>>()?;
            Ok(tokens.iter().map(Option::is_some).collect::<Vec<_>>())
        };
        assert_eq!(read(&store, left).await.unwrap(), [false, true, true], "another person of the same id");

        let more = write(&store, |conn| session::sweep(conn, NOW + 8)).await.unwrap();
        assert_eq!((more, read(&store, left).await.unwrap()), (false, vec![false, true, true]));
        write(&store, |conn| session::sweep(conn, NOW + 9)).await.unwrap();
        assert_eq!(read(&store, left).await.unwrap(), [false; 3]);
    }
}

#[tokio::test]
async fn passwords_are_their_person_s_and_go_with_the_record() {
    let (stores, schema) = both_with(&[]).await;
    let users = Arc::clone(schema.get("users").unwrap());
    for store in stores {
        write(&store, |conn| password::set(conn, ANN, "one", NOW)).await.unwrap();
        let find = |owner| read(&store, move |conn| password::find(conn, owner, false));
        assert_eq!((find(ANN).await.unwrap(), find(ANNA).await.unwrap()), (Some("one".to_owned()), None));
        write(&store, |conn| password::set(conn, ANNA, "two", NOW)).await.unwrap();
        assert_eq!((find(ANN).await.unwrap(), find(ANNA).await.unwrap()), (None, Some("two".to_owned())));

        let users = Arc::clone(&users);
        write(&store, move |conn| password::sweep(conn, &users)).await.unwrap();
        assert_eq!(find(ANNA).await.unwrap(), None, "there is no such record");
    }
}
