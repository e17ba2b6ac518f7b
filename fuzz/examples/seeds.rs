//! Makes the corpora that fuzzing starts from: `seeds FOLDER [CAPTURES]` writes
//! `FOLDER/TARGET/NAME`.
//!
//! Everything is made here or comes from what the project ships; further captures are taken from
//! the folder CAPTURES if that is there.

use std::fs;
use std::io::Read;
use std::path::Path;

use falco_capture::{CaptureReader, CaptureWriter, Compression};
use falco_event::{EventBuilder, EventCode, ParamType};
use falco_fuzz::{framing, messages, stops};
use falco_gvisor::replay::Recording;
use falco_gvisor::wire;
use falco_source::{Next, Snapshot, Source};
use flate2::read::MultiGzDecoder;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

const DEMO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../sensor/demo");

/// A rules file that is small enough to mutate: lists, macros, exceptions, a few rules.
const SMALL_RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/seeds/rules.yaml");

/// Events of the demo that make one seed: small inputs are mutated faster.
const SEQUENCE: usize = 24;

/// Longest input that is worth starting from, in bytes: as `-max_len` of `cargo xtask fuzz`.
const MAX_LEN: usize = 16384;

fn main() -> Result {
    let folder = std::env::args().nth(1).ok_or("usage: seeds FOLDER [CAPTURES]")?;
    let corpus = Path::new(&folder);
    events(corpus)?;
    demo(corpus)?;
    if let Some(captures) = std::env::args().nth(2) {
        recorded(corpus, Path::new(&captures))?;
    }
    rules(corpus)?;
    runsc(corpus)?;
    sandboxes(corpus)?;
    traced(corpus)?;
    conditions(corpus)
}

fn save(corpus: &Path, target: &str, name: &str, bytes: &[u8]) -> Result {
    let folder = corpus.join(target);
    fs::create_dir_all(&folder)?;
    Ok(fs::write(folder.join(name), bytes)?)
}

/// Every event type with parameters of the right width.
fn events(corpus: &Path) -> Result {
    let mut builder = EventBuilder::new();
    for code in (0..EventCode::COUNT as u16).map(EventCode).filter(|c| c.is_known()) {
        builder.start(1, 1, code);
        for param in code.info().params {
            builder.bytes(sample(param.ty));
        }
        let mut seed = Vec::new();
        framing::encode(&builder.finish(0, 0)?, &mut seed);
        save(corpus, "event_decoder", &format!("code-{}", code.0), &seed)?;
    }
    Ok(())
}

/// A value of a type, small and not all zeroes.
fn sample(ty: ParamType) -> &'static [u8] {
    use ParamType as T;
    match ty {
        T::None => &[],
        T::Int8
        | T::Uint8
        | T::Flags8
        | T::EnumFlags8
        | T::SigType
        | T::L4Proto
        | T::SockFamily => &[2],
        T::Int16 | T::Uint16 | T::Flags16 | T::EnumFlags16 | T::SyscallId | T::Port => &[3, 0],
        T::Int32
        | T::Uint32
        | T::Flags32
        | T::EnumFlags32
        | T::Bool
        | T::Uid
        | T::Gid
        | T::SigSet
        | T::Mode
        | T::Fd32
        | T::Pid32
        | T::Ipv4Addr => &[3, 0, 0, 0],
        T::CharBuf | T::FsPath | T::FsRelPath => b"/tmp/x\0",
        T::ByteBuf => b"GET / HTTP/1.1\r\n",
        // IPv4 127.0.0.1:80, and from there to 10.0.0.1:8080.
        T::SockAddr => &[2, 127, 0, 0, 1, 80, 0],
        T::SockTuple => &[2, 127, 0, 0, 1, 80, 0, 10, 0, 0, 1, 144, 31],
        T::FdList => &[1, 0, 3, 0, 0, 0, 0, 0, 0, 0, 1, 0],
        T::Dyn => &[0, 3, 0, 0, 0, 0, 0, 0, 0],
        T::Ipv6Addr | T::IpAddr => &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
        _ => &[3, 0, 0, 0, 0, 0, 0, 0],
    }
}

