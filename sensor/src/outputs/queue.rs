//! A bounded queue with a thread that writes: between the event path and outputs that may block.
//!
//! Whoever hands lines over never waits for an output. When the queue is full a line is dropped and
//! counted, as Falco does (`outputs_queue.capacity`); beside the number of lines, their bytes are
//! bounded.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::Output;
use crate::config::LogLevel;
use crate::log::Log;

/// Bytes that wait at most, whatever the capacity in lines.
const MAX_BYTES: usize = 64 << 20;

/// What the writer is to do.
enum Message {
    /// Deliver a line.
    Line(Vec<u8>),
    /// Open the output anew.
    Reopen,
}

#[derive(Default)]
struct Waiting {
    messages: VecDeque<Message>,
    /// Bytes of the lines among them.
    bytes: usize,
    /// The writer is busy with messages that it took.
    writing: bool,
    /// There will be no more messages.
    closed: bool,
    /// The output failed: nothing is delivered any more.
    failed: bool,
    /// Why, until it was told.
    error: Option<io::Error>,
}

struct Shared {
    waiting: Mutex<Waiting>,
    /// Told when there is something for the writer, and when the writer has done it.
    changed: Condvar,
    /// Lines at most.
    capacity: usize,
    dropped: AtomicU64,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nobody panics while the queue is half changed.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The end of the queue where lines go in. Clones share the queue.
#[derive(Clone)]
pub struct QueueHandle(Arc<Shared>);

impl QueueHandle {
    /// Queues a line, a line without its end, or drops it if the queue is full; whether the first
    /// one was dropped just now.
    ///
    /// # Errors
    /// If the output has failed.
    pub fn push(&self, line: &[u8]) -> io::Result<bool> {
        let shared = &self.0;
        let mut waiting = shared.lock();
        if waiting.failed {
            // The error itself is told once.
            return Err(waiting.error.take().unwrap_or_else(|| io::ErrorKind::BrokenPipe.into()));
        }
        if waiting.messages.len() >= shared.capacity || waiting.bytes + line.len() > MAX_BYTES {
            return Ok(shared.dropped.fetch_add(1, Ordering::Relaxed) == 0);
        }
        waiting.bytes += line.len();
        waiting.messages.push_back(Message::Line(line.to_vec()));
        drop(waiting);
        shared.changed.notify_all();
        Ok(false)
    }

    /// Has the output opened anew, after what waits.
    pub fn reopen(&self) {
        let mut waiting = self.0.lock();
        if !waiting.failed {
            waiting.messages.push_back(Message::Reopen);
        }
        drop(waiting);
        self.0.changed.notify_all();
    }

    /// The handle as an output; the first line that is dropped is told in `log`.
    pub fn output(self, log: Log) -> QueueOutput {
        QueueOutput { handle: self, log }
    }

    /// Lines dropped because the queue was full.
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }
}

/// A [`QueueHandle`] as an output.
pub struct QueueOutput {
    handle: QueueHandle,
    log: Log,
}

impl Output for QueueOutput {
    fn alert(&mut self, line: &[u8]) -> io::Result<()> {
        if self.handle.push(line)? {
            self.log.write(
                LogLevel::Error,
                "Outputs queue out of memory. Drop event and continue on ...",
            );
        }
        Ok(())
    }

    /// Nothing waits here.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The queue with its writer.
pub struct Queue {
    handle: QueueHandle,
    writer: Option<thread::JoinHandle<()>>,
}

impl Queue {
    /// Starts the writer; it makes its output with `open`. `capacity` is in lines, 0 is no bound.
    ///
    /// # Errors
    /// If there can be no further thread.
    pub fn start<O: Output>(
        capacity: u64,
        open: impl FnOnce() -> O + Send + 'static,
    ) -> io::Result<Self> {
        let capacity = match capacity {
            0 => usize::MAX,
            lines => usize::try_from(lines).unwrap_or(usize::MAX),
        };
        let shared = Arc::new(Shared {
            waiting: Mutex::default(),
            changed: Condvar::new(),
            capacity,
            dropped: AtomicU64::new(0),
        });
        let handle = QueueHandle(Arc::clone(&shared));
        let writer = thread::Builder::new()
            .name("outputs".to_owned())
            .spawn(move || write(&shared, open()))?;
        Ok(Queue { handle, writer: Some(writer) })
    }

    /// Where lines go in.
    pub fn handle(&self) -> QueueHandle {
        self.handle.clone()
    }

