//! The tables of all fields, one module a group of classes: name, type, print format, flags, scope
//! and description. What a field's value is, is in `extract`.

use std::collections::HashMap;
use std::sync::LazyLock;

use falco_rules::catalogue::{Comparison, FieldFlags, FieldInfo, Scope};
use falco_rules::value::{Print, ValueType};

use super::Argument;

mod container;
mod evt;
mod fd;
mod fspath;
mod process;
mod user;

pub(crate) use container::Container;
pub(crate) use evt::{Event, Generic};
pub(crate) use fd::{Fd, FdList};
pub(crate) use fspath::{FsPath, Util};
pub(crate) use process::Process;
pub(crate) use user::{Group, User};

/// Which field: its class and its variant there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    Generic(Generic),
    Event(Event),
    Process(Process),
    User(User),
    Group(Group),
    Fd(Fd),
    FsPath(FsPath),
    FdList(FdList),
    Util(Util),
    Container(Container),
    /// `static.<key>`: in no table; its text is its argument.
    Static,
}

/// One row of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) key: Key,
    pub(crate) name: &'static str,
    ty: ValueType,
    print: Print,
    flags: FieldFlags,
    pub(crate) scope: Scope,
    desc: &'static str,
}

/// Declares a class: its enum and its table. A row reads
/// `Variant "name" Type Print [FLAGS] Scope "description";`.
macro_rules! class {
    ($(#[$doc:meta])* $class:ident {
        $($variant:ident $name:literal $ty:ident $print:ident [$($flag:ident)*] $scope:ident
          $desc:literal;)*
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) enum $class { $(#[doc = $name] $variant),* }

        impl $class {
            pub(super) const ROWS: &[super::Row] = &[$(super::Row {
                key: super::Key::$class($class::$variant),
                name: $name,
                ty: falco_rules::value::ValueType::$ty,
                print: falco_rules::value::Print::$print,
                flags: falco_rules::catalogue::FieldFlags::from_bits_retain(
                    0 $(| falco_rules::catalogue::FieldFlags::$flag.bits())*
                ),
                scope: falco_rules::catalogue::Scope::$scope,
                desc: $desc,
            }),*];
        }
    };
}
use class;

/// A class of fields as `--list` groups them.
#[derive(Clone, Copy, Debug)]
pub struct FieldClass {
    /// Name (`evt`, `process`, …). Two classes may share one.
    pub name: &'static str,
    /// What distinguishes classes of the same name; empty for most.
    pub short: &'static str,
    /// One sentence.
    pub desc: &'static str,
    /// Whether its fields exist for every event source.
    pub generic: bool,
    /// Whether it is left out of `--list`.
    pub hidden: bool,
    /// Whether Falco has these fields from a plugin.
    pub plugin: bool,
    rows: &'static [Row],
}

/// The classes in listing order.
pub static CLASSES: &[FieldClass] = &[
    FieldClass {
        name: "evt",
        short: "All event types",
        desc: "Fields that every event of every source has.",
        generic: true,
        hidden: false,
        plugin: false,
        rows: Generic::ROWS,
    },
    FieldClass {
        name: "evt",
        short: "Syscall events only",
        desc: "Fields of system call events. Single arguments of a call are evt.arg.NAME.",
        generic: false,
        hidden: false,
        plugin: false,
        rows: Event::ROWS,
    },
    FieldClass {
        name: "process",
        short: "",
        desc: "The process and thread that made the system call.",
        generic: false,
        hidden: false,
        plugin: false,
        rows: Process::ROWS,
    },
    FieldClass {
        name: "user",
        short: "",
        desc: "The user that runs the thread.",
        generic: false,
        hidden: false,
        plugin: false,
        rows: User::ROWS,
    },
    FieldClass {
        name: "group",
        short: "",
        desc: "The group that runs the thread.",
        generic: false,
        hidden: false,
        plugin: false,
        rows: Group::ROWS,
    },
    FieldClass {
        name: "fd",
        short: "",
        desc: "The file descriptor on which the system call works.",
        generic: false,
        hidden: false,
        plugin: false,
        rows: Fd::ROWS,
    },
    FieldClass {
        name: "fs.path",
        short: "",
        desc: "The paths on which system calls that change the file system work.",
        generic: false,
        hidden: false,
        plugin: false,
        rows: FsPath::ROWS,
    },
    FieldClass {
        name: "util",
        short: "",
        desc: "Aids for tests.",
        generic: true,
        hidden: true,
        plugin: false,
        rows: Util::ROWS,
    },
    FieldClass {
        name: "fdlist",
        short: "",
        desc: "The descriptors of a poll or ppoll call.",
        generic: false,
        hidden: false,
        plugin: false,
        rows: FdList::ROWS,
    },
    FieldClass {
        name: "container",
        short: "",
        desc: "The container, and the Kubernetes pod, in which the thread runs.",
        generic: false,
        hidden: false,
        plugin: true,
        rows: Container::ROWS,
    },
];

impl FieldClass {
    /// The fields of this class in listing order, hidden ones included.
    pub fn fields(&self) -> impl Iterator<Item = FieldInfo> + '_ {
        self.rows.iter().map(|row| row.info(self.name))
    }
}

impl Row {
    fn info(&self, class: &'static str) -> FieldInfo {
        FieldInfo {
            name: self.name,
            ty: self.ty,
            print: self.print,
            flags: self.flags,
            class,
            desc: self.desc,
        }
    }
}

/// All fields in listing order; [`ROWS`] is parallel.
pub(crate) static INFOS: LazyLock<Vec<FieldInfo>> =
    LazyLock::new(|| CLASSES.iter().flat_map(FieldClass::fields).collect());

/// All rows in listing order.
pub(crate) static ROWS: LazyLock<Vec<Row>> =
    LazyLock::new(|| CLASSES.iter().flat_map(|class| class.rows).copied().collect());

/// Where a field of this name stands in [`INFOS`] and [`ROWS`].
pub(crate) static BY_NAME: LazyLock<HashMap<&'static str, usize>> =
    LazyLock::new(|| ROWS.iter().enumerate().map(|(i, row)| (row.name, i)).collect());

impl Key {
    /// How comparisons of the field deviate from the type's own, given its argument.
    pub(crate) fn comparison(self, arg: &Argument) -> Comparison {
        let is_bare = matches!(arg, Argument::None);
        match self {
            Key::Event(Event::Type | Event::SyscallType) => Comparison::EventType,
            Key::Event(Event::Rawarg) => Comparison::FirstOnly,
            Key::Event(Event::Around) => Comparison::Within,
            Key::Process(
                Process::Aname
                | Process::Aexe
                | Process::Aexepath
                | Process::Acmdline
                | Process::Apid,
            ) if is_bare => Comparison::AnyCandidate,
            // A numeric index changes what is shown, not what is compared.
            Key::Process(Process::Aenv) if !matches!(arg, Argument::Key(_)) => {
                Comparison::AnyCandidate
            }
            Key::Fd(Fd::Ip | Fd::Port | Fd::Proto | Fd::Net) => Comparison::EitherEnd,
            Key::Fd(Fd::Cnet | Fd::Snet | Fd::Lnet | Fd::Rnet) => Comparison::FirstOnly,
            Key::Fd(Fd::CipName | Fd::SipName | Fd::LipName | Fd::RipName) => Comparison::HostName,
            _ => Comparison::Plain,
        }
    }
}