/// Sessions that real sandboxes sent, if they are there, and messages of all types.
fn sandboxes(corpus: &Path) -> Result {
    const SESSIONS: &str =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/samples/gvisor-and-runtimes/trace");
    /// Messages of a session that make one seed.
    const MESSAGES: usize = 12;
    let begin: &[u8] = &[0x0a, 2, 0x10, 1, 0x12, 3, b'7', b'a', b'b', 0x22, 7];
    let begin = [begin, b"/bin/sh"].concat();
    for kind in 1..=38 {
        // Thread 1, call 0, one number and one text where most messages have them, and an exit.
        let fields: &[u8] =
            &[0x0a, 4, 0x10, 1, 0x20, 1, 0x12, 2, 0x08, 3, 0x20, 3, 0x2a, 2, b'/', b'x'];
        let mut seed = Vec::new();
        messages::encode(1, &begin, &mut seed);
        messages::encode(kind, fields, &mut seed);
        save(corpus, "gvisor_messages", &format!("kind-{kind}"), &seed)?;
    }
    for file in fs::read_dir(SESSIONS).into_iter().flatten() {
        let path = file?.path();
        if path.extension().is_none_or(|extension| extension != "tracereplay") {
            continue;
        }
        let session = Recording::parse(&fs::read(&path)?)?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        for (n, records) in session.records.chunks(MESSAGES).enumerate() {
            let mut seed = Vec::new();
            for record in records {
                let (header, payload) = wire::parse(record)?;
                messages::encode(header.kind, payload, &mut seed);
            }
            save(corpus, "gvisor_messages", &format!("{name}-{n}"), &seed)?;
        }
    }
    Ok(())
}

/// What runsc prints about a sandbox, by the number of its reader.
fn runsc(corpus: &Path) -> Result {
    let process = r#"PROCFS DUMP

{"exe":"/bin/busybox","args":["sh","-c","true"],"env":["PATH=/bin"],"cwd":"/","fdlist":[
{"number":7,"path":"/etc/passwd","mode":33188}],"clone_ts":1795403058104701986,"root":"/",
"limits":{"RLIMIT_NOFILE":{"cur":1024,"max":1024}},"status":{"comm":"sh","pid":1,"ppid":0,
"uid":{"real":0,"effective":0,"saved":0},"gid":{"real":0,"effective":0,"saved":0},"vm_size":1,
"vm_rss":1},"stat":{"pgid":1,"sid":1},"maps":[]}"#;
    let state = r#"{"id":"box","spec":{"process":{"args":["sh"],"cwd":"/"},"root":{"path":"/r"},
"mounts":[{"destination":"/d","type":"bind","source":"/s","options":["rbind","ro"]}],
"annotations":{"io.kubernetes.cri.image-name":"a/b:1","io.kubernetes.cri.container-name":"c"},
"linux":{"namespaces":[{"type":"pid"}],"resources":{"devices":[{"allow":true,"access":"rwm"}]}}},
"status":"running","sandbox":{"id":"box","pid":7,"metricMetadata":{"version":"0.0~20240729.0"}}}"#;
    let process = process.replace(",\n", ",").replace("[\n", "[");
    let outputs: [&str; 8] = [
        &process,
        r#"[{"ociVersion":"1.0.2-dev","id":"box","status":"running","pid":7,"bundle":"/b"}]"#,
        "[1,355]",
        "SESSIONS (1)\n\"Default\"\n\tSink: \"remote\", dropped: 72\n",
        "POINTS (1)\nName: sentry/clone, optional fields: [a|b], context fields: [time|cwd]\n",
        "runsc version 0.0~20221219.0\nspec: 1.0.2-dev\n",
        state,
        state,
    ];
    for (reader, output) in (0_u8..).zip(outputs) {
        let seed = [&[reader], output.as_bytes()].concat();
        save(corpus, "runsc_output", &format!("output-{reader}"), &seed)?;
    }
    Ok(())
}

