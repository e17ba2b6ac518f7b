//! A sensor that waits for sandboxes, and only for them.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use falco_gvisor::replay::Sender;

use crate::bench::process::{Running, Usage};
use crate::paths;

/// How long it may take to listen, below valgrind, too.
const PATIENCE: Duration = Duration::from_secs(120);

/// A sensor to be.
pub struct Setup<'a> {
    pub rules: &'a [PathBuf],
    /// Where its socket is, and what it says goes.
    pub scratch: &'a Path,
}

/// A running sensor.
pub struct Sensor {
    pub running: Running,
    log: PathBuf,
}

impl Setup<'_> {
    /// Where sandboxes find it.
    pub fn socket(&self) -> PathBuf {
        self.scratch.join("gvisor.sock")
    }

    /// What `falco` and `falco gvisor init-config` have in common.
    fn arguments(&self) -> Vec<String> {
        let rules = self.rules.iter().flat_map(|r| ["-r".to_owned(), r.display().to_string()]);
        let socket = format!("engine.gvisor.socket={}", self.socket().display());
        rules.chain(["-o".to_owned(), socket]).collect()
    }

    /// `falco` that lets sandboxes come and goes to none.
    pub fn falco(&self) -> Result<Command> {
        let mut falco = Command::new(paths::falco()?);
        falco.args(self.arguments());
        falco.args(["-o", "engine.kind=gvisor", "-o", "engine.gvisor.attach=false"]);
        falco.args(["-o", "json_output=true", "-o", "syslog_output.enabled=false"]);
        Ok(falco)
    }

    /// The configuration for sandboxes of this version that the rules need.
    pub fn init_config(&self, runsc: &Path) -> Result<Vec<u8>> {
        let mut falco = Command::new(paths::falco()?);
        falco.args(["gvisor", "init-config"]).args(self.arguments());
        falco.arg("-o").arg(format!("engine.gvisor.runsc={}", runsc.display()));
        let output = falco.stderr(Stdio::inherit()).output().context("cannot run falco")?;
        ensure!(output.status.success(), "{falco:?} ended with {}", output.status);
        Ok(output.stdout)
    }

    /// Starts `command`, which is a sensor, and waits until it listens.
    pub fn start(&self, mut command: Command) -> Result<Sensor> {
        let log = self.scratch.join("falco.log");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log)?);
        let mut running = Running::start(&mut command)?;
        let begin = Instant::now();
        // A connection that says nothing is no harm.
        while Sender::connect_only(&self.socket()).is_err() {
            let ended = running.child.try_wait()?.is_some();
            ensure!(
                begin.elapsed() < PATIENCE && !ended,
                "the sensor does not listen. It said:\n{}",
                std::fs::read_to_string(&log).unwrap_or_default()
            );
            sleep(Duration::from_millis(20));
        }
        Ok(Sensor { running, log })
    }
}

impl Sensor {
    /// Asks it to end, which it does when it is through with what was sent; what it used in all.
    pub fn stop(self) -> Result<Usage> {
        self.running.terminate()?;
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        self.running.wait().with_context(|| format!("it said:\n{log}"))
    }
}
