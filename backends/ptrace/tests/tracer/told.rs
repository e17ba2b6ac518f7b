//! What hooks are told, and in which order.

use std::collections::HashSet;
use std::ffi::OsString;

use falco_ptrace::plan::{Check, Plan};
use falco_ptrace::stop::Abi;

use crate::recorder::{Recorder, Run, SETTINGS, Told, WAYS, deed, plan, plan_of, trace};

fn run(args: &[&str], plan: Plan) -> Run {
    trace(&deed(args), SETTINGS, plan, Recorder::default())
}

/// Everything of a thread comes after its birth and before its end.
fn assert_in_order(told: &[Told]) {
    let mut alive = HashSet::new();
    for one in told {
        let tid = match one {
            Told::Attached(tid) => {
                alive.insert(*tid);
                *tid
            }
            Told::Born(birth) => {
                assert!(alive.insert(birth.tid), "{one:?}");
                birth.tid
            }
            Told::Enter(stop, _) | Told::Exit(stop) => stop.tid,
            Told::Signalled(signal) => signal.tid,
            Told::Executed(exec) => {
                assert!(alive.remove(&exec.former_tid), "{one:?}");
                alive.insert(exec.pid);
                exec.pid
            }
            Told::Ended(end) => {
                assert!(alive.remove(&end.tid), "{one:?}");
                continue;
            }
        };
        assert!(alive.contains(&tid), "{one:?}");
    }
    assert!(alive.is_empty(), "{alive:?}");
}

fn opened(run: &Run, wanted: &str) -> usize {
    let is_it = |one: &&Told| matches!(one, Told::Enter(_, Some(path)) if path == wanted);
    run.told.iter().filter(is_it).count()
}

#[test]
fn calls_are_told_with_arguments_and_results() {
    for way in WAYS {
        let run = trace(&deed(&["open", "10"]), way, plan(), Recorder::default());
        assert_in_order(&run.told);
        assert_eq!(opened(&run, "/dev/null"), 10, "{way:?}");
        let mut calls = 0;
        for pair in run.told.windows(2) {
            let [Told::Enter(enter, _), Told::Exit(exit)] = pair else { continue };
            assert_eq!((enter.tid, enter.number, enter.args), (exit.tid, exit.number, exit.args));
            assert_eq!((enter.result, enter.abi), (None, Abi::X86_64));
            assert!(exit.ts >= enter.ts);
            let result = exit.result.unwrap();
            assert!(result >= 0 || result == -2, "{exit:?}");
            calls += 1;
        }
        assert!(calls >= 20, "{calls}");
    }
}

#[test]
fn calls_that_nobody_wants_do_not_stop() {
    let run = run(&["open", "10"], plan_of(&["getppid"]));
    assert!(!run.told.iter().any(|one| matches!(one, Told::Enter(..) | Told::Exit(_))));
}

#[test]
fn calls_stop_by_their_arguments() {
    let mut plan = Plan::new();
    // lseek and others share the first argument: an fd that no program has, and one that this one has.
    plan.stop_name("close", Check::one_of(0, [3]));
    plan.stop_name("openat", Check::one_of(0, [1234]));
    for way in WAYS {
        let run = trace(&deed(&["open", "10"]), way, plan.clone(), Recorder::default());
        let stops = run.told.iter().filter_map(|one| match one {
            Told::Enter(stop, _) => Some((stop.number, stop.args[0] as u32)),
            _ => None,
        });
        let stops: Vec<_> = stops.collect();
        assert!(stops.len() >= 10, "{stops:?}");
        assert!(stops.iter().all(|stop| *stop == (Some(3), 3)), "{stops:?}");
    }
}