/// Captures of others, each unpacked whole and as a sequence of events.
fn recorded(corpus: &Path, folder: &Path) -> Result {
    let Ok(files) = folder.read_dir() else { return Ok(()) };
    for file in files {
        let path = file?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut capture = Vec::new();
        MultiGzDecoder::new(&fs::read(&path)?[..]).read_to_end(&mut capture)?;
        if capture.len() > MAX_LEN {
            continue;
        }
        save(corpus, "capture_reader", &name, &capture)?;
        let mut sequence = Vec::new();
        let mut reader = CaptureReader::from_bytes(name.clone(), capture);
        reader.start()?;
        while let Ok(next @ (Next::Event(_) | Next::Snapshot(_))) = reader.next() {
            if let Next::Event(event) = next {
                framing::encode(&event, &mut sequence);
            }
        }
        save(corpus, "event_decoder", &name, &sequence)?;
    }
    Ok(())
}

/// The demo in small captures, in both compressions, and its events in sequences.
fn demo(corpus: &Path) -> Result {
    let mut reader = CaptureReader::open(format!("{DEMO}/demo.scap"))?;
    let snapshot = reader.start()?;
    let mut capture = CaptureWriter::new(Vec::new(), Compression::None);
    capture.snapshot(&some_of(&snapshot))?;
    let mut sequence = Vec::new();
    let (mut events, mut seeds) = (0, 0);
    loop {
        match reader.next()? {
            Next::Event(event) => {
                framing::encode(&event, &mut sequence);
                capture.event(&event)?;
                events += 1;
            }
            Next::End => break,
            _ => continue,
        }
        if events % SEQUENCE == 0 {
            save(corpus, "event_decoder", &format!("demo-{seeds}"), &sequence)?;
            sequence.clear();
            let whole =
                std::mem::replace(&mut capture, CaptureWriter::new(Vec::new(), Compression::None));
            save(corpus, "capture_reader", &format!("demo-{seeds}"), &whole.finish()?)?;
            capture.snapshot(&Snapshot::default())?;
            seeds += 1;
        }
    }
    let mut compressed = CaptureWriter::new(Vec::new(), Compression::Gzip);
    compressed.snapshot(&some_of(&snapshot))?;
    save(corpus, "capture_reader", "gzip", &compressed.finish()?)
}

/// A snapshot of every kind of block, small.
fn some_of(snapshot: &Snapshot) -> Snapshot {
    let mut small = snapshot.clone();
    small.threads.truncate(4);
    small.fds.truncate(2);
    small.users.truncate(3);
    small.groups.truncate(3);
    small
}

/// A small rules file, and one for each thing that a file may hold.
fn rules(corpus: &Path) -> Result {
    save(corpus, "rules_loader", "small", &fs::read(SMALL_RULES)?)?;
    for (i, text) in RULES.iter().enumerate() {
        save(corpus, "rules_loader", &format!("part-{i}"), text.as_bytes())?;
    }
    Ok(())
}

