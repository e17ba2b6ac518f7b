//! Socket options: their values are a dynamic parameter, a byte that tells the type and the value
//! (`include/uapi/asm-generic/socket.h`).

use falco_event::portable;

use crate::calls::params::{Call, Params, u64s};
use crate::stop::Abi;

/// How a value begins, which is its type (`PPM_SOCKOPT_IDX_*` of libscap).
#[derive(Clone, Copy, PartialEq, Eq)]
enum As {
    Bytes = 0,
    Errno = 1,
    U32 = 2,
    U64 = 3,
    Time = 4,
}

const SOL_SOCKET: u32 = 1;
const SO_RCVTIMEO_NEW: u32 = 66;

/// Bytes of values without a type that events hold.
const MAX_OPTION: usize = 4096;

/// The type of an option of level SOL_SOCKET.
fn type_of(name: u32) -> As {
    match name {
        4 => As::Errno,
        20 | 21 | 66 | 67 => As::Time,
        57 => As::U64,
        13 | 17 | 26 | 28 | 50 | 55 | 59 => As::Bytes,
        1..=49 => As::U32,
        _ => As::Bytes,
    }
}

/// Parameters level, optname and value, of arguments 1, 2 and 3; the value has `len` bytes.
pub(super) fn option(c: Call<'_>, p: &mut Params<'_>, len: u32) {
    let (level, name, address) = (c.arg32(1), c.arg32(2), c.arg(3));
    let (number, ty) = match level {
        SOL_SOCKET => (portable::sockopt_option(level, name), type_of(name)),
        _ => (0, As::Bytes),
    };
    p.u8(portable::sockopt_level(level)).u8(number);
    let ty_byte = [ty as u8];
    if ty == As::Bytes {
        p.desk.cut += u64::from(len as usize > MAX_OPTION);
        let mut value = [0; MAX_OPTION];
        let value = value.get_mut(..(len as usize).min(MAX_OPTION)).unwrap_or_default();
        let is_read = !value.is_empty() && c.memory.read_exact(address, value);
        p.parts(&[&ty_byte, if is_read { value } else { &[] }]);
        return;
    }
    // A number or two, as far as there are bytes.
    let mut value = [0; 16];
    if let Some(room) = value.get_mut(..(len as usize).min(16))
        && !c.memory.read_exact(address, room)
    {
        room.fill(0);
    }
    let [first, second] = u64s(value);
    let value = match ty {
        As::U32 => {
            p.parts(&[&ty_byte, &(first as u32).to_le_bytes()]);
            return;
        }
        // struct timeval: a 32-bit caller's old one is half as large.
        As::Time if c.stop.abi == Abi::I386 && name < SO_RCVTIMEO_NEW => {
            time(i64::from(first as i32) as u64, first >> 32)
        }
        As::Time => time(first, second),
        As::Errno => (-i64::from(first as i32)) as u64,
        As::U64 | As::Bytes => first,
    };
    p.parts(&[&ty_byte, &value.to_le_bytes()]);
}

fn time(seconds: u64, microseconds: u64) -> u64 {
    seconds.wrapping_mul(1_000_000_000).wrapping_add(microseconds.wrapping_mul(1000))
}
