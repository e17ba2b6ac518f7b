//! Reading and writing: buffers, vectors, positions; sendfile.

use std::fs;
use std::os::fd::AsRawFd;

use falco_event::EventCode;

use crate::calls::{BAD, Iovec, at, iovec, out, sys};
use crate::expect::{Expected, NONE, i64, u32, u64};
use crate::trace::trace;

const CALLS: &[&str] =
    &["read", "write", "pread64", "pwrite64", "readv", "writev", "preadv", "pwritev", "sendfile"];

const EBADF: i64 = -9;
const EFAULT: i64 = -14;
const EINVAL: i64 = -22;

/// An empty file without a name.
fn file() -> fs::File {
    tempfile::tempfile().unwrap()
}

fn text(len: usize) -> Vec<u8> {
    (0..len).map(|i| b'a' + (i % 26) as u8).collect()
}

#[test]
fn tells_what_is_read_and_written() {
    for snaplen in [0, 16, 80, 4000] {
        let mut expected = Expected::default();
        let Some(events) = trace(CALLS, snaplen as u32, || buffers(&mut expected, snaplen)) else {
            return;
        };
        expected.check(&events);
    }
}

fn buffers(expected: &mut Expected, snaplen: usize) {
    let file = file();
    let fd = file.as_raw_fd();
    let (number, id) = (fd as usize, i64(fd.into()));
    let cut = |data: &[u8]| data[..data.len().min(snaplen)].to_vec();
    for len in [0, 1, 79, 80, 81, 5000] {
        let data = text(len);
        let mut back = vec![0; len + 10];
        let (size, room) = (u32(len as u32), u32(len as u32 + 10));
        let result = i64(len as i64);
        assert_eq!(sys(libc::SYS_pwrite64, [number, at(data.as_slice()), len, 7]), len as i64);
        let params = [result.clone(), cut(&data), id.clone(), size.clone(), u64(7)];
        expected.push(EventCode::SYSCALL_PWRITE_X, params);
        sys(libc::SYS_ftruncate, [number, len + 7]);
        assert_eq!(
            sys(libc::SYS_pread64, [number, out(back.as_mut_slice()), len + 10, 7]),
            len as i64
        );
        let params = [result.clone(), cut(&data), id.clone(), room.clone(), u64(7)];
        expected.push(EventCode::SYSCALL_PREAD_X, params);

        sys(libc::SYS_lseek, [number, 0, 0]);
        assert_eq!(sys(libc::SYS_write, [number, at(data.as_slice()), len]), len as i64);
        expected.push(EventCode::SYSCALL_WRITE_X, [result.clone(), cut(&data), id.clone(), size]);
        sys(libc::SYS_ftruncate, [number, len]);
        sys(libc::SYS_lseek, [number, 0, 0]);
        assert_eq!(sys(libc::SYS_read, [number, out(back.as_mut_slice()), len + 10]), len as i64);
        expected.push(EventCode::SYSCALL_READ_X, [result, cut(&data), id.clone(), room]);
    }
}

