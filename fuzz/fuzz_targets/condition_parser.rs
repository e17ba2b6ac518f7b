//! Any text as a condition: parsed or refused at a position inside it. What was parsed is printed
//! and type-checked. (Printing is Falco's, which loses quotes around commas, so what it gives need
//! not parse to the same again.)
#![no_main]

use falco_enrich::fields::SyscallFields;
use falco_rules::{check, parser, print};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let node = match parser::parse(text) {
        Ok(node) => node,
        Err(error) => {
            assert!(error.pos.index <= text.len(), "{error}");
            return;
        }
    };
    if let Ok(printed) = String::from_utf8(print::print(&node)) {
        let _ = parser::parse(&printed);
    }
    // Compiled or refused; both are an answer.
    let _ = check::check(&node, &mut SyscallFields::new());
});
