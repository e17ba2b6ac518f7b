use falco_event::EventCode;
use falco_event::syscalls::SYSCALLS;

use super::*;
use crate::mapper::Mapper;
use crate::message::Message;
use crate::proto::{self, ContextData, Exit};
use falco_source::events::Events;

fn of(name: &str) -> Coverage {
    coverage_of(Syscall::by_name(name).unwrap())
}

#[test]
fn some_calls_that_rules_ask_about() {
    for full in
        ["openat", "execve", "connect", "dup2", "setuid", "kill", "setns", "sched_process_exit"]
    {
        assert_eq!(of(full), Coverage::Full, "{full}");
    }
    for (partly, what) in [
        ("unlinkat", PATHS),
        ("symlink", PATHS),
        ("finit_module", PATHS),
        ("openat2", PATHS),
        ("sendto", ADDRESSES),
        ("sendmsg", ADDRESSES),
        ("accept4", LOCAL_END),
        ("capset", STRUCTURES),
    ] {
        assert_eq!(of(partly), Coverage::Partly(what), "{partly}");
    }
    for not in ["recvfrom", "signal_deliver", "fchmodat2", "mmap2"] {
        assert!(matches!(of(not), Coverage::NotAtAll(_)), "{not}");
    }
}

/// What becomes of a call of which a sandbox tells its registers has what this says, and lacks the rest.
#[test]
fn raw_calls_tell_what_is_said_here() {
    let context = ContextData { thread_id: 1, thread_group_id: 1, ..ContextData::default() };
    let (mut looked_at, mut wrong) = (0, Vec::new());
    for call in SYSCALLS {
        let Told::Raw(number) = told(call, Version::V2024) else { continue };
        let mut mapper = Mapper::new(1, b"c", 0, 1);
        let mut events = Events::new();
        let message = Message::from(proto::Syscall {
            context_data: Some(context.clone()),
            exit: Some(Exit { result: 3, errorno: 0 }),
            sysno: number.into(),
            // Flags that no call takes for anything but a plain number.
            arg1: 1,
            ..proto::Syscall::default()
        });
        mapper.message(&message, 2, &mut events);
        let mut last = None;
        while let Some(event) = events.pop() {
            // What a parameter is, and whether there is nothing in it.
            let params = event.params().zip(event.code().info().params);
            let empty: Vec<&str> =
                params.filter(|(param, _)| param.is_empty()).map(|(_, info)| info.name).collect();
            last = Some((event.code(), empty));
        }
        let (code, empty) = last.unwrap_or_else(|| panic!("{} makes no event", call.name));
        if code == EventCode::GENERIC_X {
            // Others tell no more, but of those with an event.
            assert_eq!(coverage_of(call) == Coverage::Full, call.is_generic(), "{}", call.name);
            continue;
        }
        let empty: Vec<&str> = empty.into_iter().filter(|name| !name.starts_with("vm_")).collect();
        let is_full = coverage_of(call) == Coverage::Full;
        if is_full != empty.is_empty() && call.name != "clone3" {
            wrong.push((call.name, empty));
        }
        looked_at += 1;
    }
    assert!(looked_at > 60, "{looked_at}");
    assert_eq!(wrong, [], "too full or too empty");
}
