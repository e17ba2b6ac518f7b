//! Container metadata from events inside captures, and every field that answers by it.
#![allow(clippy::unwrap_used)] // tests may end at the first surprise

use falco_enrich::context::Context;
use falco_enrich::fields::SyscallFields;
use falco_enrich::state::{Limits, State};
use falco_event::{EventBuilder, EventCode};
use falco_rules::catalogue::{Catalogue, EventContext, FieldFlags, Scope};
use falco_rules::render_value::write_text;
use falco_source::snapshot::{Snapshot, Thread};

const ID: &str = "45d5b5fff7e432a873767e732399f19d886e59fad7840f55efbc352d73f0a0e7";
const POD: &str = "63060edc2d3aa803ab559f2393776b151f99fc5b05035b21db66b3b62246ad6a";

/// A container of a pod, as the container plugin tells it.
fn of_pod(name: &str, cni: &str) -> String {
    format!(
        r#"{{"container":{{"Mounts":[
          {{"Destination":"/data","Mode":"ro","Propagation":"rprivate","RW":false,"Source":"/opt/vol"}},
          {{"Destination":"/host/proc","Mode":"","Propagation":"","RW":true,"Source":"/proc"}}],
        "User":"0","cni_json":"{cni}","cpu_shares":1024,"created_time":1730971086,"env":[],
        "full_id":"{ID}","host_ipc":false,"host_network":true,"host_pid":false,
        "id":"45d5b5fff7e4","image":"docker.io/library/bbtest:1","imagedigest":"sha256:aa",
        "imageid":"2bb50da320ec","imagerepo":"docker.io/library/bbtest","imagetag":"1",
        "ip":"10.1.2.3","is_pod_sandbox":false,"labels":{{"app":"web","empty":"",
          "annotation.x":"hidden","io.kubernetes.container.name":"main",
          "io.kubernetes.pod.uid":"0f1e2d3c","io.kubernetes.pod.namespace":"prod",
          "io.kubernetes.pod.name":"mypod"}},
        "lookup_state":1,"name":"{name}","pod_sandbox_id":"{POD}",
        "pod_sandbox_labels":{{"tier":"own"}},"port_mappings":[],"privileged":true,"type":7}}}}"#
    )
}

/// The pod's sandbox.
fn sandbox() -> String {
    format!(
        r#"{{"container":{{"id":"{}","full_id":"{POD}","is_pod_sandbox":true,"ip":"10.1.2.9",
        "cni_json":"{{}}","labels":null,"pod_sandbox_labels":{{"tier":"front","zone":"a"}},"type":7}}}}"#,
        &POD[..12]
    )
}

/// A host with a process outside (10) and one in a container (20).
struct World {
    state: State,
    builder: EventBuilder,
    fields: SyscallFields,
}

impl World {
    fn new() -> Self {
        let thread = |tid: i64, cgroup: String| Thread {
            tid,
            pid: tid,
            ptid: 1,
            vtid: tid,
            vpid: tid,
            pidns_init_start_ts: 40,
            cgroups: format!("cpu={cgroup}\0").into(),
            ..Thread::default()
        };
        let mut state = State::new(Limits::default());
        let inside = format!("/system.slice/cri-containerd-{ID}.scope");
        state.restore(&Snapshot {
            threads: vec![thread(10, "/".into()), thread(20, inside)],
            ..Snapshot::default()
        });
        state.end_preamble();
        World { state, builder: EventBuilder::new(), fields: SyscallFields::new() }
    }

