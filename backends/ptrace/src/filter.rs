//! [`Filter`]: the seccomp program that lets every call pass but those of a [`Plan`].
//!
//! It is a balanced tree of comparisons over intervals of numbers, for 64-bit and for 32-bit callers. What
//! it lets pass whatever the arguments are costs nothing: since 5.11 the kernel finds that out ahead
//! and keeps a bitmap (`seccomp_cache_prepare`), which understands programs that only look at number and
//! architecture up to there. Classic BPF: Linux `Documentation/networking/filter.rst`, seccomp(2).

use std::collections::BTreeMap;

use falco_event::native::x86_64_number_of_compat;
use libc::sock_filter;

use crate::plan::{Check, Is, NUMBERS, Plan, Test};

/// The 16 bits of `SECCOMP_RET_DATA` that tell stops of this filter from those of others.
pub(crate) const MARK: u16 = 0xfa1c;

/// Set in the numbers of calls with 32-bit pointers by 64-bit programs (x32).
pub(crate) const X32_BIT: u32 = 0x4000_0000;

/// The number of `socketcall(2)`, the one call for all that is about sockets that old 32-bit programs
/// make.
pub(crate) const COMPAT_SOCKETCALL: u16 = 102;

/// `AUDIT_ARCH_X86_64` and `AUDIT_ARCH_I386` (`include/uapi/linux/audit.h`).
pub(crate) const ARCH_X86_64: u32 = 0xc000_003e;
pub(crate) const ARCH_I386: u32 = 0x4000_0003;

/// The longest program that kernels take (`BPF_MAXINSNS`).
const MOST: usize = 4096;
/// More tests than this of one alternative are not made; it stops more often then.
const MOST_TESTS: usize = 32;

/// A program, ready to be installed.
#[derive(Clone)]
pub struct Filter {
    code: Vec<sock_filter>,
}

impl std::fmt::Debug for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Filter").field("instructions", &self.code.len()).finish()
    }
}

impl Filter {
    /// The program of a plan.
    pub fn new(plan: &Plan) -> Self {
        let code = build(plan, |check| check.clone());
        if code.len() <= MOST {
            return Filter { code };
        }
        // Too much to ask: the calls stop whatever their arguments.
        Filter { code: build(plan, |_| Check::always()) }
    }

    /// Its instructions.
    pub fn code(&self) -> &[sock_filter] {
        &self.code
    }
}

/// What a number leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Leaf {
    Allow,
    Trace,
    Check(Check),
}

fn build(plan: &Plan, simplify: impl Fn(&Check) -> Check) -> Vec<sock_filter> {
    let can_hold = |check: &&Check| !check.alternatives().is_empty();
    let leaf = |check: Option<&Check>| match check.filter(can_hold).map(&simplify) {
        None => Leaf::Allow,
        Some(check) if check == Check::always() => Leaf::Trace,
        Some(check) => Leaf::Check(check),
    };
    let mut native = BTreeMap::new();
    let mut compat = BTreeMap::new();
    for number in 0..NUMBERS as u16 {
        native.insert(u32::from(number), leaf(plan.check(number)));
        let same = x86_64_number_of_compat(number);
        compat.insert(u32::from(number), leaf(same.and_then(|number| plan.check(number))));
    }
    let stops_any = plan.numbers().next().is_some();
    if crate::tracer::abi::socket_calls().any(|number| plan.check(number).is_some()) {
        compat.insert(COMPAT_SOCKETCALL.into(), Leaf::Trace);
    }
    for numbers in [&mut native, &mut compat] {
        numbers.insert(NUMBERS as u32, Leaf::Allow);
    }
    // Nobody makes these, unless to hide.
    native.insert(X32_BIT, if stops_any { Leaf::Trace } else { Leaf::Allow });

    let (native, compat) = (decide(&intervals(native)), decide(&intervals(compat)));
    let mut code = vec![load(ARCH), jump(libc::BPF_JEQ, ARCH_X86_64, 1, 0)];
    code.push(skip(native.len() + 1));
    code.push(load(NUMBER));
    code.extend(native);
    code.push(load(NUMBER));
    code.extend(compat);
    code
}

/// Intervals that lead to the same are one; each is told by its first number.
fn intervals(numbers: BTreeMap<u32, Leaf>) -> Vec<(u32, Leaf)> {
    let mut all: Vec<(u32, Leaf)> = numbers.into_iter().collect();
    all.dedup_by(|next, before| next.1 == before.1);
    all
}

