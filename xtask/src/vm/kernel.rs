//! The kernels: names for Debian's series, each the newest of its suite, or a file.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Result;
use crate::debian::{Apt, Suite};

/// A series of Debian's kernels for virtual machines ("cloud"): the newest of its suite is taken.
pub struct Series {
    /// As one names it on the command line.
    pub name: &'static str,
    suite: Suite,
}

/// All series, oldest first: what Debian supports or supported, and the newest that it builds.
pub const SERIES: [Series; 4] = [
    Series { name: "5.10", suite: Suite { name: "bullseye", archive: "debian" } },
    Series { name: "6.1", suite: Suite { name: "bookworm-security", archive: "debian-security" } },
    Series { name: "6.12", suite: Suite { name: "trixie", archive: "debian" } },
    Series { name: "7", suite: Suite { name: "trixie-backports", archive: "debian" } },
];

/// Depends on the newest kernel of its suite.
const METAPACKAGE: &str = "linux-image-cloud-amd64";

/// A kernel to boot.
pub struct Kernel {
    /// As it was named.
    pub name: String,
    /// The image, as a boot loader takes it.
    pub image: PathBuf,
    /// The folder with its modules; a file that was given has none.
    modules: Option<PathBuf>,
}

impl Kernel {
    /// The kernel called `name`: one of [`SERIES`], fetched into `cache` unless it is there, or the
    /// path of an image.
    pub fn get(name: &str, cache: &Path) -> Result<Self> {
        let Some(series) = SERIES.iter().find(|s| s.name == name) else {
            let image = PathBuf::from(name);
            return match image.is_file() {
                true => Ok(Kernel { name: name.to_owned(), image, modules: None }),
                false => Err(format!("no kernel {name}: neither a file nor one of {}", names())),
            };
        };
        let folder = cache.join("kernels").join(series.name);
        if !folder.is_dir() {
            fetch(series, cache, &folder)
                .map_err(|why| format!("kernel {name} cannot be downloaded, give a path: {why}"))?;
        }
        Self::of_packages(series.name, &folder).ok_or_else(|| {
            format!("no kernel in {}; remove that folder to have it again", folder.display())
        })
    }

    /// The kernel in unpacked packages. Up to 6.12 the image lies in `boot`, from 7 with the modules.
    fn of_packages(name: &str, folder: &Path) -> Option<Self> {
        let modules =
            ["usr/lib/modules", "lib/modules"].iter().find_map(|m| only(&folder.join(m), ""))?;
        let beside = Some(modules.join("vmlinuz")).filter(|p| p.is_file());
        let image = beside.or_else(|| only(&folder.join("boot"), "vmlinuz-"))?;
        Some(Kernel { name: name.to_owned(), image, modules: Some(modules) })
    }

    /// The file of the module `name` (`overlay`), if this kernel has it as one: `.ko` or `.ko.xz`.
    pub fn module(&self, name: &str) -> Option<PathBuf> {
        let starts = [format!("{name}.ko"), format!("{name}.ko.xz")];
        find_file(&self.modules.as_ref()?.join("kernel"), &|file| starts.iter().any(|s| s == file))
    }
}

/// The names of all series.
pub fn names() -> String {
    SERIES.map(|s| s.name).join(", ")
}

fn fetch(series: &Series, cache: &Path, folder: &Path) -> Result {
    let apt = Apt::open(cache, series.suite)?;
    let mut packages: Vec<String> = Vec::new();
    let mut open = vec![METAPACKAGE.to_owned()];
    // From 7 the package of the image is itself one that depends on image and modules.
    while let Some(package) = open.pop() {
        for name in apt.depends(&package)? {
            let kernel = ["linux-image-", "linux-binary-", "linux-modules-"]
                .iter()
                .any(|p| name.starts_with(p));
            if kernel && !packages.contains(&name) {
                packages.push(name.clone());
                open.push(name);
            }
        }
    }
    let first = packages.first().ok_or_else(|| format!("{METAPACKAGE} depends on no kernel"))?;
    println!("{}: fetching {first} {}", series.name, apt.version(first)?);
    apt.unpack(&packages, folder)
}

/// The only entry of `folder` that starts so.
fn only(folder: &Path, start: &str) -> Option<PathBuf> {
    let mut entries = fs::read_dir(folder).ok()?.flatten();
    entries.find(|e| e.file_name().to_string_lossy().starts_with(start)).map(|e| e.path())
}

fn find_file(folder: &Path, wanted: &dyn Fn(&str) -> bool) -> Option<PathBuf> {
    for entry in fs::read_dir(folder).ok()?.flatten() {
        let path = entry.path();
        match entry.file_type().ok()?.is_dir() {
            true => {
                if let Some(found) = find_file(&path, wanted) {
                    return Some(found);
                }
            }
            false if wanted(&entry.file_name().to_string_lossy()) => return Some(path),
            false => {}
        }
    }
    None
}
