//! Attacks that rules of the official stable set report, with those of ours that report them, too.

use super::LOGINS;
use crate::attack::{Attack, attack};

pub fn attacks() -> Vec<Attack> {
    vec![
        attack("shadow", "cat /etc/shadow").raises(
            &["Read sensitive file untrusted"],
            &["Password hashes read"],
            &[
                ("evt.type", "openat"),
                ("fd.name", "/etc/shadow"),
                ("proc.name", "cat"),
                ("proc.exepath", "/usr/bin/cat"),
                ("proc.cmdline", "cat /etc/shadow"),
                ("proc.pname", "sh"),
                ("proc.aname[2]", "sh"),
                ("proc.aname[3]", "unshare"),
                ("proc.tty", "0"),
                ("proc.cwd", "/root/"),
            ],
        ),
        attack("shadow-all-ways", "$A read-all-ways /etc shadow")
            .raises(
                &["Read sensitive file untrusted"],
                &["Password hashes read"],
                &[("evt.type", "open"), ("fd.name", "/etc/shadow"), ("fd.nameraw", "/etc/shadow")],
            )
            .raises(
                &["Read sensitive file untrusted"],
                &["Password hashes read"],
                &[("evt.type", "openat"), ("fd.name", "/etc/shadow"), ("fd.nameraw", "shadow")],
            )
            .raises(
                &["Read sensitive file untrusted"],
                &["Password hashes read"],
                &[("evt.type", "openat2"), ("fd.name", "/etc/shadow"), ("fd.nameraw", "shadow")],
            )
            .raises(
                &[],
                &["Password hashes read"],
                &[("evt.type", "open_by_handle_at"), ("fd.name", "/etc/shadow")],
            )
            .raises(
                &["Read sensitive file untrusted"],
                &["Password hashes read"],
                &[("evt.type", "open"), ("fd.name", "/etc/shadow"), ("fd.nameraw", "shadow")],
            ),
        attack("shadow-by-32-bit", "$A read-by-32-bit /etc/shadow").raises(
            &["Read sensitive file untrusted"],
            &["Password hashes read"],
            &[("evt.type", "open"), ("fd.name", "/etc/shadow"), ("proc.name", "actor")],
        ),
        attack("shadow-by-thread", "$A by-thread /bin/cat /etc/shadow").raises(
            &["Read sensitive file untrusted"],
            &["Password hashes read"],
            &[("proc.cmdline", "cat /etc/shadow"), ("proc.pname", "sh"), ("proc.exe", "/bin/cat")],
        ),
        attack("shadow-by-light-child", "$A spawn-lightly /bin/cat /etc/shadow").raises(
            &["Read sensitive file untrusted"],
            &["Password hashes read"],
            &[("proc.cmdline", "cat /etc/shadow"), ("proc.pname", "actor")],
        ),
        attack("sudoers", "head -n 1 /etc/sudoers; cat /etc/pam.d/login")
            .raises(
                &["Read sensitive file untrusted"],
                &[],
                &[("fd.name", "/etc/sudoers"), ("proc.cmdline", "head -n 1 /etc/sudoers")],
            )
            .raises(
                &["Read sensitive file untrusted"],
                &[],
                &[("fd.name", "/etc/pam.d/login"), ("fd.directory", "/etc/pam.d")],
            ),
        attack("shadow-by-sshd", "$F/sshd read /etc/shadow; cat /etc/passwd; $A miss /etc/shadow-"),
        attack("traversal", "cd /srv/app/public; $F/nginx spawn $A read ../../../etc/hosts")
            .raises(
                &["Directory traversal monitored file read"],
                &[],
                &[
                    ("fd.name", "/etc/hosts"),
                    ("fd.nameraw", "../../../etc/hosts"),
                    ("proc.cwd", "/srv/app/public/"),
                    ("proc.name", "actor"),
                    ("proc.pname", "nginx"),
                    ("proc.pexepath", "/opt/live/nginx"),
                ],
            ),
        attack("traversal-key", "cd /srv/app; $F/nginx spawn $A read ../../root/.ssh/id_rsa")
            .raises(
                &["Directory traversal monitored file read"],
                &["SSH private key read"],
                &[("fd.name", "/root/.ssh/id_rsa"), ("fd.nameraw", "../../root/.ssh/id_rsa")],
            ),
        attack("traversal-failed", "cd /srv/app; $F/nginx spawn $A miss ../../etc/none").raises(
            &["Directory traversal monitored file read"],
            &[],
            &[("evt.res", "ENOENT"), ("fd.name", "/etc/none"), ("fd.num", "-1")],
        ),
        attack(
            "traversal-at-home",
            "cd /srv/app/public; $F/nginx spawn $A read ../../app/public/page",
        ),
        attack("shadow-late", "$F/nginx late 6 read /etc/shadow").raises(
            &["Read sensitive file trusted after startup", "Read sensitive file untrusted"],
            &["Password hashes read"],
            &[
                ("fd.name", "/etc/shadow"),
                ("proc.name", "nginx"),
                ("proc.exepath", "/opt/live/nginx"),
                ("proc.cmdline", "nginx late 6 read /etc/shadow"),
            ],
        ),
        attack("shadow-early", "$F/nginx read /etc/shadow").raises(
            &["Read sensitive file untrusted"],
            &["Password hashes read"],
            &[("fd.name", "/etc/shadow"), ("proc.name", "nginx")],
        ),
        attack("web-shell", "$F/nginx spawn /bin/sh -c 'id >/dev/null; true'")
            .raises(
                &["Run shell untrusted"],
                &["Shell started by a web server"],
                &[
                    ("evt.type", "execve"),
                    ("proc.name", "sh"),
                    ("proc.cmdline", "sh -c id >/dev/null; true"),
                    ("proc.pname", "nginx"),
                    ("proc.pexe", "/opt/live/nginx"),
                    ("proc.pcmdline", "nginx spawn /bin/sh -c id >/dev/null; true"),
                    ("proc.aname[2]", "sh"),
                    ("evt.arg.flags", "*EXE_WRITABLE*"),
                ],
            )
            .raises(
                &[],
                &["Tool of an intruder started below a web server"],
                &[("proc.name", "id"), ("proc.pname", "sh"), ("proc.aname[2]", "nginx")],
            ),
        attack("shell-by-database", "$F/mysqld spawn /bin/sh -c 'true; true'").raises(
            &["Run shell untrusted"],
            &["Program started by a database"],
            &[("proc.name", "sh"), ("proc.pname", "mysqld")],
        ),
        attack("shell-by-sshd", "$F/sshd spawn /bin/sh -c true; $F/vim spawn /bin/sh -c true"),
        attack("system-user", "$F/sshd as 65534 spawn /bin/sh -c 'id >/dev/null; true'")
            .raises(
                &["System user interactive"],
                &[],
                &[("proc.name", "sh"), ("user.name", "nobody"), ("user.uid", "65534")],
            )
            .raises(
                &["System user interactive"],
                &[],
                &[("proc.name", "id"), ("user.name", "nobody"), ("group.gid", "65534")],
            ),
        attack("system-user-alone", "$A as 65534 spawn /bin/sh -c true").spoiled_by(LOGINS),
        attack("grep-keys", "grep -r 'BEGIN RSA PRIVATE' /root/.ssh || true")
            .raises(
                &["Search Private Keys or Passwords"],
                &["Search for keys and passwords"],
                &[("proc.name", "grep"), ("proc.cmdline", "grep -r BEGIN RSA PRIVATE /root/.ssh")],
            )
            .raises(&[], &["SSH private key read"], &[("fd.name", "/root/.ssh/id_rsa")]),
        attack("find-keys", "find / -maxdepth 1 -name id_rsa").raises(
            &["Search Private Keys or Passwords"],
            &["Search for keys and passwords"],
            &[("proc.name", "find"), ("proc.args", "/ -maxdepth 1 -name id_rsa")],
        ),
        attack("search-nothing", "grep -r 'BEGIN PUBLIC' /srv || true; find /root -name '*.pub'"),
        attack("grep-aws", "grep -i aws_secret_access_key /root/.aws/credentials || true")
            .raises(
                &["Find AWS Credentials"],
                &["Search for keys and passwords"],
                &[("proc.name", "grep"), ("proc.cwd", "/root/")],
            )
            .raises(
                &[],
                &["Cloud or cluster credentials read"],
                &[("fd.name", "/root/.aws/credentials")],
            ),
        attack("find-aws", "find / -maxdepth 1 -path '*.aws/credentials'").raises(
            &["Find AWS Credentials"],
            &["Search for keys and passwords"],
            &[("proc.args", "/ -maxdepth 1 -path *.aws/credentials")],
        ),
        attack("grep-hosts", "grep aws/credentials /etc/hosts || true"),
        attack("clear-log", ": >/var/log/auth.log").raises(
            &["Clear Log Activities"],
            &["Log cleared"],
            &[
                ("fd.name", "/var/log/auth.log"),
                ("evt.arg.flags", "*O_TRUNC*"),
                ("proc.name", "sh"),
                ("evt.is_open_write", "true"),
            ],
        ),
        attack("write-log", "echo more >>/var/log/auth.log; : >/root/auth"),
        attack("wipe", "dd if=/dev/zero of=/tmp/x count=1 2>/dev/null; shred -u /tmp/x").raises(
            &["Remove Bulk Data from Disk"],
            &["Bulk deletion of data"],
            &[("proc.cmdline", "shred -u /tmp/x"), ("evt.type", "execve")],
        ),
        attack("mkfs", "$F/mkfs /dev/none").raises(
            &["Remove Bulk Data from Disk"],
            &[],
            &[("proc.name", "mkfs"), ("proc.exepath", "/opt/live/mkfs")],
        ),
        attack("symlink", "ln -s /etc/shadow /tmp/notes").raises(
            &["Create Symlink Over Sensitive Files"],
            &["Password file given another name"],
            &[
                ("evt.type", "symlinkat"),
                ("evt.arg.target", "/etc/shadow"),
                ("evt.arg.linkpath", "/tmp/notes"),
                ("evt.res", "SUCCESS"),
            ],
        ),
        attack("symlink-dir", "ln -s /etc /tmp/e").raises(
            &["Create Symlink Over Sensitive Files"],
            &[],
            &[("evt.arg.target", "/etc")],
        ),
        attack("hard-link", "ln /etc/shadow /etc/motd").raises(
            &["Create Hardlink Over Sensitive Files"],
            &["Password file given another name"],
            &[
                ("evt.type", "linkat"),
                ("evt.arg.oldpath", "/etc/shadow"),
                ("evt.arg.newpath", "/etc/motd"),
            ],
        ),
        attack("links-elsewhere", "ln -s /etc/hosts /tmp/h; ln /etc/hosts /etc/hosts.old"),
        attack("ptrace", "$A attach")
            .raises(
                &["PTRACE attached to process"],
                &["Another process taken over with ptrace"],
                &[("evt.arg.request", "PTRACE_ATTACH"), ("proc.cmdline", "actor attach")],
            )
            .raises(
                &["PTRACE attached to process"],
                &["Another process taken over with ptrace"],
                &[("evt.arg.request", "PTRACE_POKETEXT"), ("evt.res", "SUCCESS")],
            ),
        attack("trace-me", "$A trace-me").raises(
            &["PTRACE anti-debug attempt"],
            &[],
            &[
                ("evt.type", "ptrace"),
                ("evt.arg.request", "PTRACE_TRACEME"),
                ("proc.pname", "actor"),
            ],
        ),
        attack("shared-memory", "cp $A /dev/shm/x; /dev/shm/x nothing; cd /dev/shm; ./x nothing")
            .raises(
                &["Execution from /dev/shm"],
                &["Program run from shared memory"],
                &[
                    ("proc.exe", "/dev/shm/x"),
                    ("proc.exepath", "/dev/shm/x"),
                    ("proc.cwd", "/root/"),
                    ("evt.res", "SUCCESS"),
                ],
            )
            .raises(
                &["Execution from /dev/shm"],
                &["Program run from shared memory"],
                &[("proc.exe", "./x"), ("proc.exepath", "/dev/shm/x"), ("proc.cwd", "/dev/shm/")],
            ),
        attack("shared-memory-script", "echo true >/dev/shm/s; sh /dev/shm/s").raises(
            &["Execution from /dev/shm"],
            &["Program run from shared memory"],
            &[("proc.name", "sh"), ("proc.args", "/dev/shm/s")],
        ),
        attack("program-elsewhere", "cp $A /usr/local/bin/x; /usr/local/bin/x nothing"),
        attack("memory", "$A from-memory $A nothing").raises(
            &["Fileless execution via memfd_create"],
            &["Program run from memory"],
            &[
                ("evt.type", "execve*"),
                ("proc.exepath", "memfd:payload"),
                ("proc.is_exe_from_memfd", "true"),
                ("proc.pname", "actor"),
                ("evt.arg.flags", "*EXE_FROM_MEMFD*"),
            ],
        ),
        attack("ssh-port", "$F/ssh dial 203.0.113.7 4444").raises(
            &["Disallowed SSH Connection Non Standard Port"],
            &[],
            &[
                ("evt.type", "connect"),
                ("fd.name", "203.0.113.7:*->203.0.113.7:4444"),
                ("fd.sport", "4444"),
                ("fd.type", "ipv4"),
                ("fd.l4proto", "tcp"),
                ("proc.name", "ssh"),
            ],
        ),
        attack("ssh-usual", "$F/ssh dial 203.0.113.7 22; $F/ssh dial 127.0.0.1 4444"),
    ]
}
