//! The jobs of `bench trace`. Each does a piece of work under a tracer and tells what it took.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::Tracer;
use crate::paths;

/// A job.
pub struct Job {
    pub name: &'static str,
    /// What a figure is printed in, and how many of these a second has.
    pub unit: &'static str,
    pub scale: f64,
    /// Does it, with a folder for its files; seconds for one piece of work.
    pub run: fn(&Tracer, &Path) -> Result<f64>,
}

/// All of them.
pub const JOBS: &[Job] = &[
    Job { name: "compile", unit: "s", scale: 1.0, run: compile },
    Job { name: "nginx", unit: "us/request", scale: 1e6, run: nginx },
    Job { name: "open", unit: "us/open+close", scale: 1e6, run: open },
    Job { name: "getpid", unit: "ns", scale: 1e9, run: getpid },
];

/// A build of a small crate with its dependencies, from nothing.
fn compile(tracer: &Tracer, scratch: &Path) -> Result<f64> {
    let target = scratch.join("target");
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let mut build = tracer.command(&[
        &cargo,
        "build",
        "--offline",
        "--locked",
        "--quiet",
        "--package",
        "falco-event",
    ]);
    build.current_dir(paths::root()).env("CARGO_TARGET_DIR", &target);
    let begin = Instant::now();
    let status = build.status().with_context(|| format!("cannot run {build:?}"))?;
    let took = begin.elapsed().as_secs_f64();
    ensure!(status.success(), "{build:?} ended with {status}");
    ensure!(target.join("debug").is_dir(), "nothing was built");
    fs::remove_dir_all(&target).context("cannot remove what was built")?;
    Ok(took)
}

/// How long requests come.
const REQUESTS_FOR: Duration = Duration::from_secs(4);

/// The configuration of the server: one worker on loopback, a log as in production, no daemon.
const NGINX: &str = "\
daemon off;
worker_processes 1;
pid @/nginx.pid;
error_log @/error.log;
events { worker_connections 256; }
http {
    access_log @/access.log;
    client_body_temp_path @/body; proxy_temp_path @/proxy; fastcgi_temp_path @/fastcgi;
    uwsgi_temp_path @/uwsgi; scgi_temp_path @/scgi;
    server { listen 127.0.0.1:8088; root @/www; }
}
";

/// The server under the tracer and its load without, in a network of their own with nothing but
/// loopback.
const SERVE: &str = "
ip link set lo up || exit 3
@SERVER@ &
server=$!
tries=0
until wrk -t1 -c1 -d1s http://127.0.0.1:8088/ 2>/dev/null | grep -q '^Requests/sec'; do
    tries=$((tries + 1)); [ $tries -lt 20 ] || { kill $server; exit 4; }
done
wrk -t1 -c8 -d@SECONDS@s http://127.0.0.1:8088/
[ ! -s @DIR@/nginx.pid ] || kill -QUIT \"$(cat @DIR@/nginx.pid)\"
wait $server
";

/// Requests of a small file from a busy nginx.
fn nginx(tracer: &Tracer, scratch: &Path) -> Result<f64> {
    let dir = scratch.join("nginx");
    fs::create_dir_all(dir.join("www")).context("cannot make the server's folder")?;
    // The worker is another user when root starts it.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(scratch, open).context("cannot open the folder to the server")?;
    fs::write(dir.join("www/index.html"), "x".repeat(1024))?;
    let text = dir.display().to_string();
    let configuration = dir.join("nginx.conf");
    fs::write(&configuration, NGINX.replace('@', &text))?;
    let program =
        ["/usr/sbin/nginx", "-c", &configuration.display().to_string()].map(str::to_owned);
    let program: Vec<&str> = program.iter().map(String::as_str).collect();
    let script = SERVE
        .replace("@SERVER@", &tracer.shell_words(&program))
        .replace("@SECONDS@", &REQUESTS_FOR.as_secs().to_string())
        .replace("@DIR@", &text);
    let mut unshare = Command::new("unshare");
    if !is_root() {
        unshare.args(["--user", "--map-root-user"]);
    }
    unshare.args(["--net", "sh", "-c", &script]).stdin(Stdio::null()).stderr(Stdio::null());
    let output = unshare.output().context("cannot run unshare (util-linux)")?;
    let told = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "the server ended with {}:\n{told}", output.status);
    ensure!(!told.contains("Non-2xx"), "requests failed:\n{told}");
    let rate: f64 = told
        .lines()
        .find_map(|line| line.strip_prefix("Requests/sec:")?.trim().parse().ok())
        .with_context(|| format!("wrk told no rate:\n{told}"))?;
    fs::remove_dir_all(&dir).context("cannot remove the server's folder")?;
    Ok(1.0 / rate)
}

/// Opens and closes of a file, one after the other.
fn open(tracer: &Tracer, _: &Path) -> Result<f64> {
    load(tracer, "open", 100_000)
}

/// A call that nobody looks at.
fn getpid(tracer: &Tracer, _: &Path) -> Result<f64> {
    load(tracer, "getpid", 500_000)
}

/// How long a short job is done again and again.
const AT_LEAST: Duration = Duration::from_secs(1);

/// One phase of the load program, the fastest of some runs: one takes a fraction of a second, which a
/// machine that does anything else can spoil.
fn load(tracer: &Tracer, phase: &str, count: u64) -> Result<f64> {
    let begin = Instant::now();
    let mut least = f64::INFINITY;
    while begin.elapsed() < AT_LEAST {
        least = least.min(load_once(tracer, phase, count)?);
    }
    Ok(least)
}

/// The program tells itself what it took: without start and end.
fn load_once(tracer: &Tracer, phase: &str, count: u64) -> Result<f64> {
    let program = paths::built("load")?.display().to_string();
    let mut words = vec![program];
    for name in ["open", "getpid", "pipe", "fork"] {
        words.push(format!("{name}={}", if name == phase { count } else { 0 }));
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut command = tracer.command(&words);
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    ensure!(output.status.success(), "{command:?} ended with {}", output.status);
    let told = String::from_utf8_lossy(&output.stdout);
    let nanoseconds: f64 = told
        .lines()
        .find(|line| line.starts_with(phase))
        .and_then(|line| line.split(' ').find_map(|word| word.strip_prefix("wall_ns=")))
        .and_then(|figure| figure.parse().ok())
        .with_context(|| format!("the load told nothing of {phase}:\n{told}"))?;
    Ok(nanoseconds / 1e9)
}

fn is_root() -> bool {
    // SAFETY: it takes nothing and cannot fail.
    unsafe { libc::geteuid() == 0 }
}
