//! Gzip, one member after the other, into a buffer that the caller owns.

use flate2::{Decompress, FlushDecompress, Status};

/// What a call of [`Gunzip::inflate`] did.
pub(crate) struct Inflated {
    /// Bytes of input used up.
    pub read: usize,
    /// Bytes of output written. They are good even if `outcome` is an error.
    pub written: usize,
    pub outcome: Outcome,
}

/// Where the stream stands after a call of [`Gunzip::inflate`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// More may follow.
    More,
    /// The last member ended and something else follows, which is ignored as gzip(1) does.
    TrailingGarbage,
    /// The stream is not gzip, or its checksum is wrong.
    Corrupt(String),
}

/// Decompresses members of a gzip stream.
#[derive(Default)]
pub(crate) struct Gunzip {
    /// The member being decompressed; `None` before the first and between members.
    member: Option<Decompress>,
    members: u64,
}

/// The window of gzip: 2^15 bytes.
const WINDOW_BITS: u8 = 15;

/// Whether `bytes` begin as a gzip member does.
pub(crate) fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b])
}

impl Gunzip {
    /// Whether the input may end here: no member is open.
    pub(crate) fn at_member_end(&self) -> bool {
        self.member.is_none() && self.members > 0
    }

    /// Decompresses from `input` (not empty) to `output` (not empty).
    pub(crate) fn inflate(&mut self, input: &[u8], output: &mut [u8]) -> Inflated {
        let starts_member = match input {
            [0x1f] | [0x1f, 0x8b, ..] => true,
            _ => self.members == 0, // the decompressor will say what is wrong
        };
        if self.member.is_none() {
            if !starts_member {
                return Inflated { read: 0, written: 0, outcome: Outcome::TrailingGarbage };
            }
            self.members += 1;
        }
        let member = self.member.get_or_insert_with(|| Decompress::new_gzip(WINDOW_BITS));
        let (in_before, out_before) = (member.total_in(), member.total_out());
        let result = member.decompress(input, output, FlushDecompress::None);
        // Bytes of this call, which the slices bound.
        let read = (member.total_in() - in_before) as usize;
        let written = (member.total_out() - out_before) as usize;
        let outcome = match result {
            Ok(Status::StreamEnd) => {
                self.member = None;
                Outcome::More
            }
            Ok(_) if read == 0 && written == 0 => {
                Outcome::Corrupt("the gzip stream does not go on".to_owned())
            }
            Ok(_) => Outcome::More,
            Err(error) => {
                let cause = error.message().unwrap_or("invalid data");
                Outcome::Corrupt(format!("the gzip stream is corrupt: {cause}"))
            }
        };
        Inflated { read, written, outcome }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    /// Decompresses with small buffers, `step` bytes of input at a time.
    fn gunzip(mut input: &[u8], step: usize) -> (Vec<u8>, Outcome) {
        let mut gunzip = Gunzip::default();
        let mut out = Vec::new();
        while !input.is_empty() {
            let mut buf = [0; 7];
            let now = &input[..step.min(input.len())];
            let done = gunzip.inflate(now, &mut buf);
            out.extend_from_slice(&buf[..done.written]);
            input = &input[done.read..];
            if done.outcome != Outcome::More {
                return (out, done.outcome);
            }
        }
        (out, Outcome::More)
    }

    #[test]
    fn members_follow_each_other() {
        let data: Vec<u8> = (0..1000).map(|i| (i / 7) as u8).collect();
        let mut file = gzip(&data);
        file.extend(gzip(b""));
        file.extend(gzip(b"more"));
        let mut want = data;
        want.extend(b"more");
        for step in [1, 3, 10_000] {
            assert_eq!(gunzip(&file, step), (want.clone(), Outcome::More));
        }
    }

    #[test]
    fn garbage_after_the_last_member_is_ignored() {
        let mut file = gzip(b"data");
        file.extend([0; 512]);
        assert_eq!(gunzip(&file, 64), (b"data".to_vec(), Outcome::TrailingGarbage));
    }

    #[test]
    fn a_wrong_checksum_is_corrupt_and_what_came_before_it_is_kept() {
        let mut file = gzip(b"data");
        let at = file.len() - 8;
        file[at] ^= 1;
        let (out, outcome) = gunzip(&file, 64);
        assert_eq!(out, b"data");
        assert!(matches!(outcome, Outcome::Corrupt(_)));
    }
}
