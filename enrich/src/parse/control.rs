//! Control messages of recvmsg(2) (cmsg(3)): the fds that another process sent.
//!
//! The layout is that of 64-bit processes: length (8 bytes, header included), level and type (4
//! bytes each), data; the next message begins at a multiple of 8.

use falco_event::raw::read_uint;

const HEADER: usize = 16;
const SOL_SOCKET: u64 = 1;
const SCM_RIGHTS: u64 = 1;
/// Fds in one message at most (`SCM_MAX_FD` of the kernel's `include/net/scm.h`).
const MAX_FDS: usize = 253;

/// Numbers of all fds that came with a message. What is malformed ends the list.
pub(super) fn passed_fds(control: &[u8]) -> impl Iterator<Item = i64> {
    messages(control).flat_map(|data| {
        data.chunks_exact(4)
            .take(MAX_FDS)
            .filter_map(|num| Some(i64::from(i32::from_le_bytes(num.try_into().ok()?))))
            .filter(|&num| num >= 0)
    })
}

/// The data of messages that carry fds.
fn messages(mut control: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        loop {
            let header = control.get(..HEADER)?;
            let len = usize::try_from(read_uint(&header[..8])?).ok()?;
            let message = control.get(HEADER..len)?;
            let [level, ty] = [8, 12].map(|at| read_uint(&header[at..at + 4]));
            control = control.get(len.next_multiple_of(8)..).unwrap_or_default();
            if (level, ty) == (Some(SOL_SOCKET), Some(SCM_RIGHTS)) {
                return Some(message);
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(ty: u32, data: &[u8]) -> Vec<u8> {
        let mut out = ((HEADER + data.len()) as u64).to_le_bytes().to_vec();
        out.extend(1_u32.to_le_bytes());
        out.extend(ty.to_le_bytes());
        out.extend(data);
        out.resize(out.len().next_multiple_of(8), 0);
        out
    }

    fn fds(nums: &[i32]) -> Vec<u8> {
        nums.iter().flat_map(|num| num.to_le_bytes()).collect()
    }

    fn passed(control: &[u8]) -> Vec<i64> {
        passed_fds(control).collect()
    }

    #[test]
    fn fds_are_found_among_other_messages() {
        let credentials = message(2, &[0; 12]);
        let rights = message(1, &fds(&[3, 77, 5]));
        let both = [credentials.clone(), rights.clone(), message(1, &fds(&[9]))].concat();
        assert_eq!(passed(&both), [3, 77, 5, 9]);
        assert!(passed(&credentials).is_empty());
        // The last message need not be padded.
        assert_eq!(passed(&rights[..HEADER + 12]), [3, 77, 5]);
        assert!(passed(&rights[..HEADER + 11]).is_empty());
        assert_eq!(passed(&message(1, &fds(&[-1, 4]))), [4]);
    }

    #[test]
    fn lengths_are_not_believed() {
        for len in [0_u64, 1, 15, 17, u64::MAX, u64::MAX - 7] {
            let mut control = message(1, &fds(&[3]));
            control[..8].copy_from_slice(&len.to_le_bytes());
            assert!(passed(&control).is_empty(), "{len}");
        }
    }

    proptest! {
        #[test]
        fn anything_may_stand_there(control in proptest::collection::vec(any::<u8>(), 0..200)) {
            assert!(passed(&control).len() <= control.len() / 4);
        }
    }
}
