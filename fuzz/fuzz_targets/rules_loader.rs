//! Any text as a rules file: loaded or refused with a report; what was loaded is compiled and
//! described.
#![no_main]

use falco_enrich::fields::SyscallFields;
use falco_rules::loader::{Loader, LoaderOptions, Source};
use falco_rules::priority::Priority;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut catalogue = SyscallFields::new();
    let mut sources = [Source { name: "syscall", catalogue: &mut catalogue }];
    let mut loader = Loader::new(LoaderOptions {
        min_priority: Priority::Debug,
        extra_outputs: Vec::new(),
        extra_fields: Vec::new(),
        providers: Vec::new(),
    });
    // Twice: the second time everything redefines or appends to what is there.
    for name in ["first.yaml", "second.yaml"] {
        let result = loader.load(name, data, &mut sources);
        let _ = (result.to_json(), result.to_text(true), result.to_text(false));
        assert_eq!(result.successful(), result.error().is_none());
        if !result.successful() {
            return;
        }
    }
    let _ = loader.check_required_plugins();
    let rules = loader.ruleset("syscall");
    assert!(rules.rules.len() <= loader.rules().len());
    let _ = loader.describe(None, &mut sources);
});
