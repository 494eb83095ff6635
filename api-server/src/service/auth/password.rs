//! Passwords: which may be chosen, and how they are hashed and compared.
//!
//! Called by the other files of this folder. Argon2id takes tens of milliseconds and 19 MiB on purpose, so that it runs on
//! blocking threads, on half of the processors at most; who finds too many before is sent away. Nothing here is logged.

use std::sync::Arc;

use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use icu_normalizer::ComposingNormalizerBorrowed;
use mainstay_crds::Problems;
use tokio::sync::Semaphore;

use super::body;
use crate::service::{Code, Error};

/// The bounds of the setting for the fewest characters.
pub const SHORTEST_PASSWORD: usize = 8;
/// The most characters.
pub const LONGEST_PASSWORD: usize = body::PASSWORD;
/// Memory in KiB and passes: the least that OWASP's Password Storage Cheat Sheet names for Argon2id.
const COST: (u32, u32) = (19_456, 2);
/// What a hash of these parameters begins with.
const CURRENT: &str = "$argon2id$v=19$m=19456,t=2,p=1$";
/// Compared with where there is nothing to compare with, so that it takes as long. Nobody knows a password of it.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bWFpbnN0YXkgbm9ib2R5IQ$MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY";
/// For each that is hashed so many may wait: less than a second of work.
const WAITING: usize = 16;

/// Passwords that are tried first, in lower case; shorter ones are refused by their length.
const COMMON: &str = include_str!("common_passwords.txt");

/// Hashes a few at a time.
pub struct Hasher {
    /// Those who hash or wait.
    queue: Arc<Semaphore>,
    /// Those who hash.
    desks: Arc<Semaphore>,
}

impl Default for Hasher {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Hasher::new((processors / 2).max(1))
    }
}

/// What came of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Another password, or none to compare with.
    Wrong,
    /// The right one.
    Right,
    /// The right one, with its hash by the parameters of today.
    Outdated(String),
}

impl Hasher {
    fn new(desks: usize) -> Hasher {
        Hasher { queue: Semaphore::new(desks * (WAITING + 1)).into(), desks: Semaphore::new(desks).into() }
    }

    /// The hash of a password, a PHC string.
    ///
    /// Errors: 503 when too many are hashed.
    pub async fn hash(&self, password: String) -> Result<String, Error> {
        self.work(move || hash(&password)).await?
    }

    /// Compares a password with a hash; without one it takes as long, and is wrong.
    ///
    /// Errors: 503 when too many are hashed.
    pub async fn verify(&self, password: String, known: Option<String>) -> Result<Verdict, Error> {
        self.work(move || {
            let password = normal(&password);
            let stored = known.as_deref().unwrap_or(NOBODY);
            let same = Argon2::default().verify_password(password.as_bytes(), stored).is_ok();
            match (same && known.is_some(), stored.starts_with(CURRENT)) {
                (false, _) => Ok(Verdict::Wrong),
                (true, true) => Ok(Verdict::Right),
                (true, false) => hash(&password).map(Verdict::Outdated),
            }
        })
        .await?
    }

    async fn work<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
        let busy = || {
            let message = "too many people sign in at this moment; try again";
            Error { retry_after: Some(std::time::Duration::from_secs(1)), ..Error::new(Code::Unavailable, message) }
        };
        let place = Arc::clone(&self.queue).try_acquire_owned().map_err(|_| busy())?;
        let desk = Arc::clone(&self.desks).acquire_owned().await.map_err(Error::bug)?;
        let done = tokio::task::spawn_blocking(move || {
            // The work goes on when its client leaves, and so does what it holds.
            let _held = (place, desk);
            work()
        });
        done.await.map_err(Error::bug)
    }
}

fn hash(password: &str) -> Result<String, Error> {
    let (memory, passes) = COST;
    let params = Params::new(memory, passes, 1, None).map_err(|error| Error::bug(error.to_string()))?;
    let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash = hasher.hash_password(normal(password).as_bytes()).map_err(|error| Error::bug(error.to_string()))?;
    Ok(hash.to_string())
}

/// One form (NFC) of what keyboards write differently.
fn normal(password: &str) -> String {
    ComposingNormalizerBorrowed::new_nfc().normalize(password).into_owned()
}

