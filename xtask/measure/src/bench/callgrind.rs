//! Counting a command's instructions under valgrind's callgrind, and which functions they are in.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

/// Instructions of a whole run, and of its most expensive functions.
#[derive(Debug, PartialEq)]
pub struct Profile {
    /// Instructions executed.
    pub total: u64,
    /// Function (with the file that its code came from) and its own instructions, most first.
    pub functions: Vec<(u64, String)>,
}

/// Runs `command` under callgrind; `out` is where callgrind may write.
pub fn profile(command: &Command, out: &Path) -> Result<Profile> {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--quiet", "--tool=callgrind"]);
    valgrind.arg(format!("--callgrind-out-file={}", out.display()));
    valgrind.arg(command.get_program()).args(command.get_args());
    for (key, value) in command.get_envs() {
        valgrind.env(key, value.unwrap_or_default());
    }
    let status = valgrind.stdin(Stdio::null()).stdout(Stdio::null()).status();
    let status = status.context("cannot run valgrind")?;
    ensure!(status.success(), "{valgrind:?} ended with {status}");

    let mut annotate = Command::new("callgrind_annotate");
    annotate.args(["--auto=no", "--threshold=95"]).arg(out);
    let annotated = annotate.output().context("cannot run callgrind_annotate")?;
    ensure!(annotated.status.success(), "{annotate:?} ended with {}", annotated.status);
    parse(&String::from_utf8_lossy(&annotated.stdout))
}

/// Reads what callgrind_annotate prints: `1,234,567 (12.34%)  file.rs:function [object]`.
fn parse(text: &str) -> Result<Profile> {
    let mut total = None;
    let mut functions = Vec::new();
    for line in text.lines() {
        let Some((count, rest)) = line.trim_start().split_once(' ') else { continue };
        let Ok(count) = count.replace(',', "").parse::<u64>() else { continue };
        if rest.contains("PROGRAM TOTALS") {
            total = Some(count);
            continue;
        }
        let name = rest.trim_start().trim_start_matches(|c: char| "(0123456789.%) ".contains(c));
        functions.push((count, shorten(name)));
    }
    match total {
        Some(total) => Ok(Profile { total, functions }),
        None => bail!("callgrind_annotate printed no total"),
    }
}

/// Drops the object, hashes and all but the last folders of the file.
fn shorten(name: &str) -> String {
    let name = name.split(" [").next().unwrap_or(name);
    let (file, function) = match name.split_once(".rs:") {
        Some((file, function)) => (format!("{file}.rs"), function),
        None => name.split_once(':').map_or((String::new(), name), |(a, b)| (a.to_owned(), b)),
    };
    let parts: Vec<&str> = file.rsplit('/').take(3).collect();
    let file = parts.into_iter().rev().collect::<Vec<_>>().join("/");
    let function = match function.rfind("::h") {
        Some(at) if function.len() - at == 19 => &function[..at],
        _ => function,
    };
    format!("{function}  ({file})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn annotations_are_read() {
        let text = "\
--------------------------------------------------------------------------------
Ir
--------------------------------------------------------------------------------
2,000,000 (100.0%)  PROGRAM TOTALS

--------------------------------------------------------------------------------
Ir                   file:function
--------------------------------------------------------------------------------
1,500,000 (75.00%)  /work/x/rules/src/graph.rs:falco_rules::graph::eval::h0123456789abcdef [/t/falco]
  250,000 (12.50%)  ./string/memcpy.S:__memcpy_avx [/lib/libc.so.6]
";
        let profile = parse(text).unwrap();
        assert_eq!(profile.total, 2_000_000);
        assert_eq!(
            profile.functions[0],
            (1_500_000, "falco_rules::graph::eval  (rules/src/graph.rs)".into())
        );
        assert_eq!(profile.functions[1].0, 250_000);
        assert!(parse("nothing").is_err());
    }
}