    /// Lets an event happen and gives fields on it, `-` for no value, joined by ` | `.
    fn show(
        &mut self,
        tid: i64,
        code: EventCode,
        fill: impl FnOnce(&mut EventBuilder),
        names: &str,
    ) -> String {
        fill(self.builder.start(100, tid, code));
        let mut fields = Vec::new();
        for written in names.split_whitespace() {
            let (name, arg) = written.split_once('[').unwrap_or((written, ""));
            fields.push(self.fields.resolve(name, arg.strip_suffix(']')).unwrap());
        }
        let event = self.builder.finish(0, 0).unwrap();
        let current = self.state.process(&event);
        let ctx = Context::new(&self.state, &event, &current, &self.fields);
        let texts = fields.iter().map(|field| {
            let Some(value) = ctx.value(field.id) else { return "-".to_owned() };
            let mut text = Vec::new();
            write_text(&value, field.info.ty, field.info.print, &mut text);
            String::from_utf8(text).unwrap()
        });
        texts.collect::<Vec<_>>().join(" | ")
    }

    fn on_close(&mut self, tid: i64, names: &str) -> String {
        let close = |b: &mut EventBuilder| {
            b.i64(0).i64(3);
        };
        self.show(tid, EventCode::SYSCALL_CLOSE_X, close, names)
    }

    fn told(&mut self, name: &str, json: &str, fields: &str) -> String {
        let fill = |b: &mut EventBuilder| {
            b.u32(0).text(name).bytes(&[json.as_bytes(), &[0]].concat());
        };
        self.show(-1, EventCode::ASYNCEVENT_E, fill, fields)
    }
}

#[test]
fn every_field_answers_by_what_was_told() {
    let mut w = World::new();
    let names = "container.id container.name container.image";
    assert_eq!(w.on_close(20, names), "45d5b5fff7e4 | - | -");
    // The event itself is about its container, whatever thread it came by.
    assert_eq!(
        w.told("container", &of_pod("main", ""), "container.name container.start_ts"),
        "main | -"
    );
    assert_eq!(
        w.on_close(
            20,
            "container.id container.full_id container.name container.image container.image.id \
             container.image.repository container.image.tag container.image.digest \
             container.type container.privileged container.host_pid container.host_network \
             container.host_ipc container.ip container.cni.json container.start_ts \
             container.duration"
        ),
        format!(
            "45d5b5fff7e4 | {ID} | main | docker.io/library/bbtest:1 | 2bb50da320ec | \
             docker.io/library/bbtest | 1 | sha256:aa | containerd | true | false | true | false \
             | 10.1.2.3 |  | 40 | 60"
        )
    );
    assert_eq!(
        w.on_close(
            20,
            "container.mounts container.mount[0] container.mount[2] container.mount[^/pr] \
             container.mount.source[/host/.*] container.mount.dest[/opt] container.mount.mode[0] \
             container.mount.rdwr[1] container.mount.propagation[0] container.mount[/none]"
        ),
        "/opt/vol:/data:ro:false:rprivate,/proc:/host/proc::true: | /opt/vol:/data:ro:false:rprivate \
         | - | /proc:/host/proc::true: | /proc | /data | ro | true | rprivate | -"
    );
    assert_eq!(
        w.on_close(
            20,
            "container.label.app container.label[empty] container.label.none container.labels \
             k8s.pod.name k8s.ns.name k8s.pod.id k8s.pod.uid k8s.pod.sandbox_id \
             k8s.pod.full_sandbox_id"
        ),
        format!(
            "web |  | - | app:web, empty | mypod | prod | 0f1e2d3c | 0f1e2d3c | 63060edc2d3a | {POD}"
        )
    );
}

#[test]
fn a_pods_network_is_its_sandboxs() {
    let mut w = World::new();
    w.told("container", &of_pod("main", ""), "container.name");
    let pod = "k8s.pod.ip k8s.pod.cni.json k8s.pod.label.tier k8s.pod.label.zone k8s.pod.labels";
    assert_eq!(w.on_close(20, pod), "- | - | own | - | tier:own");
    w.told("container", &sandbox(), "container.name");
    assert_eq!(w.on_close(20, pod), "10.1.2.9 | {} | front | a | tier:front, zone:a");
    // Engines that tell the container of its network need no sandbox.
    w.told("container", &of_pod("main", "own"), "container.name");
    assert_eq!(w.on_close(20, pod), "10.1.2.3 | own | own | - | tier:own");
}

