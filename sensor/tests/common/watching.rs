//! A running sensor whose lines can be waited for.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long a line may take to come.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A sensor. It is killed when the test is done with it, however that ends.
pub struct Watching {
    child: Child,
    lines: mpsc::Receiver<String>,
    seen: String,
}

impl Watching {
    /// Starts `command` and waits for `text`.
    #[track_caller]
    pub fn start(command: &mut Command, text: &str) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = mpsc::channel();
        let streams: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for stream in streams {
            let sender = sender.clone();
            thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    let _ = sender.send(line);
                }
            });
        }
        let mut watching = Watching { child, lines, seen: String::new() };
        watching.wait_for(text);
        watching
    }

    /// The next line with this text, on stdout or stderr.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                let _ = self.child.kill();
                panic!("no {text:?} in\n{}", self.seen);
            };
            self.seen += &line;
            self.seen.push('\n');
            if line.contains(text) {
                return line;
            }
        }
    }

    pub fn send(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Its end, and what it printed from the start.
    pub fn end(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().unwrap();
        self.lines.iter().for_each(|line| self.seen += &(line + "\n"));
        (status, std::mem::take(&mut self.seen))
    }

    /// Asks it to end, which must succeed; what it printed from the start.
    #[track_caller]
    pub fn terminate(self) -> String {
        self.send(Signal::TERM);
        let (status, seen) = self.end();
        assert_eq!(status.code(), Some(0), "{seen}");
        seen
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
