//! Measures what reading a capture costs: `cargo run --release --example read_speed -- FILE…`.
//!
//! Reads each file five times, touching nothing but the events' type, and prints the best time.
#![allow(clippy::print_stdout)]

use std::time::Instant;

use falco_capture::CaptureReader;
use falco_source::{Next, Source, SourceError};

fn main() -> Result<(), SourceError> {
    for path in std::env::args().skip(1) {
        let mut best = f64::INFINITY;
        let (mut events, mut types, mut stats) = (0_u64, 0_u64, Default::default());
        for _ in 0..5 {
            let begin = Instant::now();
            let mut capture = CaptureReader::open(&path)?;
            capture.start()?;
            (events, types) = (0, 0);
            loop {
                match capture.next()? {
                    Next::Event(event) => {
                        events += 1;
                        types += u64::from(event.code().0);
                    }
                    Next::End => break,
                    _ => {}
                }
            }
            stats = capture.stats();
            best = best.min(begin.elapsed().as_secs_f64());
        }
        let each = best * 1e9 / events as f64;
        println!("{path}: {events} events, {each:.1} ns each, {best:.4} s (checksum {types})");
        println!("  {stats:?}");
    }
    Ok(())
}
