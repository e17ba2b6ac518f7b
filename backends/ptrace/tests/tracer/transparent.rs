//! Programs print the same and end the same as untraced.

use std::os::unix::process::ExitStatusExt;

use crate::recorder::{SETTINGS, WAYS, deed, traced, untraced};

fn same(args: &[&str]) {
    let argv = deed(args);
    let (text, status) = untraced(&argv);
    for way in WAYS {
        let (traced_text, run) = traced(&argv, way);
        assert_eq!((&traced_text, run.status), (&text, status), "{args:?} {way:?}");
        assert!(!text.contains("line "), "{text}");
    }
}

#[test]
fn exit_codes() {
    for code in ["0", "1", "42", "255"] {
        same(&["exit", code]);
    }
}

#[test]
fn signals_that_kill() {
    for signal in [libc::SIGTERM, libc::SIGKILL, libc::SIGPIPE, libc::SIGRTMIN() + 2, libc::SIGTRAP]
    {
        let signal = signal.to_string();
        same(&["kill", &signal]);
        let (_, run) = traced(&deed(&["kill", &signal]), SETTINGS);
        assert_eq!(run.status.signal().map(|signal| signal.to_string()), Some(signal));
    }
}

#[test]
fn threads_by_the_thousand() {
    same(&["threads", "3000"]);
}

#[test]
fn execution_by_a_thread_that_is_not_the_first() {
    for others in ["0", "1", "20"] {
        same(&["exec_from_thread", others]);
    }
}

#[test]
fn first_thread_that_ends_before_the_others() {
    same(&["first_ends", "9"]);
}

#[test]
fn vfork_and_execution() {
    same(&["vforks", "100"]);
}

#[test]
fn tree_of_forks() {
    same(&["tree", "7"]);
}

#[test]
fn stops_that_the_parent_sees() {
    same(&["stops", "200"]);
}

#[test]
fn storm_of_stops() {
    same(&["storm", "2000"]);
}

#[test]
fn signals_that_are_queued() {
    same(&["queued", "500"]);
}

#[test]
fn calls_that_are_restarted() {
    same(&["restarts", "6"]);
}

#[test]
fn calls_by_int_80() {
    same(&["old_calls"]);
}

#[test]
fn filter_of_its_own() {
    same(&["own_filter"]);
}

#[test]
fn orphans() {
    same(&["orphan"]);
}

#[test]
fn job_control() {
    same(&["job"]);
}

#[test]
fn timers() {
    same(&["timers"]);
}

#[test]
fn cpus_that_may_be_used() {
    same(&["cpus", "5000"]);
}

/// The one thing that is different: a process has one tracer.
#[test]
fn no_second_tracer() {
    let (text, run) = traced(&deed(&["own_tracer"]), SETTINGS);
    assert_eq!((text.as_str(), run.status.code()), ("Operation not permitted\n", Some(0)));
}

/// Children that ask not to be traced are, and do not notice.
#[test]
fn children_that_want_to_hide() {
    for how in ["2", "3"] {
        same(&["untraced", how]);
    }
}
