//! Runs a command and tells what is seen of it: `tree_events [--calls=openat,close] [--quiet] --
//! COMMAND …`. Prints each event with its parameters (`~` before those that are for tables only), or
//! with `--quiet` only how many there were and how long it took: for measuring.
#![allow(clippy::print_stdout)]

use std::ffi::OsString;
use std::time::Instant;

use falco_event::raw::DUMP_STATE_ONLY;
use falco_event::{RawEvent, Syscall};
use falco_ptrace::{Command, Options, Ptrace};
use falco_source::{Next, Source};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    let split = args.iter().position(|arg| arg == "--").unwrap_or(args.len());
    let (mut options, mut is_quiet) = (Options::default(), false);
    for option in args.iter().take(split).filter_map(|arg| arg.to_str()) {
        is_quiet |= option == "--quiet";
        for name in option.strip_prefix("--calls=").into_iter().flat_map(|names| names.split(',')) {
            let call = Syscall::by_name(name).ok_or_else(|| format!("no call {name}"))?;
            options.syscalls.push(call.id);
        }
    }
    let command = args.get(split + 1..).filter(|command| !command.is_empty());
    let mut source = Ptrace::spawn(&Command::new(command.ok_or("no command")?)?, options)?;
    source.start()?;
    let (begin, mut count) = (Instant::now(), 0_u64);
    loop {
        match source.next()? {
            Next::Event(event) => {
                count += 1;
                if !is_quiet {
                    print(&event);
                }
            }
            Next::End => break,
            _ => {}
        }
    }
    println!("{count} events in {:?}, {:?}", begin.elapsed(), source.exit_status());
    Ok(())
}

fn print(event: &RawEvent<'_>) {
    let mark = if event.flags() & DUMP_STATE_ONLY != 0 { "~" } else { "" };
    let mut line = format!("{mark}{} {}", event.tid(), event.info().id);
    for (info, param) in event.info().params.iter().zip(event.params()) {
        let param = param.get(..60).unwrap_or(param).escape_ascii();
        line += &format!(" {}={param}", info.name);
    }
    println!("{line}");
}
