//! What may stand behind a field's name: an index or key in brackets, or a dotted name.
//!
//! Falco's fields parse their arguments one by one and differently; what they accept and how they
//! complain is kept, since rule files depend on the former and users search for the latter.

use falco_event::table::EVENTS;
use falco_event::{EventCode, ParamType, PrintFormat};
use falco_rules::catalogue::{FieldError, FieldFlags};
use falco_rules::value::{Print, ValueType};

use super::extract::remembers;
use super::memory::Memory;
use super::table::{BY_NAME, Event, Fd, INFOS, Key, Process, ROWS};

/// A field's argument, ready for extraction.
#[derive(Debug)]
pub(crate) enum Argument {
    /// None given.
    None,
    /// `[N]`.
    Index(i64),
    /// `[KEY]` or `.KEY`.
    Key(Box<[u8]>),
    /// `[PATTERN]` of a mount field.
    Pattern(Box<regex::Regex>),
    /// `evt.arg.NAME`.
    Parameter(ParameterIndex),
    /// `evt.rawarg.NAME`.
    Raw(Box<RawParameter>),
    /// `evt.type.is.NAME`: two event types.
    Types([u16; 2]),
    /// None given, and the value depends on earlier events.
    Memory(Memory),
}

/// Where the parameter of one name stands in the events of each type.
#[derive(Debug)]
pub(crate) struct ParameterIndex(Box<[u8]>);

/// `evt.rawarg.NAME`, with the type that the name has in the first event that knows it.
#[derive(Debug)]
pub(crate) struct RawParameter {
    pub(crate) index: ParameterIndex,
    pub(crate) ty: ValueType,
    pub(crate) print: Print,
}

/// No parameter of the name.
const ABSENT: u8 = u8::MAX;

impl ParameterIndex {
    /// Looks `name` up in every event.
    pub(crate) fn new(name: &str) -> Self {
        let index = |event: &falco_event::EventInfo| {
            event.param_index(name).and_then(|i| u8::try_from(i).ok()).unwrap_or(ABSENT)
        };
        ParameterIndex(EVENTS.iter().map(index).collect())
    }

    /// The parameter's index in events of type `code`.
    #[inline]
    pub(crate) fn of(&self, code: EventCode) -> Option<usize> {
        let &index = self.0.get(usize::from(code.0))?;
        (index != ABSENT).then_some(usize::from(index))
    }
}

impl RawParameter {
    /// The type and print format that the name has in events of type `code`.
    pub(crate) fn printed_on(&self, code: EventCode) -> Option<(ValueType, Print)> {
        let info = code.info().params.get(self.index.of(code)?)?;
        Some((value_type(info.ty), print(info.format)))
    }
}

/// Finds the field of this name and reads its argument: the field's row and the argument.
pub(super) fn parse(name: &str, arg: Option<&str>) -> Result<(usize, Argument), FieldError> {
    if let Some(&row) = BY_NAME.get(name) {
        return Ok((row, bracketed(row, arg)?));
    }
    let (row, dotted) = dotted_field(name).ok_or(FieldError::Unknown)?;
    if arg.is_some() {
        return Err(FieldError::Unknown);
    }
    Ok((row, dotted_argument(row, dotted)?))
}

/// The field whose name, followed by a dot, begins `name`, if it is one that takes dotted arguments.
fn dotted_field(name: &str) -> Option<(usize, &str)> {
    let dots = name.match_indices('.').map(|(at, _)| at).rev();
    for at in dots {
        if let Some(&row) = BY_NAME.get(&name[..at]) {
            return takes_dotted(row).then_some((row, &name[at + 1..]));
        }
    }
    None
}

fn takes_dotted(row: usize) -> bool {
    match ROWS[row].key {
        Key::Event(Event::Arg | Event::Rawarg | Event::TypeIs | Event::Abspath)
        | Key::Process(Process::ThreadCgroup) => true,
        Key::Container(_) => INFOS[row].flags.contains(FieldFlags::ARG_KEY),
        _ => false,
    }
}