/// Whether a person may choose this password.
pub fn judge(password: &str, email: &str, min_length: usize, problems: &mut Problems) {
    let password = normal(password);
    let length = password.chars().count();
    let lower = password.to_lowercase();
    let email = email.to_lowercase();
    let name = email.split('@').next().unwrap_or_default();
    if length < min_length {
        problems.add("too_short", format!("a password has at least {min_length} characters"));
    } else if length > LONGEST_PASSWORD {
        problems.add("too_long", format!("a password has at most {LONGEST_PASSWORD} characters"));
    } else if lower == email || lower == name {
        problems.add("not_allowed", "a password is not the e-mail address");
    } else if COMMON.lines().any(|common| common == lower) || is_one_character(&lower) {
        problems.add("not_allowed", "this is one of the passwords that are tried first; choose another");
    }
}

fn is_one_character(text: &str) -> bool {
    let mut characters = text.chars();
    characters.next().is_some_and(|first| characters.all(|other| other == first))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(password: &str) -> Vec<&'static str> {
        let mut problems = Problems::new();
        judge(password, "Ann.Lee@Example.com", 8, &mut problems);
        problems.into_vec().iter().map(|problem| problem.code).collect()
    }

    #[test]
    fn passwords_are_judged() {
        let longest = "äbcdefghijk".repeat(11) + "äbcdefg";
        for right in ["correct horse", "пароль-пароль", "12345678x", &longest] {
            assert!(judged(right).is_empty(), "{right}");
        }
        for (wrong, code) in [
            ("", "too_short"),
            ("1234567", "too_short"),
            // Seven characters, one of which is written with two.
            ("a\u{308}bcdefg", "too_short"),
            (&*(longest.clone() + "h"), "too_long"),
            ("ANN.LEE@example.COM", "not_allowed"),
            ("Password123", "not_allowed"),
            ("zzzzzzzzzzzz", "not_allowed"),
        ] {
            assert_eq!(judged(wrong), [code], "{wrong}");
        }
        assert_eq!(longest.chars().count(), LONGEST_PASSWORD);
        assert!(COMMON.lines().all(|line| line.len() >= SHORTEST_PASSWORD && line == line.to_lowercase()));
    }

    #[actix_web::test]
    async fn hashes_are_compared_by_their_own_parameters() {
        let hasher = Hasher::new(1);
        let verify = |password: &str, known: &str| hasher.verify(password.to_owned(), Some(known.to_owned()));
        let one = hasher.hash("gr\u{fc}n und blau".to_owned()).await.unwrap();
        let two = hasher.hash("gr\u{fc}n und blau".to_owned()).await.unwrap();
        assert!(one.starts_with(CURRENT) && one != two, "each has its own salt");
        assert_eq!(verify("gr\u{fc}n und blau", &one).await.unwrap(), Verdict::Right);
        assert_eq!(verify("gru\u{308}n und blau", &one).await.unwrap(), Verdict::Right, "written differently");
        assert_eq!(verify("gr\u{fc}n und blaU", &one).await.unwrap(), Verdict::Wrong);
        assert_eq!(verify("anything", "no hash at all").await.unwrap(), Verdict::Wrong);
        assert_eq!(hasher.verify("anything".to_owned(), None).await.unwrap(), Verdict::Wrong);

        let weak = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8, 1, 1, None).unwrap());
        let weak = weak.hash_password(b"correct horse").unwrap().to_string();
        let Verdict::Outdated(hash) = verify("correct horse", &weak).await.unwrap() else { panic!("it is outdated") };
        assert!(hash.starts_with(CURRENT));
        assert_eq!(verify("correct horse", &hash).await.unwrap(), Verdict::Right);
        assert_eq!(verify("wrong horse!", &weak).await.unwrap(), Verdict::Wrong);
    }

    /// The stand-in takes as long as a hash of today: it has the same parameters, and the form is read.
    #[test]
    fn nobody_has_a_hash_like_everybody() {
        assert!(NOBODY.starts_with(CURRENT));
        let read = argon2::password_hash::phc::PasswordHash::new(NOBODY).unwrap();
        assert!(read.salt.is_some() && read.hash.is_some_and(|hash| hash.as_bytes().len() == 32));
    }

    #[actix_web::test]
    async fn who_finds_too_many_before_is_sent_away() {
        let hasher = Arc::new(Hasher::new(1));
        let (release, released) = std::sync::mpsc::channel::<()>();
        let held = hasher.work(move || released.recv().is_err());
        let waiting: Vec<_> = (0..WAITING).map(|_| hasher.work(|| true)).collect();
        let all = futures_util::future::join(held, futures_util::future::join_all(waiting));
        let more = async {
            let error = hasher.work(|| true).await.unwrap_err();
            drop(release);
            error
        };
        let ((held, waited), error) = futures_util::future::join(all, more).await;
        assert!(held.unwrap() && waited.into_iter().all(|done| done.unwrap()));
        assert_eq!((error.code, error.retry_after.map(|wait| wait.as_secs())), (Code::Unavailable, Some(1)));
    }
}
