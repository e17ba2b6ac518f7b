//! Running a script and collecting what the source tells of it.

use std::ffi::OsString;
use std::time::{Duration, Instant};

use falco_event::raw::DUMP_STATE_ONLY;
use falco_event::{EventCode, RawEvent, Syscall};
use falco_ptrace::{Command, Options, Ptrace};
use falco_source::{Next, Snapshot, Source};

/// An event, copied.
#[derive(Clone)]
pub struct Event(Vec<u8>, u32);

impl Event {
    pub fn raw(&self) -> RawEvent<'_> {
        RawEvent::parse(&self.0, 0, self.1).unwrap()
    }

    pub fn code(&self) -> EventCode {
        self.raw().code()
    }

    pub fn tid(&self) -> i64 {
        self.raw().tid()
    }

    pub fn is_for_tables(&self) -> bool {
        self.1 & DUMP_STATE_ONLY != 0
    }

    pub fn param(&self, name: &str) -> Vec<u8> {
        self.raw().param_named(name).unwrap_or_else(|| panic!("{name}")).to_vec()
    }

    pub fn text(&self, name: &str) -> String {
        let param = self.param(name);
        let text = falco_event::raw::until_nul(&param);
        String::from_utf8_lossy(text).into_owned()
    }

    /// A number of any width.
    pub fn number(&self, name: &str) -> i64 {
        let param = self.param(name);
        match param.len() {
            8 => i64::from_le_bytes(param.try_into().unwrap()),
            4 => u32::from_le_bytes(param.try_into().unwrap()).into(),
            2 => u16::from_le_bytes(param.try_into().unwrap()).into(),
            1 => param[0].into(),
            len => panic!("{name} has {len} bytes"),
        }
    }
}

impl std::fmt::Debug for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mark = if self.is_for_tables() { "~" } else { "" };
        write!(f, "{mark}{} {}", self.tid(), self.code().info().id)?;
        let raw = self.raw();
        for (info, param) in raw.info().params.iter().zip(raw.params()) {
            let is_text = param.len() > 8 || param.iter().any(u8::is_ascii_alphanumeric);
            match is_text {
                true => write!(f, " {}={}", info.name, param.escape_ascii())?,
                false => write!(f, " {}={param:02x?}", info.name)?,
            }
        }
        Ok(())
    }
}

/// What was seen of a tree.
#[derive(Debug)]
pub struct Seen {
    pub snapshot: Snapshot,
    pub events: Vec<Event>,
    pub status: i32,
}

impl Seen {
    pub fn of(&self, code: EventCode) -> Vec<&Event> {
        self.events.iter().filter(|event| event.code() == code).collect()
    }

    /// The execution of a program.
    pub fn exec(&self, path: &str) -> &Event {
        let exec = self.of(EventCode::SYSCALL_EXECVE_19_X).into_iter();
        let mut exec = exec.filter(|event| event.text("filename") == path);
        exec.next().unwrap_or_else(|| panic!("{path} was not executed: {:#?}", self.events))
    }
}

/// Runs a program to its end; `None` where nobody may trace.
pub fn run(args: &[&str], syscalls: &[&str]) -> Option<Seen> {
    run_with(args, syscalls, Options::default())
}

pub fn run_with(args: &[&str], syscalls: &[&str], options: Options) -> Option<Seen> {
    let args: Vec<OsString> = args.iter().map(OsString::from).collect();
    let ids = syscalls.iter().map(|name| Syscall::by_name(name).unwrap().id).collect();
    let options = Options { syscalls: ids, ..options };
    let mut source = match Ptrace::spawn(&Command::new(&args).unwrap(), options) {
        Ok(source) => source,
        Err(error) => {
            eprintln!("IGNORED: events of a traced tree, because {error}");
            return None;
        }
    };
    let snapshot = source.start().unwrap();
    let (mut events, begin) = (Vec::new(), Instant::now());
    loop {
        match source.next().unwrap() {
            Next::Event(event) => events.push(Event(event.bytes().to_vec(), event.flags())),
            Next::End => break,
            _ => {}
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "{events:#?}");
    }
    let status = source.exit_status().and_then(|status| status.code()).unwrap_or(-1);
    if std::env::var_os("FALCO_TEST_PRINT").is_some() {
        eprintln!("{:#?}\n{events:#?}", snapshot.threads);
    }
    Some(Seen { snapshot, events, status })
}
