//! The command line: `run`, `crds` and `probe`, with each flag's variable.
//!
//! Called by `main`. Says what went wrong on standard error, and by the exit code: 2 for a wrong command line or
//! a file that cannot be written, 1 for an operator that had to end.

use std::ffi::OsString;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use crate::settings::{Process, Settings};
use crate::{crds, probe, run};

/// The Kubernetes operator of Mainstay.
#[derive(Debug, Parser)]
#[command(name = "mainstay-operator", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the operator in the cluster of the kubeconfig, or of the pod that it runs in.
    Run(Box<Flags>),
    /// Print the custom resource definitions as YAML, or write each to its own file.
    Crds {
        /// Where the files go; standard output when absent.
        folder: Option<PathBuf>,
    },
    /// Ask once over plain HTTP and say whether the answer was a 2xx: for `helm test`.
    Probe {
        /// Such as http://mainstay:8080/readyz.
        url: String,
    },
}

#[derive(Debug, Args)]
struct Flags {
    /// The image of servers whose Backend names none.
    #[arg(long, env = "MAINSTAY_OPERATOR_SERVER_IMAGE")]
    server_image: String,
    /// Only these namespaces, with commas between them; all when absent.
    #[arg(long, env = "MAINSTAY_OPERATOR_NAMESPACES", value_delimiter = ',')]
    namespaces: Vec<String>,
    /// Only Backends whose label mainstay.dev/class is this; only those without the label when absent.
    #[arg(long, env = "MAINSTAY_OPERATOR_CLASS")]
    class: Option<String>,
    /// The namespace of the operator itself. Absent: that of the pod, or of the kubeconfig's context.
    #[arg(long, env = "MAINSTAY_OPERATOR_OWN_NAMESPACE")]
    own_namespace: Option<String>,
    /// The domain of the cluster's Services.
    #[arg(long, env = "MAINSTAY_OPERATOR_CLUSTER_DOMAIN", default_value = "cluster.local")]
    cluster_domain: String,
    /// Where /metrics, /livez and /readyz are served.
    #[arg(long, env = "MAINSTAY_OPERATOR_LISTEN", default_value = "0.0.0.0:8080")]
    listen: SocketAddr,
    /// The form of log lines.
    #[arg(long, env = "MAINSTAY_OPERATOR_LOG_FORMAT", default_value = "json")]
    log_format: LogFormat,
    /// A filter of log lines, such as info or warn,mainstay_operator=debug.
    #[arg(long, env = "MAINSTAY_OPERATOR_LOG_LEVEL", default_value = "info")]
    log_level: String,
    /// Whether one of several operators works at a time.
    #[arg(long, env = "MAINSTAY_OPERATOR_LEADER_ELECTION", default_value_t = true, action = ArgAction::Set)]
    leader_election: bool,
    /// The name of the Lease in the operator's own namespace.
    #[arg(long, env = "MAINSTAY_OPERATOR_LEASE_NAME", default_value = "mainstay-operator")]
    lease_name: String,
    /// Names this process in the Lease; a random part is added. Absent: the host's name.
    #[arg(long, env = "MAINSTAY_OPERATOR_IDENTITY")]
    identity: Option<String>,
    /// How many Backends are reconciled at a time.
    #[arg(long, env = "MAINSTAY_OPERATOR_CONCURRENCY", default_value_t = 10, value_parser = at_least_one)]
    concurrency: usize,
    /// Whether the leader applies the custom resource definitions that it carries; never older ones.
    #[arg(long, env = "MAINSTAY_OPERATOR_APPLY_CRDS", default_value_t = true, action = ArgAction::Set)]
    apply_crds: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    Json,
    Text,
}

/// Does what the arguments say.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let printed = error.print().is_ok();
            return ExitCode::from(if printed && !error.use_stderr() { 0 } else { 2 });
        }
    };
    match cli.command {
        Command::Crds { folder } => report(print(folder.as_deref()).map_err(|error| error.to_string()), 2),
        Command::Probe { url } => report(probe_once(&url), 2),
        Command::Run(flags) => report(operate(*flags), 1),
    }
}

