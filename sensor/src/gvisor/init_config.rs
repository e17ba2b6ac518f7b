//! `falco gvisor init-config`: the configuration with which runsc traces a sandbox from its start.

use std::io::{self, Write};
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result, bail};
use falco_enrich::selection::{Selection, SyscallSet};
use falco_gvisor::points::{self, Version};
use serde_json::Value;

use super::{here, setup};
use crate::cli::gvisor::{InitConfigOptions, Points};
use crate::cli::input::Input;
use crate::config::Config;
use crate::live::sources::rules_want;
use crate::session;

/// Prints it.
///
/// # Errors
/// If configuration or rules are wrong, or stdout fails.
pub fn run(options: &InitConfigOptions) -> Result<()> {
    let made = make(&options.points)?;
    let mut out = io::stdout().lock();
    writeln!(out, "{:#}", made.session).and_then(|()| out.flush()).context("stdout")
}

/// A session's configuration, and what it was made of.
pub struct Made {
    /// As runsc reads it from `--pod-init-config`.
    pub session: Value,
    /// The configuration of this program.
    pub config: Config,
    /// Enabled rules.
    pub rules: usize,
    /// The version of runsc that it is for, in words.
    pub version: String,
}

/// Makes the configuration: the same with which a running sensor asks sandboxes for a session.
///
/// # Errors
/// If configuration or rules are wrong.
pub fn make(options: &Points) -> Result<Made> {
    let config = session::tool_config(&options.input)?;
    let (syscalls, rules) = wanted(&options.input, &config)?;
    let (version, words) = version(options.runsc_version.as_deref(), &config)?;
    let calls: Vec<u16> = syscalls.iter().collect();
    let session = points::session(&calls, version, &setup::socket(&config)?);
    Ok(Made { session, config, rules, version: words })
}

/// The system calls that the enabled rules and the tables need, and how many rules that are.
fn wanted(input: &Input, config: &Config) -> Result<(SyscallSet, usize)> {
    let (engine, files) = session::tool_rules(input, config)?;
    if files == 0 {
        bail!(
            "no rules are given, so nothing says what is to be traced; name them with -r FILE or in \
             rules_files"
        );
    }
    let rules = engine.loader.rules();
    let enabled = rules.iter().filter(|rule| rule.enabled).count();
    let selection = Selection::new(&rules_want(rules)?, &config.base_syscalls());
    Ok((selection.syscalls, enabled))
}

/// The version that is named, else that of the runsc that is here, else none in particular; with words for it.
fn version(named: Option<&str>, config: &Config) -> Result<(Version, String)> {
    if let Some(name) = named {
        return Ok((named_version(name)?, format!("runsc {name}")));
    }
    let is_cancelled = AtomicBool::new(false);
    let found = here::runsc(config).and_then(|runsc| Some((here::version(&runsc).ok()?, runsc)));
    Ok(match found {
        Some((name, runsc)) => {
            let points = runsc.points(&is_cancelled).ok();
            let version = points.map_or_else(|| Version::numbered(&name), |p| Version::having(&p));
            (version, format!("runsc {name}, which is here"))
        }
        None => (Version::UNKNOWN, "runsc of any version, since none is here".to_owned()),
    })
}

/// `2022`, `20240729`, `0.0~20240729.0`, `release-20240729.0` or `current`.
fn named_version(name: &str) -> Result<Version> {
    let mut digits = name.split(|c: char| !c.is_ascii_digit()).filter(|part| part.len() >= 4);
    match (name, digits.next()) {
        ("current", _) => Ok(Version::CURRENT),
        (_, Some(year)) if year.len() == 4 => Ok(Version::numbered(&format!("{year}1231"))),
        (_, Some(date)) if date.len() == 8 => Ok(Version::numbered(date)),
        _ => bail!(
            "--runsc-version {name}: this is no version of runsc; expected a release such as \
             20240729, what runsc --version says, or current"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_named_in_several_ways() {
        for name in ["2022", "20221219", "0.0~20221219.0", "release-20221219.0"] {
            assert_eq!(named_version(name).unwrap(), Version::V2022, "{name}");
        }
        assert_eq!(named_version("current").unwrap(), Version::CURRENT);
        assert_eq!(named_version("release-20260817.0").unwrap(), Version::CURRENT);
        assert!(named_version("new").unwrap_err().to_string().contains("no version of runsc"));
    }
}
