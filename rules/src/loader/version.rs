//! Semantic versions as Falco compares them.

use std::fmt;

/// `major.minor.patch`; what follows (`-rc1`) is ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version {
    major: u32,
    minor: u32,
    patch: u32,
}

impl Version {
    /// Version `0.n.0`: rule files may give the engine version as one number.
    pub(super) fn of_number(n: u32) -> Self {
        Version { major: 0, minor: n, patch: 0 }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut rest = text;
        let mut number = |separator: &str| {
            let digits = rest.strip_prefix(separator)?;
            let len = digits.bytes().take_while(u8::is_ascii_digit).count();
            let number = digits.get(..len)?.parse().ok()?;
            rest = digits.get(len..)?;
            Some(number)
        };
        Some(Version { major: number("")?, minor: number(".")?, patch: number(".")? })
    }

    /// Whether something of this version does where `required` is asked for.
    pub(super) fn satisfies(self, required: Version) -> bool {
        self.major == required.major && self >= required
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}
