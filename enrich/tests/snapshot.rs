//! Recordings that begin in the middle: a capture is replayed whole, and what comes after a cut
//! again from what the tables tell there ([`State::snapshot`]), written to a capture and read back.
//! Events must show the same fields.
//!
//! Without `../shared` the test says so and passes.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // tests may; the reader must know what is ignored

use std::path::{Path, PathBuf};

use falco_capture::{CaptureReader, CaptureWriter, Compression};
use falco_enrich::context::Context;
use falco_enrich::fields::SyscallFields;
use falco_enrich::state::{Limits, State};
use falco_event::{EventBuilder, EventCode, RawEvent};
use falco_rules::template::Template;
use falco_source::{Next, Source};
use serde_json::{Map, Value};

/// Fields that rules and outputs use most, and such as show what else the tables hold.
const FIELDS: &str = "%evt.type %evt.args %evt.res %evt.is_open_write \
    %proc.name %proc.exe %proc.exepath %proc.cmdline %proc.args %proc.cwd %proc.env[PATH] %proc.pid \
    %proc.ppid %proc.vpid %proc.pvpid %proc.sid %proc.vpgid %proc.pgid %proc.tty %proc.loginshellid \
    %proc.pname %proc.pcmdline %proc.pexepath %proc.aname[2] %proc.aname[3] %proc.sname %proc.vpgid.name \
    %proc.is_exe_writable %proc.is_exe_upper_layer %proc.is_exe_from_memfd %proc.exe_ino \
    %proc.exe_ino.ctime %proc.exe_ino.mtime %proc.nthreads %proc.nchilds %proc.fdlimit \
    %proc.pidns_init_start_ts %proc.is_sid_leader %proc.is_vpgid_leader \
    %thread.tid %thread.ismain %thread.vtid %thread.cap_permitted %thread.cap_effective \
    %thread.cap_inheritable %thread.vmsize %thread.vmrss \
    %fd.num %fd.type %fd.typechar %fd.name %fd.directory %fd.filename %fd.ino %fd.dev %fd.ip %fd.port \
    %fd.cip %fd.cport %fd.sip %fd.sport %fd.lip %fd.rip %fd.l4proto %fd.sockfamily \
    %user.uid %user.name %user.loginuid %user.loginname %group.gid %group.name \
    %container.id %container.name %container.image.repository %fs.path.name %fs.path.source";

/// Events of a capture that are looked at. Debug builds are slow.
const EVENTS: u64 = 4_000;
/// Where they are cut, in eighths.
const CUTS: [u64; 3] = [1, 4, 6];

fn captures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/captures");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("IGNORED: {} is not there, so no real capture is cut in halves", folder.display());
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|ext| ext == "scap")).collect()
}

struct Shown {
    fields: SyscallFields,
    template: Template,
}

impl Shown {
    fn new() -> Self {
        let mut fields = SyscallFields::new();
        let template = Template::compile(&format!("*{FIELDS}"), &mut fields).unwrap();
        Shown { fields, template }
    }

    /// What each event of a stream shows; calls `after` once it was taken in, with its number from
    /// 0.
    fn events(
        &self,
        source: &mut CaptureReader,
        state: &mut State,
        mut after: impl FnMut(u64, &State, &RawEvent<'_>),
    ) -> Vec<(EventCode, Map<String, Value>)> {
        let mut all = Vec::new();
        for num in 0..EVENTS {
            let event = match source.next().unwrap() {
                Next::Event(event) => event,
                Next::End => break,
                other => panic!("{other:?}"),
            };
            let current = state.process(&event);
            let mut values = Map::new();
            let ctx = Context::new(state, &event, &current, &self.fields);
            self.template.json_values(&ctx, false, &mut values);
            all.push((event.code(), values));
            after(num, state, &event);
        }
        all
    }
}

fn cut(path: &Path, eighths: u64) {
    let shown = Shown::new();
    let count = |path: &Path| {
        let mut source = CaptureReader::open(path).unwrap();
        source.start().unwrap();
        (0..EVENTS).find(|_| matches!(source.next().unwrap(), Next::End)).unwrap_or(EVENTS)
    };
    let cut = count(path) * eighths / 8;

    let mut source = CaptureReader::open(path).unwrap();
    let mut state = State::new(Limits::default());
    state.restore(&source.start().unwrap());
    let mut writer = CaptureWriter::new(Vec::new(), Compression::None);
    let whole = shown.events(&mut source, &mut state, |num, state, event| {
        if num == cut {
            writer.snapshot(&state.snapshot()).unwrap();
            for info in state.containers().iter() {
                let mut container = EventBuilder::new();
                container.start(event.ts(), -1, EventCode::CONTAINER_JSON_2_E);
                container.text(info.to_json().to_string());
                writer.event(&container.finish(0, 0).unwrap()).unwrap();
            }
        }
        if num >= cut {
            writer.event(event).unwrap();
        }
    });

    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), writer.finish().unwrap()).unwrap();
    let mut source = CaptureReader::open(file.path()).unwrap();
    let mut state = State::new(Limits::default());
    state.restore(&source.start().unwrap());
    let second = shown.events(&mut source, &mut state, |_, _, _| {});
    let whole = &whole[cut as usize..];
    let second = &second[second.len() - whole.len()..];

    let mut compared = 0;
    for (num, ((code, one), (other_code, other))) in whole.iter().zip(second).enumerate() {
        assert_eq!(code, other_code);
        for (name, value) in one {
            compared += u64::from(!value.is_null());
            // Snapshots have no place for the device of a directory.
            if name == "fd.dev" && one["fd.type"] == "directory" {
                continue;
            }
            let at = format!("{}, {num} events after {cut}: {name} of {code:?}", path.display());
            assert_eq!(other[name], *value, "{at}");
        }
    }
    assert!(compared as usize > 20 * whole.len(), "{}: only {compared} values", path.display());
}

#[test]
fn what_comes_after_a_cut_shows_the_same() {
    for path in captures() {
        CUTS.into_iter().for_each(|eighths| cut(&path, eighths));
    }
}
