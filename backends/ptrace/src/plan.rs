//! [`Plan`]: at which system calls a thread stops, in the words of whoever looks at them. The
//! [`filter`](crate::filter) turns it into a seccomp program; the tracer asks it where there is none.

use falco_event::Syscall;

/// One more than the highest number of a system call of x86_64 that a plan knows.
pub const NUMBERS: usize = 512;

/// The stops of every system call, by its number on x86_64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    calls: Vec<Option<Check>>,
}

impl Default for Plan {
    fn default() -> Self {
        Plan::new()
    }
}

impl Plan {
    /// No call stops.
    pub fn new() -> Self {
        Plan { calls: vec![None; NUMBERS] }
    }

    /// Calls with `number` stop if `check` holds; or if an earlier one does. Numbers that no plan
    /// knows are ignored.
    pub fn stop(&mut self, number: u16, check: Check) {
        if let Some(call) = self.calls.get_mut(usize::from(number)) {
            *call = Some(match call.take() {
                Some(before) => before.or(check),
                None => check,
            });
        }
    }

    /// The same, for the call with this name; `false` if x86_64 has none of it.
    pub fn stop_name(&mut self, name: &str, check: Check) -> bool {
        let number = (0..NUMBERS as u16)
            .find(|&n| Syscall::by_x86_64_number(n).is_some_and(|call| call.name == name));
        if let Some(number) = number {
            self.stop(number, check);
        }
        number.is_some()
    }

    /// When calls with this number stop; `None` is never.
    pub fn check(&self, number: u16) -> Option<&Check> {
        self.calls.get(usize::from(number))?.as_ref()
    }

    /// Whether this call stops.
    pub fn stops(&self, number: u16, args: &[u64; 6]) -> bool {
        self.check(number).is_some_and(|check| check.holds(args))
    }

    /// The numbers of all calls that can stop, in their order.
    pub fn numbers(&self) -> impl Iterator<Item = u16> {
        (0..NUMBERS as u16).filter(|&number| self.check(number).is_some())
    }
}

/// A condition on the arguments of a call: one of several alternatives, of each of which all tests
/// hold. A check has to hold whenever the call matters; it may hold more often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    alternatives: Vec<Vec<Test>>,
}

impl Check {
    /// Holds whatever the arguments are.
    pub fn always() -> Self {
        Check { alternatives: vec![Vec::new()] }
    }

    /// Holds if all of these tests do.
    pub fn all(tests: impl IntoIterator<Item = Test>) -> Self {
        Check { alternatives: vec![tests.into_iter().collect()] }
    }

    /// Holds if any of these tests does; never, if there is none.
    pub fn any(tests: impl IntoIterator<Item = Test>) -> Self {
        Check { alternatives: tests.into_iter().map(|test| vec![test]).collect() }
    }

    /// Holds if argument `arg` is one of `values`.
    pub fn one_of(arg: u8, values: impl IntoIterator<Item = u32>) -> Self {
        Check::any(values.into_iter().map(|value| Test {
            arg,
            mask: u32::MAX,
            is: Is::Equal(value),
        }))
    }

    /// Holds if either does.
    #[must_use]
    pub fn or(mut self, mut other: Check) -> Self {
        self.alternatives.append(&mut other.alternatives);
        if self.alternatives.iter().any(Vec::is_empty) {
            return Check::always();
        }
        self
    }

    /// The alternatives.
    pub fn alternatives(&self) -> &[Vec<Test>] {
        &self.alternatives
    }

    /// Whether it holds for these arguments.
    pub fn holds(&self, args: &[u64; 6]) -> bool {
        self.alternatives.iter().any(|tests| tests.iter().all(|test| test.holds(args)))
    }
}

/// A test of the lower 32 bits of an argument: what kernels take as `int` or flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Test {
    /// Which argument, from 0 to 5.
    pub arg: u8,
    /// The bits that are looked at.
    pub mask: u32,
    /// What they have to be.
    pub is: Is,
}

/// What bits have to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Is {
    /// This value.
    Equal(u32),
    /// Not this value.
    NotEqual(u32),
    /// At least this value, as an unsigned number.
    AtLeast(u32),
}

impl Test {
    /// Any of these bits is set.
    pub const fn any_bit(arg: u8, bits: u32) -> Self {
        Test { arg, mask: bits, is: Is::NotEqual(0) }
    }

    /// None of these bits is set.
    pub const fn no_bit(arg: u8, bits: u32) -> Self {
        Test { arg, mask: bits, is: Is::Equal(0) }
    }

    /// Whether it holds for these arguments. A test of an argument that no call has, holds.
    pub fn holds(&self, args: &[u64; 6]) -> bool {
        let Some(arg) = args.get(usize::from(self.arg)) else { return true };
        let bits = *arg as u32 & self.mask;
        match self.is {
            Is::Equal(value) => bits == value,
            Is::NotEqual(value) => bits != value,
            Is::AtLeast(value) => bits >= value,
        }
    }
}
