//! Any bytes as a capture: read to the end or to an error; what was read is written again and then
//! reads the same.
#![no_main]

use falco_capture::{CaptureReader, CaptureWriter, Compression};
use falco_source::{Next, Source};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let events = read(data.to_vec());
    if events.is_empty() {
        return;
    }
    let mut writer = CaptureWriter::new(Vec::new(), Compression::None);
    writer.snapshot(&Default::default()).expect("memory does not refuse");
    let mut written = Vec::new();
    for (bytes, large) in events {
        let event = falco_event::RawEvent::parse_as(&bytes, 0, 0, large).expect("was an event");
        if writer.event(&event).is_ok() {
            written.push((bytes, large));
        }
    }
    let capture = writer.finish().expect("memory does not refuse");
    if !written.is_empty() {
        assert_eq!(read(capture), written);
    }
});

/// The events of a capture up to its end or the first error: bytes and whether LARGE.
fn read(capture: Vec<u8>) -> Vec<(Vec<u8>, bool)> {
    let mut reader = CaptureReader::from_bytes("fuzz", capture);
    let mut events = Vec::new();
    if reader.start().is_err() {
        return events;
    }
    loop {
        match reader.next() {
            Ok(Next::Event(event)) => events.push((event.bytes().to_vec(), event.is_large())),
            Ok(Next::End) | Err(_) => break,
            Ok(_) => {}
        }
    }
    let _ = (reader.stats(), reader.progress());
    events
}
