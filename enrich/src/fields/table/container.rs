//! Class `container`: the container and the Kubernetes pod. Falco has these fields from a plugin.

use super::class;

class! {
    /// Fields of containers and pods.
    Container {
        Id "container.id" CharBuf Na [SUGGESTED] Process
            "First 12 characters of the id of the container, by the thread's control groups; \
             `host` outside of containers";
        FullId "container.full_id" CharBuf Na [] Lineage
            "Full id of the container";
        Name "container.name" CharBuf Na [SUGGESTED] Lineage
            "Name of the container; `host` outside of containers";
        Image "container.image" CharBuf Na [] Lineage
            "Image of the container, with its tag";
        ImageId "container.image.id" CharBuf Na [] Lineage
            "Id of the image";
        Type "container.type" CharBuf Na [] Lineage
            "Kind of the container: docker, podman, cri, containerd, cri-o, lxc, libvirt-lxc, bpm, \
             mesos, rkt; `host` outside of containers";
        Privileged "container.privileged" Bool Na [] Lineage
            "Whether the container is privileged";
        Mounts "container.mounts" CharBuf Na [] Lineage
            "Mounts of the container as `source:destination:mode:rdwr:propagation`, joined by \
             commas";
        Mount "container.mount" CharBuf Na [ARG_REQUIRED ARG_INDEX ARG_KEY] Lineage
            "One mount, by number or by its source (a pattern)";
        MountSource "container.mount.source" CharBuf Na [ARG_REQUIRED ARG_INDEX ARG_KEY] Lineage
            "Source of one mount, by number or by its destination (a pattern)";
        MountDest "container.mount.dest" CharBuf Na [ARG_REQUIRED ARG_INDEX ARG_KEY] Lineage
            "Destination of one mount, by number or by its source (a pattern)";
        MountMode "container.mount.mode" CharBuf Na [ARG_REQUIRED ARG_INDEX ARG_KEY] Lineage
            "Mode of one mount, by number or by its source (a pattern)";
        MountRdwr "container.mount.rdwr" CharBuf Na [ARG_REQUIRED ARG_INDEX ARG_KEY] Lineage
            "Whether one mount is writable, by number or by its source (a pattern): `true` or \
             `false`";
        MountPropagation "container.mount.propagation" CharBuf Na [ARG_REQUIRED ARG_INDEX ARG_KEY] Lineage
            "Propagation of one mount, by number or by its source (a pattern)";
        ImageRepository "container.image.repository" CharBuf Na [SUGGESTED] Lineage
            "Repository of the image";
        ImageTag "container.image.tag" CharBuf Na [SUGGESTED] Lineage
            "Tag of the image";
        ImageDigest "container.image.digest" CharBuf Na [] Lineage
            "Digest of the image";
        Healthcheck "container.healthcheck" CharBuf Na [] Lineage
            "Deprecated, never has a value";
        LivenessProbe "container.liveness_probe" CharBuf Na [] Lineage
            "Deprecated, never has a value";
        ReadinessProbe "container.readiness_probe" CharBuf Na [] Lineage
            "Deprecated, never has a value";
        StartTs "container.start_ts" AbsTime Dec [] Process
            "Start of the container (of its pid namespace) in nanoseconds since the epoch";
        Duration "container.duration" RelTime Dec [] Event
            "Nanoseconds since container.start_ts";
        Ip "container.ip" CharBuf Na [] Lineage
            "First IPv4 address of the container or pod";
        CniJson "container.cni.json" CharBuf Na [] Lineage
            "Network set-up of the container or pod, as the CNI plugin told it, in JSON";
        HostPid "container.host_pid" Bool Na [] Lineage
            "Whether the container shares the host's pid namespace";
        HostNetwork "container.host_network" Bool Na [] Lineage
            "Whether the container shares the host's network namespace";
        HostIpc "container.host_ipc" Bool Na [] Lineage
            "Whether the container shares the host's IPC namespace";
        Label "container.label" CharBuf Na [ARG_REQUIRED ARG_KEY] Lineage
            "One label of the container, by key (container.label.foo or container.label[foo])";
        Labels "container.labels" CharBuf Na [] Lineage
            "Labels of the container as `key:value`, joined by commas";
        ProcIsContainerHealthcheck "proc.is_container_healthcheck" Bool Na [] Lineage
            "Deprecated, never has a value";
        ProcIsContainerLivenessProbe "proc.is_container_liveness_probe" Bool Na [] Lineage
            "Deprecated, never has a value";
        ProcIsContainerReadinessProbe "proc.is_container_readiness_probe" Bool Na [] Lineage
            "Deprecated, never has a value";
        K8sPodName "k8s.pod.name" CharBuf Na [SUGGESTED] Lineage
            "Name of the Kubernetes pod";
        K8sNsName "k8s.ns.name" CharBuf Na [SUGGESTED] Lineage
            "Name of the Kubernetes namespace";
        K8sPodId "k8s.pod.id" CharBuf Na [] Lineage
            "Older name of k8s.pod.uid";
        K8sPodUid "k8s.pod.uid" CharBuf Na [] Lineage
            "Unique id of the Kubernetes pod";
        K8sPodSandboxId "k8s.pod.sandbox_id" CharBuf Na [] Lineage
            "First 12 characters of the id of the pod's sandbox";
        K8sPodFullSandboxId "k8s.pod.full_sandbox_id" CharBuf Na [] Lineage
            "Full id of the pod's sandbox";
        K8sPodLabel "k8s.pod.label" CharBuf Na [ARG_REQUIRED ARG_KEY] Lineage
            "One label of the pod, by key (k8s.pod.label.foo or k8s.pod.label[foo])";
        K8sPodLabels "k8s.pod.labels" CharBuf Na [] Lineage
            "Labels of the pod as `key:value`, joined by commas";
        K8sPodIp "k8s.pod.ip" CharBuf Na [] Lineage
            "IPv4 address of the pod";
        K8sPodCniJson "k8s.pod.cni.json" CharBuf Na [] Lineage
            "Network set-up of the pod, as the CNI plugin told it, in JSON";
        K8sRcName "k8s.rc.name" CharBuf Na [] Lineage
            "Deprecated, never has a value (Falco has it in its k8smeta plugin)";
        K8sRcId "k8s.rc.id" CharBuf Na [] Lineage
            "Deprecated, never has a value (Falco has it in its k8smeta plugin)";
        K8sRcLabel "k8s.rc.label" CharBuf Na [ARG_REQUIRED ARG_KEY] Lineage
            "Deprecated, never has a value (Falco has it in its k8smeta plugin)";
        K8sRcLabels "k8s.rc.labels" CharBuf Na [] Lineage
            "Deprecated, never has a value (Falco has it in its k8smeta plugin)";
        K8sSvcName "k8s.svc.name" CharBuf Na [] Lineage
            "Deprecated, never has a value (Falco has it in its k8smeta plugin)";
        K8sSvcId "k8s.svc.id" CharBuf Na [] Lineage
            "Deprecated, never has a value (Falco has it in its k8smeta plugin)";
        K8sSvcLabel "k8s.svc.label" CharBuf Na [ARG_REQUIRED ARG_KEY] Lineage
            "Deprecated, never has a value (Falco has it in its k8smeta plugin)";
        K8sSvcLabels "k8s.svc.labels" CharBuf Na [] Lineage
            "Deprecated, never has a value (Falco has it in its k8smeta plugin)";
        K8sNsId "k8s.ns.id" CharBuf Na [] Lineage
            "Deprecated, never has a value (Falco has it in its k8smeta plugin)";
        K8sNsLabel "k8s.ns.label" CharBuf Na [ARG_REQUIRED ARG_KEY] Lineage
            "Deprecated, never has a value (Falco has it in its k8smeta plugin)";
        K8sNsLabels "k8s.ns.labels" CharBuf Na [] Lineage
            "Deprecated, never has a value (Falco has it in its k8smeta plugin)";
        K8sRsName "k8s.rs.name" CharBuf Na [] Lineage
            "Deprecated, never has a value (Falco has it in its k8smeta plugin)";
        K8sRsId "k8s.rs.id" CharBuf Na [] Lineage
            "Deprecated, never has a value (Falco has it in its k8smeta plugin)";
        K8sRsLabel "k8s.rs.label" CharBuf Na [ARG_REQUIRED ARG_KEY] Lineage
            "Deprecated, never has a value (Falco has it in its k8smeta plugin)";
        K8sRsLabels "k8s.rs.labels" CharBuf Na [] Lineage
            "Deprecated, never has a value (Falco has it in its k8smeta plugin)";
        K8sDeploymentName "k8s.deployment.name" CharBuf Na [] Lineage
            "Deprecated, never has a value (Falco has it in its k8smeta plugin)";
        K8sDeploymentId "k8s.deployment.id" CharBuf Na [] Lineage
            "Deprecated, never has a value (Falco has it in its k8smeta plugin)";
        K8sDeploymentLabel "k8s.deployment.label" CharBuf Na [ARG_REQUIRED ARG_KEY] Lineage
            "Deprecated, never has a value (Falco has it in its k8smeta plugin)";
        K8sDeploymentLabels "k8s.deployment.labels" CharBuf Na [] Lineage
            "Deprecated, never has a value (Falco has it in its k8smeta plugin)";
    }
}
