//! `cargo xtask proto`: writes the Rust code of gVisor's messages (`backends/gvisor/src/proto`) from the
//! `.proto` files in `backends/gvisor/proto`.
//!
//! The code is committed, so that who builds the sensor needs none of this; a test says when it is
//! no longer what would be made. protox reads the files, so no protoc is needed either.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

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
    let path = committed();
    fs::write(&path, generate()?).with_context(|| format!("{}", path.display()))
}

/// Where the code is.
fn committed() -> PathBuf {
    Path::new(CRATE).join("src/proto").join(MADE)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_committed_is_what_the_files_give() {
        let is_same = fs::read_to_string(committed()).unwrap() == generate().unwrap();
        assert!(is_same, "{} is out of date: run `cargo xtask proto`", committed().display());
    }
}
