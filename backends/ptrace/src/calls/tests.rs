//! Whatever registers and memory hold, what comes out are whole events of bounded size.

use falco_event::{EventCode, RawEvent, Syscall};
use proptest::prelude::*;
use rustix::thread::gettid;

use super::*;
use crate::stop::Abi;

/// Bytes of memory that tests fill.
const MEMORY: usize = 3 * 4096;

/// Larger than any event: data, and two paths.
const MOST: usize = 4 * 4096 + 2 * 65_536;

fn hooks(snaplen: u32) -> Calls {
    let syscalls = (0..NUMBERS as u16).filter_map(Syscall::by_x86_64_number).map(|call| call.id);
    Calls::new(&Options { syscalls: syscalls.collect(), snaplen, ..Options::default() })
}

fn own_ids() -> (i64, i64) {
    (gettid().as_raw_nonzero().get().into(), std::process::id().into())
}

/// Takes all events out, and looks at each.
fn check(events: &mut Events, is_own: impl Fn(&RawEvent<'_>)) -> usize {
    let mut count = 0;
    while let Some(event) = events.pop() {
        let info = event.info();
        assert_eq!(event.nparams(), info.params.len(), "{}", info.id);
        assert!(event.bytes().len() < MOST, "{}", info.id);
        is_own(&event);
        count += 1;
    }
    count
}

/// Where a mapping ends and nothing follows.
fn edge() -> u64 {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let range = |line: &str| {
        let (begin, end) = line.split(' ').next()?.split_once('-')?;
        let hex = |text| u64::from_str_radix(text, 16).ok();
        Some((hex(begin)?, hex(end)?))
    };
    let ranges: Vec<_> = maps.lines().filter_map(range).collect();
    let followed = |end| ranges.iter().any(|(begin, _)| *begin == end);
    ranges.iter().map(|(_, end)| *end).find(|end| !followed(*end)).unwrap()
}

/// An argument: a small number, a place in memory that is filled with anything, or near its end, or
/// any number.
fn argument() -> impl Strategy<Value = (u8, u64)> {
    (0_u8..5, any::<u64>())
}

fn address((kind, value): (u8, u64), memory: &[u8], edge: u64) -> u64 {
    match kind {
        0 => value % 70,
        1 | 2 => memory.as_ptr() as u64 + value % memory.len() as u64,
        3 => edge - value % 40,
        _ => value,
    }
}

/// Bytes among which there are addresses of the memory itself, so that vectors lead somewhere.
fn fill(memory: &mut [u8], seed: &[u8], pointers: &[u64]) {
    let base = memory.as_ptr() as u64;
    for (byte, seed) in memory.iter_mut().zip(seed.iter().cycle()) {
        *byte = *seed;
    }
    for (at, pointer) in pointers.iter().enumerate() {
        let address = base + pointer % MEMORY as u64;
        let at = (pointer >> 32) as usize % (MEMORY / 8 - 1) * 8 + at % 2 * 4;
        memory[at..at + 8].copy_from_slice(&address.to_le_bytes());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn hostile_calls_become_whole_events(
        number in 0..NUMBERS as u16,
        args in proptest::array::uniform6(argument()),
        result in prop_oneof![-4095_i64..2000, Just(0), any::<i64>()],
        abi in prop_oneof![Just(Abi::X86_64), Just(Abi::I386), Just(Abi::X32)],
        seed in proptest::collection::vec(any::<u8>(), 1..300),
        pointers in proptest::collection::vec(any::<u64>(), 0..200),
        snaplen in prop_oneof![Just(0_u32), Just(80), Just(65_000)],
    ) {
        let mut memory = vec![0; MEMORY];
        fill(&mut memory, &seed, &pointers);
        let ((tid, pid), edge) = (own_ids(), edge());
        let args = args.map(|arg| address(arg, &memory, edge));
        let mut stop = Stop {
            tid, pid, ts: 1, abi, number: Some(number), raw_number: number.into(), args, result: None,
        };
        let (mut hooks, mut events) = (hooks(snaplen), Events::new());
        let of = Memory::of(tid as i32);
        if hooks.enter(&stop, &of, &mut events) == Until::Exit {
            stop.result = Some(result);
            hooks.exit(&stop, &of, &mut events);
        }
        check(&mut events, |event| assert_eq!(event.tid(), tid));
    }
}

/// With all arguments being nothing, each call still has its event.
#[test]
fn every_call_that_is_asked_for_is_told() {
    let ((tid, pid), mut hooks) = (own_ids(), hooks(80));
    let plan = hooks.plan();
    for number in 0..NUMBERS as u16 {
        let Some(call) = Syscall::by_x86_64_number(number) else { continue };
        let mut stop = Stop {
            tid,
            pid,
            ts: 1,
            abi: Abi::X86_64,
            number: Some(number),
            raw_number: number.into(),
            args: [0; 6],
            result: None,
        };
        let (of, mut events) = (Memory::of(tid as i32), Events::new());
        let until = hooks.enter(&stop, &of, &mut events);
        if ["exit", "exit_group", "clone", "clone3", "fork", "vfork"].contains(&call.name) {
            assert_eq!(plan.check(number), None, "{}", call.name);
            continue;
        }
        assert!(plan.stops(number, &stop.args), "{}", call.name);
        assert_eq!(until, Until::Exit, "{}", call.name);
        stop.result = Some(-1);
        hooks.exit(&stop, &of, &mut events);
        let code = decode::decoder(call.name).map(|decoder| decoder.code);
        let is_its_own = |event: &RawEvent<'_>| match call.name {
            "execve" => event.code() == EventCode::SYSCALL_EXECVE_19_X,
            "execveat" => event.code() == EventCode::SYSCALL_EXECVEAT_X,
            _ => Some(event.code()) == code.or(Some(EventCode::GENERIC_X)),
        };
        let mut told = 0;
        while let Some(event) = events.pop() {
            let for_tables = event.flags() & falco_event::raw::DUMP_STATE_ONLY != 0;
            told += usize::from(!for_tables && is_its_own(&event));
        }
        assert_eq!(told, 1, "{}", call.name);
    }
}

/// Without anybody asking, only what tables need stops.
#[test]
fn nothing_stops_for_nobody() {
    let plan = Calls::new(&Options::default()).plan();
    let names: Vec<_> =
        plan.numbers().filter_map(Syscall::by_x86_64_number).map(|call| call.name).collect();
    for name in ["execve", "execveat", "chdir", "fchdir", "setuid", "capset", "prctl", "unshare"] {
        assert!(names.contains(&name), "{name}");
    }
    for name in ["openat", "close", "dup2", "pipe2", "clone", "exit", "read", "fcntl", "socket"] {
        assert!(!names.contains(&name), "{name}");
    }
    // prctl(PR_SET_NAME), unshare(CLONE_NEWNET), prlimit64 that only asks.
    assert!(!plan.stops(157, &[15, 0, 0, 0, 0, 0]) && plan.stops(157, &[36, 1, 0, 0, 0, 0]));
    assert!(!plan.stops(272, &[0x4000_0000, 0, 0, 0, 0, 0]));
    assert!(!plan.stops(302, &[0, 7, 0, 0x7fff_0000, 0, 0]));
}
