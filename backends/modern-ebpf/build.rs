//! Compiles the probe: C to BPF objects, once for each way of attaching.
//!
//! clang is needed (any version that knows BPF and CO-RE: 12 or newer); nothing else, no kernel
//! headers and no libbpf. What C and Rust must agree on about events (numbers, parameters, flags) is
//! written from `falco_event` into `generated.h`, so that there is one table.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, exit};

use falco_event::Syscall;
use falco_event::flagsets::SETS;
use falco_event::native::x86_64_number_of_compat;
use falco_event::table::EVENTS;

/// System call numbers that the probe's tables have room for (`SYSCALLS` of `probe/shared.h`).
const SYSCALLS: u16 = 512;

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    println!("cargo::rerun-if-changed=probe");
    println!("cargo::rerun-if-env-changed=CLANG");
    write(&out.join("generated.h"), &generated_header());
    compile(&out, "probe.tracepoint.o", &[]);
    compile(&out, "probe.per_syscall.o", &["-DPER_SYSCALL"]);
}

fn compile(out: &Path, object: &str, defines: &[&str]) {
    let clang = env::var("CLANG").unwrap_or_else(|_| "clang".to_owned());
    let object = out.join(object);
    let status = Command::new(&clang)
        .args(["-target", "bpf", "-mcpu=v3", "-O2", "-g", "-std=gnu11", "-ffreestanding"])
        .args(["-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter", "-Wno-unused-variable"])
        .args(["-Wno-unused-function", "-Wno-address-of-packed-member", "-fno-stack-protector"])
        // Paths in debug information are the same wherever the project lies.
        .arg(format!("-fdebug-prefix-map={}=.", env!("CARGO_MANIFEST_DIR")))
        .args(defines)
        .arg("-I")
        .arg(out)
        .args(["-c", "probe/probe.bpf.c", "-o"])
        .arg(&object)
        .status();
    match status {
        Ok(status) if status.success() => {}
        Ok(status) => fail(&format!("{clang} could not compile the eBPF probe ({status})")),
        Err(error) => fail(&format!(
            "the eBPF probe is compiled by clang, but {clang:?} cannot be run: {error}\n\
             Install it (Debian: apt-get install clang), or name another one in CLANG."
        )),
    }
    strip(&object);
}

/// Leaves out debug information, which is four fifths of an object; BTF stays. Nothing depends on it.
fn strip(object: &Path) {
    let strip = env::var("LLVM_STRIP").unwrap_or_else(|_| "llvm-strip".to_owned());
    let _ = Command::new(strip).arg("-g").arg(object).status();
}

fn fail(message: &str) -> ! {
    eprintln!("error: {message}");
    exit(1)
}

fn write(path: &Path, text: &str) {
    if let Err(error) = fs::write(path, text) {
        fail(&format!("{}: {error}", path.display()));
    }
}

/// Numbers and parameter counts of events, named values of parameters, and system call ids.
fn generated_header() -> String {
    let mut text =
        String::from("/* Written by build.rs from the table of falco_event. */\n#pragma once\n\n");
    // Not macros: the probe pastes names together.
    text.push_str("enum {\n");
    for (code, event) in EVENTS.iter().enumerate() {
        let (id, params) = (event.id, event.params.len());
        // Writing to a String does not fail, here and below.
        let _ = writeln!(text, "{id} = {code}, {id}_PARAMS = {params},");
    }
    text.push_str("};\n\n");
    for (set, values) in SETS {
        for value in *values {
            let _ = writeln!(text, "#define {set}_{} {}u", value.name, value.value);
        }
    }
    text.push_str("\n/* 64-bit numbers; `generic` has none. */\nenum {\n");
    for nr in 0..SYSCALLS {
        if let Some(call) = Syscall::by_x86_64_number(nr) {
            let _ = writeln!(text, "NR_{} = {nr},", call.name);
        }
    }
    let _ = writeln!(text, "NR_generic = {SYSCALLS},\n}};");
    let portable = (0..SYSCALLS).map(|nr| Syscall::by_x86_64_number(nr).map_or(0, |call| call.id));
    let _ = writeln!(text, "\n/* PPM_SC_* by 64-bit number; 0 is unknown. */");
    table(&mut text, "portable_ids", portable);
    let native = (0..SYSCALLS).map(|nr| x86_64_number_of_compat(nr).unwrap_or(u16::MAX));
    let _ = writeln!(text, "\n/* The 64-bit number by 32-bit number; 65535 is none. */");
    table(&mut text, "native_numbers", native);
    text
}

fn table(text: &mut String, name: &str, values: impl Iterator<Item = u16>) {
    let _ = write!(text, "static const volatile unsigned short {name}[{SYSCALLS}] = {{");
    for value in values {
        let _ = write!(text, "{value},");
    }
    text.push_str("};\n");
}
