//! Any registers and memory of a traced thread: what is told of its calls are whole events of bounded
//! size, which the tables take. The thread is this one, so that its memory and `/proc` are there.
#![no_main]

use falco_enrich::state::{Limits, State};
use falco_event::{RawEvent, Syscall};
use falco_fuzz::stops::{self, Happening};
use falco_ptrace::Options;
use falco_ptrace::calls::Calls;
use falco_ptrace::memory::Memory;
use falco_ptrace::stop::{Abi, Birth, End, Exec, Hooks, Stop, Until};
use falco_source::events::Events;
use libfuzzer_sys::fuzz_target;

/// When all of this happens.
const NOW: u64 = 1_795_000_000_000_000_000;

/// Larger than any event: data, and two paths.
const MOST: usize = 4 * 4096 + 2 * 65_536;

fuzz_target!(|data: &[u8]| {
    let Some((snaplen, mut memory, happenings)) = stops::decode(data) else { return };
    let base = memory.as_ptr().expose_provenance() as u64;
    stops::relocate(&mut memory, base);
    let syscalls = (0..512).filter_map(Syscall::by_x86_64_number).map(|call| call.id).collect();
    let mut calls = Calls::new(&Options { syscalls, snaplen, ..Options::default() });
    let mut state = State::new(Limits { max_threads: 64, max_fds: 64, max_bytes: 1 << 20 });
    state.set_live(true);
    let mut events = Events::new();
    let own = i64::from(std::process::id());
    calls.attached(own, own, &mut events);
    let mut ts = NOW;
    for happening in stops::happenings(happenings, base) {
        ts += 1000;
        happens(&mut calls, &happening, (own, ts), &mut events);
        while let Some(event) = events.pop() {
            let again = RawEvent::parse(event.bytes(), 0, event.flags()).expect("what we made");
            assert_eq!(again.nparams(), again.info().params.len(), "{:?}", again.code());
            assert!(again.bytes().len() < MOST, "{:?}", again.code());
            state.process(&again);
        }
    }
    std::hint::black_box(&memory);
});

fn happens(calls: &mut Calls, happening: &Happening, (own, ts): (i64, u64), events: &mut Events) {
    let Happening { what, abi, number, result, args } = *happening;
    let memory = Memory::of(own as i32);
    let abi = [Abi::X86_64, Abi::I386, Abi::X32][usize::from(abi % 3)];
    let number = number % 512;
    let stop = Stop {
        tid: own,
        pid: own,
        ts,
        abi,
        number: Some(number),
        raw_number: number.into(),
        args,
        result: None,
    };
    // No process has so high a number.
    let other = i64::from(i32::MAX) - i64::from(args[0] as u8 % 8);
    match what {
        0 => {
            let birth = Birth { tid: other, pid: other, by: Some(stop), clone_flags: args[1], ts };
            calls.born(&birth, &memory, events);
        }
        1 => {
            let birth = Birth { tid: other, pid: own, by: None, clone_flags: args[1], ts };
            calls.born(&birth, &memory, events);
        }
        2 => {
            let exec = Exec { pid: own, former_tid: other, call: Some(stop), ts };
            calls.executed(&exec, &memory, events);
        }
        3 => calls.ended(&End { tid: other, pid: other, status: result as i32, ts }, events),
        4 => calls.ended(&End { tid: other, pid: own, status: result as i32, ts }, events),
        _ => {
            if calls.enter(&stop, &memory, events) == Until::Exit {
                calls.exit(&Stop { result: Some(result), ..stop }, &memory, events);
            }
        }
    }
}
