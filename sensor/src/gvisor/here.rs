//! What of gVisor there is on this host: the program, and sandboxes that run.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use falco_gvisor::runsc::roots::state_files;
use falco_gvisor::runsc::{Roots, Runsc, Sandbox, cli, state};

use super::setup;
use crate::config::Config;
use crate::preamble;

/// Whether there is anything to watch, or will be: the program runsc, or a sandbox.
pub fn is_here(config: &Config) -> bool {
    let is_set_up = !config.gvisor_config.as_os_str().is_empty();
    is_set_up || runsc(config).is_some() || !sandboxes(config).is_empty()
}

/// The program that the configuration names, else that of `PATH`.
pub fn runsc(config: &Config) -> Option<Runsc> {
    match setup::runsc(config) {
        Some(path) => path.is_file().then(|| Runsc::at(&path)),
        None => Runsc::in_path(&std::env::var("PATH").ok()?),
    }
}

/// What it calls its version, or why it does not say.
pub fn version(runsc: &Runsc) -> Result<String, String> {
    runsc.version(&AtomicBool::new(false)).map_err(|error| error.to_string())
}

/// The directories in which runsc keeps its state.
pub fn roots(config: &Config) -> Vec<PathBuf> {
    let roots = match setup::roots(config) {
        Some(roots) => Roots::given(&roots),
        None => Roots::usual(&preamble::host_root()),
    };
    roots.directories()
}

/// The sandboxes that run.
pub fn sandboxes(config: &Config) -> Vec<Sandbox> {
    let proc = preamble::host_root().join("proc");
    let in_root = |root: PathBuf| {
        let files = state_files(&root).into_iter();
        // A file that is being written is none that can be read; it is there the next time.
        let containers = files.filter_map(|(name, path)| state::read(&name, &path).ok());
        Sandbox::together(&root, containers.map(Arc::new))
    };
    let mut found: Vec<Sandbox> = roots(config).into_iter().flat_map(in_root).collect();
    found.retain(|sandbox| cli::is_sandbox(&proc, sandbox.pid, &sandbox.id));
    found
}