fn print(folder: Option<&Path>) -> Result<(), Box<dyn std::error::Error>> {
    match folder {
        Some(folder) => crds::write(folder),
        None => Ok(std::io::stdout().write_all(crds::all()?.as_bytes())?),
    }
}

fn probe_once(url: &str) -> Result<(), String> {
    let line = probe::probe(url)?;
    writeln!(std::io::stdout(), "{line}").map_err(|error| error.to_string())
}

fn operate(flags: Flags) -> Result<(), String> {
    log(flags.log_format, &flags.log_level)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| format!("no threads can be started: {error}"))?;
    let done = runtime.block_on(async {
        let config = crate::cluster::config().await?;
        let process = process(flags, config.default_namespace.clone())?;
        run::run(config, process).await
    });
    if let Err(error) = &done {
        tracing::error!(error, "the operator ends");
    }
    // What still runs must not outlive a lost lease.
    runtime.shutdown_background();
    done
}

fn process(flags: Flags, own_namespace: String) -> Result<Process, String> {
    let identity = flags.identity.map_or_else(host, Ok)?;
    let mut random = [0; 4];
    getrandom::fill(&mut random).map_err(|error| format!("the system has no random bytes: {error}"))?;
    Ok(Process {
        settings: Settings {
            server_image: flags.server_image,
            namespaces: flags.namespaces.into_iter().filter(|name| !name.is_empty()).collect(),
            class: flags.class.filter(|class| !class.is_empty()),
            own_namespace: flags.own_namespace.unwrap_or(own_namespace),
            cluster_domain: flags.cluster_domain,
        },
        listen: flags.listen,
        leader_election: flags.leader_election,
        lease_name: flags.lease_name,
        identity: format!("{identity}_{:08x}", u32::from_be_bytes(random)),
        concurrency: flags.concurrency,
        apply_crds: flags.apply_crds,
    })
}

fn host() -> Result<String, String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname");
    let name = name.map_err(|error| format!("the host's name cannot be read, give --identity: {error}"))?;
    Ok(name.trim().to_owned())
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "must be a number from 1".to_owned())
}

/// Sends events to standard error from now on.
fn log(format: LogFormat, filter: &str) -> Result<(), String> {
    // Below an error, the client writes answers that it cannot read into the log, and an answer may be a Secret.
    let filter = format!("{filter},kube_client::client=error");
    let filter = tracing_subscriber::EnvFilter::builder().parse(filter).map_err(|error| error.to_string())?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let done = match format {
        LogFormat::Text => builder.with_ansi(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init(),
    };
    done.map_err(|error| error.to_string())
}

fn report(done: Result<(), String>, code: u8) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => match writeln!(std::io::stderr(), "{}", error.trim_end()) {
            Ok(()) => ExitCode::from(code),
            Err(_) => ExitCode::FAILURE,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_understood() {
        let line = ["mainstay-operator", "run", "--server-image", "a:1", "--namespaces", "x,y", "--apply-crds=false"];
        let Command::Run(flags) = Cli::try_parse_from(line).unwrap().command else { unreachable!() };
        let process = process(*flags, "own".to_owned()).unwrap();
        assert_eq!(process.settings.namespaces, ["x", "y"]);
        assert_eq!((process.settings.own_namespace.as_str(), process.settings.class), ("own", None));
        assert!(process.leader_election && !process.apply_crds);
        assert_eq!(process.concurrency, 10);
    }

    #[test]
    fn wrong_lines_are_refused() {
        for rest in [&["--concurrency", "0"][..], &["--listen", "nowhere"], &["--unknown"], &["--log-format", "xml"]] {
            let line = ["mainstay-operator", "run", "--server-image", "a:1"].iter().chain(rest);
            assert!(Cli::try_parse_from(line).is_err(), "{rest:?}");
        }
    }

    #[test]
    fn the_command_line_is_sound() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }
}
