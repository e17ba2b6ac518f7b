//! A compact form of event sequences, which keeps most mutations valid events of some type.
//!
//! An event is `u16 code, u8 tid, u8 nparams`, then for each parameter `u16 length` and its bytes,
//! little-endian. The code is taken modulo the number of codes, the length modulo [`MAX_PARAM`];
//! what the input does not hold is cut. Only sequences whose lengths stay true survive [`encode`].

use falco_event::{EventBuilder, EventCode, RawEvent};

/// Parameters are shorter than this.
pub const MAX_PARAM: u16 = 4096;

/// Calls `take` with the events in `input`, one after the other.
pub fn decode(mut input: &[u8], mut take: impl FnMut(&RawEvent<'_>)) {
    let codes = EventCode::COUNT as u16;
    let mut builder = EventBuilder::new();
    let mut ts = 1_700_000_000_000_000_000;
    while let Some((&[low, high, tid, nparams], rest)) = input.split_first_chunk() {
        input = rest;
        ts += 1_000_000;
        let code = EventCode(u16::from_le_bytes([low, high]) % codes);
        builder.start(ts, i64::from(tid), code);
        for _ in 0..nparams {
            let Some((&len, rest)) = input.split_first_chunk() else { break };
            let len = usize::from(u16::from_le_bytes(len) % MAX_PARAM).min(rest.len());
            let (param, rest) = rest.split_at(len);
            builder.bytes(param);
            input = rest;
        }
        if let Ok(event) = builder.finish(0, 0) {
            take(&event);
        }
    }
}

/// Appends `event` in this form, long parameters cut.
pub fn encode(event: &RawEvent<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(&event.code().0.to_le_bytes());
    out.push(event.tid() as u8);
    out.push(event.nparams() as u8);
    for param in event.params().take(255) {
        let param = &param[..param.len().min(usize::from(MAX_PARAM) - 1)];
        out.extend_from_slice(&(param.len() as u16).to_le_bytes());
        out.extend_from_slice(param);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_back() {
        let mut builder = EventBuilder::new();
        let event =
            builder.start(1, 7, EventCode::SYSCALL_CLOSE_X).i64(0).i64(3).finish(0, 0).unwrap();
        let mut framed = Vec::new();
        encode(&event, &mut framed);
        encode(&event, &mut framed);
        let mut count = 0;
        decode(&framed, |e| {
            assert_eq!((e.code(), e.tid(), e.i64(1)), (EventCode::SYSCALL_CLOSE_X, 7, Some(3)));
            count += 1;
        });
        assert_eq!(count, 2);
    }
}
