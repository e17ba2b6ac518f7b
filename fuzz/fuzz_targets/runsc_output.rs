//! Anything as what runsc prints or writes about a sandbox, which is made from what the sandbox says.
//! The first byte chooses the reader; whatever is read stays within its bounds.
#![no_main]

use std::path::Path;

use falco_gvisor::containers::Told;
use falco_gvisor::runsc::roots::Name;
use falco_gvisor::runsc::{process, state, text};
use falco_source::events::Events;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&reader, output)) = data.split_first() else { return };
    let text = String::from_utf8_lossy(output);
    match reader % 8 {
        0 => {
            let lines = output.iter().filter(|&&b| b == b'\n').count() + 1;
            let found = process::parse(output);
            assert!(found.processes.len() + found.refused <= lines);
            assert!(found.processes.iter().all(|process| process.pid > 0));
        }
        1 => drop(text::containers(output)),
        2 => drop(text::pids(output)),
        3 => drop(text::sinks(&text)),
        4 => drop(text::points(&text)),
        5 => assert!(text::version(&text).is_none_or(|version| !version.is_empty())),
        6 => {
            let Some(name) = Name::parse("box_sandbox:box.state") else { return };
            if let Ok(container) = state::parse(&name, Path::new("/nowhere/file"), output) {
                assert!(container.is_first() && !container.status.is_empty());
            }
        }
        _ => {
            if let Some(told) = Told::read(output, Path::new("/nowhere"), Path::new("/nowhere")) {
                let mut events = Events::new();
                told.push(1, &mut events);
                while events.pop().is_some() {}
            }
        }
    }
});
