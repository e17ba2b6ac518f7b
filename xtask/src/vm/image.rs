//! The files of the guest: programs of this machine with the libraries that they need, laid out as
//! here and packed as the archive that Linux unpacks into memory at boot (cpio, "newc").
//!
//! Format: the kernel's `Documentation/driver-api/early-userspace/buffer-format.rst`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use crate::{Result, process};

/// File types in a mode, of stat(2).
const FOLDER: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const LINK: u32 = 0o120_000;

/// A file system to be: what is where. All of it belongs to root.
#[derive(Clone, Default)]
pub struct Image {
    /// By absolute path; sorted, so that folders come before what is in them.
    entries: BTreeMap<PathBuf, Entry>,
}

#[derive(Clone)]
enum Entry {
    Folder(u32),
    /// Where it points to.
    Link(PathBuf),
    /// Mode and where the content lies on this machine.
    Copy(u32, PathBuf),
    /// Mode and content.
    Text(u32, String),
}

impl Image {
    /// The folder `path` with the permissions `mode`.
    pub fn folder(&mut self, path: impl AsRef<Path>, mode: u32) {
        self.put(path.as_ref(), Entry::Folder(mode));
    }

    /// A file of our own.
    pub fn text(&mut self, path: &str, mode: u32, text: impl Into<String>) {
        self.put(Path::new(path), Entry::Text(mode, text.into()));
    }

    /// A copy of the file `from` at `to`.
    pub fn copy(&mut self, from: &Path, to: &Path) -> Result {
        let meta = fs::metadata(from).map_err(|e| format!("{}: {e}", from.display()))?;
        self.put(to, Entry::Copy(meta.permissions().mode() & 0o7777, from.to_owned()));
        Ok(())
    }

    /// A copy of the program `from` at `to`, and the libraries that it is linked with where they
    /// are here.
    pub fn program(&mut self, from: &Path, to: &Path) -> Result {
        self.copy(from, to)?;
        for library in libraries(from)? {
            self.same(&library)?;
        }
        Ok(())
    }

    /// The program `name` of this machine's PATH; whether there is one.
    pub fn tool(&mut self, name: &str) -> Result<bool> {
        let Some(path) = process::find(name) else { return Ok(false) };
        self.same(&path)?;
        for library in libraries(&path)? {
            self.same(&library)?;
        }
        Ok(true)
    }

    /// Whatever is at `path` here, at the same place: a file, a link with what it leads to, or a
    /// folder with all that is in it.
    pub fn same(&mut self, path: &Path) -> Result {
        let fail = |e: io::Error| format!("{}: {e}", path.display());
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(format!("{}: not a path of a file", path.display()));
        };
        let real = self.real_folder(folder)?.join(name);
        if self.entries.contains_key(&real) {
            return Ok(());
        }
        let meta = fs::symlink_metadata(&real).map_err(fail)?;
        if meta.is_symlink() {
            let target = fs::read_link(&real).map_err(fail)?;
            self.put(&real, Entry::Link(target.clone()));
            return self.same(&real.with_file_name("").join(target));
        }
        if meta.is_dir() {
            self.put(&real, Entry::Folder(meta.permissions().mode() & 0o7777));
            for entry in fs::read_dir(&real).map_err(fail)? {
                self.same(&entry.map_err(fail)?.path())?;
            }
            return Ok(());
        }
        self.copy(&real, &real)
    }

    /// `folder` without links, of which those at the top (`/bin`, `/lib64`) are made here, too.
    fn real_folder(&mut self, folder: &Path) -> Result<PathBuf> {
        let top: PathBuf = folder.components().take(2).collect();
        if let Ok(target) = fs::read_link(&top) {
            self.put(&top, Entry::Link(target));
        }
        fs::canonicalize(folder).map_err(|e| format!("{}: {e}", folder.display()))
    }

    fn put(&mut self, path: &Path, entry: Entry) {
        for above in path.ancestors().skip(1).filter(|a| a.components().count() > 1) {
            self.entries.entry(above.to_owned()).or_insert(Entry::Folder(0o755));
        }
        self.entries.insert(path.to_owned(), entry);
    }

    /// Writes the archive to `path`.
    pub fn write(&self, path: &Path) -> Result {
        let fail = |e: io::Error| format!("cannot write {}: {e}", path.display());
        let mut archive =
            Archive { out: BufWriter::new(File::create(path).map_err(fail)?), inode: 0 };
        for (path, entry) in &self.entries {
            let name: PathBuf = path.components().filter(|c| *c != Component::RootDir).collect();
            let name = name.as_os_str().as_bytes();
            match entry {
                Entry::Folder(mode) => archive.entry(name, FOLDER | mode, b""),
                Entry::Link(target) => {
                    archive.entry(name, LINK | 0o777, target.as_os_str().as_bytes())
                }
                Entry::Text(mode, text) => archive.entry(name, FILE | mode, text.as_bytes()),
                Entry::Copy(mode, from) => {
                    let content = fs::read(from).map_err(|e| format!("{}: {e}", from.display()))?;
                    archive.entry(name, FILE | mode, &content)
                }
            }
            .map_err(fail)?;
        }
        archive.entry(b"TRAILER!!!", 0, b"").and_then(|()| archive.out.flush()).map_err(fail)
    }
}

