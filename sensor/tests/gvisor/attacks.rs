//! Attacks in a sandbox: what is done, which rules of the official stable and incubating sets and of
//! rules/default report it, with what fields. What raises nothing is a near-miss.
//!
//! Paths before programs keep busybox's shell from doing their work itself.

use crate::attack::{Attack, attack};

/// What stands for the sandbox in the tables of attacks.
const SANDBOX: &str = "sandbox";

/// Addresses that the sandbox gives itself, since it has no network.
pub const ADDRESSES: &[&str] = &["169.254.169.254", "203.0.113.7", "10.96.0.1"];

/// The rule that goes by the name of an address, which only a sensor that watches knows.
pub const BY_HOST_NAME: &str = "Contact K8S API Server From Container";

/// All of them.
pub fn attacks() -> Vec<Attack> {
    let all = [files(), programs(), networks(), processes()];
    all.into_iter().flatten().map(|attack| attack.inside(SANDBOX)).collect()
}

fn files() -> Vec<Attack> {
    vec![
        attack("shadow", "/bin/cat /etc/shadow; /bin/cat /etc/passwd").raises(
            &["Read sensitive file untrusted"],
            &["Password hashes read"],
            &[
                ("evt.type", "open*"),
                ("fd.name", "/etc/shadow"),
                ("proc.name", "cat"),
                ("proc.exepath", "/bin/busybox"),
                ("proc.cmdline", "cat /etc/shadow"),
                ("proc.pname", "sh"),
                ("proc.aname[2]", "sh"),
                ("proc.cwd", "/root/"),
            ],
        ),
        attack("traversal", "cd /srv/app/public; $F/nginx spawn $A read ../../../etc/hosts")
            .raises(
                &["Directory traversal monitored file read"],
                &[],
                &[
                    ("fd.name", "/etc/hosts"),
                    ("fd.nameraw", "../../../etc/hosts"),
                    ("proc.cwd", "/srv/app/public/"),
                    ("proc.pname", "nginx"),
                    ("proc.pexepath", "/opt/live/nginx"),
                ],
            ),
        attack("traversal-failed", "cd /srv/app; $F/nginx spawn $A miss ../../etc/none").raises(
            &["Directory traversal monitored file read"],
            &[],
            &[("evt.res", "ENOENT"), ("fd.name", "/etc/none"), ("fd.num", "-1")],
        ),
        attack("shadow-late", "$F/nginx late 6 read /etc/shadow").raises(
            &["Read sensitive file trusted after startup", "Read sensitive file untrusted"],
            &["Password hashes read"],
            &[
                ("fd.name", "/etc/shadow"),
                ("proc.exepath", "/opt/live/nginx"),
                ("proc.cmdline", "nginx late 6 read /etc/shadow"),
            ],
        ),
        attack("shadow-early", "$F/nginx read /etc/shadow; $F/sshd read /etc/shadow").raises(
            &["Read sensitive file untrusted"],
            &["Password hashes read"],
            &[("fd.name", "/etc/shadow"), ("proc.name", "nginx")],
        ),
        attack("clear-log", ": >/var/log/syslog; echo x >>/var/log/syslog").raises(
            &["Clear Log Activities"],
            &["Log cleared"],
            &[("fd.name", "/var/log/syslog"), ("evt.arg.flags", "*O_TRUNC*"), ("proc.name", "sh")],
        ),
        attack("clear-history", ": >/root/.bash_history").raises(
            &["Delete or rename shell history"],
            &[],
            &[("fd.name", "/root/.bash_history")],
        ),
        attack("shell-settings", "$A write /root/.bashrc; echo >/root/.bashrc")
            .raises(
                &["Modify Shell Configuration File"],
                &["Shell start-up file changed"],
                &[
                    ("fd.name", "/root/.bashrc"),
                    ("proc.name", "actor"),
                    ("evt.is_open_write", "true"),
                ],
            )
            .raises(&[], &["Shell start-up file changed"], &[("proc.name", "sh")]),
        attack("cron", "$A write /etc/cron.d/job; $F/crontab -l")
            .raises(
                &["Schedule Cron Jobs"],
                &["Scheduled job changed"],
                &[("fd.name", "/etc/cron.d/job")],
            )
            .raises(&["Schedule Cron Jobs"], &[], &[("proc.cmdline", "crontab -l")]),
        attack("ssh-key", "/bin/cat /root/.ssh/id_rsa").raises(
            &["Read ssh information"],
            &["SSH private key read"],
            &[("fd.name", "/root/.ssh/id_rsa"), ("fd.directory", "/root/.ssh")],
        ),
        attack("ssh-authorized", "$A write /root/.ssh/authorized_keys").raises(
            &["Adding ssh keys to authorized_keys"],
            &["Login keys of an account changed"],
            &[("fd.name", "/root/.ssh/authorized_keys"), ("fd.filename", "authorized_keys")],
        ),
        attack("device", "$A write /dev/own").raises(
            &["Create files below dev"],
            &[],
            &[("fd.name", "/dev/own"), ("evt.arg.flags", "*O_CREAT*")],
        ),
        // creat has no flags, and the rule wants one.
        attack("device-by-creat", "$A create /dev/oldest"),
        attack("environment", "/bin/cat /proc/self/environ >/dev/null").raises(
            &["Read environment variable from /proc files"],
            &[],
            &[("fd.name", "/proc/self/environ"), ("proc.cmdline", "cat /proc/self/environ")],
        ),
        attack("backdoored-library", "$F/sshd read /lib/liblzma.so.5.6.0").raises(
            &["Backdoored library loaded into SSHD (CVE-2024-3094)"],
            &[],
            &[("fd.name", "/lib/liblzma.so.5.6.0"), ("proc.name", "sshd")],
        ),
    ]
}

