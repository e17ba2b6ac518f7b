//! Names of flag, enumeration and mode values.

use falco_event::NamedValue;

/// The names whose bits are set, joined by `|`. Names are tried in table order and take their bits
/// away, so `O_RDWR` (3) leaves nothing for `O_RDONLY` (1); a name of value 0 stands only for 0; a
/// name equal to the whole value ends the walk.
pub(crate) fn bits(value: u32, names: &[NamedValue]) -> String {
    let mut out = String::new();
    let mut left = value;
    for name in names {
        let matches = match name.value {
            0 => value == 0,
            v => left & v == v,
        };
        if matches {
            left &= !name.value;
            push(&mut out, name.name);
            if name.value == value {
                break;
            }
        }
    }
    out
}

/// All names of exactly this value, joined by `|`.
pub(crate) fn exact(value: u32, names: &[NamedValue]) -> String {
    let mut out = String::new();
    names.iter().filter(|name| name.value == value).for_each(|name| push(&mut out, name.name));
    out
}

/// File mode: as [`bits`], but a name equal to the whole value stops the walk before its own bits
/// are taken, and is named whatever is left.
pub(crate) fn mode(value: u32, names: &[NamedValue]) -> String {
    let mut out = String::new();
    let mut left = value;
    for name in names {
        if name.value == value {
            push(&mut out, name.name);
            break;
        }
        if name.value != 0 && left & name.value == name.value && left != 0 {
            left &= !name.value;
            push(&mut out, name.name);
        }
    }
    out
}

fn push(out: &mut String, name: &str) {
    if !out.is_empty() {
        out.push('|');
    }
    out.push_str(name);
}

#[cfg(test)]
mod tests {
    use super::*;
    use falco_event::flagsets::{FILE_FLAGS, MKNOD_MODE, SOCKET_FAMILIES};

    #[test]
    fn flag_names_take_their_bits() {
        assert_eq!(bits(3, FILE_FLAGS), "O_RDWR");
        assert_eq!(bits(1, FILE_FLAGS), "O_RDONLY");
        assert_eq!(bits(0, FILE_FLAGS), "O_NONE");
        assert_eq!(bits(4097, FILE_FLAGS), "O_RDONLY|O_CLOEXEC");
        assert_eq!(exact(1, SOCKET_FAMILIES), "AF_LOCAL|AF_UNIX");
        assert_eq!(exact(77, SOCKET_FAMILIES), "");
        assert_eq!(mode(0o600, MKNOD_MODE), "S_IWUSR|S_IRUSR");
    }
}
