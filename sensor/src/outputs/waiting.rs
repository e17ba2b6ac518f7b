//! [`Waiting`]: writing to what somebody else may have made non-blocking.
//!
//! Standard output and error are commonly shared with other programs, and `O_NONBLOCK` belongs to what is
//! shared: as soon as one of them sets it (Node.js does, hostile ones might), a full pipe is an error for
//! all. Alerts are not lost for that; whoever writes them waits, as without.

use std::io::{self, ErrorKind, Write};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::AsFd;

/// A writer that waits until there is room, whatever the mode of its file.
#[derive(Debug)]
pub struct Waiting<W>(pub W);

impl<W: Write + AsFd> Waiting<W> {
    fn retried<T>(&mut self, mut what: impl FnMut(&mut W) -> io::Result<T>) -> io::Result<T> {
        loop {
            match what(&mut self.0) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    match poll(&mut [PollFd::new(&self.0, PollFlags::OUT)], None) {
                        Ok(_) | Err(rustix::io::Errno::INTR) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                done => return done,
            }
        }
    }
}

impl<W: Write + AsFd> Write for Waiting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.retried(|writer| writer.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.retried(Write::flush)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::time::Duration;

    use rustix::pipe::{PipeFlags, pipe_with};

    use super::*;

    #[test]
    fn a_full_pipe_that_does_not_block_is_waited_for() {
        let (read, write) = pipe_with(PipeFlags::NONBLOCK).unwrap();
        let text: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
        let reader = std::thread::spawn(move || {
            rustix::io::ioctl_fionbio(&read, false).unwrap();
            std::thread::sleep(Duration::from_millis(20));
            let mut all = Vec::new();
            std::fs::File::from(read).read_to_end(&mut all).unwrap();
            all
        });
        let mut writer = Waiting(std::fs::File::from(write));
        writer.write_all(&text).unwrap();
        writer.flush().unwrap();
        drop(writer);
        assert!(reader.join().unwrap() == text);
    }
}
