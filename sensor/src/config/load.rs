//! From files, drop-ins and `-o` to one tree, and from that to the typed [`Config`].
//!
//! Order, as Falco's: the main file; `-o` that touch `config_files`; each entry of `config_files`,
//! merged by top-level key; the other `-o`.

use std::fs;
use std::path::{Path, PathBuf};

use super::overrides::Override;
use super::setting::{Setting, wrong};
use super::tree::{self, Node, Origin, Value};
use super::{Config, keys};

/// A configuration that was read.
#[derive(Debug)]
pub struct Loaded {
    /// What the program needs.
    pub config: Config,
    /// What was written, merged.
    pub tree: Node,
    /// The files read, in order.
    pub files: Vec<PathBuf>,
    /// Keys that nothing knows, each with its place.
    pub warnings: Vec<String>,
}

/// How a drop-in's top-level keys meet those that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Strategy {
    /// Lists are joined, everything else is replaced.
    Append,
    /// Everything is replaced.
    Override,
    /// What is there stays.
    AddOnly,
}

impl Setting for Strategy {
    fn read(node: &Node, key: &str) -> Result<Self, tree::TreeError> {
        match String::read(node, key)?.as_str() {
            "append" => Ok(Strategy::Append),
            "override" => Ok(Strategy::Override),
            "add-only" => Ok(Strategy::AddOnly),
            other => {
                Err(wrong(node, format!("{key}: '{other}' is none of append, override, add-only")))
            }
        }
    }
}

/// Reads the configuration file at `main` (none: only defaults) and applies `overrides`.
///
/// # Errors
/// A message that names the file, line and key, in Falco's words where it has them.
pub fn load(main: Option<&Path>, overrides: &[String]) -> Result<Loaded, String> {
    let mut files = Vec::new();
    let mut root = match main {
        Some(path) => {
            files.push(path.to_owned());
            read_file(path)?
        }
        None => Node { origin: Origin::Option("".into()), value: Value::Null },
    };
    let in_file = |message: String| match main {
        Some(path) => format!("Error reading config file ({}): {message}", path.display()),
        None => message,
    };
    let overrides = overrides.iter().map(|o| Override::parse(o)).collect::<Result<Vec<_>, _>>()?;
    let (early, late): (Vec<_>, Vec<_>) =
        overrides.iter().partition(|o| o.top_level_key() == "config_files");
    early.iter().try_for_each(|o| o.apply(&mut root))?;
    if let Some(entries) = root.get("config_files").cloned() {
        merge_all(&mut root, &entries, main, &mut files).map_err(in_file)?;
    }
    late.iter().try_for_each(|o| o.apply(&mut root))?;

    let mut config = Config::read(&root).map_err(|e| in_file(e.to_string()))?;
    config.validate().map_err(in_file)?;
    let warnings = keys::unknown(&root);
    Ok(Loaded { config, tree: root, files, warnings })
}

