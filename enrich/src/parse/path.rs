//! Joining and normalising paths by text alone, as Falco shows them: no file system is asked, so
//! symbolic links stay.

/// Longest path that is shown, in bytes with a NUL.
const MAX_PATH: usize = 1024;

/// What longer ones show as.
const TOO_LONG: &[u8] = b"/DIR_TOO_LONG/FILENAME_TOO_LONG";

/// Joins `dir` and `path` unless `path` is absolute, and resolves `.`, `..` and repeated slashes
/// of `path`. `dir` is taken as it is, but `..` climbs into it. An empty `path` gives an empty one.
pub fn concatenate_paths(dir: &[u8], path: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    concatenate_paths_into(&mut out, dir, path);
    out
}

/// As [`concatenate_paths`], into `out`, which is emptied first.
pub(crate) fn concatenate_paths_into(out: &mut Vec<u8>, dir: &[u8], path: &[u8]) {
    out.clear();
    if dir.len() + path.len() + 1 > MAX_PATH {
        out.extend_from_slice(TOO_LONG);
        return;
    }
    if path.first().is_some_and(|&b| b != b'/') {
        out.extend_from_slice(dir);
    }
    let had_base = !out.is_empty();
    let mut rest = falco_event::raw::until_nul(path);
    while let Some((&byte, after)) = rest.split_first() {
        let at_start = matches!(out.last(), None | Some(b'/'));
        rest = match (byte, after) {
            (b'.', [b'.', b'/', tail @ ..]) if at_start => {
                climb(out);
                tail
            }
            (b'.', [b'.']) if at_start => {
                climb(out);
                &[]
            }
            (b'.', [b'/', tail @ ..]) if at_start => tail,
            (b'.', []) if at_start => &[],
            // A slash after a slash, and one after climbing out of all that there was, add
            // nothing: "foo/../a" is "a", "/foo/../a" is "/a".
            (b'/', _) if out.last() == Some(&b'/') || (out.is_empty() && had_base) => after,
            _ => {
                out.push(byte);
                after
            }
        };
    }
    if out.len() > 1 && out.last() == Some(&b'/') {
        out.pop();
    }
}

/// Goes to the parent directory of a path that ends with a slash; stays at the top.
fn climb(out: &mut Vec<u8>) {
    if out.len() <= 1 {
        return;
    }
    out.pop();
    while out.last().is_some_and(|&b| b != b'/') {
        out.pop();
    }
}

/// A path with a slash at its end.
pub(crate) fn with_slash(path: &[u8]) -> Vec<u8> {
    let mut out = path.to_vec();
    if out.last() != Some(&b'/') {
        out.push(b'/');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Falco's answers, recorded from its unit tests.
    #[test]
    fn joins_as_falco_does() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/conformance/utils.jsonl");
        let Ok(vectors) = std::fs::read_to_string(path) else {
            eprintln!("IGNORED: {path} is absent, nothing to compare with");
            return;
        };
        let mut compared = 0;
        for line in vectors.lines() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            if line["fn"] != "concatenate_paths" {
                continue;
            }
            let get = |key: &str| match (&line[key], &line[&format!("{key}_hex")]) {
                (serde_json::Value::String(text), _) => text.clone().into_bytes(),
                (_, hex) => unhex(hex.as_str().unwrap()),
            };
            assert_eq!(concatenate_paths(&get("path1"), &get("path2")), get("out"), "{line}");
            compared += 1;
        }
        assert!(compared > 50);
    }

    fn unhex(hex: &str) -> Vec<u8> {
        let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        (0..hex.len()).step_by(2).map(byte).collect()
    }

    #[test]
    fn joins_and_normalises() {
        for (dir, path, out) in [
            ("/root/", "a", "/root/a"),
            ("/root/", "/a//b/./c/", "/a/b/c"),
            ("/root/x/", "../y", "/root/y"),
            ("/root/", "../../../y", "/y"),
            ("", "a/../b", "b"),
            ("", "/a/../b", "/b"),
            ("/root/", "..", "/"),
            ("/root/", ".", "/root"),
            ("/root/", "", ""),
            ("/root/", "...", "/root/..."),
            ("/root/", "a/..b/.c", "/root/a/..b/.c"),
            ("foo/", "../a", "a"),
            ("/", "/", "/"),
        ] {
            let got = concatenate_paths(dir.as_bytes(), path.as_bytes());
            assert_eq!(String::from_utf8_lossy(&got), out, "{dir} + {path}");
        }
        assert_eq!(concatenate_paths(&[b'a'; 600], &[b'b'; 600]), TOO_LONG);
    }
}