fn programs() -> Vec<Attack> {
    vec![
        attack("web-shell", "$F/nginx spawn /bin/sh -c 'true; true'").raises(
            &["Run shell untrusted"],
            &["Shell started by a web server"],
            &[
                ("evt.type", "execve"),
                ("evt.res", "SUCCESS"),
                ("proc.name", "sh"),
                ("proc.cmdline", "sh -c true; true"),
                ("proc.exepath", "/bin/busybox"),
                ("proc.pname", "nginx"),
                ("proc.pcmdline", "nginx spawn /bin/sh -c true; true"),
                ("proc.aname[2]", "sh"),
            ],
        ),
        attack("database", "$F/mysqld spawn $A nothing").raises(
            &["DB program spawned process"],
            &["Program started by a database"],
            &[("proc.cmdline", "actor nothing"), ("proc.pname", "mysqld")],
        ),
        attack("netcat", "$F/nc -e /bin/sh 127.0.0.1 9; $F/ncat -z 127.0.0.1 9")
            .raises(
                &[
                    "Netcat Remote Code Execution in Container",
                    "Launch Suspicious Network Tool in Container",
                ],
                &["Netcat hands a program to the network"],
                &[("proc.name", "nc"), ("proc.cmdline", "nc -e /bin/sh 127.0.0.1 9")],
            )
            .raises(
                &["Launch Suspicious Network Tool in Container"],
                &[],
                &[("proc.cmdline", "ncat -z 127.0.0.1 9"), ("proc.exepath", "/opt/live/ncat")],
            ),
        attack(
            "find-key",
            "/bin/find /home -name id_rsa; /bin/grep -r 'BEGIN RSA PRIVATE' /srv || :",
        )
        .raises(
            &["Search Private Keys or Passwords"],
            &["Search for keys and passwords"],
            &[("proc.cmdline", "find /home -name id_rsa")],
        )
        .raises(
            &["Search Private Keys or Passwords"],
            &["Search for keys and passwords"],
            &[("proc.cmdline", "grep -r BEGIN RSA PRIVATE /srv"), ("proc.args", "-r BEGIN*")],
        ),
        attack("find-aws", "/bin/grep -r aws_secret_access_key /srv || :").raises(
            &["Find AWS Credentials"],
            &["Search for keys and passwords"],
            &[("proc.args", "-r aws_secret_access_key /srv"), ("proc.name", "grep")],
        ),
        attack("mkfs", "$F/mkfs").raises(
            &["Remove Bulk Data from Disk"],
            &["Disk wiped"],
            &[("proc.name", "mkfs"), ("proc.exe", "/opt/live/mkfs")],
        ),
        attack("memory-file", "cp $A /dev/shm/x; /dev/shm/x nothing").raises(
            &["Execution from /dev/shm"],
            &["Program run from shared memory"],
            &[("proc.exe", "/dev/shm/x"), ("proc.exepath", "/dev/shm/x")],
        ),
        attack("memory", "$A from-memory $A nothing").raises(
            &["Fileless execution via memfd_create"],
            &["Program run from memory"],
            &[("proc.is_exe_from_memfd", "true"), ("proc.exepath", "memfd:payload")],
        ),
        attack("package", "$F/apt install netcat").raises(
            &["Launch Package Management Process in Container"],
            &["Package manager run in container"],
            &[("proc.cmdline", "apt install netcat"), ("proc.args", "install netcat")],
        ),
        attack("scp", "$F/scp file host:").raises(
            &["Launch Remote File Copy Tools in Container"],
            &["Remote copy or login tool run in container"],
            &[("proc.cmdline", "scp file host:")],
        ),
        attack("download", "HTTP_PROXY=none $F/curl -o x http://host").raises(
            &[
                "Launch Ingress Remote File Copy Tools in Container",
                "Program run with disallowed http proxy env",
            ],
            &[],
            &[("proc.cmdline", "curl -o x http://host"), ("proc.env[HTTP_PROXY]", "none")],
        ),
        // The variable's name is not in the environment of the shell that reads this.
        attack("tunables", "export GLIBC_\"\"TUNABLES=x; $A nothing").raises(
            &["Potential Local Privilege Escalation via Environment Variables Misuse"],
            &[],
            &[("proc.env[GLIBC_TUNABLES]", "x")],
        ),
        // A program that is not there is no program that ran.
        attack("no-such-program", "/opt/none/nc -e /bin/sh 2>/dev/null || :"),
    ]
}

