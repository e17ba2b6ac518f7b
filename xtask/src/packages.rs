//! What commands need beyond rustup's Rust: found, or installed from Debian or crates.io.
//!
//! The C compiler and the certificates, without which not even xtask could be built, are the
//! business of `xtask/rustc`.

use std::os::unix::fs::MetadataExt;

use crate::Result;
use crate::process;

/// Something that a command needs.
#[derive(Clone, Copy)]
pub struct Need {
    /// A program, or the path of a file, that is there when the need is met.
    program: &'static str,
    /// The Debian packages that bring it.
    packages: &'static [&'static str],
    /// What for, for people who do not use Debian.
    purpose: &'static str,
}

/// libFuzzer is C++.
pub const CXX: Need =
    Need { program: "c++", packages: &["g++"], purpose: "to build libFuzzer for the fuzz targets" };

/// Compiles the eBPF probe: what builds the workspace needs it.
pub const CLANG: Need =
    Need { program: "clang", packages: &["clang"], purpose: "to compile the eBPF probe" };

/// Leaves debug information out of the probe.
pub const STRIP: Need = Need {
    program: "llvm-strip",
    packages: &["llvm"],
    purpose: "to keep the eBPF probe small in the binary",
};

/// What cargo needs to build the workspace.
pub const BUILD: [Need; 2] = [CLANG, STRIP];

/// What live tests need beside root: containers, sandboxes, an image for them, file capabilities.
const LIVE: [Need; 5] = [
    Need { program: "dockerd", packages: &["docker.io"], purpose: "to attack in containers" },
    Need { program: "ctr", packages: &["containerd"], purpose: "to attack in containers" },
    Need { program: "runsc", packages: &["runsc"], purpose: "to watch gVisor's sandboxes" },
    Need { program: "busybox", packages: &["busybox-static"], purpose: "as a container's image" },
    Need { program: "setcap", packages: &["libcap2-bin"], purpose: "to watch without root" },
];

/// Debian's Python, whose tests `falco trace` is held against.
const PYTHON: Need = Need {
    program: "/usr/bin/python3",
    packages: &["python3"],
    purpose: "for its tests under falco trace",
};

/// Its tests, by its version: that of Debian 12, and of 13.
const PYTHON_TESTS: [(&str, Need); 2] = [
    (
        "3.11",
        Need {
            program: "/usr/share/doc/libpython3.11-testsuite/copyright",
            packages: &["libpython3.11-testsuite"],
            purpose: "for Python's tests under falco trace",
        },
    ),
    (
        "3.13",
        Need {
            program: "/usr/share/doc/libpython3.13-testsuite/copyright",
            packages: &["libpython3.13-testsuite"],
            purpose: "for Python's tests under falco trace",
        },
    ),
];

/// Docker's client: in Debian 12 it comes with `docker.io`, in 13 it is a package of its own.
const DOCKER: Need =
    Need { program: "docker", packages: &["docker-cli"], purpose: "to attack in containers" };

/// Unpacks modules of kernels.
pub const XZ: Need =
    Need { program: "xz", packages: &["xz-utils"], purpose: "to unpack modules of kernels" };

/// Counts instructions.
pub const VALGRIND: Need =
    Need { program: "valgrind", packages: &["valgrind"], purpose: "to count instructions" };

/// What `falco trace` is measured on, and held against.
pub const TRACE: [Need; 4] = [
    Need { program: "/usr/sbin/nginx", packages: &["nginx-light"], purpose: "as a busy server" },
    Need { program: "wrk", packages: &["wrk"], purpose: "to keep a server busy" },
    Need { program: "/usr/sbin/ip", packages: &["iproute2"], purpose: "for a network of its own" },
    Need { program: "strace", packages: &["strace"], purpose: "to compare with" },
];

/// Makes Debian roots.
pub const DEBOOTSTRAP: Need =
    Need { program: "debootstrap", packages: &["debootstrap"], purpose: "to make a Debian root" };

/// Lists the files of the working tree.
pub const GIT: Need =
    Need { program: "git", packages: &["git"], purpose: "to list the files of the working tree" };

/// The keys with which Debian signs its archives.
pub const DEBIAN_KEYS: Need = Need {
    program: DEBIAN_KEYRING,
    packages: &["debian-archive-keyring"],
    purpose: "to check what comes from Debian's archives",
};

/// The file of [`DEBIAN_KEYS`].
pub const DEBIAN_KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Sees to it that all `needs` are met: installs what is missing when this is root on Debian.
///
/// # Errors
/// If something is missing and cannot be installed; says the command that would.
pub fn ensure(needs: &[Need]) -> Result {
    let missing: Vec<&Need> = needs.iter().filter(|n| process::find(n.program).is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages = missing.iter().flat_map(|n| n.packages).copied().collect::<Vec<_>>().join(" ");
    let install =
        format!("apt-get update -qq && apt-get install -y -qq --no-install-recommends {packages}");
    if process::find("apt-get").is_none() {
        let needs: Vec<_> =
            missing.iter().map(|n| format!("`{}` {}", n.program, n.purpose)).collect();
        return Err(format!("please install {}", needs.join(", ")));
    }
    if !is_root() {
        return Err(format!("missing Debian packages: run  sudo sh -c '{install}'"));
    }
    eprintln!("xtask: installing {packages}");
    let mut apt = process::command("sh", &["-c", &install]);
    process::output(apt.env("DEBIAN_FRONTEND", "noninteractive")).map(drop)
}

/// Sees to it that live tests have what they need, where they can run and it can be installed. They
/// say themselves, loudly, what they lack.
pub fn ensure_live() -> Result {
    if !is_root() || process::find("apt-get").is_none() {
        return Ok(());
    }
    ensure(&LIVE)?;
    ensure(&[DOCKER])?;
    ensure(&TRACE)?;
    ensure(&[PYTHON])?;
    let version = "import sys; print('%d.%d' % sys.version_info[:2])";
    let version = process::output(&mut process::command(PYTHON.program, &["-c", version]))?;
    match PYTHON_TESTS.iter().find(|(of, _)| *of == version.trim()) {
        Some((_, tests)) => ensure(&[*tests]),
        None => Ok(()),
    }
}

/// Sees to it that `cargo SUBCOMMAND` is there: builds its crate if not.
pub fn ensure_cargo(subcommand: &str, name: &str, version: &str) -> Result {
    if process::output(&mut process::cargo(&[subcommand, "--version"])).is_ok() {
        return Ok(());
    }
    println!("installing {name} {version} (once)");
    let mut install = process::cargo(&["install", "--quiet", "--locked", name]);
    // Its build takes longer than its runs: do not optimise.
    install.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0").env("CARGO_PROFILE_RELEASE_LTO", "off");
    process::run(install.args(["--version", version]))
}

/// Whether this process may do what root may.
pub fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}