#[test]
fn tells_of_failures() {
    let mut expected = Expected::default();
    let Some(events) = trace(CALLS, 80, || {
        let file = file();
        let (fd, id) = (file.as_raw_fd() as usize, i64(file.as_raw_fd().into()));
        let data = b"data".to_vec();
        let buffer = at(data.as_slice());
        for number in [9999_usize, usize::MAX] {
            let bad = i64(i64::from(number as u32 as i32));
            assert_eq!(sys(libc::SYS_read, [number, buffer, 4]), EBADF);
            expected.push(EventCode::SYSCALL_READ_X, [i64(EBADF), NONE, bad.clone(), u32(4)]);
            assert_eq!(sys(libc::SYS_write, [number, buffer, 4]), EBADF);
            let params = [i64(EBADF), data.clone(), bad.clone(), u32(4)];
            expected.push(EventCode::SYSCALL_WRITE_X, params);
            assert_eq!(sys(libc::SYS_pwrite64, [number, buffer, 4, 9]), EBADF);
            let params = [i64(EBADF), data.clone(), bad, u32(4), u64(9)];
            expected.push(EventCode::SYSCALL_PWRITE_X, params);
        }
        assert_eq!(sys(libc::SYS_write, [fd, BAD, 4]), EFAULT);
        expected.push(EventCode::SYSCALL_WRITE_X, [i64(EFAULT), NONE, id.clone(), u32(4)]);
        assert_eq!(sys(libc::SYS_pread64, [fd, buffer, 4, usize::MAX]), EINVAL);
        let params = [i64(EINVAL), NONE, id.clone(), u32(4), u64(u64::MAX)];
        expected.push(EventCode::SYSCALL_PREAD_X, params);
        // More than 32 bits of a size, which events have no room for.
        assert_eq!(sys(libc::SYS_write, [9999, BAD, 1 << 32 | 5]), EBADF);
        expected.push(EventCode::SYSCALL_WRITE_X, [i64(EBADF), NONE, i64(9999), u32(5)]);
        // Vectors: not there, too long, of buffers that are not there.
        for (vector, count, result) in [(BAD, 2, EFAULT), (0, 0, 0), (BAD, 2000, EINVAL)] {
            assert_eq!(sys(libc::SYS_writev, [fd, vector, count]), result);
            let params = [i64(result), NONE, id.clone(), u32(0)];
            expected.push(EventCode::SYSCALL_WRITEV_X, params);
            assert_eq!(sys(libc::SYS_readv, [fd, vector, count]), result);
            expected.push(EventCode::SYSCALL_READV_X, [i64(result), u32(0), NONE, id.clone()]);
        }
        let vector = [iovec(b"one"), Iovec { base: BAD, len: 100 }, iovec(b"two")];
        // Some kernels write what is before the gap, some nothing; what is behind it, nobody sees.
        let result = sys(libc::SYS_writev, [fd, at(&vector), 3]);
        assert!([3, EFAULT].contains(&result), "{result}");
        let params = [i64(result), b"one".to_vec(), id.clone(), u32(106)];
        expected.push(EventCode::SYSCALL_WRITEV_X, params);
        assert_eq!(sys(libc::SYS_writev, [9999, at(&vector), 3]), EBADF);
        let params = [i64(EBADF), b"one".to_vec(), i64(9999), u32(106)];
        expected.push(EventCode::SYSCALL_WRITEV_X, params);
    }) else {
        return;
    };
    expected.check(&events);
}

#[test]
fn tells_what_vectors_hold() {
    let mut expected = Expected::default();
    let Some(events) = trace(CALLS, 80, || {
        let file = file();
        let (fd, id) = (file.as_raw_fd() as usize, i64(file.as_raw_fd().into()));
        let data = text(1024);
        let told = data[..80].to_vec();
        // As many buffers as there may be, of a byte each; and few, with empty ones in between.
        let singles: Vec<Iovec> = data.chunks(1).map(iovec).collect();
        let mut few = vec![Iovec { base: 0, len: 0 }; 40];
        few.extend([iovec(&data[..50]), iovec(b""), iovec(&data[50..])]);
        for vector in [&singles, &few] {
            let (at, count) = (at(vector.as_slice()), vector.len());
            assert_eq!(sys(libc::SYS_pwritev, [fd, at, count, 3, 0]), 1024);
            let params = [i64(1024), told.clone(), id.clone(), u32(1024), u64(3)];
            expected.push(EventCode::SYSCALL_PWRITEV_X, params);
            sys(libc::SYS_lseek, [fd, 3, 0]);
            assert_eq!(sys(libc::SYS_writev, [fd, at, count]), 1024);
            let params = [i64(1024), told.clone(), id.clone(), u32(1024)];
            expected.push(EventCode::SYSCALL_WRITEV_X, params);
        }
        let mut back = vec![0_u8; 1024];
        let singles: Vec<Iovec> =
            back.chunks_mut(1).map(|byte| Iovec { base: out(byte), len: 1 }).collect();
        let args = [fd, at(singles.as_slice()), singles.len(), 3, 0];
        assert_eq!(sys(libc::SYS_preadv, args), 1024);
        let params = [i64(1024), u32(1024), told.clone(), id.clone(), u64(3)];
        expected.push(EventCode::SYSCALL_PREADV_X, params);
        // At the end there is little, and then nothing: what the buffers held before is not told.
        sys(libc::SYS_lseek, [fd, 3 + 1022, 0]);
        assert_eq!(sys(libc::SYS_readv, [fd, at(singles.as_slice()), 1024]), 2);
        let params = [i64(2), u32(2), data[1022..].to_vec(), id.clone()];
        expected.push(EventCode::SYSCALL_READV_X, params);
        assert_eq!(sys(libc::SYS_readv, [fd, at(singles.as_slice()), 1024]), 0);
        expected.push(EventCode::SYSCALL_READV_X, [i64(0), u32(0), NONE, id.clone()]);
    }) else {
        return;
    };
    expected.check(&events);
}

