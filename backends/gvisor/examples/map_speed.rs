//! How long it takes to decode messages and to make events of them: `map_speed FILE.tracereplay [ROUNDS]`.
#![allow(clippy::print_stdout)] // What it prints is what it is for.

use std::error::Error;
use std::time::Instant;

use falco_gvisor::mapper::Mapper;
use falco_gvisor::message::{Message, decode};
use falco_gvisor::replay::Recording;
use falco_gvisor::wire;
use falco_source::events::Events;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let path = args.next().ok_or("usage: map_speed FILE.tracereplay [ROUNDS]")?;
    let rounds: u64 = args.next().map_or(Ok(10_000), |n| n.parse())?;
    let recording = Recording::parse(&std::fs::read(path)?)?;
    let records: Vec<(u16, &[u8])> = recording
        .records
        .iter()
        .map(|record| wire::parse(record).map(|(header, payload)| (header.kind, payload)))
        .collect::<Result<_, _>>()?;
    // Exits of calls on files, fds and sockets: what a busy sandbox sends.
    let calls: Vec<(u16, &[u8])> = records
        .iter()
        .copied()
        .filter(|&(kind, payload)| {
            let message = decode(kind, payload).ok().flatten();
            let returned =
                message.as_ref().and_then(Message::call).is_some_and(|(_, exit)| exit.is_some());
            returned && !matches!(kind, 11 | 23 | 29)
        })
        .collect();
    measure("all messages", &records, rounds)?;
    measure("returns of calls but clone and execve", &calls, rounds)?;
    Ok(())
}

fn measure(what: &str, records: &[(u16, &[u8])], rounds: u64) -> Result<(), Box<dyn Error>> {
    let mut mapper = Mapper::new(1, b"bench", 0, 1);
    let mut events = Events::new();
    let (mut n_events, mut bytes) = (0_u64, 0);
    let begin = Instant::now();
    for _ in 0..rounds {
        for &(kind, payload) in records {
            let Some(message) = decode(kind, payload)? else { continue };
            let now = message.context().map_or(0, |context| context.time_ns as u64);
            if mapper.is_unannounced(&message) {
                mapper.forget_wish();
            }
            mapper.message(&message, now, &mut events);
            while let Some(event) = events.pop() {
                n_events += 1;
                bytes += event.bytes().len();
            }
        }
    }
    let taken = begin.elapsed();
    let messages = rounds * records.len() as u64;
    let each = taken.as_nanos() as f64 / messages as f64;
    println!(
        "{what}: {messages} messages, {n_events} events, {bytes} bytes; {each:.0} ns a message"
    );
    Ok(())
}
