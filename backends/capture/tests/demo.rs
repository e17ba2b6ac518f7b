//! The capture that the project ships is the one that `make_demo` makes.
#![allow(clippy::unwrap_used)] // a panic is the report

mod common;
#[allow(dead_code)] // its `main`
#[path = "../examples/make_demo/main.rs"]
mod make_demo;

use std::path::Path;

use common::read;
use falco_capture::CaptureReader;

#[test]
fn the_shipped_demo_is_what_make_demo_makes() {
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("demo.scap");
    make_demo::tell(made.to_str().unwrap()).unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sensor/demo/demo.scap");
    let size = std::fs::metadata(&shipped).unwrap().len();
    assert!(size < 60_000, "{size} bytes are a lot for a demo");

    let made = read(CaptureReader::open(made).unwrap()).ok();
    let shipped = read(CaptureReader::open(shipped).unwrap()).ok();
    let same = shipped.snapshots == made.snapshots && shipped.events == made.events;
    let how = "cargo run -p falco-capture --example make_demo -- sensor/demo/demo.scap";
    assert!(same, "sensor/demo/demo.scap is out of date: {how}");
    assert_eq!(shipped.stats.converted_away + shipped.stats.skipped_unknown, 0);
}
