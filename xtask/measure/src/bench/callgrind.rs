//! Counting a command's instructions under valgrind's callgrind, and which functions they are in.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

/// Instructions of a whole run and where they were.
#[derive(Debug, PartialEq)]
pub struct Profile {
    /// Instructions executed.
    pub total: u64,
    /// By crate (of the function, whatever was inlined into it), most first.
    pub crates: Vec<(u64, String)>,
    /// By function, what was inlined included and what it calls not, most first.
    pub functions: Vec<(u64, String)>,
}

/// Runs `command` under callgrind; `out` is where callgrind may write.
pub fn profile(command: &Command, out: &Path) -> Result<Profile> {
    let mut valgrind = below_valgrind(command, out);
    // Its words on system calls that it does not know are of no interest unless it fails.
    let output =
        valgrind.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).output();
    let output = output.context("cannot run valgrind")?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{valgrind:?} ended with {}\n{stderr}", output.status);
    read(out)
}

/// `command` under callgrind, to be run; `out` is where callgrind may write.
pub fn below_valgrind(command: &Command, out: &Path) -> Command {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--quiet", "--tool=callgrind"]);
    valgrind.arg(format!("--callgrind-out-file={}", out.display()));
    valgrind.arg(command.get_program()).args(command.get_args());
    for (key, value) in command.get_envs() {
        valgrind.env(key, value.unwrap_or_default());
    }
    valgrind
}

/// Reads what callgrind wrote.
pub fn read(out: &Path) -> Result<Profile> {
    let mut annotate = Command::new("callgrind_annotate");
    annotate.args(["--auto=no", "--threshold=100"]).arg(out);
    let annotated = annotate.output().context("cannot run callgrind_annotate")?;
    ensure!(annotated.status.success(), "{annotate:?} ended with {}", annotated.status);
    parse(&String::from_utf8_lossy(&annotated.stdout))
}

/// Reads what callgrind_annotate prints: `1,234,567 (12.34%)  file.rs:function [object]`, a line for
/// each source file that has a part in a function.
fn parse(text: &str) -> Result<Profile> {
    let mut total = None;
    let (mut crates, mut functions) = (HashMap::new(), HashMap::new());
    for line in text.lines() {
        let Some((count, rest)) = line.trim_start().split_once(' ') else { continue };
        let Ok(count) = count.replace(',', "").parse::<u64>() else { continue };
        if rest.contains("PROGRAM TOTALS") {
            total = Some(count);
            continue;
        }
        let function = function(rest);
        *crates.entry(crate_of(&function)).or_default() += count;
        *functions.entry(function).or_default() += count;
    }
    match total {
        Some(total) => Ok(Profile { total, crates: sorted(crates), functions: sorted(functions) }),
        None => bail!("callgrind_annotate printed no total"),
    }
}

fn sorted(counts: HashMap<String, u64>) -> Vec<(u64, String)> {
    let mut counts: Vec<_> = counts.into_iter().map(|(name, count)| (count, name)).collect();
    counts.sort_by(|a, b| b.cmp(a));
    counts
}

/// The function of an annotated line: without share, file, object, hash and recursion mark.
fn function(line: &str) -> String {
    let name = line.trim_start().trim_start_matches(|c: char| "(0123456789.%) ".contains(c));
    let name = name.split(" [").next().unwrap_or(name);
    // A single `:` ends the file; only functions have `::`.
    let start = name.find("::").map_or(name, |at| &name[..at]).rfind(':');
    let name = start.map_or(name, |at| &name[at + 1..]);
    let name = name.split('\'').next().unwrap_or(name);
    match name.rfind("::h") {
        Some(at) if name.len() - at == 19 => name[..at].to_owned(),
        _ => name.to_owned(),
    }
}

/// The crate that a path names first; C functions are the C library's.
fn crate_of(function: &str) -> String {
    let path = function.trim_start_matches(['<', '&']);
    match path.split_once("::") {
        // `<u8 as core::…`: the trait's.
        Some((name, _)) => name.rsplit(' ').next().unwrap_or(name).to_owned(),
        None => "libc".to_owned(),
    }
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
  100,000 ( 5.00%)  /rustc/1/library/core/src/option.rs:falco_rules::graph::eval'2 [/t/falco]
  250,000 (12.50%)  ./string/memcpy.S:__memcpy_avx [/lib/libc.so.6]
";
        let profile = parse(text).unwrap();
        assert_eq!(profile.total, 2_000_000);
        let eval = (1_600_000, "falco_rules::graph::eval".to_owned());
        assert_eq!(profile.functions, [eval, (250_000, "__memcpy_avx".into())]);
        assert_eq!(profile.crates, [(1_600_000, "falco_rules".into()), (250_000, "libc".into())]);
        assert!(parse("nothing").is_err());
    }
}