#[test]
fn births_and_ends_are_told() {
    let run = run(&["tree", "5"], plan());
    assert_in_order(&run.told);
    let births: Vec<_> = run
        .told
        .iter()
        .filter_map(|one| if let Told::Born(birth) = one { Some(birth) } else { None })
        .collect();
    assert_eq!(births.len(), 62);
    for birth in births {
        assert_eq!(birth.tid, birth.pid);
        assert_eq!(birth.clone_flags & 0xff, 17);
        assert_eq!(birth.by.and_then(|call| call.number), Some(56));
    }
    assert_eq!(opened(&run, "/dev/null"), 62);
}

#[test]
fn threads_are_told_as_such() {
    for way in WAYS {
        let run = trace(&deed(&["threads", "600"]), way, plan(), Recorder::default());
        assert_in_order(&run.told);
        let births = run.told.iter().filter_map(|one| match one {
            Told::Born(birth) => Some(birth),
            _ => None,
        });
        let mut count = 0;
        for birth in births {
            assert_ne!(birth.tid, birth.pid);
            // CLONE_THREAD, CLONE_VM.
            assert_eq!(birth.clone_flags & 0x1_0100, 0x1_0100, "{birth:?}");
            count += 1;
        }
        assert_eq!(count, 600);
    }
}

#[test]
fn an_execution_by_another_thread_is_told_with_its_former_id() {
    for way in WAYS {
        let run = trace(&deed(&["exec_from_thread", "6"]), way, plan(), Recorder::default());
        assert_in_order(&run.told);
        let last = run.told.iter().rev().find_map(|one| match one {
            Told::Executed(exec) => Some(*exec),
            _ => None,
        });
        let exec = last.unwrap();
        assert_ne!(exec.pid, exec.former_tid);
        let call = exec.call.unwrap();
        assert_eq!((call.number, call.tid), (Some(59), exec.former_tid));
    }
}

#[test]
fn calls_by_int_80_are_told_as_those_of_64_bit_programs() {
    for way in WAYS {
        let run = trace(&deed(&["old_calls"]), way, plan(), Recorder::default());
        let old = run.told.iter().find_map(|one| match one {
            Told::Enter(stop, path) if stop.abi == Abi::I386 => Some((*stop, path.clone())),
            _ => None,
        });
        // Kernels can be built, or told, not to take them.
        let Some((stop, path)) = old else {
            assert_eq!(run.status.code(), Some(77));
            continue;
        };
        assert_eq!(
            (stop.number, stop.raw_number, path.as_deref()),
            (Some(2), 5, Some("/dev/zero"))
        );
    }
}

#[test]
fn children_that_want_to_hide_are_told() {
    for how in ["2", "3"] {
        for way in WAYS {
            let argv = deed(&["untraced", how]);
            let run = trace(&argv, way, plan(), Recorder::default());
            assert_eq!(opened(&run, "/dev/full"), 1, "{how} {way:?}");
        }
    }
}

#[test]
fn what_is_left_behind_is_traced_to_its_end() {
    let run = run(&["leave_behind"], plan());
    assert_eq!((run.status.code(), opened(&run, "/dev/full")), (Some(3), 1));
    assert_in_order(&run.told);
}

#[test]
fn signals_are_told_with_their_sender() {
    let run = run(&["storm", "20"], plan());
    let from_parent = run.told.iter().any(|one| match one {
        Told::Signalled(signal) => signal.number == libc::SIGCONT && signal.sender != 0,
        _ => false,
    });
    assert!(from_parent);
}

#[test]
fn failed_executions_are_told_by_their_exits() {
    let argv: Vec<OsString> = ["sh", "-c", "exec /nonexistent/x"].map(OsString::from).to_vec();
    let run = trace(&argv, SETTINGS, plan(), Recorder::default());
    assert_eq!(run.status.code(), Some(127));
    let failed =
        |one: &&Told| matches!(one, Told::Exit(s) if s.number == Some(59) && s.result == Some(-2));
    assert_eq!(run.told.iter().filter(failed).count(), 1);
    let executed = |one: &&Told| matches!(one, Told::Executed(_));
    assert_eq!(run.told.iter().filter(executed).count(), 1);
}