#[test]
fn news_of_a_container_end_verdicts() {
    let mut w = World::new();
    let generation = |w: &World| w.state.lineage_generation();
    let before = generation(&w);
    w.told("container", &of_pod("main", ""), "container.name");
    let after = generation(&w);
    assert_ne!(before, after);
    w.told("container", &of_pod("main", ""), "container.name");
    assert_eq!(generation(&w), after, "no news");
    w.told("container", &of_pod("renamed", ""), "container.name");
    assert_ne!(generation(&w), after);
    assert_eq!(w.on_close(20, "container.name"), "renamed");

    let after = generation(&w);
    assert_eq!(w.told("container_removed", &of_pod("renamed", ""), "container.name"), "renamed");
    assert_ne!(generation(&w), after);
    assert_eq!(w.on_close(20, "container.name"), "-");
    assert!(w.state.containers().is_empty());
}

#[test]
fn an_events_own_container_is_not_remembered_as_the_threads() {
    let mut w = World::new();
    let json = [of_pod("main", "").as_bytes(), &[0]].concat();
    w.builder.start(100, 10, EventCode::CONTAINER_JSON_2_E).bytes(&json);
    let event = w.builder.finish(0, 0).unwrap();
    let current = w.state.process(&event);
    let ctx = Context::new(&w.state, &event, &current, &w.fields);
    assert!(ctx.verdicts(Scope::Process).is_none() && ctx.verdicts(Scope::Lineage).is_none());
    // Fields of the host's process, which the event came by, are the host's again.
    assert_eq!(w.on_close(10, "container.name container.id"), "host | host");
}

#[test]
fn older_events_tell_of_containers_too() {
    let mut w = World::new();
    let json = of_pod("older", "");
    for code in [EventCode::CONTAINER_JSON_E, EventCode::CONTAINER_JSON_2_E] {
        let fill = |b: &mut EventBuilder| {
            b.text(&json);
        };
        assert_eq!(w.show(-1, code, fill, "container.name"), "older", "{code:?}");
    }
    let fill = |b: &mut EventBuilder| {
        b.text("45d5b5fff7e4").u32(11).text("oldest").text("fedora:38");
    };
    w.show(-1, EventCode::CONTAINER_E, fill, "container.name");
    let names = "container.name container.type container.image container.full_id";
    assert_eq!(w.on_close(20, names), "oldest | podman | fedora:38 | ");
    // What is broken, or another plugin's, changes nothing.
    w.told("container", "{", "container.name");
    w.told("other", &of_pod("other", ""), "container.name");
    assert_eq!(w.on_close(20, "container.name"), "oldest");
}

#[test]
fn all_that_is_not_deprecated_has_a_value() {
    let mut w = World::new();
    w.told("container", &sandbox(), "container.name");
    w.told("container", &of_pod("main", ""), "container.name");
    let infos: Vec<_> =
        w.fields.fields().iter().filter(|i| i.class == "container").copied().collect();
    let with_arg = |info: &falco_rules::catalogue::FieldInfo| {
        let arg = match info.name {
            "container.label" => ".app",
            "k8s.pod.label" => ".tier",
            "container.mounts" => "",
            name if name.starts_with("container.mount") => "[0]",
            _ if info.flags.contains(FieldFlags::ARG_REQUIRED) => ".any",
            _ => "",
        };
        format!("{}{arg}", info.name)
    };
    let names: Vec<String> = infos.iter().map(with_arg).collect();
    let silent: Vec<_> = names
        .iter()
        .zip(&infos)
        .filter(|(name, _)| w.on_close(20, name) == "-")
        .map(|(_, info)| info)
        .collect();
    assert_eq!((infos.len(), silent.len()), (61, 25));
    assert!(silent.iter().all(|info| info.desc.starts_with("Deprecated")));
}
