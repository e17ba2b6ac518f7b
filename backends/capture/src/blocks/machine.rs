//! The machine on which the capture was made.

use falco_event::raw::until_nul;
use falco_source::snapshot::Machine;

use super::cursor::{Cursor, Malformed, Writer};

/// Block type.
pub const TYPE: u32 = 0x201;
const HOSTNAME: usize = 128;

/// Reads the machine.
///
/// # Errors
/// If the body is short.
pub fn decode(body: &[u8]) -> Result<Machine, Malformed> {
    let mut body = Cursor::new(body, "machine info");
    Ok(Machine {
        cpus: body.u32()?,
        memory: body.u64()?,
        max_pid: body.u64()?,
        hostname: until_nul(body.take(HOSTNAME)?).to_vec(),
        boot_ts: body.u64()?,
        flags: body.u64()?,
    })
}

pub(crate) fn encode(machine: &Machine, out: &mut Writer) {
    let mut hostname = [0; HOSTNAME];
    let len = machine.hostname.len().min(HOSTNAME - 1);
    hostname[..len].copy_from_slice(&machine.hostname[..len]);
    out.u32(machine.cpus).u64(machine.memory).u64(machine.max_pid).put(&hostname);
    out.u64(machine.boot_ts).u64(machine.flags);
    let reserved = [0; 16];
    out.put(&reserved);
}
