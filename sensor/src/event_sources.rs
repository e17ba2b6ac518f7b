//! Which event sources to open: `--enable-source` and `--disable-source`.

use std::collections::BTreeSet;

use anyhow::{Result, bail};

/// Selects among the `loaded` sources. A capture brings its own events, so for one (`replaying`)
/// every source stays enabled, whatever was asked.
///
/// # Errors
/// If a source does not exist, both options are used, or nothing is left. The words are Falco's.
pub fn select<'s>(
    loaded: &[&'s str],
    enable: &[String],
    disable: &[String],
    replaying: bool,
) -> Result<BTreeSet<&'s str>> {
    let mut enabled: BTreeSet<&str> = loaded.iter().copied().collect();
    if replaying {
        return Ok(enabled);
    }
    if !enable.is_empty() && !disable.is_empty() {
        bail!("You can not mix --enable-source and --disable-source");
    }
    if let Some(unknown) = enable.iter().find(|source| !enabled.contains(source.as_str())) {
        bail!("Attempted enabling an unknown event source: {unknown}");
    }
    if let Some(unknown) = disable.iter().find(|source| !enabled.contains(source.as_str())) {
        bail!("Attempted disabling an unknown event source: {unknown}");
    }
    enabled.retain(|source| {
        let named = |sources: &[String]| sources.iter().any(|s| s == source);
        (enable.is_empty() || named(enable)) && !named(disable)
    });
    if enabled.is_empty() {
        bail!("Must enable at least one event source");
    }
    Ok(enabled)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::Value;

    use super::*;

    /// The vectors recorded from Falco's own unit test.
    #[test]
    fn sources_are_selected_as_in_falco() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../shared/conformance/falco_engine.jsonl");
        let Ok(text) = std::fs::read_to_string(&path) else {
            eprintln!(
                "IGNORED: {} is not there, so nothing is compared with Falco",
                path.display()
            );
            return;
        };
        let mut count = 0;
        for line in text.lines() {
            let v: Value = serde_json::from_str(line).unwrap();
            if v["op"] != "select_event_sources" {
                continue;
            }
            count += 1;
            let strings = |key: &str| -> Vec<String> {
                let items = v[key].as_array().unwrap().iter();
                items.map(|item| item.as_str().unwrap().to_owned()).collect()
            };
            let loaded = strings("loaded_sources");
            let loaded: Vec<&str> = loaded.iter().map(String::as_str).collect();
            let (enable, disable) = (strings("enable_sources"), strings("disable_sources"));
            match select(&loaded, &enable, &disable, v["capture_mode"] == true) {
                Ok(enabled) => {
                    assert_eq!(v["success"], true, "{line}");
                    assert!(enabled.iter().copied().eq(strings("enabled_sources")), "{line}");
                }
                Err(error) => assert_eq!(v["errstr"], error.to_string(), "{line}"),
            }
        }
        println!("conformance falco_engine.jsonl (event sources): {count}/{count}");
        assert_eq!(count, 9);
    }

    #[test]
    fn names_select() {
        let some = |names: &[&str]| names.iter().map(|&n| n.to_owned()).collect::<Vec<_>>();
        let select = |enable: &[&str], disable: &[&str]| {
            select(&["syscall", "other"], &some(enable), &some(disable), false)
                .map(|enabled| enabled.into_iter().collect::<Vec<_>>())
                .map_err(|e| e.to_string())
        };
        assert_eq!(select(&[], &[]).unwrap(), ["other", "syscall"]);
        assert_eq!(select(&["syscall"], &[]).unwrap(), ["syscall"]);
        assert_eq!(select(&[], &["syscall"]).unwrap(), ["other"]);
        assert!(select(&["syscall"], &["other"]).unwrap_err().contains("can not mix"));
        assert!(select(&[], &["syscall", "other"]).unwrap_err().contains("at least one"));
    }
}
