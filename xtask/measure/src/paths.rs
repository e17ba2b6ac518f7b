//! Where things lie, and reading lines of plain and gzip files alike.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use flate2::bufread::MultiGzDecoder;

/// The workspace root.
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The folder with what was recorded from Falco; none (loudly) if it is not here.
pub fn shared() -> Option<PathBuf> {
    let path = root().join("../shared");
    if path.join("captures/golden").is_dir() {
        return Some(path);
    }
    println!("IGNORED: {} is not here, so there is nothing to compare with", path.display());
    None
}

/// The official rule files: the stable ones, or all three in Falco's order.
pub fn official_rules(shared: &Path, all: bool) -> Vec<PathBuf> {
    let names = ["falco_rules.yaml", "falco-incubating_rules.yaml", "falco-sandbox_rules.yaml"];
    let count = if all { names.len() } else { 1 };
    names[..count].iter().map(|name| shared.join("rules").join(name)).collect()
}

/// The `falco` binary that was built together with this program.
pub fn falco() -> Result<PathBuf> {
    built("falco")
}

/// A program that was built together with this one.
pub fn built(program: &str) -> Result<PathBuf> {
    let own = std::env::current_exe().context("cannot find this program's own path")?;
    let path = own.with_file_name(program);
    anyhow::ensure!(path.is_file(), "{} is not built; use `cargo xtask`", path.display());
    Ok(path)
}

/// Opens a file, decompressing it if it is gzip.
pub fn open(path: &Path) -> Result<Box<dyn BufRead>> {
    let context = || format!("cannot read {}", path.display());
    let mut file = BufReader::new(File::open(path).with_context(context)?);
    let gzip = file.fill_buf().with_context(context)?.starts_with(&[0x1f, 0x8b]);
    Ok(if gzip { Box::new(BufReader::new(MultiGzDecoder::new(file))) } else { Box::new(file) })
}
