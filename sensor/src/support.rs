//! `--support`: what a bug report needs, as one JSON object.

use serde_json::{Value, json};

use crate::config::Loaded;
use crate::config::tree::{self, Node};
use crate::rules_files::RulesFile;
use crate::version;

/// Version, command line, configuration, rules and machine.
pub fn report(cmdline: &str, loaded: &Loaded, rules: &[RulesFile]) -> Value {
    let uname = rustix::system::uname();
    let text = |c: &std::ffi::CStr| c.to_string_lossy().into_owned();
    let rules: Vec<_> = rules
        .iter()
        .map(|file| {
            let content = String::from_utf8_lossy(&file.content);
            json!({ "name": file.name, "variants": [{ "content": content }] })
        })
        .collect();
    json!({
        "version": version::FALCO,
        "engine_info": version::json(),
        "cmdline": cmdline,
        "config": config(&loaded.tree),
        "rules_files": rules,
        "system_info": {
            "sysname": text(uname.sysname()),
            "nodename": text(uname.nodename()),
            "release": text(uname.release()),
            "version": text(uname.version()),
            "machine": text(uname.machine()),
        },
    })
}

/// The configuration as written and merged; scalars are text.
fn config(node: &Node) -> Value {
    match &node.value {
        tree::Value::Null => Value::Null,
        tree::Value::Scalar(text) => text.as_str().into(),
        tree::Value::List(items) => items.iter().map(config).collect(),
        tree::Value::Map(entries) => {
            entries.iter().map(|(key, node)| (key.clone(), config(node))).collect()
        }
    }
}
