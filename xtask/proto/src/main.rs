//! `cargo xtask proto [--check]`: the Rust code of gVisor's messages (`backends/gvisor/src/proto`), made
//! from the `.proto` files in `backends/gvisor/proto`.
//!
//! The code is committed, so that who builds the sensor needs none of this; `--check` says whether
//! it is what would be made now. protox reads the files, so no protoc is needed either.
#![allow(clippy::print_stdout)] // What it prints is what it is for.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

const CRATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../backends/gvisor");
const FILES: [&str; 6] = [
    "context.proto",
    "process.proto",
    "file.proto",
    "descriptor.proto",
    "socket.proto",
    "identity.proto",
];
/// After the package of the files.
const MADE: &str = "gvisor.rs";

fn main() -> Result<()> {
    let made = generate()?;
    let path = Path::new(CRATE).join("src/proto").join(MADE);
    let committed = fs::read_to_string(&path).unwrap_or_default();
    match std::env::args().nth(1).as_deref() {
        None => fs::write(&path, made).with_context(|| format!("{}", path.display()))?,
        Some("--check") if committed == made => println!("{MADE} is what the .proto files give"),
        Some("--check") => {
            bail!("{} is not what the .proto files give; run `cargo xtask proto`", path.display())
        }
        Some(other) => bail!("no option `{other}`; there is --check"),
    }
    Ok(())
}

fn generate() -> Result<String> {
    let files = protox::compile(FILES, [Path::new(CRATE).join("proto")])?;
    let out = tempfile::tempdir()?;
    prost_build::Config::new()
        // Views into the message's own bytes, without a copy each.
        .bytes(["."])
        .disable_comments(["."])
        // Large and rare parts: a message is moved about as a whole.
        .boxed(".gvisor.ExecveInfo.stdin")
        .boxed(".gvisor.ExecveInfo.stdout")
        .boxed(".gvisor.ExecveInfo.stderr")
        .boxed(".gvisor.ExecveInfo.pipe_input_proc")
        .boxed(".gvisor.ExecveInfo.pipe_output_proc")
        .out_dir(out.path())
        .compile_fds(files)?;
    Ok(fs::read_to_string(out.path().join(MADE))?)
}