    /// Waits until everything is delivered, for `timeout` at most; how many lines were not.
    ///
    /// # Errors
    /// If the output failed.
    pub fn finish(mut self, timeout: Duration) -> io::Result<usize> {
        let shared = &self.handle.0;
        let deadline = Instant::now() + timeout;
        let mut waiting = shared.lock();
        waiting.closed = true;
        shared.changed.notify_all();
        while waiting.writing || !waiting.messages.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                // At least the line that the writer is stuck at.
                let lost = waiting.messages.len().max(1);
                waiting.messages.clear();
                return Ok(lost);
            }
            let (guard, _) =
                shared.changed.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner);
            waiting = guard;
        }
        let error = waiting.error.take();
        drop(waiting);
        if let Some(writer) = self.writer.take() {
            // A writer that panicked has said so on stderr.
            let _ = writer.join();
        }
        error.map_or(Ok(0), Err)
    }
}

/// The writer: takes all that waits at once, so that the lock is held only for moments.
fn write(shared: &Shared, mut output: impl Output) {
    loop {
        let mut waiting = shared.lock();
        waiting.writing = false;
        while waiting.messages.is_empty() && !waiting.closed {
            shared.changed.notify_all();
            waiting = shared.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        if waiting.messages.is_empty() {
            shared.changed.notify_all();
            return;
        }
        let messages = std::mem::take(&mut waiting.messages);
        waiting.bytes = 0;
        waiting.writing = true;
        drop(waiting);
        let delivered = messages
            .iter()
            .try_for_each(|message| match message {
                Message::Line(line) => output.alert(line),
                Message::Reopen => output.reopen(),
            })
            .and_then(|()| output.flush());
        if let Err(error) = delivered {
            let mut waiting = shared.lock();
            waiting.error = Some(error);
            waiting.failed = true;
            waiting.writing = false;
            waiting.messages.clear();
            shared.changed.notify_all();
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Sends what it gets, and waits for leave before each line.
    struct Gate {
        leave: mpsc::Receiver<()>,
        lines: mpsc::Sender<String>,
    }

    impl Output for Gate {
        fn alert(&mut self, line: &[u8]) -> io::Result<()> {
            self.leave.recv().map_err(|_| io::Error::other("closed"))?;
            let _ = self.lines.send(String::from_utf8_lossy(line).into_owned());
            Ok(())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }

        fn reopen(&mut self) -> io::Result<()> {
            let _ = self.lines.send("reopened".to_owned());
            Ok(())
        }
    }

    fn gate(capacity: u64) -> (Queue, mpsc::Sender<()>, mpsc::Receiver<String>) {
        let (leave_tx, leave) = mpsc::channel();
        let (lines, lines_rx) = mpsc::channel();
        let queue = Queue::start(capacity, move || Gate { leave, lines }).unwrap();
        (queue, leave_tx, lines_rx)
    }

    #[test]
    fn order_is_kept_and_the_end_waits_for_the_last_line() {
        let (queue, leave, lines) = gate(0);
        let handle = queue.handle();
        assert!(!handle.push(b"a").unwrap());
        handle.reopen();
        handle.push(b"b").unwrap();
        leave.send(()).unwrap();
        leave.send(()).unwrap();
        assert_eq!(queue.finish(Duration::from_secs(10)).unwrap(), 0);
        assert_eq!(lines.iter().collect::<Vec<_>>(), ["a", "reopened", "b"]);
        assert_eq!(handle.dropped(), 0);
    }

    #[test]
    fn a_stalled_output_costs_lines_but_never_stalls() {
        let (queue, leave, lines) = gate(3);
        let handle = queue.handle();
        let first: Vec<bool> = (0..50).map(|i| handle.push(&[b'0' + i]).unwrap()).collect();
        assert_eq!(first.iter().filter(|&&first| first).count(), 1);
        // The writer may have taken what waited first before it stalled.
        let dropped = handle.dropped();
        assert!((44..=47).contains(&dropped), "{dropped}");
        let lost = queue.finish(Duration::from_millis(20)).unwrap();
        assert!((1..=6).contains(&lost), "{lost}");
        drop(leave);
        assert_eq!(lines.iter().count(), 0);
    }

    #[test]
    fn waiting_bytes_are_bounded() {
        let (queue, leave, _lines) = gate(0);
        let handle = queue.handle();
        let line = vec![b'x'; MAX_BYTES / 4];
        (0..12).for_each(|_| drop(handle.push(&line)));
        assert!((4..=8).contains(&handle.dropped()), "{}", handle.dropped());
        drop(leave);
        assert!(queue.finish(Duration::from_secs(10)).is_err());
    }

    #[test]
    fn an_output_that_fails_is_told_to_whoever_pushes() {
        let (queue, leave, _lines) = gate(0);
        drop(leave);
        let handle = queue.handle();
        let deadline = Instant::now() + Duration::from_secs(10);
        let error = loop {
            match handle.push(b"x") {
                Ok(_) => assert!(Instant::now() < deadline),
                Err(error) => break error,
            }
        };
        assert_eq!(error.to_string(), "closed");
        assert_eq!(handle.push(b"x").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(queue.finish(Duration::from_secs(10)).unwrap(), 0);
    }
}
