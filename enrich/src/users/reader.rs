//! [`Reader`]: a thread that reads account files, so that nobody who handles events waits for a disk,
//! or for a file system that a container's owner has made up and that never answers (FUSE).

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use hashbrown::HashMap;

use super::{AccountFiles, Accounts};
use crate::record::Bytes;

/// Questions that may wait for the thread. More than containers are on a host; what does not fit
/// is asked again later.
const QUEUE: usize = 1024;

/// What is asked of the thread.
enum Question {
    /// What do the files below `root` say? They are the container's (an empty id is the host).
    Read { id: Bytes, root: PathBuf },
    /// The container is gone.
    Forget(Bytes),
}

/// What it found: news of one container's (or the host's) accounts, if there are any.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) id: Bytes,
    pub(crate) news: Option<Accounts>,
}

/// The thread's other end.
#[derive(Debug)]
pub(crate) struct Reader {
    questions: SyncSender<Question>,
    answers: Receiver<Answer>,
    /// Reads asked for and not answered.
    pending: usize,
}

impl Reader {
    /// Starts the thread. It ends with this value, once it has read what it is reading.
    ///
    /// # Errors
    /// If the system refuses a thread.
    pub(crate) fn start() -> std::io::Result<Self> {
        let (questions, asked) = sync_channel(QUEUE);
        let (answer, answers) = sync_channel(QUEUE);
        let thread = std::thread::Builder::new().name("accounts".into());
        thread.spawn(move || read_all(&asked, &answer))?;
        Ok(Reader { questions, answers, pending: 0 })
    }

    /// Asks for the files below `root`, which are the container's; whether there was room to ask.
    pub(crate) fn ask(&mut self, id: Bytes, root: PathBuf) -> bool {
        // An answer for each question, so that the thread never waits for room to answer.
        let asked = self.pending < QUEUE
            && match self.questions.try_send(Question::Read { id, root }) {
                Ok(()) => true,
                Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
            };
        self.pending += usize::from(asked);
        asked
    }

    /// Says that a container is gone.
    pub(crate) fn forget(&self, id: Bytes) {
        // If there is no room its files are remembered a little longer.
        let _full = self.questions.try_send(Question::Forget(id));
    }

    /// Whether the thread owes no answer.
    pub(crate) fn is_idle(&self) -> bool {
        self.pending == 0
    }

    /// The next answer, waiting for it so long at most.
    pub(crate) fn answer(&mut self, wait: Duration) -> Option<Answer> {
        if self.is_idle() {
            return None;
        }
        match self.answers.recv_timeout(wait) {
            Ok(answer) => {
                self.pending -= 1;
                Some(answer)
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => None,
        }
    }

    /// All answers that come before the reader is idle or `wait` is over.
    pub(crate) fn answers(&mut self, wait: Duration) -> Vec<Answer> {
        let end = Instant::now() + wait;
        let next = || self.answer(end.saturating_duration_since(Instant::now()));
        std::iter::from_fn(next).collect()
    }
}

fn read_all(questions: &Receiver<Question>, answers: &SyncSender<Answer>) {
    let mut known: HashMap<Bytes, (PathBuf, AccountFiles)> = HashMap::new();
    while let Ok(question) = questions.recv() {
        match question {
            Question::Forget(id) => {
                known.remove(&id);
            }
            Question::Read { id, root } => {
                let news = read(&mut known, &id, root);
                if answers.send(Answer { id, news }).is_err() {
                    return;
                }
            }
        }
    }
}

fn read(
    known: &mut HashMap<Bytes, (PathBuf, AccountFiles)>,
    id: &Bytes,
    root: PathBuf,
) -> Option<Accounts> {
    // A root that has gone with its process says nothing of the container's users.
    if !root.is_dir() {
        return None;
    }
    let new = || (root.clone(), AccountFiles::new(&root));
    let entry = known.entry(id.clone()).or_insert_with(new);
    if entry.0 != root {
        *entry = new();
    }
    entry.1.changed()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::record::bytes;

    const LONG: Duration = Duration::from_secs(10);

    #[test]
    fn news_come_once_and_after_changes() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("etc")).unwrap();
        fs::write(root.path().join("etc/passwd"), "a:x:1:1::/:sh\n").unwrap();
        let mut reader = Reader::start().unwrap();
        let mut ask = |root: PathBuf| {
            assert!(reader.ask(bytes(b"c1"), root));
            let answer = reader.answer(LONG).unwrap();
            assert_eq!(*answer.id, *b"c1");
            assert!(reader.is_idle());
            answer.news.map(|accounts| accounts.users.len())
        };
        assert_eq!(ask(root.path().into()), Some(1));
        assert_eq!(ask(root.path().into()), None);
        assert_eq!(ask(root.path().join("gone")), None);
        // Through another process of the container they are read anew.
        assert_eq!(ask(root.path().join("etc/..")), Some(1));
        assert_eq!(ask(root.path().into()), Some(1));
        fs::write(root.path().join("etc/passwd"), "a:x:1:1::/:sh\nb:x:2:2::/:sh\n").unwrap();
        assert_eq!(ask(root.path().into()), Some(2));
        assert!(reader.answer(LONG).is_none());
    }

    #[test]
    fn a_reader_that_is_stuck_is_not_waited_for() {
        let (questions, asked) = sync_channel(QUEUE);
        let (_answer, answers) = sync_channel(QUEUE);
        let mut reader = Reader { questions, answers, pending: 0 };
        let asked_for = (0..2 * QUEUE).filter(|_| reader.ask(bytes(b"c"), "/".into())).count();
        assert_eq!(asked_for, QUEUE);
        reader.forget(bytes(b"c"));
        let start = Instant::now();
        assert!(reader.answers(Duration::from_millis(20)).is_empty());
        assert!(start.elapsed() < LONG);
        drop(asked);
    }
}
