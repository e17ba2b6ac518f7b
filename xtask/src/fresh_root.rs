//! `cargo xtask fresh-root`: runs the README's commands in a Debian root made for that, in which
//! there is nothing but the base system, rustup's toolchain and this tree.
//!
//! The root is a folder (debootstrap, minbase) entered in a mount namespace of its own, so nothing
//! stays mounted however this ends. Processes are the machine's, as the sensor watches its kernel.
//! Only what belongs to the machine's network comes along: the resolver and locally trusted
//! certificate authorities.

use std::fs;
use std::path::{Path, PathBuf};

use crate::packages::{self, DEBOOTSTRAP, GIT};
use crate::scratch::Scratch;
use crate::{Result, process};

/// rustup and the names under which it stands in for the toolchain's programs.
const RUSTUP: [&str; 8] = [
    "rustup",
    "cargo",
    "rustc",
    "rustdoc",
    "rustfmt",
    "cargo-fmt",
    "cargo-clippy",
    "clippy-driver",
];

/// Where the tree lies inside.
const TREE: &str = "/src/falco";

/// What must work, in this order.
const LINES: [&str; 3] = [
    // By hand, nobody has installed clang: that must be said.
    "if cargo build --quiet 2>log; then false; else grep 'apt-get install clang' log; fi; rm log",
    "cargo xtask run --demo",
    "(sleep 5; cat /etc/shadow >/dev/null) & \
     cargo xtask run --seconds 10 | tee --append /dev/stderr | grep --quiet file=/etc/shadow",
];

/// Makes the root and runs the README's commands in it; with `--test`, `cargo xtask test` as well.
/// `--suite trixie` takes Debian 13 (12 otherwise), `--keep` leaves the root for a look.
pub fn run(args: &[String]) -> Result {
    let has = |flag: &str| args.iter().any(|a| a == flag);
    let suite = args.iter().skip_while(|a| *a != "--suite").nth(1).map_or("bookworm", |s| s);
    if !packages::is_root() {
        return Err("fresh-root needs root: debootstrap and pivot_root do".into());
    }
    packages::ensure(&[DEBOOTSTRAP, GIT])?;

    let folder = format!("/tmp/falco-fresh-root-{}", std::process::id());
    let root = Scratch::new(PathBuf::from(folder))?;
    make(root.path(), suite)?;
    let mut lines = LINES.to_vec();
    if has("--test") {
        lines.push("cargo xtask test");
    }
    let result = lines.iter().try_for_each(|line| enter(root.path(), line));
    if has("--keep") {
        println!("the root is kept in {}", root.path().display());
        root.keep();
    }
    result
}

fn make(root: &Path, suite: &str) -> Result {
    println!("making a {suite} root in {}", root.display());
    let path = root.to_str().ok_or("path is not UTF-8")?;
    process::output(&mut process::command("debootstrap", &["--variant=minbase", suite, path]))?;

    println!("copying rustup's toolchain and this tree");
    let sysroot = process::output(&mut process::command("rustc", &["--print", "sysroot"]))?;
    let sysroot =
        fs::canonicalize(sysroot.trim()).map_err(|e| format!("{}: {e}", sysroot.trim()))?;
    let name = sysroot.file_name().and_then(|n| n.to_str()).ok_or("the toolchain has no name")?;
    copy(&sysroot, &root.join("root/.rustup/toolchains"))?;
    let settings = root.join("root/.rustup/settings.toml");
    fs::write(&settings, format!("version = \"12\"\ndefault_toolchain = \"{name}\"\n"))
        .map_err(|e| format!("{}: {e}", settings.display()))?;
    let bin = process::find("rustup").ok_or("no rustup in PATH")?;
    let bin = bin.parent().ok_or("rustup has no folder")?;
    for program in RUSTUP {
        copy(&bin.join(program), &root.join("root/.cargo/bin"))?;
    }
    let tree = root.join(TREE.trim_start_matches('/'));
    fs::create_dir_all(&tree).map_err(|e| format!("{}: {e}", tree.display()))?;
    let mut pack = process::command("sh", &["-c", PACK_TREE, "sh"]);
    process::run(pack.arg(&tree))?;

    // debootstrap has copied the resolver's configuration.
    let authorities = Path::new("/usr/local/share/ca-certificates");
    if authorities.is_dir() {
        copy(authorities, &root.join("usr/local/share"))?;
    }
    Ok(())
}

/// Copies what git would commit, as it is now, to the folder `$1`.
const PACK_TREE: &str = "git ls-files -z --cached --others --exclude-standard \
    | tar --create --null --files-from=- --ignore-failed-read --file=- \
    | tar --extract --directory=\"$1\" --file=-";

/// Copies a file or folder into `folder`, which is made if need be.
fn copy(from: &Path, folder: &Path) -> Result {
    fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut cp = process::command("cp", &["--archive"]);
    cp.arg(from).arg(folder);
    process::output(&mut cp).map(drop)
}

/// Runs `line` in the tree inside `root`, with the environment of a fresh log-in.
fn enter(root: &Path, line: &str) -> Result {
    println!("\n--- in the fresh root: {line}");
    let mut unshare = process::command("unshare", &["--mount", "sh", "-c"]);
    unshare.args([ENTER, "sh"]).arg(root).arg(format!("cd {TREE} && {{ {line}; }}"));
    process::run(&mut unshare).map_err(|_| format!("`{line}` failed in the fresh root"))
}

/// A root like any other, not one of chroot: tests make mount namespaces and containers.
const ENTER: &str = "set -e; mount --bind \"$1\" \"$1\"; cd \"$1\"; mkdir -p old; \
    for place in proc sys dev; do mount --rbind /$place $place; done; \
    pivot_root . old; exec chroot . sh -c 'umount --lazy /old; exec env -i HOME=/root LANG=C.UTF-8 \
    PATH=/root/.cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    sh -c \"$1\"' sh \"$2\"";
