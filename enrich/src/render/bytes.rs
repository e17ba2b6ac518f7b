//! Data buffers as text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use falco_rules::render_value::BufferFormat;

/// `data` in this format.
pub(crate) fn text(data: &[u8], format: BufferFormat) -> Vec<u8> {
    match format {
        BufferFormat::Printable => {
            data.iter().map(|&b| if (b' '..=b'~').contains(&b) { b } else { b'.' }).collect()
        }
        BufferFormat::Base64 => STANDARD.encode(data).into_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_text() {
        assert_eq!(text(b"a\n\x7f~ \xc3\xa9", BufferFormat::Printable), b"a..~ ..");
        assert_eq!(text(b"fo", BufferFormat::Base64), b"Zm8=");
    }
}
