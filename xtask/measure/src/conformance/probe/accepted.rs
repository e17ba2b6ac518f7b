//! Differences that are none of our probe's: where Falco's probe is wrong, where the machine is
//! another one, and where what the scenario does is not the same every time. Everything else must be
//! equal.

use super::normal::Normal;

/// Something in which an event and Falco's differ.
pub struct Difference<'a> {
    /// Falco's event and ours; of an event that only one has, this one twice.
    pub golden: &'a Normal,
    /// See `golden`.
    pub ours: &'a Normal,
    /// The parameter, as `arg.NAME`, or the field; [`EVENT`] if only one has the event.
    pub name: &'a str,
    /// What Falco has.
    pub theirs: &'a str,
    /// What we have.
    pub own: &'a str,
}

/// Stands for the whole event.
pub const EVENT: &str = "event";

impl Difference<'_> {
    fn is_of(&self, kinds: &[&str]) -> bool {
        kinds.contains(&&*self.ours.kind)
    }

    /// It is the result of the call, as a parameter or in `evt.res`, and `result` is ours.
    fn is_result(&self, result: &str) -> bool {
        matches!(self.name, "arg.res" | "evt.res") && self.ours.arg("res") == result
    }

    /// It is the number of a descriptor, and no more: what it stands for is the same.
    fn is_number_of_descriptor(&self) -> bool {
        let of = |value: &str| value.trim_start_matches(|c: char| c.is_ascii_digit()).to_owned();
        matches!(self.name, "arg.fd" | "arg.oldfd" | "arg.newfd" | "arg.res" | "fd.num")
            && of(self.theirs) == of(self.own)
    }

    fn is_change(&self, name: &str, both: [&str; 2]) -> bool {
        self.name == name && self.theirs.starts_with(both[0]) && self.own.starts_with(both[1])
    }
}

/// One kind of difference and why it is accepted.
pub struct Row {
    /// For people.
    pub why: &'static str,
    /// Events that may differ so.
    pub most: u64,
    /// Whether a difference is of this kind.
    pub is: fn(&Difference<'_>) -> bool,
}

/// All that is accepted.
pub const ROWS: &[Row] = &[
    // Falco's probe.
    Row {
        why: "Falco's probe shows bytes behind the end of an abstract socket's name",
        most: 3,
        is: |d| d.theirs.replace("abstract-namesock", "abstract-name") == d.own,
    },
    Row {
        why: "Falco's probe reads an address beyond the length that the caller gives",
        most: 1,
        is: |d| d.is_of(&["connect"]) && d.theirs == "10.255.0.1:1" && d.own == "<NA>",
    },
    Row {
        why: "Falco's probe takes bytes of the stack for the peer of a socket that AF_UNSPEC \
              disconnects",
        most: 3,
        is: |d| {
            d.golden.arg("fd").contains("->::c0b6:fcf5:ff7f:0:0")
                && d.ours.arg("fd") == "4(<4><unknown>)"
                && (matches!(d.name, "arg.fd" | "arg.tuple") || d.name.starts_with("fd."))
        },
    },
    Row {
        why: "Falco's probe looks for IORING_FEAT_EXT_ARG under a name that no kernel has",
        most: 1,
        is: |d| d.is_change("arg.features", ["1791(", "2047("]),
    },
    // The machine.
    Row {
        why: "kernel modules cannot be loaded into this kernel",
        most: 3,
        is: |d| {
            d.is_of(&["init_module", "finit_module", "delete_module"]) && d.is_result("-38(ENOSYS)")
        },
    },
    Row {
        why: "root has no CAP_SYS_RESOURCE here",
        most: 1,
        is: |d| {
            d.is_of(&["prctl"])
                && d.ours.arg("option") == "35(PR_SET_MM)"
                && d.is_result("-1(EPERM)")
        },
    },
    Row {
        why: "root may not read the namespaces of process 1 here",
        most: 18,
        is: |d| {
            // Not only the results differ: there is no file to tell of.
            d.golden.arg("fd").contains("(<f>/proc/1/ns/")
                && (d.is_of(&["openat"]) && d.ours.arg("fd") == "-13(EACCES)"
                    || d.is_of(&["setns"]) && d.ours.arg("res") == "-9(EBADF)")
        },
    },
    Row {
        why: "this kernel has AF_VSOCK, so descriptors that follow have other numbers",
        most: 16,
        is: |d| d.ours.is_shifted && (d.ours.is_vsock() || d.is_number_of_descriptor()),
    },
    Row {
        why: "controllers are handed down from the first cgroup of this machine",
        most: 2,
        is: |d| d.name == "arg.cgroups" && d.own.replace("=/edge.slice", "=/") == d.theirs,
    },
    Row {
        why: "/bin/true is as large as it is",
        most: 2,
        is: |d| {
            d.is_of(&["sendfile"])
                && d.name == "arg.res"
                && d.ours.arg("in_fd").ends_with("(<f>/bin/true)")
        },
    },
    // The scenario.
    Row {
        why: "what lies on the stack, and where it lies, is up to the compiler and the kernel",
        most: 4,
        is: |d| {
            d.is_of(&["process_vm_readv", "process_vm_writev", "ptrace"]) && d.name == "arg.data"
                || d.is_of(&["copy_file_range"]) && d.is_change("arg.offin", ["14", "14"])
        },
    },
    Row {
        why: "the serial number of a keyring is random",
        most: 1,
        is: |d| {
            d.is_of(&["keyctl"]) && d.name == "arg.res" && d.ours.arg("operation").starts_with("0(")
        },
    },
    Row {
        why: "threads that run at the same time get descriptors in any order",
        most: 18,
        is: |d| d.ours.is_thread && d.is_number_of_descriptor(),
    },
    Row {
        why: "a thread is waited for if it has not ended yet",
        most: 6,
        is: |d| {
            d.is_of(&["futex"])
                && d.ours.arg("op").starts_with("265(")
                && matches!(d.name, EVENT | "arg.val")
        },
    },
    Row {
        why: "how far a process comes that is stopped, continued and killed at once is up to who runs first",
        most: 4,
        is: |d| {
            let is_its = d.ours.who == "edge.22" && d.is_of(&["pause", "set_robust_list"]);
            d.name == EVENT && (is_its || d.ours.who == "edge" && d.is_of(&["wait4"]))
        },
    },
    Row {
        why: "a sleep that the kernel interrupts is one more call",
        most: 4,
        is: |d| d.name == EVENT && d.is_of(&["restart_syscall"]),
    },
];
