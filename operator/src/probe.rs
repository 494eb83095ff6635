//! `mainstay-operator probe URL`: asks once over plain HTTP and says whether the answer was a 2xx.
//!
//! Run by `helm test`, whose pods have this image and no other program. Blocking; never retries, follows nothing.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// How long connecting, writing or one read may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// More of an answer than this is not read.
const MOST: u64 = 1 << 20;

/// The status line of a 2xx answer; else what is wrong, as one line.
pub fn probe(url: &str) -> Result<String, String> {
    let answer = ask(url).map_err(|error| format!("{url}: {error}"))?;
    let line = answer.lines().next().unwrap_or_default().trim_end().to_owned();
    match line.split(' ').nth(1) {
        Some(status) if line.starts_with("HTTP/1.") && status.len() == 3 && status.starts_with('2') => Ok(line),
        _ => Err(format!("{url} answered {answer}")),
    }
}

fn ask(url: &str) -> Result<String, Box<dyn std::error::Error>> {
    let rest = url.strip_prefix("http://").ok_or("only http:// URLs can be asked")?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let address = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
    let address = address.to_socket_addrs()?.next().ok_or("the host has no address")?;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(MOST).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The outcome of a probe whose server sends `answer`, and what the server was asked.
    fn outcome(answer: &'static str) -> (Result<String, String>, String) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/readyz", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                asked.push(byte[0]);
            }
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8(asked).unwrap()
        });
        (probe(&url), server.join().unwrap())
    }

    #[test]
    fn only_a_2xx_is_well() {
        for (answer, well) in [
            ("HTTP/1.1 200 OK\r\n\r\nok", true),
            ("HTTP/1.1 204 No Content\r\n\r\n", true),
            ("HTTP/1.1 503 Service Unavailable\r\n\r\nno leader", false),
            ("HTTP/1.1 2", false),
            ("SSH-2.0-x 200\r\n", false),
            ("", false),
        ] {
            let (found, asked) = outcome(answer);
            assert_eq!(found.is_ok(), well, "{answer}: {found:?}");
            assert!(asked.starts_with("GET /readyz HTTP/1.1\r\nHost: 127.0.0.1:"), "{asked}");
            assert!(well || found.unwrap_err().contains(answer.trim()), "{answer}");
        }
    }

    #[test]
    fn what_cannot_be_asked_is_said() {
        for (url, why) in
            [("https://x/", "only http://"), ("http://127.0.0.1:1/", "refused"), ("readyz", "only http://")]
        {
            let error = probe(url).unwrap_err();
            assert!(error.starts_with(url) && error.contains(why), "{error}");
        }
    }
}
