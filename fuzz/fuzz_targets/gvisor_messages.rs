//! Any messages of a gVisor sandbox: decoded, made events of, and these taken into the tables.
#![no_main]

use falco_enrich::state::{Limits, State};
use falco_event::RawEvent;
use falco_fuzz::messages;
use falco_gvisor::mapper::Mapper;
use falco_gvisor::message;
use falco_gvisor::runsc::process;
use falco_source::events::Events;
use libfuzzer_sys::fuzz_target;

/// When all of this happens.
const NOW: u64 = 1_795_000_000_000_000_000;

fuzz_target!(|data: &[u8]| {
    let mut state = State::new(Limits { max_threads: 64, max_fds: 64, max_bytes: 1 << 20 });
    state.set_live(true);
    let mut mapper = Mapper::new(0x7ab, b"7ab", 0, NOW);
    let (mut events, mut now) = (Events::new(), NOW);
    messages::decode(data, |kind, payload| {
        now += 1000;
        match kind {
            0 => mapper.processes(&process::parse(payload).processes, now, &mut events),
            255 => mapper.close(now, &mut events),
            _ => {
                let Ok(Some(message)) = message::decode(kind, payload) else { return };
                let _ = mapper.is_unannounced(&message);
                mapper.message(&message, now, &mut events);
            }
        }
        while let Some(event) = events.pop() {
            let again = RawEvent::parse(event.bytes(), 0, event.flags()).expect("what we made");
            assert_eq!(again.nparams(), again.info().params.len(), "{:?}", again.code());
            assert!(again.ts() <= now && again.tid() >> 32 == 0x7ab);
            state.process(&again);
        }
    });
    // An event that was too long would be lost.
    assert_eq!(mapper.stats().refused, 0);
    mapper.close(now, &mut events);
    assert_eq!(mapper.thread_count(), 0);
});
