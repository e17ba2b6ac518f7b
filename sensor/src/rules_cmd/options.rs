//! The command lines of `falco rules …`.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

/// `falco rules`: tools for authors of rules.
#[derive(Debug, Parser)]
#[command(
    name = "falco rules",
    about = "Tools for authors of rules",
    disable_version_flag = true,
    disable_help_subcommand = true,
    max_term_width = 110
)]
pub struct RulesOptions {
    /// What to do.
    #[command(subcommand)]
    pub command: RulesCommand,
}

/// The tools.
#[derive(Debug, Subcommand)]
pub enum RulesCommand {
    /// Run rule tests: events in, alerts compared
    #[command(after_help = TEST_HELP)]
    Test(TestOptions),
}

/// `falco rules test`.
#[derive(Debug, clap::Args)]
pub struct TestOptions {
    /// Test files, or directories with *.yaml files
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,

    /// Rules file or directory for tests that name none; may be repeated
    #[arg(short = 'r', value_name = "PATH")]
    pub rules: Vec<PathBuf>,

    /// How results are printed
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub format: TestFormat,
}

/// How results of tests are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum TestFormat {
    /// For reading.
    #[default]
    Text,
    /// For programs.
    Json,
}

const TEST_HELP: &str = "\
A test file is a list of tests. Each gives events and the alerts that they must raise:

  - test: An untrusted program reads the shadow file
    rules: [my_rules.yaml]                  # relative to this file; default: the files of -r
    processes:                              # what runs before the first event (pid 1 always does)
      - {pid: 21, name: bash, exe: /bin/bash, uid: 1000, tty: 34816}
    events:                                 # 1 ms apart, or {after: 2s, …}
      - {pid: 21, spawn: {pid: 22, exe: /usr/bin/cat, args: [/etc/shadow]}}
      - {pid: 22, openat: {name: /etc/shadow, flags: O_RDONLY}}
      - {pid: 22, exit: {}}
    expect:                                 # exactly these alerts, in order; [] is silence
      - rule: Read sensitive file untrusted
        priority: Warning                   # optional, like all below
        fields: {proc.name: cat, fd.name: /etc/shadow}
        output: opened for reading          # a part of the message

An event is `spawn` (clone and execve), `exec`, `exit` or any event of `falco --list-events` with its
parameters by name; those left out get sensible values. `capture: file.scap` replaces processes and
events. `expect_only: [Rule]` ignores the alerts of all other rules. All rules are tried on every
event (rule_matching: all). Exit code 1 if a test fails.";
