//! A Redis for tests: started from the machine's own binary in a temporary folder on a free port, gone with its owner.
//!
//! Used by the tests of the server. It runs under a shell that ends it when this process's end of a pipe closes: also
//! after a panic or a SIGKILL.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use tempfile::TempDir;

/// What watches the server: starts it again, or signals it, as its input says.
const KEEPER: &str = r#"
"$@" <&- &
server=$!
while read -r order; do
  case $order in
    start) "$@" <&- & server=$! ;;
    KILL) kill -KILL "$server"; wait "$server" ;;
    *) kill -s "$order" "$server" ;;
  esac
done
kill -KILL "$server"
wait "$server"
"#;
const UP: &str = "Ready to accept connections";

/// A running server.
pub struct Redis {
    /// Where it is, such as `redis://127.0.0.1:41234`.
    pub url: String,
    port: String,
    keeper: Child,
    orders: Option<Mutex<ChildStdin>>,
    turns: Mutex<Receiver<String>>,
    _folder: TempDir,
}

impl Redis {
    /// Starts an empty server, and returns once it answers.
    pub fn start() -> Redis {
        let folder = tempfile::tempdir().expect("a folder");
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
        let port = free.port().to_string();
        let mut shell = Command::new("sh");
        shell.args(["-c", KEEPER, "sh", "redis-server", "--bind", "127.0.0.1", "--port", &port]);
        shell.args(["--save", "", "--appendonly", "no", "--dir"]).arg(folder.path());
        shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut keeper = shell.spawn().expect("a shell that runs Redis");
        let orders = keeper.stdin.take().expect("its input");
        let log = BufReader::new(keeper.stdout.take().expect("its log")).lines();
        let (tell, turns) = channel();
        // Reads on, so that a full pipe never stops the server.
        std::thread::spawn(move || {
            for line in log.map_while(Result::ok).filter(|line| line.contains(UP)) {
                drop(tell.send(line)); // nobody listens at the end
            }
        });
        let url = format!("redis://127.0.0.1:{port}");
        let redis =
            Redis { url, port, keeper, orders: Some(Mutex::new(orders)), turns: Mutex::new(turns), _folder: folder };
        redis.wait_until_up();
        redis
    }

    /// Ends it at once (SIGKILL), with all that it held.
    pub fn kill(&self) {
        self.order("KILL");
        let gone = || std::net::TcpStream::connect(format!("127.0.0.1:{}", self.port)).is_err();
        while !gone() {
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Starts it again, empty, at its address.
    pub fn start_again(&self) {
        self.order("start");
        self.wait_until_up();
    }

    /// Freezes it (`STOP`), or lets it go on (`CONT`).
    pub fn signal(&self, signal: &str) {
        self.order(signal);
    }

    /// Runs one command with `redis-cli` and answers what it prints.
    pub fn run(&self, command: &[&str]) -> String {
        let output = Command::new("redis-cli").args(["-p", &self.port]).args(command).output().expect("redis-cli runs");
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    fn order(&self, order: &str) {
        let mut orders = self.orders.as_ref().expect("open until the end").lock().unwrap();
        writeln!(orders, "{order}").expect("its shell listens");
    }

    fn wait_until_up(&self) {
        let turns = self.turns.lock().unwrap();
        turns.recv_timeout(Duration::from_secs(60)).expect("Redis starts: apt-get install redis-server");
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.orders = None;
        self.keeper.wait().expect("the server's shell ends");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_can_be_killed_and_started_again() {
        let redis = Redis::start();
        assert_eq!(redis.run(&["SET", "a", "1"]), "OK");
        redis.kill();
        redis.start_again();
        assert_eq!(redis.run(&["GET", "a"]), "");
    }
}