/// The largest that Falco knows, too.
#[test]
fn tells_long_data_whole() {
    let snaplen = 65_000;
    let mut expected = Expected::default();
    // What others write now would fill the rings with as much.
    let Some(events) = trace(&["pwrite64", "pwritev"], snaplen, || {
        let file = file();
        let (fd, id) = (file.as_raw_fd() as usize, i64(file.as_raw_fd().into()));
        let data = text(100_000);
        let told = data[..snaplen as usize].to_vec();
        assert_eq!(sys(libc::SYS_pwrite64, [fd, at(data.as_slice()), data.len(), 0]), 100_000);
        let params = [i64(100_000), told.clone(), id.clone(), u32(100_000), u64(0)];
        expected.push(EventCode::SYSCALL_PWRITE_X, params);
        let vector: Vec<Iovec> = data.chunks(999).map(iovec).collect();
        let args = [fd, at(vector.as_slice()), vector.len(), 0, 0];
        assert_eq!(sys(libc::SYS_pwritev, args), 100_000);
        let params = [i64(100_000), told, id, u32(100_000), u64(0)];
        expected.push(EventCode::SYSCALL_PWRITEV_X, params);
    }) else {
        return;
    };
    expected.check(&events);
}

#[test]
fn tells_of_sendfile() {
    let mut expected = Expected::default();
    let Some(events) = trace(CALLS, 80, || {
        let (from, to) = (file(), file());
        let (from, to) = (from.as_raw_fd() as usize, to.as_raw_fd() as usize);
        let data = text(100);
        sys(libc::SYS_pwrite64, [from, at(data.as_slice()), 100, 0]);
        let params = [i64(100), data[..80].to_vec(), i64(from as i64), u32(100), u64(0)];
        expected.push(EventCode::SYSCALL_PWRITE_X, params);
        let mut offset = 10_u64;
        let mut sendfile = |to: usize, offset: usize, told: u64, size: u64, result: i64| {
            assert_eq!(sys(libc::SYS_sendfile, [to, from, offset, size as usize]), result);
            let fds = [to, from].map(|fd| i64(i64::from(fd as i32)));
            let [to, from] = fds;
            expected
                .push(EventCode::SYSCALL_SENDFILE_X, [i64(result), u64(told), to, from, u64(size)]);
        };
        // The offset is told as the kernel leaves it: where it would go on.
        sendfile(to, out(&mut offset), 30, 20, 20);
        sendfile(to, 0, 0, 1 << 33, 100);
        sendfile(to, BAD, 0, 5, EFAULT);
        offset = 77;
        sendfile(usize::MAX, out(&mut offset), 77, 5, EBADF);
    }) else {
        return;
    };
    expected.check(&events);
}