const RULES: &[&str] = &[
    "- required_engine_version: 0.26.0\n- required_plugin_versions:\n  - name: container\n    version: 0.4.0\n",
    "- list: a\n  items: [x, 'y z', \"q\"]\n- list: b\n  items: [a, 1]\n- list: a\n  append: true\n  items: [w]\n",
    "- macro: m\n  condition: proc.name in (a, b)\n- macro: m\n  condition: or fd.num > 3\n  override: {condition: append}\n",
    "- rule: r\n  desc: d\n  condition: evt.type = open and not m\n  output: \"%proc.name %fd.name %evt.arg[0]\"\n  priority: WARNING\n  tags: [t, u]\n  exceptions:\n  - name: e\n    fields: [proc.name, fd.name]\n    comps: [=, startswith]\n    values:\n    - [cat, /etc]\n  - name: f\n    fields: proc.pname\n    values: [x]\n- macro: m\n  condition: evt.num = 0\n",
    "- rule: r\n  desc: d\n  condition: evt.num > 0\n  output: x\n  priority: 3\n  source: syscall\n  enabled: false\n  capture: true\n  capture_duration: 10\n  warn_evttypes: false\n- rule: r\n  enabled: true\n  override: {enabled: replace}\n- rule: r\n  tags: [z]\n  output: \" y\"\n  override: {tags: append, output: append}\n",
    "- rule: r\n  desc: >\n    folded\n    text\n  condition: >-\n    &a\n  output: |\n    x\n  priority: nope\n- *a\n- {unknown: [1, {2: 3}]}\n",
];

/// Conditions with every operator.
fn conditions(corpus: &Path) -> Result {
    for (i, text) in CONDITIONS.iter().enumerate() {
        save(corpus, "condition_parser", &format!("condition-{i}"), text.as_bytes())?;
    }
    Ok(())
}

const CONDITIONS: &[&str] = &[
    "evt.type = open and proc.name != cat or not fd.num >= 3",
    "evt.type in (open, openat) and (fd.name startswith /etc or fd.name endswith \".conf\")",
    "not (proc.name contains 'a b' and proc.cmdline icontains X) and fd.name pmatch (/a, /b/c)",
    "proc.args regex '^-.*' or proc.exe glob \"/usr/*\" or fd.name exists",
    "fd.sip in (10.0.0.0/8, 127.0.0.1) and fd.sport < 1024 and fd.types intersects (file, ipv4)",
    "evt.arg.flags bcontains CAFE and evt.rawarg.fd bstartswith 00",
    "proc.aname[2] = bash and tolower(proc.name) = val(proc.pname) and len(proc.args) > 3",
    "proc.name startswith oneof (a, b) or fd.name contains anyof (x, y) and proc.name iglob A*",
    "join(\", \", concat(proc.name, fd.name)) = x and basename(fd.name) = b64(proc.args)",
];

/// Every call, all of whose arguments lead into a memory that is a path, an address of a socket and a
/// vector at once; with one that fails, an execution, a birth and an end.
fn traced(corpus: &Path) -> Result {
    // Each at a multiple of 64.
    let texts: [&[u8]; 3] = [b"/etc/passwd\0", b"\x02\0\0\x35\x7f\0\0\x01", b"\x01\0/run/socket\0"];
    let mut memory = Vec::new();
    for text in texts {
        memory.extend(text);
        memory.resize(memory.len().next_multiple_of(64), 0);
    }
    // A vector, which serves as arguments, iovec and msghdr.
    for (at, len) in [(0_u64, 11_u64), (64, 8), (128, 13), (192, 2)] {
        memory.extend((u64::from(stops::POINTER) << 32 | at).to_le_bytes());
        memory.extend(len.to_le_bytes());
    }
    let vector = 192;
    let len = u16::try_from(memory.len())?;
    let begin = [&[1][..], &len.to_le_bytes(), &memory].concat();
    for number in 0..512 {
        let paths = [(1, 0), (1, 0), (1, 64), (3, 16), (1, vector), (3, 16)];
        let first_is_fd = [(3, 1), (1, 64), (3, 16), (3, 0), (1, 128), (3, 16)];
        let vectors = [(3, 1), (1, vector), (3, 2), (3, 0), (1, vector), (3, 0)];
        let mut seed = begin.clone();
        for args in [paths, first_is_fd, vectors] {
            seed.extend(stops::encode(9, number, 3, args));
            seed.extend(stops::encode(9, number, -2, args));
        }
        for what in 0..5 {
            seed.extend(stops::encode(what, number, 0, paths));
        }
        save(corpus, "traced_calls", &format!("call-{number}"), &seed)?;
    }
    Ok(())
}
