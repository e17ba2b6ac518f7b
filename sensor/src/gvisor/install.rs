//! `falco gvisor install`: writes the session's configuration to where runsc can read it, and shows how
//! Docker and containerd are told to use it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::init_config::{self, Made};
use super::{here, setup};
use crate::cli::gvisor::InstallOptions;

/// Docker's settings.
const DOCKER: &str = "/etc/docker/daemon.json";
/// Where runsc usually is.
const RUNSC: &str = "/usr/local/bin/runsc";

/// Writes and shows.
///
/// # Errors
/// If configuration or rules are wrong, the file cannot be written, or stdout fails.
pub fn run(options: &InstallOptions) -> Result<()> {
    let made = init_config::make(&options.points)?;
    let file = std::path::absolute(&options.file)?;
    if file.to_str().is_none() {
        bail!("--config-file {}: the path is not UTF-8", file.display());
    }
    if !options.dry_run {
        write(&file, &format!("{:#}\n", made.session))
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    let mut out = io::stdout().lock();
    let text = told(&made, &file, options.dry_run)?;
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("stdout")
}

/// Writes beside the file and moves it into its place. Anyone may read it, as runsc may run as anyone.
fn write(file: &Path, text: &str) -> io::Result<()> {
    let directory = file.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(directory)?;
    let name = file.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
    let mut new_name = std::ffi::OsString::from(".");
    new_name.push(name);
    new_name.push(format!(".{}", std::process::id()));
    let new = directory.join(new_name);
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(&new)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&new, file));
    if written.is_err() {
        // The error that is told is the first one.
        let _ = fs::remove_file(&new);
    } else {
        // So that it outlasts a crash; a directory that cannot be synced is no reason to fail.
        let _ = File::open(directory).and_then(|directory| directory.sync_all());
    }
    written
}

/// What was done, and what is left to do.
fn told(made: &Made, file: &Path, is_dry: bool) -> Result<String> {
    let runsc = here::runsc(&made.config)
        .map_or_else(|| PathBuf::from(RUNSC), |runsc| runsc.path().to_owned());
    let (runsc, path) = (runsc.display(), file.display());
    let points = made.session.pointer("/trace_session/points").and_then(Value::as_array);
    let points = points.map_or(0, Vec::len);
    let verb = if is_dry { "Would write" } else { "Wrote" };
    let socket = setup::socket(&made.config)?;
    let argument = format!("--pod-init-config={path}");
    let docker = json!({"runtimes": {"runsc": {
        "path": runsc.to_string(),
        "runtimeArgs": [argument],
    }}});
    let docker = format!("{docker:#}").replace('\n', "\n      ");
    let is_set = match has_runtime(Path::new(DOCKER), &argument) {
        Some(name) => format!(" (it has this already, as runtime '{name}')"),
        None => String::new(),
    };
    let rules = made.rules;
    let plural = if rules == 1 { "" } else { "s" };
    Ok(format!(
        "\
{verb} {path}: {points} points for {rules} rule{plural} ({version}).
New sandboxes send to {socket} when runsc is given {argument}.
Nothing else was changed; what is left to do depends on who starts runsc:

  Docker: {DOCKER}{is_set}, then systemctl reload docker
      {docker}

  containerd or Kubernetes, with gVisor's shim: /etc/containerd/config.toml, then restart containerd
      [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runsc]
        runtime_type = \"io.containerd.runsc.v1\"
        [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runsc.options]
          TypeUrl = \"io.containerd.runsc.v1.options\"
          ConfigPath = \"/etc/containerd/runsc.toml\"
    and /etc/containerd/runsc.toml
      [runsc_config]
        pod-init-config = \"{path}\"
    (containerd 2 writes io.containerd.cri.v1.runtime in place of io.containerd.grpc.v1.cri)

  containerd, with runsc in place of runc: runtime_type = \"io.containerd.runc.v2\" with the option
  BinaryName = \"/usr/local/bin/runsc-traced\", which is an executable file of these lines
      #!/bin/sh
      exec {runsc} {argument} \"$@\"

  by hand
      runsc {argument} run --bundle DIRECTORY NAME

Sandboxes that run already are traced by falco itself when it is started with engine.kind gvisor.
",
        version = made.version,
        socket = socket.display(),
    ))
}

/// The runtime in Docker's settings that has this argument already.
fn has_runtime(settings: &Path, argument: &str) -> Option<String> {
    let settings: Value = serde_json::from_slice(&fs::read(settings).ok()?).ok()?;
    let runtimes = settings.get("runtimes")?.as_object()?;
    let has = |runtime: &Value| {
        let args = runtime.get("runtimeArgs").and_then(Value::as_array);
        args.is_some_and(|args| args.iter().any(|arg| arg == argument))
    };
    runtimes.iter().find(|(_, runtime)| has(runtime)).map(|(name, _)| name.clone())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_may_be_read_by_all() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("new/gvisor.json");
        for text in ["first", "second"] {
            write(&file, text).unwrap();
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
        }
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o644);
        assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1);
        // A directory cannot be replaced; nothing is left beside it.
        fs::create_dir(dir.path().join("taken")).unwrap();
        fs::write(dir.path().join("taken/x"), "").unwrap();
        assert!(write(&dir.path().join("taken"), "x").is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_runtime_that_is_set_up_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("daemon.json");
        fs::write(
            &file,
            r#"{"runtimes": {"a": {"path": "x"}, "b": {"runtimeArgs": ["--debug", "--p=/x"]}}}"#,
        )
        .unwrap();
        assert_eq!(has_runtime(&file, "--p=/x").as_deref(), Some("b"));
        assert_eq!(has_runtime(&file, "--p=/y"), None);
        fs::write(&file, "{").unwrap();
        assert_eq!(has_runtime(&file, "--p=/x"), None);
        assert_eq!(has_runtime(&dir.path().join("none"), "--p=/x"), None);
    }
}