/// The tree; the number is in the accumulator.
fn decide(intervals: &[(u32, Leaf)]) -> Vec<sock_filter> {
    let (left, right) = intervals.split_at(intervals.len() / 2);
    let (Some((first, _)), false) = (right.first(), left.is_empty()) else {
        return intervals.first().map_or_else(Vec::new, |(_, leaf)| leaf.code());
    };
    let (left, right) = (decide(left), decide(right));
    let mut code = match u8::try_from(left.len()) {
        Ok(len) => vec![jump(libc::BPF_JGE, *first, len, 0)],
        Err(_) => vec![jump(libc::BPF_JGE, *first, 0, 1), skip(left.len())],
    };
    code.extend(left);
    code.extend(right);
    code
}

impl Leaf {
    fn code(&self) -> Vec<sock_filter> {
        match self {
            Leaf::Allow => vec![ret(libc::SECCOMP_RET_ALLOW)],
            Leaf::Trace => vec![trace()],
            Leaf::Check(check) => {
                let mut code: Vec<_> = check.alternatives().iter().flat_map(|t| tests(t)).collect();
                code.push(ret(libc::SECCOMP_RET_ALLOW));
                code
            }
        }
    }
}

/// One alternative: returns if all tests hold, goes on behind itself else.
fn tests(tests: &[Test]) -> Vec<sock_filter> {
    // From the last to the first, since each has to know how far it is to the end.
    let mut code = vec![trace()];
    for test in tests.iter().filter(|test| test.arg < 6).take(MOST_TESTS) {
        let end = code.len() as u8;
        let mut one = vec![load(ARGS + 8 * u32::from(test.arg))];
        // Whether the bits are looked at where they are, which spares an instruction.
        let any_bit = test.is == Is::NotEqual(0);
        if test.mask != u32::MAX && !any_bit {
            one.push(instruction(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, test.mask));
        }
        one.push(match test.is {
            Is::NotEqual(0) => jump(libc::BPF_JSET, test.mask, 0, end),
            Is::Equal(value) => jump(libc::BPF_JEQ, value, 0, end),
            Is::NotEqual(value) => jump(libc::BPF_JEQ, value, end, 0),
            Is::AtLeast(value) => jump(libc::BPF_JGE, value, 0, end),
        });
        one.append(&mut code);
        code = one;
    }
    code
}

/// Places in `struct seccomp_data`: the number, the architecture, and the lower halves of arguments.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const ARGS: u32 = 16;

fn instruction(code: u32, k: u32) -> sock_filter {
    // Codes have 16 bits.
    sock_filter { code: code as u16, jt: 0, jf: 0, k }
}

fn load(at: u32) -> sock_filter {
    instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, at)
}

fn ret(action: u32) -> sock_filter {
    instruction(libc::BPF_RET | libc::BPF_K, action)
}

fn trace() -> sock_filter {
    ret(libc::SECCOMP_RET_TRACE | u32::from(MARK))
}

fn jump(how: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { jt, jf, ..instruction(libc::BPF_JMP | how | libc::BPF_K, k) }
}

