//! Which rules files to load: from `-r` or `rules_files`, directories listed in order.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// A rules file in memory.
#[derive(Debug)]
pub struct RulesFile {
    /// What messages call it.
    pub name: String,
    /// Its bytes.
    pub content: Vec<u8>,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// The files in load order.
    pub files: Vec<RulesFile>,
    /// What was passed over, for the log.
    pub notes: Vec<String>,
}

/// Reads the files of `given` (`-r`) or, if it is empty, of `configured` (`rules_files`).
///
/// # Errors
/// If neither names anything, or a file of `-r` is not readable. Configured files that do not
/// exist are passed over, as Falco does.
pub fn read(given: &[PathBuf], configured: &[PathBuf]) -> Result<Found> {
    let paths = if given.is_empty() { configured } else { given };
    if paths.is_empty() {
        bail!(
            "You must specify at least one rules file/directory via -r or a rules_file entry in \
             falco.yaml"
        );
    }
    let mut found = Found::default();
    for path in paths {
        if path.is_dir() {
            for file in list(path)? {
                found.files.push(read_file(&file)?);
            }
        } else if !is_yaml(path) {
            found.notes.push(format!(
                "{} is not read: rules files are called *.yaml or *.yml",
                path.display()
            ));
        } else if given.is_empty() && !path.exists() {
            found.notes.push(format!("{} does not exist and is passed over", path.display()));
        } else {
            found.files.push(read_file(path)?);
        }
    }
    Ok(found)
}

/// The YAML files of a directory in order.
///
/// # Errors
/// If it cannot be listed.
pub fn list(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut files: Vec<_> = fs::read_dir(directory)
        .and_then(|entries| entries.map(|e| e.map(|e| e.path())).collect())
        .with_context(|| format!("Could not list directory {}", directory.display()))?;
    files.retain(|p| is_yaml(p) && p.is_file());
    files.sort();
    Ok(files)
}

/// Reads the files of `-V`, whatever they are called; directories as for `-r`, which Falco refuses.
///
/// # Errors
/// If a file is not readable or a directory cannot be listed.
pub fn read_all(paths: &[PathBuf]) -> Result<Vec<RulesFile>> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            for file in list(path)? {
                files.push(read_file(&file)?);
            }
        } else {
            files.push(read_file(path)?);
        }
    }
    Ok(files)
}

/// Reads one file, whatever it is called.
///
/// # Errors
/// If it is not readable, in Falco's words and with the cause.
fn read_file(path: &Path) -> Result<RulesFile> {
    let content = fs::read(path)
        .with_context(|| format!("Could not open file {} for reading", path.display()))?;
    Ok(RulesFile { name: path.display().to_string(), content })
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "yaml" || e == "yml")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_listed_in_order_and_only_yaml_counts() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b.yaml", "a.yml", "c.txt"] {
            fs::write(dir.path().join(name), name).unwrap();
        }
        fs::create_dir(dir.path().join("d.yaml")).unwrap();
        let found = read(&[dir.path().to_owned(), dir.path().join("c.txt")], &[]).unwrap();
        let names: Vec<_> = found.files.iter().map(|f| f.content.as_slice()).collect();
        assert_eq!(names, [b"a.yml".as_slice(), b"b.yaml"]);
        assert_eq!(found.notes.len(), 1);
        let validated = read_all(&[dir.path().join("c.txt"), dir.path().to_owned()]).unwrap();
        let names: Vec<_> = validated.iter().map(|f| f.content.as_slice()).collect();
        assert_eq!(names, [b"c.txt".as_slice(), b"a.yml", b"b.yaml"]);
    }

    #[test]
    fn only_configured_files_may_be_missing() {
        let missing = [PathBuf::from("/nonexistent/x.yaml")];
        assert!(read(&[], &missing).unwrap().files.is_empty());
        let error = read(&missing, &[]).unwrap_err().to_string();
        assert_eq!(error, "Could not open file /nonexistent/x.yaml for reading");
        assert!(read(&[], &[]).unwrap_err().to_string().contains("at least one rules file"));
    }
}
