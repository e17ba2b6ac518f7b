//! `pmatch`: whether a path lies at or below another, component by component. Components may be
//! globs. Leading, trailing and double slashes do not count, nor does being absolute.

use super::glob;

/// The components of a path.
pub fn components(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|&b| b == b'/').filter(|c| !c.is_empty())
}

/// Whether a component is a glob.
pub fn is_glob(component: &[u8]) -> bool {
    component.iter().any(|b| b"?*[".contains(b))
}

/// Whether the components of `prefix` match the first ones of `path`.
pub fn is_prefix(prefix: &[u8], path: &[u8]) -> bool {
    let mut path = components(path);
    components(prefix).all(|wanted| {
        path.next().is_some_and(|have| {
            if is_glob(wanted) { glob::matches(wanted, have, false) } else { wanted == have }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_go_by_component() {
        for (prefix, path, expected) in [
            ("/var/run", "/var/run/docker", true),
            ("/var/run", "/var/run", true),
            ("/var/run", "/var/running", false),
            ("/var/run", "/var", false),
            ("/", "/anything", true),
            ("/opt/*/x", "/opt/a/x/y", true),
            ("/opt/*/x", "/opt/a/b/x", false),
            ("opt//a/", "/opt/a", true),
        ] {
            assert_eq!(is_prefix(prefix.as_bytes(), path.as_bytes()), expected, "{prefix} {path}");
        }
    }
}