fn skip(count: usize) -> sock_filter {
    // Programs are far shorter.
    instruction(libc::BPF_JMP | libc::BPF_JA, count as u32)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the program answers, as the kernel would run it (`bpf_prog_run` of a converted classic
    /// program). Panics where the kernel would refuse it.
    fn run(code: &[sock_filter], arch: u32, number: u32, args: &[u64; 6]) -> u32 {
        let mut data = Vec::new();
        data.extend(number.to_le_bytes());
        data.extend(arch.to_le_bytes());
        data.extend(0_u64.to_le_bytes());
        args.iter().for_each(|arg| data.extend(arg.to_le_bytes()));
        let (mut at, mut a) = (0, 0);
        loop {
            let insn = code[at];
            at += 1;
            let how = |holds: bool| usize::from(if holds { insn.jt } else { insn.jf });
            match u32::from(insn.code) {
                c if c == libc::BPF_LD | libc::BPF_W | libc::BPF_ABS => {
                    let place = insn.k as usize;
                    assert!(place.is_multiple_of(4));
                    a = u32::from_le_bytes(data[place..place + 4].try_into().unwrap());
                }
                c if c == libc::BPF_ALU | libc::BPF_AND | libc::BPF_K => a &= insn.k,
                c if c == libc::BPF_JMP | libc::BPF_JA => at += insn.k as usize,
                c if c == libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K => at += how(a == insn.k),
                c if c == libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K => at += how(a >= insn.k),
                c if c == libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K => {
                    at += how(a & insn.k != 0);
                }
                c if c == libc::BPF_RET | libc::BPF_K => return insn.k,
                c => panic!("instruction {c:#x}"),
            }
        }
    }

    fn stops(code: &[sock_filter], arch: u32, number: u32, args: &[u64; 6]) -> bool {
        match run(code, arch, number, args) {
            libc::SECCOMP_RET_ALLOW => false,
            answer => {
                assert_eq!(answer, libc::SECCOMP_RET_TRACE | u32::from(MARK));
                true
            }
        }
    }

    fn a_test() -> impl Strategy<Value = Test> {
        let bits = || prop_oneof![0_u32..8, any::<u32>()];
        let is = prop_oneof![
            bits().prop_map(Is::Equal),
            bits().prop_map(Is::NotEqual),
            bits().prop_map(Is::AtLeast)
        ];
        let mask = prop_oneof![Just(u32::MAX), 0_u32..8, any::<u32>()];
        (0_u8..6, mask, is).prop_map(|(arg, mask, is)| Test { arg, mask, is })
    }

    fn a_check() -> impl Strategy<Value = Check> {
        let tests = proptest::collection::vec(a_test(), 0..4);
        proptest::collection::vec(tests, 1..4).prop_map(|alternatives| {
            let all = alternatives.into_iter().map(Check::all);
            all.reduce(Check::or).unwrap()
        })
    }

    fn a_plan() -> impl Strategy<Value = Plan> {
        let calls = proptest::collection::vec((0..NUMBERS as u16, a_check()), 0..60);
        calls.prop_map(|calls| {
            let mut plan = Plan::new();
            calls.into_iter().for_each(|(number, check)| plan.stop(number, check));
            plan
        })
    }

    fn args() -> impl Strategy<Value = [u64; 6]> {
        proptest::array::uniform6(prop_oneof![0_u64..8, any::<u64>()])
    }

    proptest! {
        #[test]
        fn the_program_decides_as_the_plan(plan in a_plan(), args in args()) {
            let filter = Filter::new(&plan);
            prop_assert!(filter.code().len() <= MOST);
            for number in (0..700).chain([u32::MAX >> 3]) {
                let wanted = u16::try_from(number).is_ok_and(|number| plan.stops(number, &args));
                prop_assert_eq!(stops(filter.code(), ARCH_X86_64, number, &args), wanted);
                if number == u32::from(COMPAT_SOCKETCALL) {
                    continue;
                }
                let same = u16::try_from(number).ok().and_then(x86_64_number_of_compat);
                let wanted = same.is_some_and(|number| plan.stops(number, &args));
                prop_assert_eq!(stops(filter.code(), ARCH_I386, number, &args), wanted);
            }
            let any = plan.numbers().next().is_some();
            prop_assert_eq!(stops(filter.code(), ARCH_X86_64, X32_BIT | 3, &args), any);
        }
    }

    #[test]
    fn socketcall_stops_with_any_call_about_sockets() {
        let mut plan = Plan::new();
        plan.stop_name("openat", Check::always());
        let number = u32::from(COMPAT_SOCKETCALL);
        assert!(!stops(Filter::new(&plan).code(), ARCH_I386, number, &[0; 6]));
        plan.stop_name("connect", Check::always());
        assert!(stops(Filter::new(&plan).code(), ARCH_I386, number, &[0; 6]));
        assert!(!stops(Filter::new(&plan).code(), ARCH_X86_64, number, &[0; 6]));
    }

    #[test]
    fn a_program_that_would_be_too_long_looks_at_numbers_alone() {
        let mut plan = Plan::new();
        for number in 0..NUMBERS as u16 {
            plan.stop(number, Check::one_of(0, 0..u32::from(number)));
        }
        let filter = Filter::new(&plan);
        assert!(filter.code().len() < 200, "{filter:?}");
        assert!(stops(filter.code(), ARCH_X86_64, 300, &[u64::MAX; 6]));
    }

    #[test]
    fn what_never_stops_is_decided_without_looking_at_arguments() {
        let mut plan = Plan::new();
        plan.stop_name("fcntl", Check::one_of(1, [0]));
        plan.stop_name("openat", Check::always());
        let filter = Filter::new(&plan);
        // getpid: an argument would have to be loaded on its way, which the kernel's emulation refuses.
        let mut at = 0;
        let mut a = 0;
        loop {
            let insn = filter.code()[at];
            at += 1;
            match u32::from(insn.code) {
                c if c & 7 == libc::BPF_LD => {
                    assert!(insn.k < 8);
                    a = if insn.k == ARCH { ARCH_X86_64 } else { 39 };
                }
                c if c & 7 == libc::BPF_RET => break assert_eq!(insn.k, libc::SECCOMP_RET_ALLOW),
                c if c == libc::BPF_JMP | libc::BPF_JA => at += insn.k as usize,
                c => {
                    let holds = if c & 0xf0 == libc::BPF_JEQ { a == insn.k } else { a >= insn.k };
                    at += usize::from(if holds { insn.jt } else { insn.jf });
                }
            }
        }
    }
}
