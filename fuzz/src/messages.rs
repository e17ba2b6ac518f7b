//! Messages of a gVisor sandbox in one input: one after the other, each with its type in a byte and its
//! length in two (little-endian). Type 0 stands for a dump of processes that is taken in between, 255 for
//! the end of the sandbox; the last message may be cut off.

/// Calls `with` for each message.
pub fn decode<'a>(mut input: &'a [u8], mut with: impl FnMut(u16, &'a [u8])) {
    while let [kind, low, high, rest @ ..] = input {
        let len = usize::from(u16::from_le_bytes([*low, *high])).min(rest.len());
        let (payload, behind) = rest.split_at(len);
        with((*kind).into(), payload);
        input = behind;
    }
}

/// Appends a message; none if its type or length does not fit.
pub fn encode(kind: u16, payload: &[u8], input: &mut Vec<u8>) {
    let (Ok(kind), Ok(len)) = (u8::try_from(kind), u16::try_from(payload.len())) else { return };
    input.push(kind);
    input.extend_from_slice(&len.to_le_bytes());
    input.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded() {
        let mut input = Vec::new();
        encode(7, b"open", &mut input);
        encode(8, b"", &mut input);
        encode(300, b"no such type", &mut input);
        let mut got = Vec::new();
        decode(&input, |kind, payload| got.push((kind, payload.to_vec())));
        assert_eq!(got, [(7, b"open".to_vec()), (8, Vec::new())]);
        got.clear();
        decode(&input[..5], |kind, payload| got.push((kind, payload.to_vec())));
        assert_eq!(got, [(7, b"op".to_vec())]);
    }
}