fn dotted_argument(row: usize, text: &str) -> Result<Argument, FieldError> {
    let unknown = || FieldError::Unknown;
    Ok(match ROWS[row].key {
        Key::Event(Event::Arg) => {
            known_parameter(text)?;
            Argument::Parameter(ParameterIndex::new(text))
        }
        Key::Event(Event::Rawarg) => {
            let info = known_parameter(text)?;
            Argument::Raw(Box::new(RawParameter {
                index: ParameterIndex::new(text),
                ty: value_type(info.ty),
                print: print(info.format),
            }))
        }
        Key::Event(Event::TypeIs) => Argument::Types(types_named(text).ok_or_else(unknown)?),
        Key::Event(Event::Abspath) => match text {
            "src" => Argument::Index(1),
            "dst" => Argument::Index(2),
            _ => return Err(unknown()),
        },
        Key::Process(Process::ThreadCgroup)
            if !text.is_empty() && text.bytes().all(cgroup_byte) =>
        {
            Argument::Key(text.as_bytes().into())
        }
        Key::Container(_) if !text.is_empty() => Argument::Key(text.as_bytes().into()),
        _ => return Err(unknown()),
    })
}

/// The first parameter of this very name. A name that merely begins with a parameter's is no field
/// at all, any other is an unknown argument.
fn known_parameter(name: &str) -> Result<&'static falco_event::ParamInfo, FieldError> {
    let params = || EVENTS.iter().flat_map(|event| event.params);
    if let Some(param) = params().find(|p| p.name == name) {
        return Ok(param);
    }
    if params().any(|p| name.starts_with(p.name)) {
        return Err(FieldError::Unknown);
    }
    Err(FieldError::BadArgument(format!("unknown event argument {name}")))
}

/// `evt.type.is`: a number, or a name that stands for the first type that has it and the one after.
fn types_named(text: &str) -> Option<[u16; 2]> {
    if let Ok(code) = text.parse::<u32>() {
        return Some([u16::try_from(code).unwrap_or(u16::MAX), u16::MAX]);
    }
    let code = EVENTS.iter().position(|event| event.name == text)? as u16;
    Some([code, code + 1])
}

fn cgroup_byte(b: u8) -> bool {
    b.is_ascii_alphabetic() || b == b'_'
}

fn bracketed(row: usize, arg: Option<&str>) -> Result<Argument, FieldError> {
    let (name, flags) = (INFOS[row].name, INFOS[row].flags);
    let Some(arg) = arg else {
        return match ROWS[row].key {
            Key::Event(Event::Abspath) => Ok(Argument::Index(0)),
            Key::Container(_) if flags.contains(FieldFlags::ARG_REQUIRED) => {
                Err(FieldError::MissingArgument(format!(
                    "filter '{name}': {name} requires an argument but none provided"
                )))
            }
            _ if flags.contains(FieldFlags::ARG_REQUIRED) => {
                Err(FieldError::MissingArgument(format!("filter syntax error: {name}")))
            }
            key if remembers(key) => Ok(Argument::Memory(Memory::default())),
            _ => Ok(Argument::None),
        };
    };
    match ROWS[row].key {
        Key::Event(Event::Arg) => number(arg).map(Argument::Index),
        Key::Event(Event::Around) => number(arg).map(Argument::Index),
        Key::Event(Event::Rawarg) => {
            Err(FieldError::BadArgument("evt.arg fields must be expressed explicitly".into()))
        }
        Key::Fd(Fd::Types) => number(arg).map(Argument::Index),
        Key::Process(Process::Env | Process::Aenv) if !arg.bytes().all(|b| b.is_ascii_digit()) => {
            Ok(Argument::Key(arg.as_bytes().into()))
        }
        // A number means nothing to proc.env: the whole environment.
        Key::Process(Process::Env) => Ok(Argument::None),
        Key::Process(
            Process::Aname
            | Process::Aexe
            | Process::Aexepath
            | Process::Acmdline
            | Process::Aargs
            | Process::Apid
            | Process::Aenv
            | Process::Args,
        ) => match number(arg) {
            // −1 is how Falco marks the bare form.
            Ok(-1) => Ok(Argument::None),
            Ok(n) => Ok(Argument::Index(n)),
            Err(_) => Err(FieldError::Unknown),
        },
        Key::Container(_) => container(name, flags, arg),
        _ => Err(FieldError::Unknown),
    }
}