fn networks() -> Vec<Attack> {
    vec![
        attack("reverse-shell", "$A reverse-shell 14445")
            .raises(
                &["Redirect STDOUT/STDIN to Network Connection in Container"],
                &["Standard stream moved onto a network connection"],
                &[
                    ("evt.type", "dup*"),
                    ("evt.rawres", "0"),
                    ("fd.type", "ipv4"),
                    ("fd.sip", "127.0.0.1"),
                    ("fd.sport", "14445"),
                    ("proc.name", "actor"),
                ],
            )
            .raises(
                &["Redirect STDOUT/STDIN to Network Connection in Container"],
                &["Standard stream moved onto a network connection"],
                &[("evt.rawres", "1"), ("fd.sport", "14445")],
            )
            .raises(
                &["Redirect STDOUT/STDIN to Network Connection in Container"],
                &[],
                &[("evt.rawres", "2"), ("fd.sport", "14445")],
            )
            .raises(
                &[],
                &["Shell on a network connection"],
                &[("proc.name", "sh"), ("proc.exepath", "/bin/busybox"), ("proc.pname", "actor")],
            ),
        attack("aside", "$A aside 14446"),
        attack("api-server", "$A dial 10.96.0.1 443; $A dial 127.0.0.1 443").raises(
            &[BY_HOST_NAME],
            &[],
            &[
                ("evt.type", "connect"),
                ("evt.res", "SUCCESS"),
                ("fd.sip", "10.96.0.1"),
                ("fd.sport", "443"),
                ("fd.sip.name", "kubernetes.default.svc.cluster.local"),
            ],
        ),
        attack("metadata", "$A dial 169.254.169.254 80").raises(
            &[
                "Contact EC2 Instance Metadata Service From Container",
                "Contact cloud metadata service from container",
            ],
            &["Metadata service of the cloud called"],
            &[("fd.sip", "169.254.169.254"), ("fd.l4proto", "tcp"), ("fd.type", "ipv4")],
        ),
        attack("ssh-elsewhere", "$F/ssh dial 203.0.113.7 443; $F/ssh dial 203.0.113.7 22")
            .raises(
                &["Disallowed SSH Connection Non Standard Port"],
                &[],
                &[("fd.sip", "203.0.113.7"), ("fd.sport", "443"), ("proc.exe", "/opt/live/ssh")],
            )
            .raises(
                &[],
                &["Remote copy or login tool run in container"],
                &[("proc.args", "dial 203.0.113.7 443")],
            )
            .raises(
                &[],
                &["Remote copy or login tool run in container"],
                &[("proc.args", "dial 203.0.113.7 22")],
            ),
        attack("system-program", "$F/touch dial 203.0.113.7 80")
            .raises(
                &["System procs network activity"],
                &[],
                &[("evt.type", "listen"), ("fd.name", "203.0.113.7:80"), ("proc.name", "touch")],
            )
            .raises(
                &["System procs network activity"],
                &["Program that needs no network connected"],
                &[("evt.type", "connect"), ("fd.sip", "203.0.113.7"), ("proc.name", "touch")],
            ),
        attack("packet-socket", "$A packet-socket").raises(
            &["Packet socket created in container"],
            &["Packet socket opened in container"],
            &[("evt.type", "socket"), ("evt.arg.domain", "AF_PACKET")],
        ),
    ]
}

fn processes() -> Vec<Attack> {
    vec![
        attack("attach", "$A attach")
            .raises(
                &["PTRACE attached to process"],
                &["Another process taken over with ptrace"],
                &[("evt.type", "ptrace"), ("evt.arg.request", "PTRACE_ATTACH")],
            )
            .raises(
                &["PTRACE attached to process"],
                &["Another process taken over with ptrace"],
                &[("evt.arg.request", "PTRACE_POKETEXT"), ("proc.name", "actor")],
            ),
        attack("trace-me", "$A trace-me").raises(
            &["PTRACE anti-debug attempt"],
            &[],
            &[("evt.arg.request", "PTRACE_TRACEME")],
        ),
        attack("join", "$A join /etc/hosts 2>/dev/null || :").raises(
            &["Change thread namespace"],
            &[],
            &[("evt.type", "setns"), ("proc.name", "actor"), ("evt.res", "E*")],
        ),
        attack("setuid-bit", "/bin/chmod u+s /tmp; /bin/chmod u-s /tmp").raises(
            &["Set Setuid or Setgid bit"],
            &["Program made setuid"],
            &[("evt.arg.mode", "*S_ISUID*"), ("proc.cmdline", "chmod u+s /tmp")],
        ),
        attack("bpf", "$A load-bpf 2>/dev/null || :").raises(
            &["BPF Program Not Profiled"],
            &[],
            &[("evt.type", "bpf"), ("evt.res", "E*")],
        ),
    ]
}
