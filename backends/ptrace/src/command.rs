//! [`Command`]: the program at the root of a tree.

use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::Access;

/// Where programs are looked for if there is no `PATH` (what execvp(3) of glibc takes).
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// A program with its arguments, as execve(2) takes them. Standard input and output, the working
/// directory and everything else are those of this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    pub(crate) path: CString,
    pub(crate) argv: Vec<CString>,
    pub(crate) env: Vec<CString>,
}

impl Command {
    /// The program that a shell would find as `argv[0]`, with these arguments and the environment of
    /// this process.
    ///
    /// # Errors
    /// If there is none (`NotFound`: shells exit with 127), it may not be executed
    /// (`PermissionDenied`: 126), `argv` is empty or an argument holds a NUL.
    pub fn new(argv: &[OsString]) -> io::Result<Self> {
        let Some(program) = argv.first() else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "there is no command"));
        };
        let path = find(program, std::env::var_os("PATH").as_deref())?;
        let env = std::env::vars_os().map(|(name, value)| {
            let mut entry = name.into_vec();
            entry.push(b'=');
            entry.extend(value.into_vec());
            CString::new(entry)
        });
        Ok(Command {
            path: CString::new(path.into_os_string().into_vec())?,
            argv: argv.iter().map(|arg| CString::new(arg.as_bytes())).collect::<Result<_, _>>()?,
            env: env.collect::<Result<_, _>>()?,
        })
    }
}

/// Looks for a program as execvp(3) does.
fn find(program: &OsStr, path: Option<&OsStr>) -> io::Result<PathBuf> {
    if program.as_bytes().contains(&b'/') {
        return Ok(PathBuf::from(program));
    }
    let mut refusal = io::Error::from(io::ErrorKind::NotFound);
    if program.is_empty() {
        return Err(refusal);
    }
    for dir in path.unwrap_or(OsStr::new(DEFAULT_PATH)).as_bytes().split(|&b| b == b':') {
        // An empty entry is the working directory.
        let dir = if dir.is_empty() { Path::new(".") } else { Path::new(OsStr::from_bytes(dir)) };
        let file = dir.join(program);
        match rustix::fs::access(&file, Access::EXEC_OK) {
            Ok(()) if file.is_file() => return Ok(file),
            Ok(()) | Err(rustix::io::Errno::ACCESS) if file.exists() => {
                refusal = io::ErrorKind::PermissionDenied.into();
            }
            _ => {}
        }
    }
    Err(refusal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_as_a_shell_finds_them() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (dir.path().join("one"), dir.path().join("two"));
        for dir in [&one, &two] {
            std::fs::create_dir(dir).unwrap();
        }
        std::fs::write(one.join("plain"), "").unwrap();
        std::fs::create_dir(one.join("tool")).unwrap();
        std::fs::copy("/bin/true", two.join("tool")).unwrap();
        let path = std::env::join_paths([&one, &two]).unwrap();
        let found = |name: &str| find(OsStr::new(name), Some(&path)).map_err(|e| e.kind());
        assert_eq!(found("tool"), Ok(two.join("tool")));
        assert_eq!(found("plain"), Err(io::ErrorKind::PermissionDenied));
        assert_eq!(found("none"), Err(io::ErrorKind::NotFound));
        assert_eq!(found(""), Err(io::ErrorKind::NotFound));
        assert_eq!(found("./x"), Ok(PathBuf::from("./x")));
        assert!(find(OsStr::new("true"), None).is_ok());
    }

    #[test]
    fn a_command_has_the_environment_of_this_process() {
        let command = Command::new(&["true".into(), "a".into()]).unwrap();
        assert_eq!(command.argv, [c"true".to_owned(), c"a".to_owned()]);
        assert_eq!(command.env.len(), std::env::vars_os().count());
        assert!(Command::new(&[]).is_err());
        assert!(Command::new(&["tr\0ue".into()]).is_err());
    }
}