struct Archive<W> {
    out: W,
    inode: u32,
}

impl<W: Write> Archive<W> {
    fn entry(&mut self, name: &[u8], mode: u32, content: &[u8]) -> io::Result<()> {
        let size = u32::try_from(content.len()).map_err(|_| io::Error::other("a file of 4 GiB"))?;
        let name_size =
            u32::try_from(name.len() + 1).map_err(|_| io::Error::other("a path of 4 GiB"))?;
        self.inode += 1;
        // Inode, mode, owner, group, links, time, size, device, device of a device file, name, sum.
        let fields = [self.inode, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name_size, 0];
        write!(self.out, "070701")?;
        for field in fields {
            write!(self.out, "{field:08x}")?;
        }
        self.out.write_all(name)?;
        self.out.write_all(b"\0")?;
        self.pad(6 + 8 * fields.len() + name.len() + 1)?;
        self.out.write_all(content)?;
        self.pad(content.len())
    }

    /// Fills up to a multiple of four.
    fn pad(&mut self, written: usize) -> io::Result<()> {
        self.out.write_all(&[0; 3][..written.next_multiple_of(4) - written])
    }
}

/// The libraries and the dynamic loader of `program`, as ldd(1) finds them; none for a script or a
/// static program.
fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let mut ldd = process::command("ldd", &[]);
    let text = match process::output(ldd.arg(program)) {
        Ok(text) => text,
        // "not a dynamic executable" is its way to say that there are none.
        Err(why) if why.contains("not a dynamic executable") => return Ok(Vec::new()),
        Err(why) => return Err(why),
    };
    libraries_of(&text)
        .map_err(|missing| format!("{} needs {missing}, which is not here", program.display()))
}

/// Reads ldd's lines: `name => /path (address)`, `/path (address)`, `name => not found`.
fn libraries_of(text: &str) -> std::result::Result<Vec<PathBuf>, String> {
    let mut paths = Vec::new();
    for line in text.lines() {
        let (name, place) = line.trim().split_once(" => ").unwrap_or((line.trim(), line.trim()));
        if place.starts_with("not found") {
            return Err(name.to_owned());
        }
        let path = place.split(" (").next().unwrap_or_default();
        if path.starts_with('/') {
            paths.push(PathBuf::from(path));
        }
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_those_that_ldd_names() {
        let text = "\
\tlinux-vdso.so.1 (0x00007ffd0bbf9000)
\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f2ba5a00000)
\t/lib64/ld-linux-x86-64.so.2 (0x00007f2ba5cb5000)
";
        let paths = ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"];
        assert_eq!(libraries_of(text).unwrap(), paths.map(PathBuf::from));
        assert_eq!(libraries_of("\tlibx.so.1 => not found\n").unwrap_err(), "libx.so.1");
    }

    #[test]
    fn archives_are_those_that_the_kernel_reads() {
        let mut archive = Archive { out: Vec::new(), inode: 0 };
        archive.entry(b"etc/x", FILE | 0o644, b"hello").unwrap();
        let head = "07070100000001000081a40000000000000000000000010000000000000005\
                    00000000000000000000000000000000\
                    0000000600000000etc/x\0";
        assert_eq!(head.len() % 4, 0);
        assert_eq!(archive.out, [head.as_bytes(), b"hello\0\0\0"].concat());
    }

    #[test]
    fn folders_come_before_what_is_in_them() {
        let mut image = Image::default();
        image.text("/a/b/c", 0o644, "");
        let paths: Vec<_> = image.entries.keys().map(|p| p.display().to_string()).collect();
        assert_eq!(paths, ["/a", "/a/b", "/a/b/c"]);
    }
}
