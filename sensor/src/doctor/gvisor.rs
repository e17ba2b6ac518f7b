//! What there is of gVisor on this host, whether its sandboxes are watched, and what rules miss there.

use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use anyhow::Result;
use falco_gvisor::points::{self, Version};
use falco_gvisor::runsc::{Runsc, Sandbox};
use falco_gvisor::status::Status;
use serde_json::{Value, json};

use super::Wanted;
use super::checks::{Check, Grade};
use super::rules;
use crate::config::Config;
use crate::gvisor::{here, setup};
use crate::limits::Limits;
use crate::live::sources::Kinds;
use crate::preamble;

/// Where `falco gvisor install` writes by default.
const INSTALLED: &str = "/etc/falco/gvisor.json";
/// Sandboxes whose sessions are asked for: each takes some 50 ms.
const MOST_ASKED: usize = 32;

/// What was found.
#[derive(Debug)]
pub struct Sandboxes {
    /// The program, its state, the socket and each sandbox.
    pub checks: Vec<Check>,
    /// What rules miss, where gVisor is to be watched and there are rules.
    limits: Option<Limits>,
    /// The host is watched, too.
    beside_ebpf: bool,
}

impl Sandboxes {
    /// Looks. None if gVisor neither is to be watched nor here.
    ///
    /// # Errors
    /// If the configuration of gVisor is wrong.
    pub fn look(config: &Config, kinds: Kinds, wanted: &Wanted) -> Result<Option<Self>> {
        let runsc = here::runsc(config);
        let sandboxes = here::sandboxes(config);
        if !kinds.gvisor {
            return Ok(unwatched(runsc.as_ref(), &sandboxes));
        }
        let socket = setup::socket(config)?;
        let status = Status::read(&socket).ok().filter(Status::is_current);
        let (program, version) = program(runsc.as_ref());
        let mut checks = vec![program, state(config), listening(&socket, status.as_ref())];
        checks.extend(installed(config, wanted, version, &socket));
        checks.push(Check::new("sandboxes", Grade::Ok, format!("{} running", sandboxes.len())));
        for (number, sandbox) in sandboxes.iter().enumerate() {
            checks.push(watched(sandbox, status.as_ref(), number < MOST_ASKED, &socket));
        }
        let limits = wanted.limits.clone();
        Ok(Some(Sandboxes { checks, limits, beside_ebpf: kinds.ebpf }))
    }

    /// The worst grade of the checks.
    pub fn worst(&self) -> Grade {
        self.checks.iter().map(|check| check.grade).max().unwrap_or(Grade::Ok)
    }

    /// Whether there are rules that cannot fire in sandboxes.
    pub fn is_blind(&self) -> bool {
        self.limits.as_ref().is_some_and(|limits| !limits.blind.is_empty())
    }

    /// What rules miss, for reading.
    pub fn rules_text(&self, out: &mut String) {
        let Some(limits) = &self.limits else { return };
        let scope = if self.beside_ebpf { " (this is about sandboxes, not the host)" } else { "" };
        rules::text(limits, scope, out);
    }

    /// For programs; `checks` writes checks.
    pub fn json(&self, checks: impl Fn(&[Check]) -> Value) -> Value {
        json!({
            "checks": checks(&self.checks),
            "rules": self.limits.as_ref().map(rules::json),
        })
    }
}

/// A word about sandboxes that are not to be watched.
fn unwatched(runsc: Option<&Runsc>, sandboxes: &[Sandbox]) -> Option<Sandboxes> {
    let found = match (runsc, sandboxes.len()) {
        (None, 0) => return None,
        (Some(runsc), 0) => format!("{} is here, no sandbox runs", runsc.path().display()),
        (_, 1) => "1 sandbox runs".to_owned(),
        (_, count) => format!("{count} sandboxes run"),
    };
    let grade = if sandboxes.is_empty() { Grade::Ok } else { Grade::Note };
    let check = Check::new("not watched", grade, found).advise(
        "eBPF sees nothing of what happens inside sandboxes; to watch them, too: engine.kind: auto, \
         or [modern_ebpf, gvisor]",
    );
    Some(Sandboxes { checks: vec![check], limits: None, beside_ebpf: true })
}

/// The program, and which points it has.
fn program(runsc: Option<&Runsc>) -> (Check, Option<Version>) {
    const NAME: &str = "runsc";
    let Some(runsc) = runsc else {
        let check = Check::new(NAME, Grade::Note, "not in PATH").advise(
            "sandboxes that run are asked through the program that they run; if runsc is installed \
             elsewhere, name it in engine.gvisor.runsc",
        );
        return (check, None);
    };
    let path = runsc.path().display();
    match here::version(runsc) {
        Ok(version) => {
            let points = runsc.points(&AtomicBool::new(false)).ok();
            let points =
                points.map_or_else(|| Version::numbered(&version), |p| Version::having(&p));
            (Check::new(NAME, Grade::Ok, format!("{version} ({path})")), Some(points))
        }
        Err(error) => (Check::new(NAME, Grade::Bad, format!("{path}: {error}")), None),
    }
}

