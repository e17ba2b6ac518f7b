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
    /// Check rules files: all errors and warnings, each with its place
    #[command(after_help = CHECK_HELP)]
    Check(CheckOptions),
    /// Explain a rule: its condition in full, events, fields, needed state and cost
    #[command(after_help = EXPLAIN_HELP)]
    Explain(ExplainOptions),
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

An event is `spawn` (clone and execve), `exec`, `exit`, or an event of `falco --list-events` with its
parameters by name; those left out get sensible values: success, the next free fd, AT_FDCWD, …
Flags are names joined by | or numbers (O_WRONLY|O_CREAT, 0755), results may be errors (fd: EACCES),
addresses ip:port or a unix path. Sockets are made where a call needs one.

A process has pid, tid, parent, name, exe, exepath, args, env, cwd, root, uid, gid, user, loginuid,
caps, tty, sid, pgid, vpid, container (an id, or host), exe_writable, exe_upper_layer,
exe_lower_layer, exe_from_memfd and fds ({0: '10.0.0.2:4000->203.0.113.9:443', 3: /etc/passwd}).
What it does not say is as its parent's; the parent is pid 1, if none is named.

`containers: [{id: 1f2e3d4c5b6a, name: web, image: \"nginx:1.25\", privileged: false, labels: {a: b},
mounts: [\"/etc:/host/etc:ro\"]}]` gives container.* and k8s.* values; only the id is needed.

`capture: file.scap` replaces containers, processes and events. `expect_only: [Rule]` ignores the alerts of all
other rules. All rules are tried on every event, unless the test says `matching: first`. Rules that
are disabled are enabled in tests that name them. Exit code 1 if a test fails.";

/// `falco rules check`.
#[derive(Debug, clap::Args)]
pub struct CheckOptions {
    /// Rules files, or directories with *.yaml files; each builds on those before it
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,

    /// How findings are printed
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub format: CheckFormat,

    /// Fail on warnings, too
    #[arg(long)]
    pub strict: bool,
}

/// How findings are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum CheckFormat {
    /// For reading, with the line and a caret.
    #[default]
    Text,
    /// For programs.
    Json,
    /// For code review tools (SARIF 2.1.0).
    Sarif,
}

const CHECK_HELP: &str = "\
Examples:
  falco rules check my_rules.yaml
  falco rules check falco_rules.yaml rules.d --strict
  falco rules check rules --format sarif > falco.sarif     for GitHub's and GitLab's code scanning

All errors are told at once, each with its place:

  error[LOAD_ERR_COMPILE_CONDITION]: filter_check called with nonexistent field proc.nmae
    --> my_rules.yaml:7:38 (rule 'Shell in a container')
    |   condition: evt.type = execve and proc.nmae = bash
    |                                    ^
    = did you mean 'proc.name'?

Exit code 0 if there are no errors (with --strict: no warnings either), else 1.";

/// `falco rules explain`.
#[derive(Debug, clap::Args)]
pub struct ExplainOptions {
    /// Name of the rule
    #[arg(value_name = "RULE")]
    pub rule: String,

    /// Rules file or directory; may be repeated
    #[arg(short = 'r', value_name = "PATH", required = true)]
    pub rules: Vec<PathBuf>,

    /// How it is printed
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub format: TestFormat,
}

const EXPLAIN_HELP: &str = "\
Examples:
  falco rules explain 'Read sensitive file untrusted' -r falco_rules.yaml
  falco rules explain 'Terminal shell in container' -r rules.d --format json | jq .cost

Tells of a rule: its condition with lists and macros written out, the events that it can match, the
fields that it reads and how long what they say holds, the further system calls that must be seen
for those fields to be right, and what its evaluation costs beside the other rules.";
