//! `cargo xtask fresh-root`: runs the README's commands in a Debian root made for that, in which
//! there is nothing but the base system, rustup's toolchain and this tree.
//!
//! The root is a folder (debootstrap, minbase) entered in mount and pid namespaces of its own, so
//! nothing stays mounted however this ends. Only what belongs to the machine's network comes along:
//! the resolver and locally trusted certificate authorities.

use std::fs;
use std::path::{Path, PathBuf};

use crate::packages::{self, DEBOOTSTRAP, GIT};
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

/// Makes the root and runs `cargo xtask run` in it; with `--test`, `cargo xtask test` as well.
/// `--suite trixie` takes Debian 13 (12 otherwise), `--keep` leaves the root for a look.
pub fn run(args: &[String]) -> Result {
    let has = |flag: &str| args.iter().any(|a| a == flag);
    let suite = args.iter().skip_while(|a| *a != "--suite").nth(1).map_or("bookworm", |s| s);
    if !packages::is_root() {
        return Err("fresh-root needs root: debootstrap and chroot do".into());
    }
    packages::ensure(&[DEBOOTSTRAP, GIT])?;

    let root = Root(PathBuf::from(format!("/tmp/falco-fresh-root-{}", std::process::id())));
    make(&root.0, suite)?;
    let result = enter(&root.0, "cargo xtask run").and_then(|()| match has("--test") {
        true => enter(&root.0, "cargo xtask test"),
        false => Ok(()),
    });
    if has("--keep") {
        println!("the root is kept in {}", root.0.display());
        std::mem::forget(root);
    }
    result
}

/// A folder that goes away with this value.
struct Root(PathBuf);

impl Drop for Root {
    fn drop(&mut self) {
        if let Err(e) = fs::remove_dir_all(&self.0) {
            eprintln!("cannot remove {}: {e}", self.0.display());
        }
    }
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
    let mut unshare =
        process::command("unshare", &["--mount", "--pid", "--fork", "--", "sh", "-c"]);
    unshare.args([ENTER, "sh"]).arg(root).arg(format!("cd {TREE} && {line}"));
    process::run(&mut unshare).map_err(|_| format!("`{line}` failed in the fresh root"))
}

const ENTER: &str = "mount -t proc proc \"$1/proc\" && mount --rbind /dev \"$1/dev\" && exec chroot \"$1\" \
    env -i HOME=/root LANG=C.UTF-8 \
    PATH=/root/.cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    sh -c \"$2\"";
