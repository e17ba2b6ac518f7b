//! Data buffers as text.

/// How data buffers become text in output (`buffer_format_base64` of `falco.yaml`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum BufferFormat {
    /// Printable ASCII as is, every other byte as a dot.
    #[default]
    Dots,
    /// Base64 with padding.
    Base64,
}

/// `data` in this format.
pub(crate) fn text(data: &[u8], format: BufferFormat) -> Vec<u8> {
    match format {
        BufferFormat::Dots => {
            data.iter().map(|&b| if (b' '..=b'~').contains(&b) { b } else { b'.' }).collect()
        }
        BufferFormat::Base64 => base64(data),
    }
}

fn base64(data: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = Vec::with_capacity(data.len().div_ceil(3) * 4);
    for chunk in data.chunks(3) {
        let byte = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let triple = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            if digit <= chunk.len() {
                out.push(DIGITS[(triple >> (18 - 6 * digit)) as usize & 63]);
            } else {
                out.push(b'=');
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_text() {
        assert_eq!(text(b"a\n\x7f~ \xc3\xa9", BufferFormat::Dots), b"a..~ ..");
        for (data, expected) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v")] {
            assert_eq!(text(data.as_bytes(), BufferFormat::Base64), expected.as_bytes());
        }
    }
}
