//! Joining a directory and a path as programs give them, without asking a file system.

/// Longest joined path in bytes, as in libscap.
const MAX: usize = 1024;

/// `path` under `base`, with `.` and `..` resolved and doubled slashes removed; `base` is taken as
/// it is. An absolute path stands alone, an empty one stays empty. A trailing slash is dropped.
pub(crate) fn join(base: &[u8], path: &[u8]) -> Vec<u8> {
    if base.len() + path.len() + 1 > MAX {
        return b"/DIR_TOO_LONG/FILENAME_TOO_LONG".to_vec();
    }
    let base = if path.is_empty() || path.starts_with(b"/") { &[][..] } else { base };
    let mut out = Vec::with_capacity(base.len() + path.len());
    out.extend_from_slice(base);
    let mut parts = path.split(|&b| b == b'/').peekable();
    while let Some(part) = parts.next() {
        let at_start = out.is_empty() || out.ends_with(b"/");
        match part {
            b"." if at_start => continue,
            b".." if at_start => {
                to_parent(&mut out);
                continue;
            }
            _ => out.extend_from_slice(part),
        }
        let is_followed = parts.peek().is_some();
        // Back at an emptied base, the path goes on as a relative one.
        let is_emptied = out.is_empty() && !base.is_empty();
        if is_followed && !out.ends_with(b"/") && !is_emptied {
            out.push(b'/');
        }
    }
    if out.len() > 1 && out.ends_with(b"/") {
        out.pop();
    }
    out
}

/// Cuts the last part off; the root stays.
fn to_parent(path: &mut Vec<u8>) {
    if path.len() > 1 {
        path.pop();
        let end = path.iter().rposition(|&b| b == b'/').map_or(0, |slash| slash + 1);
        path.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_joined_and_normalised() {
        let cases: &[(&str, &str, &str)] = &[
            ("/a/b/", "c", "/a/b/c"),
            ("/a/b/", "../c", "/a/c"),
            ("/a/b/", "../../../c", "/c"),
            ("/a/b/", "/etc//x/./y/", "/etc/x/y"),
            ("/a/", "", ""),
            ("", "../x", "x"),
            ("", "/foo/../a", "/a"),
            ("foo/", "../a", "a"),
            ("<UNKNOWN>", "x/y", "<UNKNOWN>x/y"),
            ("/a/", "b/..", "/a"),
            ("/a/", ".hidden", "/a/.hidden"),
            ("/", "..", "/"),
            ("", "/", "/"),
        ];
        for (base, path, expected) in cases {
            let got = join(base.as_bytes(), path.as_bytes());
            assert_eq!(String::from_utf8_lossy(&got), *expected, "{base} + {path}");
        }
        assert_eq!(join(&[b'a'; 1000], &[b'b'; 24]), b"/DIR_TOO_LONG/FILENAME_TOO_LONG");
    }
}
