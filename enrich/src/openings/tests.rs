use falco_event::EventBuilder;
use falco_rules::check::check;
use falco_rules::parser::parse;
use falco_source::Snapshot;
use falco_source::snapshot::Thread;
use proptest::prelude::*;

use super::*;
use crate::context::Context;
use crate::fields::SyscallFields;
use crate::state::{Limits, State};

fn checked(fields: &mut SyscallFields, condition: &str) -> Checked {
    check(&parse(condition).unwrap(), fields).unwrap()
}

/// Whether an open of a path can match a condition; `None` if any can.
fn matters(condition: &str, path: &str) -> Option<bool> {
    let condition = checked(&mut SyscallFields::new(), condition);
    Some(Openings::of([&condition])?.matter(path.as_bytes()))
}

const OPEN: &str = "evt.type in (open, openat, openat2) and fd.num >= 0";

#[test]
fn opens_matter_where_a_rule_can_match() {
    let etc = format!("{OPEN} and fd.name startswith /etc and not proc.name in (cat)");
    assert_eq!(matters(&etc, "/etc/shadow"), Some(true));
    assert_eq!(matters(&etc, "/lib/../etc//shadow"), Some(true));
    assert_eq!(matters(&etc, "/lib/etc"), Some(false));
    assert_eq!(matters(&etc, "/etc/../lib"), Some(false));
    // From where that is, nobody has said.
    assert_eq!(matters(&etc, "shadow"), Some(true));
    assert_eq!(matters(&etc, ""), Some(true));

    let raw = format!("{OPEN} and fd.nameraw contains ../");
    assert_eq!(matters(&raw, "/lib/../etc"), Some(true));
    assert_eq!(matters(&raw, "/etc"), Some(false));
    // What is opened may be a directory, or not.
    let directory = format!("{OPEN} and fd.directory = /etc/ssh");
    assert_eq!(matters(&directory, "/etc/ssh"), Some(true));
    assert_eq!(matters(&directory, "/etc/ssh/keys"), Some(true));
    assert_eq!(matters(&directory, "/etc"), Some(false));
    let file = format!("{OPEN} and fd.filename in (.bashrc)");
    assert_eq!(matters(&file, "/root/.bashrc"), Some(true));
    assert_eq!(matters(&file, "/root/.bashrc/x"), Some(false));
    // An open that failed has a directory, but no file.
    let failed = "evt.type = openat and fd.directory = /etc and not fd.filename exists";
    assert_eq!(matters(failed, "/etc/shadow"), Some(true));
    assert_eq!(matters(failed, "/lib/shadow"), Some(false));
    // Of threads that tables have no room for, fields know nothing.
    assert_eq!(matters("evt.type = openat and not fd.name exists", "/lib"), None);
}

#[test]
fn every_open_matters_where_no_path_decides() {
    assert_eq!(matters(OPEN, "/lib"), None);
    assert_eq!(matters("proc.name = x", "/lib"), None);
    let either = format!("{OPEN} and (fd.name = /a or proc.name = x)");
    assert_eq!(matters(&either, "/lib"), None);
    assert_eq!(matters(&format!("{OPEN} and tolower(fd.name) = /a"), "/lib"), None);
    assert_eq!(matters(&format!("{OPEN} and fd.name != /a"), "/lib"), Some(true));
    // A rule about other events, but all fds have to be known.
    assert_eq!(matters("evt.type = execve and fd.types intersects (file)", "/lib"), None);
    assert_eq!(matters("evt.type = execve and proc.fdopencount > 5", "/lib"), None);
}

#[test]
fn rules_about_other_calls_want_no_opens() {
    assert_eq!(matters("evt.type = execve", "/etc/shadow"), Some(false));
    assert_eq!(matters("evt.type = connect and fd.name startswith 10.", "/lib"), Some(false));
    let either = "(evt.type = connect and fd.port = 22) or (evt.type = openat and fd.name = /a)";
    assert_eq!(matters(either, "/a"), Some(true));
    assert_eq!(matters(either, "/b"), Some(false));
    assert_eq!(Openings::of([]).map(|openings| openings.matter(b"/etc/shadow")), Some(false));
}

fn a_condition() -> impl Strategy<Value = String> {
    let tests = [
        "evt.type = openat",
        "evt.type in (open, execve)",
        "fd.name startswith /etc",
        "fd.name in (/etc/a, /a)",
        "fd.name exists",
        "fd.name != /a",
        "fd.nameraw contains ..",
        "fd.nameraw = /a//b",
        "fd.directory = /etc",
        "fd.directory in (/, /a)",
        "fd.filename = a",
        "fd.filename pmatch (/a)",
        "fd.typechar = 'f'",
        "fd.num >= 0",
        "proc.name = sh",
        "evt.failed = true",
    ];
    let test = proptest::sample::select(tests.to_vec()).prop_map(str::to_owned);
    test.prop_recursive(4, 16, 3, |inner| {
        let two = (inner.clone(), inner.clone());
        prop_oneof![
            3 => two.clone().prop_map(|(a, b)| format!("({a} and {b})")),
            1 => two.prop_map(|(a, b)| format!("({a} or {b})")),
            1 => inner.prop_map(|a| format!("not ({a})")),
        ]
    })
}

fn a_path() -> impl Strategy<Value = String> {
    let parts = ["a", "b", "etc", "..", ".", ""];
    proptest::collection::vec(proptest::sample::select(parts.to_vec()), 0..5)
        .prop_map(|parts| format!("/{}", parts.join("/")))
}

/// A host with a shell.
fn a_host() -> State {
    let mut state = State::new(Limits::default());
    let thread = Thread { tid: 10, pid: 10, comm: b"sh".to_vec(), ..Thread::default() };
    let threads = vec![thread];
    state.restore(&Snapshot { threads, fds: vec![(10, Vec::new())], ..Snapshot::default() });
    state
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// Whatever an open turns out to be: if a condition matches its event, it has mattered.
    #[test]
    fn no_match_is_lost(condition in a_condition(), path in a_path(), flags in 0_u32..2, fd in -2_i64..4) {
        // Portable O_RDONLY and O_DIRECTORY.
        let flags = 1 | flags << 10;
        let mut fields = SyscallFields::new();
        let condition = checked(&mut fields, &condition);
        let openings = Openings::of([&condition]);
        for tid in [10, 77] {
            let mut state = a_host();
            let mut builder = EventBuilder::new();
            let event = builder.start(1_000_000_000, tid, OPENAT);
            event.i64(fd).i64(-100).text(path.as_bytes()).u32(flags).u32(0).u32(9).u64(44);
            let event = builder.finish(0, 0).unwrap();
            let current = state.process(&event);
            let context = Context::new(&state, &event, &current, &fields);
            let is_reached = condition.event_types.contains(OPENAT.0);
            if is_reached && evaluate(&condition.expr, &context) {
                let mattered = openings.as_ref().is_none_or(|all| all.matter(path.as_bytes()));
                prop_assert!(mattered, "{condition:?} of {path}");
            }
        }
    }
}