/// The directories of its state.
fn state(config: &Config) -> Check {
    const NAME: &str = "state directories";
    let roots: Vec<String> =
        here::roots(config).iter().map(|root| root.display().to_string()).collect();
    if roots.is_empty() {
        return Check::new(NAME, Grade::Note, "none").advise(
            "no sandbox runs here, or runsc keeps its state elsewhere (runsc --root): name that in \
             engine.gvisor.root",
        );
    }
    Check::new(NAME, Grade::Ok, roots.join(", "))
}

/// The socket.
fn listening(socket: &Path, status: Option<&Status>) -> Check {
    const NAME: &str = "socket";
    let path = socket.display();
    match status {
        Some(status) => {
            let found = format!("{path}: falco (process {}) receives there", status.pid);
            Check::new(NAME, Grade::Ok, found)
        }
        None => Check::new(NAME, Grade::Ok, format!("{path}: no falco receives there now")),
    }
}

/// The configuration that runsc starts sandboxes with, if it can be told which that is.
fn installed(
    config: &Config,
    wanted: &Wanted,
    version: Option<Version>,
    socket: &Path,
) -> Option<Check> {
    const NAME: &str = "for new sandboxes";
    const INSTALL: &str = "falco gvisor install writes it and says who has to be told of it; without \
                           it, a new sandbox is watched a few seconds after its start";
    let path = match config.gvisor_config.as_os_str().is_empty() {
        true => Path::new(INSTALLED),
        false => &config.gvisor_config,
    };
    let Ok(text) = fs::read(path) else {
        let found = format!("{} is not there", path.display());
        return Some(Check::new(NAME, Grade::Note, found).advise(INSTALL));
    };
    // Without rules, or without the program, there is nothing to compare with.
    let (version, _) = version.zip(wanted.limits.as_ref())?;
    let calls: Vec<u16> = wanted.syscalls.iter().collect();
    let expected = points::session(&calls, version, socket);
    let is_same = serde_json::from_slice::<Value>(&text).is_ok_and(|found| found == expected);
    Some(match is_same {
        true => Check::new(NAME, Grade::Ok, format!("{} is up to date", path.display())),
        false => Check::new(NAME, Grade::Note, format!("{} is out of date", path.display())).advise(
            "it is not what falco gvisor init-config prints for these rules; falco gvisor install \
             renews it. A running falco brings sandboxes up to date that were started with it",
        ),
    })
}

/// Whether a sandbox is watched.
fn watched(sandbox: &Sandbox, status: Option<&Status>, ask: bool, socket: &Path) -> Check {
    const NAME: &str = "sandbox";
    let version = sandbox.version.as_deref().map(|version| format!(" (runsc {version})"));
    let name = format!("{}{}", sandbox.id, version.unwrap_or_default());
    let is_it = |id: &str| sandbox.containers.iter().any(|container| container.id == id);
    let session = status.and_then(|status| {
        status.sessions.iter().find(|session| {
            is_it(&session.sandbox) || session.containers.iter().any(|id| is_it(id))
        })
    });
    if let Some(session) = session {
        let found = format!("{name}: watched, {} messages", session.messages);
        if session.dropped == 0 {
            return Check::new(NAME, Grade::Ok, found);
        }
        let found = format!("{found}, {} lost", session.dropped);
        return Check::new(NAME, Grade::Note, found).advise(
            "the sandbox could not send them because its queue was full: this machine was too busy, \
             or rules want too many system calls",
        );
    }
    let traced = if ask { session_of(sandbox) } else { None };
    match (status, traced) {
        (None, Some(dropped)) => {
            let found = format!("{name}: has a session, {dropped} messages lost");
            Check::new(NAME, Grade::Note, found).advise(format!(
                "no falco receives at {}: what the sandbox sends is lost. It belongs to another \
                 program, or to a falco that was killed",
                socket.display()
            ))
        }
        (None, None) => Check::new(NAME, Grade::Ok, format!("{name}: no session")),
        (Some(_), Some(_)) => {
            let found = format!("{name}: NOT watched, has a session of another program");
            Check::new(NAME, Grade::Note, found)
                .advise("a sandbox has one session; with engine.gvisor.attach, falco takes it over")
        }
        (Some(_), None) => {
            let found = format!("{name}: NOT watched");
            Check::new(NAME, Grade::Note, found).advise(
                "with engine.gvisor.attach, falco asks it for a session within seconds, if it may \
                 run runsc as its user",
            )
        }
    }
}

/// The messages that a sandbox's session lost; none if there is no session, or it cannot be told.
fn session_of(sandbox: &Sandbox) -> Option<u64> {
    let proc = preamble::host_root().join("proc");
    let runsc = Runsc::of_sandbox(&proc, sandbox.pid, &sandbox.id).ok()?;
    let sinks = runsc.trace_list(&sandbox.root, &sandbox.id, &AtomicBool::new(false)).ok()?;
    sinks.iter().map(|sink| sink.dropped).max()
}