/// Arguments of plugin fields: an index has no leading zero, everything else is a key.
fn container(name: &str, flags: FieldFlags, arg: &str) -> Result<Argument, FieldError> {
    if !flags.contains(FieldFlags::ARG_REQUIRED) {
        return Err(FieldError::BadArgument(format!(
            "filter '{name}[{arg}]': {name} does not allow nor require an argument but one is \
             provided: {arg}"
        )));
    }
    let is_index = flags.contains(FieldFlags::ARG_INDEX)
        && !arg.is_empty()
        && arg.bytes().all(|b| b.is_ascii_digit())
        && (arg.len() == 1 || !arg.starts_with('0'));
    if is_index && let Ok(n) = arg.parse() {
        return Ok(Argument::Index(n));
    }
    if flags.contains(FieldFlags::ARG_INDEX) {
        // Falco looks at the pattern when it is used: a broken one makes no rule wrong, and finds
        // nothing.
        let pattern = regex::RegexBuilder::new(arg).multi_line(true).size_limit(1 << 20).build();
        if let Ok(pattern) = pattern {
            return Ok(Argument::Pattern(Box::new(pattern)));
        }
    }
    Ok(Argument::Key(arg.as_bytes().into()))
}

/// A decimal number as `sscanf("%d")` reads it: blanks, a sign, digits; what follows is ignored.
fn number(text: &str) -> Result<i64, FieldError> {
    let trimmed = text.trim_start();
    let sign = usize::from(trimmed.starts_with(['-', '+']));
    let digits = trimmed[sign..].bytes().take_while(u8::is_ascii_digit).count();
    trimmed[..sign + digits]
        .parse()
        .map_err(|_| FieldError::BadArgument(format!("{text} is not a valid number")))
}

/// How many bytes of `text` the longest field name at its start takes, dotted argument included.
pub(super) fn name_prefix(text: &str) -> Option<usize> {
    let fixed = INFOS.iter().map(|f| f.name).filter(|name| text.starts_with(name));
    let fixed = fixed.map(str::len).max()?;
    let dotted = |prefix: &str| text.strip_prefix(prefix);
    let parameter = |rest: &str| {
        let params = EVENTS.iter().flat_map(|event| event.params);
        params.map(|p| p.name).filter(|name| rest.starts_with(name)).map(str::len).max()
    };
    let longer = if let Some(rest) = dotted("evt.arg.") {
        parameter(rest).map(|len| "evt.arg.".len() + len)
    } else if let Some(rest) = dotted("evt.rawarg.") {
        parameter(rest).map(|len| "evt.rawarg.".len() + len)
    } else if let Some(rest) = dotted("evt.type.is.") {
        let names = EVENTS.iter().map(|event| event.name).filter(|name| rest.starts_with(name));
        names.map(str::len).max().map(|len| "evt.type.is.".len() + len)
    } else if let Some(rest) = dotted("thread.cgroup.") {
        let len = rest.bytes().take_while(|&b| cgroup_byte(b)).count();
        (len > 0).then_some("thread.cgroup.".len() + len)
    } else if dotted("evt.abspath.src").or(dotted("evt.abspath.dst")).is_some() {
        Some("evt.abspath.src".len())
    } else {
        label_prefix(text)
    };
    Some(longer.map_or(fixed, |len| len.max(fixed)))
}