fn read_file(path: &Path) -> Result<Node, String> {
    let fail =
        |message: String| format!("Error reading config file ({}): {message}", path.display());
    let bytes = fs::read(path).map_err(|e| fail(e.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|e| fail(format!("not UTF-8: {e}")))?;
    let name = path.display().to_string();
    let mut root = tree::parse(&text, &|line| Origin::File(name.as_str().into(), line))
        .map_err(|e| fail(e.to_string()))?;
    if !matches!(root.value, Value::Map(_)) {
        if root.value != Value::Null {
            return Err(fail(format!("expected a map of keys, found {}", root.kind())));
        }
        root.value = Value::Map(Vec::new());
    }
    tree::expand(&mut root, &|name| std::env::var(name).ok()).map_err(|e| fail(e.to_string()))?;
    Ok(root)
}

fn merge_all(
    root: &mut Node,
    entries: &Node,
    main: Option<&Path>,
    files: &mut Vec<PathBuf>,
) -> Result<(), String> {
    let single = [entries.clone()];
    let items = match &entries.value {
        Value::List(items) => items.as_slice(),
        _ => &single,
    };
    for item in items {
        let (path, strategy) = match &item.value {
            Value::Map(_) => {
                let key = "config_files";
                let path = item.get("path").ok_or_else(|| {
                    wrong(item, format!("{key}: expected a path or {{path, strategy}}")).to_string()
                })?;
                let strategy = item.get("strategy").map(|n| Strategy::read(n, key)).transpose();
                let path = PathBuf::read(path, key).map_err(|e| e.to_string())?;
                (path, strategy.map_err(|e| e.to_string())?.unwrap_or(Strategy::Append))
            }
            _ => {
                let path = PathBuf::read(item, "config_files").map_err(|e| e.to_string())?;
                (path, Strategy::Append)
            }
        };
        for file in files_at(&path).map_err(|e| format!("{}: {e}", path.display()))? {
            if main.is_some_and(|m| same_file(m, &file)) {
                return Err(format!("config_files: {} includes itself", file.display()));
            }
            let included = read_file(&file)?;
            if included.get("config_files").is_some() {
                return Err(format!(
                    "{}: 'config_files' is only allowed in the main file",
                    file.display()
                ));
            }
            merge(root, included, strategy);
            files.push(file);
        }
    }
    Ok(())
}

fn same_file(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// The file itself, or the regular files of a directory in order; none if there is nothing.
fn files_at(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    if path.is_dir() {
        let mut files: Vec<_> =
            fs::read_dir(path)?.map(|entry| entry.map(|e| e.path())).collect::<Result<_, _>>()?;
        files.retain(|p| p.is_file());
        files.sort();
        return Ok(files);
    }
    Ok(if path.is_file() { vec![path.to_owned()] } else { Vec::new() })
}

fn merge(root: &mut Node, included: Node, strategy: Strategy) {
    let (Value::Map(have), Value::Map(add)) = (&mut root.value, included.value) else { return };
    for (key, node) in add {
        let Some((_, old)) = have.iter_mut().find(|(k, _)| *k == key) else {
            have.push((key, node));
            continue;
        };
        match (strategy, &mut old.value, node.value) {
            (Strategy::AddOnly, ..) => {}
            (Strategy::Append, Value::List(items), Value::List(more)) => items.extend(more),
            (_, _, value) => *old = Node { origin: node.origin, value },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load_with(files: &[(&str, &str)], overrides: &[&str]) -> Result<Loaded, String> {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let text = text.replace("DIR", dir.path().to_str().unwrap());
            fs::write(dir.path().join(name), text).unwrap();
        }
        let overrides: Vec<_> = overrides.iter().map(|&o| o.to_owned()).collect();
        load(Some(&dir.path().join("main")), &overrides)
    }

    #[test]
    fn strategies_say_what_happens_to_colliding_keys() {
        let drop_in = "rules_files: [b]\npriority: error\nlog_level: debug\n";
        let config = |strategy: &str| {
            let entry = format!("config_files: [{{path: DIR/in, strategy: {strategy}}}]\n");
            let main = entry + "rules_files: [a]\npriority: info\n";
            load_with(&[("main", &main), ("in", drop_in)], &[]).map(|l| l.config)
        };
        let rules = |c: &Config| -> Vec<_> {
            c.rules_files.iter().map(|p| p.display().to_string()).collect()
        };
        let appended = config("append").unwrap();
        assert_eq!(
            (rules(&appended), appended.priority.name()),
            (vec!["a".into(), "b".into()], "Error")
        );
        let replaced = config("override").unwrap();
        assert_eq!((rules(&replaced), replaced.priority.name()), (vec!["b".into()], "Error"));
        let added = config("add-only").unwrap();
        assert_eq!((rules(&added), added.priority.name()), (vec!["a".into()], "Informational"));
        assert_eq!(added.log_level, crate::config::LogLevel::Debug);
        assert!(
            config("merge").unwrap_err().contains("'merge' is none of append, override, add-only")
        );
    }

    #[test]
    fn options_win_over_drop_ins_and_may_name_them() {
        let files = [("main", "json_output: false\n"), ("in", "json_output: false\n")];
        let dir = tempfile::tempdir().unwrap();
        let other = dir.path().join("other");
        fs::write(&other, "priority: alert\n").unwrap();
        let named = format!("config_files[]={}", other.display());
        let loaded = load_with(&files, &["json_output=on", &named]).unwrap();
        assert!(loaded.config.json_output);
        assert_eq!(loaded.config.priority.name(), "Alert");
        assert_eq!(loaded.files.len(), 2);
    }

    #[test]
    fn inclusion_has_one_level() {
        let itself = load_with(&[("main", "config_files: DIR\n")], &[]).unwrap_err();
        assert!(itself.contains("includes itself"), "{itself}");
        let nested = [("main", "config_files: [DIR/in]\n"), ("in", "config_files: [x]\n")];
        assert!(load_with(&nested, &[]).unwrap_err().contains("only allowed in the main file"));
        assert!(load_with(&[("main", "config_files: [DIR/none]\n")], &[]).is_ok());
        assert!(
            load_with(&[("main", "- a\n")], &[])
                .unwrap_err()
                .contains("expected a map of keys, found a list")
        );
    }
}
