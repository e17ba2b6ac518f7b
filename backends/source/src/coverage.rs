//! How much of what happens a source can tell: for those that tell less than the kernel itself would.

/// How much of a system call a source tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coverage {
    /// All that the eBPF probe tells of it, but for fields that none of the source's events has.
    Full,
    /// Less: what is missing.
    Partly(&'static str),
    /// Nothing: why.
    NotAtAll(&'static str),
}

/// What is certain of a field's value in all events of a system call, because of how a source tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// It has this number.
    Number(i64),
    /// It has this number or a greater one.
    AtLeast(i64),
    /// It has this text, or this value written so.
    Text(&'static str),
    /// It has this one or no value at all; if this is empty, nothing else is ever there.
    AtMost(&'static str),
}
