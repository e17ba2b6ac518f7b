//! TODO

use super::class;

class! {
    /// TODO
    Container {
        Id "container.id" CharBuf Na [SUGGESTED] Process
            "First 12 chars of the container id derived from cgroup; text `host` for host threads";
        FullId "container.full_id" CharBuf Na [] Lineage
            "Full id (needs runtime metadata)";
        Name "container.name" CharBuf Na [SUGGESTED] Lineage
            "Container name; `host` for host threads";
        Image "container.image" CharBuf Na [] Lineage
            "Image reference with tag";
        ImageId "container.image.id" CharBuf Na [] Lineage
            "Image id";
        Type "container.type" CharBuf Na [] Lineage
            "Docker, podman, cri, containerd, cri-o, lxc, libvirt-lxc, bpm, mesos, rkt, host; empty for static/unknown";
        Privileged "container.privileged" Bool Na [] Lineage
            "Privileged flag";
        Mounts "container.mounts" CharBuf Na [] Lineage
            "Mounts joined by commas (help text says blanks) as `src:dst:mode:rdwr:propagation`";
        Mount "container.mount" CharBuf Na [ARG_REQUIRED ARG_INDEX ARG_KEY] Lineage
            "One mount by index or by source pattern; nothing returned when no match (help text promises \"none\")";
        MountSource "container.mount.source" CharBuf Na [ARG_REQUIRED ARG_INDEX ARG_KEY] Lineage
            "Mount source by index or by destination pattern";
        MountDest "container.mount.dest" CharBuf Na [ARG_REQUIRED ARG_INDEX ARG_KEY] Lineage
            "Mount destination by index or by source pattern";
        MountMode "container.mount.mode" CharBuf Na [ARG_REQUIRED ARG_INDEX ARG_KEY] Lineage
            "Mount mode by index or source pattern";
        MountRdwr "container.mount.rdwr" CharBuf Na [ARG_REQUIRED ARG_INDEX ARG_KEY] Lineage
            "`true`/`false` text by index or source pattern";
        MountPropagation "container.mount.propagation" CharBuf Na [ARG_REQUIRED ARG_INDEX ARG_KEY] Lineage
            "Propagation by index or source pattern";
        ImageRepository "container.image.repository" CharBuf Na [SUGGESTED] Lineage
            "Image repository";
        ImageTag "container.image.tag" CharBuf Na [SUGGESTED] Lineage
            "Image tag";
        ImageDigest "container.image.digest" CharBuf Na [] Lineage
            "Image digest";
        Healthcheck "container.healthcheck" CharBuf Na [] Lineage
            "Deprecated, never has a value";
        LivenessProbe "container.liveness_probe" CharBuf Na [] Lineage
            "Deprecated, never has a value";
        ReadinessProbe "container.readiness_probe" CharBuf Na [] Lineage
            "Deprecated, never has a value";
        StartTs "container.start_ts" AbsTime Dec [] Process
            "Pid-namespace start (epoch ns), independent of runtime metadata";
        Duration "container.duration" RelTime Dec [] Event
            "Event time minus container.start_ts";
        Ip "container.ip" CharBuf Na [] Lineage
            "Primary IPv4 of container/pod";
        CniJson "container.cni.json" CharBuf Na [] Lineage
            "CNI result JSON of the pod sandbox";
        HostPid "container.host_pid" Bool Na [] Lineage
            "Runs in host pid namespace";
        HostNetwork "container.host_network" Bool Na [] Lineage
            "Runs in host network namespace";
        HostIpc "container.host_ipc" Bool Na [] Lineage
            "Runs in host ipc namespace";
        Label "container.label" CharBuf Na [ARG_REQUIRED ARG_KEY] Lineage
            "One label by key";
        Labels "container.labels" CharBuf Na [] Lineage
            "Labels `k:v` joined by `, ` (keys starting `annotation.` or `io.kubernetes.` are left out)";
        ProcIsContainerHealthcheck "proc.is_container_healthcheck" Bool Na [] Lineage
            "Deprecated, never has a value";
        ProcIsContainerLivenessProbe "proc.is_container_liveness_probe" Bool Na [] Lineage
            "Deprecated, never has a value";
        ProcIsContainerReadinessProbe "proc.is_container_readiness_probe" Bool Na [] Lineage
            "Deprecated, never has a value";
        K8sPodName "k8s.pod.name" CharBuf Na [SUGGESTED] Lineage
            "Container label io.kubernetes.pod.name";
        K8sNsName "k8s.ns.name" CharBuf Na [SUGGESTED] Lineage
            "Container label io.kubernetes.pod.namespace";
        K8sPodId "k8s.pod.id" CharBuf Na [] Lineage
            "Legacy alias of k8s.pod.uid";
        K8sPodUid "k8s.pod.uid" CharBuf Na [] Lineage
            "Container label io.kubernetes.pod.uid";
        K8sPodSandboxId "k8s.pod.sandbox_id" CharBuf Na [] Lineage
            "First 12 chars of the sandbox id";
        K8sPodFullSandboxId "k8s.pod.full_sandbox_id" CharBuf Na [] Lineage
            "Full sandbox id";
        K8sPodLabel "k8s.pod.label" CharBuf Na [ARG_REQUIRED ARG_KEY] Lineage
            "One pod label by key";
        K8sPodLabels "k8s.pod.labels" CharBuf Na [] Lineage
            "Pod labels `k:v` joined by `, `";
        K8sPodIp "k8s.pod.ip" CharBuf Na [] Lineage
            "Pod IPv4";
        K8sPodCniJson "k8s.pod.cni.json" CharBuf Na [] Lineage
            "CNI result JSON of the pod";
        K8sRcName "k8s.rc.name" CharBuf Na [] Lineage
            "Deprecated stub (moved to k8smeta plugin), never has a value";
        K8sRcId "k8s.rc.id" CharBuf Na [] Lineage
            "Deprecated stub (moved to k8smeta plugin), never has a value";
        K8sRcLabel "k8s.rc.label" CharBuf Na [ARG_REQUIRED ARG_KEY] Lineage
            "Deprecated stub (moved to k8smeta plugin), never has a value";
        K8sRcLabels "k8s.rc.labels" CharBuf Na [] Lineage
            "Deprecated stub (moved to k8smeta plugin), never has a value";
        K8sSvcName "k8s.svc.name" CharBuf Na [] Lineage
            "Deprecated stub (moved to k8smeta plugin), never has a value";
        K8sSvcId "k8s.svc.id" CharBuf Na [] Lineage
            "Deprecated stub (moved to k8smeta plugin), never has a value";
        K8sSvcLabel "k8s.svc.label" CharBuf Na [ARG_REQUIRED ARG_KEY] Lineage
            "Deprecated stub (moved to k8smeta plugin), never has a value";
        K8sSvcLabels "k8s.svc.labels" CharBuf Na [] Lineage
            "Deprecated stub (moved to k8smeta plugin), never has a value";
        K8sNsId "k8s.ns.id" CharBuf Na [] Lineage
            "Deprecated stub (moved to k8smeta plugin), never has a value";
        K8sNsLabel "k8s.ns.label" CharBuf Na [ARG_REQUIRED ARG_KEY] Lineage
            "Deprecated stub (moved to k8smeta plugin), never has a value";
        K8sNsLabels "k8s.ns.labels" CharBuf Na [] Lineage
            "Deprecated stub (moved to k8smeta plugin), never has a value";
        K8sRsName "k8s.rs.name" CharBuf Na [] Lineage
            "Deprecated stub (moved to k8smeta plugin), never has a value";
        K8sRsId "k8s.rs.id" CharBuf Na [] Lineage
            "Deprecated stub (moved to k8smeta plugin), never has a value";
        K8sRsLabel "k8s.rs.label" CharBuf Na [ARG_REQUIRED ARG_KEY] Lineage
            "Deprecated stub (moved to k8smeta plugin), never has a value";
        K8sRsLabels "k8s.rs.labels" CharBuf Na [] Lineage
            "Deprecated stub (moved to k8smeta plugin), never has a value";
        K8sDeploymentName "k8s.deployment.name" CharBuf Na [] Lineage
            "Deprecated stub (moved to k8smeta plugin), never has a value";
        K8sDeploymentId "k8s.deployment.id" CharBuf Na [] Lineage
            "Deprecated stub (moved to k8smeta plugin), never has a value";
        K8sDeploymentLabel "k8s.deployment.label" CharBuf Na [ARG_REQUIRED ARG_KEY] Lineage
            "Deprecated stub (moved to k8smeta plugin), never has a value";
        K8sDeploymentLabels "k8s.deployment.labels" CharBuf Na [] Lineage
            "Deprecated stub (moved to k8smeta plugin), never has a value";
    }
}