/// `k8s.pod.label.app.kubernetes.io/name`: a label goes on to the next blank or bracket.
fn label_prefix(text: &str) -> Option<usize> {
    let families = ["container.label.", "k8s.pod.label."];
    let prefix = families.into_iter().find(|family| text.starts_with(family))?;
    let label = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    let len = text[prefix.len()..].chars().take_while(|&c| label(c)).count();
    (len > 0).then_some(prefix.len() + len)
}

fn print(format: PrintFormat) -> Print {
    match format {
        PrintFormat::Na => Print::Na,
        PrintFormat::Dec => Print::Dec,
        PrintFormat::Hex => Print::Hex,
        PrintFormat::PaddedDec => Print::PaddedDec,
        PrintFormat::Id => Print::Id,
        PrintFormat::Dir => Print::Dir,
        PrintFormat::Oct => Print::Oct,
    }
}

/// The field type that a parameter of this wire type has.
fn value_type(ty: ParamType) -> ValueType {
    match ty {
        ParamType::None => ValueType::None,
        ParamType::Int8 => ValueType::Int8,
        ParamType::Int16 => ValueType::Int16,
        ParamType::Int32 => ValueType::Int32,
        ParamType::Int64 => ValueType::Int64,
        ParamType::Uint8 => ValueType::Uint8,
        ParamType::Uint16 => ValueType::Uint16,
        ParamType::Uint32 => ValueType::Uint32,
        ParamType::Uint64 => ValueType::Uint64,
        ParamType::CharBuf => ValueType::CharBuf,
        ParamType::CharBufArray => ValueType::CharBufArray,
        ParamType::CharBufPairArray => ValueType::CharBufPairArray,
        ParamType::Fd32 => ValueType::Fd32,
        ParamType::Pid32 => ValueType::Pid32,
        ParamType::ByteBuf => ValueType::ByteBuf,
        ParamType::Errno => ValueType::Errno,
        ParamType::SockAddr => ValueType::SockAddr,
        ParamType::SockTuple => ValueType::SockTuple,
        ParamType::Fd => ValueType::Fd,
        ParamType::Pid => ValueType::Pid,
        ParamType::FdList => ValueType::FdList,
        ParamType::FsPath => ValueType::FsPath,
        ParamType::SyscallId => ValueType::SyscallId,
        ParamType::SigType => ValueType::SigType,
        ParamType::RelTime => ValueType::RelTime,
        ParamType::AbsTime => ValueType::AbsTime,
        ParamType::Port => ValueType::Port,
        ParamType::L4Proto => ValueType::L4Proto,
        ParamType::SockFamily => ValueType::SockFamily,
        ParamType::Bool => ValueType::Bool,
        ParamType::Ipv4Addr => ValueType::Ipv4Addr,
        ParamType::Dyn => ValueType::Dyn,
        ParamType::Flags8 => ValueType::Flags8,
        ParamType::Flags16 => ValueType::Flags16,
        ParamType::Flags32 => ValueType::Flags32,
        ParamType::Uid => ValueType::Uid,
        ParamType::Gid => ValueType::Gid,
        ParamType::Double => ValueType::Double,
        ParamType::SigSet => ValueType::SigSet,
        ParamType::Ipv4Net => ValueType::Ipv4Net,
        ParamType::Ipv6Addr => ValueType::Ipv6Addr,
        ParamType::Ipv6Net => ValueType::Ipv6Net,
        ParamType::IpAddr => ValueType::IpAddr,
        ParamType::IpNet => ValueType::IpNet,
        ParamType::Mode => ValueType::Mode,
        ParamType::FsRelPath => ValueType::FsRelPath,
        ParamType::EnumFlags8 => ValueType::EnumFlags8,
        ParamType::EnumFlags16 => ValueType::EnumFlags16,
        ParamType::EnumFlags32 => ValueType::EnumFlags32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(name: &str, arg: Option<&str>) -> Result<(&'static str, String), FieldError> {
        parse(name, arg).map(|(row, argument)| (INFOS[row].name, format!("{argument:?}")))
    }

    fn found(name: &'static str, argument: &str) -> Result<(&'static str, String), FieldError> {
        Ok((name, argument.to_owned()))
    }

    #[test]
    fn arguments_are_read_as_each_field_reads_them() {
        let cases = [
            (("proc.name", None), found("proc.name", "None")),
            (("proc.aname", Some("2")), found("proc.aname", "Index(2)")),
            (("proc.aname", Some("-1")), found("proc.aname", "None")),
            (("evt.arg", Some("1x")), found("evt.arg", "Index(1)")),
            (("evt.abspath", None), found("evt.abspath", "Index(0)")),
            (("evt.abspath.dst", None), found("evt.abspath", "Index(2)")),
            (("evt.type.is.open", None), found("evt.type.is", "Types([2, 3])")),
            (("evt.type.is.7", None), found("evt.type.is", "Types([7, 65535])")),
            (("proc.env", Some("7")), found("proc.env", "None")),
            (("container.mount", Some("0")), found("container.mount", "Index(0)")),
        ];
        for ((name, arg), expected) in cases {
            assert_eq!(parsed(name, arg), expected, "{name} {arg:?}");
        }
        let key = |name, arg| match parse(name, arg) {
            Ok((_, Argument::Key(key))) => String::from_utf8_lossy(&key).into_owned(),
            other => format!("{other:?}"),
        };
        assert_eq!(key("proc.env", Some("HOME")), "HOME");
        assert_eq!(key("thread.cgroup.cpu_acct", None), "cpu_acct");
        assert_eq!(key("k8s.pod.label.app.kubernetes.io/name", None), "app.kubernetes.io/name");
        let pattern = |arg| format!("{:?}", parse("container.mount.dest", Some(arg)).unwrap().1);
        assert_eq!(pattern("012"), "Pattern(Regex(\"012\"))");
        assert_eq!(pattern("^/a.*"), "Pattern(Regex(\"^/a.*\"))");
        assert_eq!(key("container.mount.dest", Some("*")), "*");
    }

    #[test]
    fn wrong_arguments_are_told_in_falcos_words() {
        let bad = |text: &str| Err(FieldError::BadArgument(text.to_owned()));
        let missing = |text: &str| Err(FieldError::MissingArgument(text.to_owned()));
        let unknown = || Err(FieldError::Unknown);
        let cases = [
            (("proc.nam", None), unknown()),
            (("proc.name", Some("1")), unknown()),
            (("proc.aname", Some("x")), unknown()),
            (("evt.arg.namely", None), unknown()),
            (("thread.cgroup.a1", None), unknown()),
            (("evt.arg.zzz", None), bad("unknown event argument zzz")),
            (("evt.arg", Some("fd")), bad("fd is not a valid number")),
            (("evt.rawarg", Some("0")), bad("evt.arg fields must be expressed explicitly")),
            (("evt.arg", None), missing("filter syntax error: evt.arg")),
            (
                ("container.label", None),
                missing(
                    "filter 'container.label': container.label requires an argument but none \
                         provided",
                ),
            ),
        ];
        for ((name, arg), expected) in cases {
            assert_eq!(parsed(name, arg), expected, "{name} {arg:?}");
        }
    }

    #[test]
    fn the_longest_name_at_the_start_of_text_counts() {
        let prefix = |text: &'static str| name_prefix(text).map(|len| &text[..len]);
        for (text, name) in [
            ("proc.name)", Some("proc.name")),
            ("proc.exe_ino.ctime_x", Some("proc.exe_ino.ctime")),
            ("evt.args,", Some("evt.args")),
            ("evt.arg.flags ", Some("evt.arg.flags")),
            ("evt.arg.[", Some("evt.arg")),
            ("thread.cgroup.cpu.", Some("thread.cgroup.cpu")),
            ("evt.abspath.srcs", Some("evt.abspath.src")),
            ("k8s.pod.label.app/x y", Some("k8s.pod.label.app/x")),
            ("nothing", None),
        ] {
            assert_eq!(prefix(text), name, "{text}");
        }
    }
}
