//! Files of secrets that change while the server runs: read every two seconds, taken over without a restart.
//!
//! Polled by `serve` beside the server. The content is compared, not its time, for Kubernetes swaps a whole folder
//! behind a link. What is wrong with a new file is logged once, by the setting's name and the rule, never with the
//! content; the keys from before stay.

use std::path::PathBuf;
use std::time::Duration;

use crate::app::App;
use crate::config::{AdminKeys, ApiKeys, JwtKeys, Parameter, Raw, RedisUrl, Settings};

const PAUSE: Duration = Duration::from_secs(2);

/// Takes a file's text over.
type Take = fn(&App, &Raw) -> Result<(), String>;

const WATCHED: [(&str, Take); 4] =
    [("adminKey", admin), ("apiKeys", machines), ("jwtKeys", signing), ("redis.url", redis)];

/// A file with what it held last; none when it could not be read.
struct File {
    setting: &'static str,
    path: PathBuf,
    take: Take,
    last: Option<String>,
}

/// Watches until it is dropped.
pub async fn follow(app: &App, settings: &Settings) {
    let named = WATCHED.into_iter().filter_map(|(setting, take)| Some((setting, take, settings.files.get(setting)?)));
    let mut files: Vec<File> = named
        // What was read at the start may have changed since: the first look takes it over again.
        .map(|(setting, take, path)| File { setting, path: path.clone(), take, last: Some(String::new()) })
        .collect();
    loop {
        for file in &mut files {
            look(app, file);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn look(app: &App, file: &mut File) {
    let read = std::fs::read_to_string(&file.path);
    let text = read.as_ref().ok();
    if text == file.last.as_ref() {
        return;
    }
    let taken = match &read {
        Ok(text) => (file.take)(app, &Raw::Text(text.clone())),
        Err(error) => Err(error.to_string()),
    };
    match taken {
        Ok(()) => tracing::info!(setting = file.setting, "its file was read"),
        Err(reason) => tracing::error!(
            setting = file.setting,
            file = %file.path.display(),
            reason,
            "its file cannot be used; what it held before stays in force"
        ),
    }
    file.last = read.ok();
}

fn parsed<T: Parameter + Default>(raw: &Raw) -> Result<T, String> {
    let mut value = T::default();
    value.parse(raw).map(|()| value)
}

fn admin(app: &App, raw: &Raw) -> Result<(), String> {
    let keys: AdminKeys = parsed(raw)?;
    if !keys.is_given() {
        return Err("it holds no key".to_owned());
    }
    app.keys.set_admin(keys.hashes());
    Ok(())
}

fn machines(app: &App, raw: &Raw) -> Result<(), String> {
    app.keys.set_machines(parsed::<ApiKeys>(raw)?.0);
    Ok(())
}

fn redis(app: &App, raw: &Raw) -> Result<(), String> {
    let url = parsed::<RedisUrl>(raw)?.0.ok_or("it holds no URL")?;
    // Watched only where one was given at the start.
    app.limiter.shared.iter().for_each(|shared| shared.turn_to(url.clone()));
    Ok(())
}

fn signing(app: &App, raw: &Raw) -> Result<(), String> {
    let keys = parsed::<JwtKeys>(raw)?.0;
    if keys.is_empty() {
        return Err("it holds no key".to_owned());
    }
    app.auth.keys.set(keys);
    Ok(())
}
