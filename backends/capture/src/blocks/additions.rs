//! What this program knows beside what the format has room for, in a block of its own that other
//! readers pass over: when threads began, whose they really are, and whether the events were seen
//! live, so that a recording replays to what its sensor saw.
//!
//! Block types from 0x80000000 on are for local use in pcapng, whose blocks these are (draft-ietf-
//! opsawg-pcapng, 10.1); libscap skips what it does not know before the first event.

use falco_source::Snapshot;
use falco_source::snapshot::Thread;
use hashbrown::HashMap;

use super::cursor::{Cursor, Malformed, Writer};
use super::limit;

/// Block type.
pub const TYPE: u32 = 0xFA1C_0001;
/// Flag of the block: the events were seen live.
const LIVE: u32 = 1;
/// Flag of an entry: real and saved user id are known.
const IDS: u32 = 1;

/// The block read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Additions {
    /// The events were seen live by a sensor that then followed them as it does live.
    pub is_live: bool,
    /// Threads of which more is known.
    pub threads: Vec<ThreadAddition>,
}

/// What more is known of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThreadAddition {
    /// The thread.
    pub tid: i64,
    /// [`Thread::clone_ts`].
    pub clone_ts: u64,
    /// [`Thread::ruid_suid`].
    pub ruid_suid: Option<(u32, u32)>,
}

impl Additions {
    /// Puts it all into a snapshot whose lists are read.
    pub fn apply(&self, snapshot: &mut Snapshot) {
        snapshot.is_live = self.is_live;
        let by_tid: HashMap<_, _> =
            self.threads.iter().map(|thread| (thread.tid, thread)).collect();
        for thread in &mut snapshot.threads {
            if let Some(addition) = by_tid.get(&thread.tid) {
                thread.clone_ts = addition.clone_ts;
                thread.ruid_suid = addition.ruid_suid;
            }
        }
    }
}

/// Reads the block.
///
/// # Errors
/// If it is short, or has too many entries.
pub fn decode(body: &[u8]) -> Result<Additions, Malformed> {
    let mut body = Cursor::new(body, "addition");
    let mut additions = Additions { is_live: body.u32()? & LIVE != 0, threads: Vec::new() };
    while body.has_entry() {
        limit(&additions.threads, body.at(), "additions")?;
        let mut entry = body.entry()?;
        let (tid, clone_ts, flags) = (entry.i64()?, entry.u64()?, entry.u32()?);
        let ids = (entry.u32()?, entry.u32()?);
        let ruid_suid = (flags & IDS != 0).then_some(ids);
        additions.threads.push(ThreadAddition { tid, clone_ts, ruid_suid });
    }
    Ok(additions)
}

/// Whether there is anything to write.
pub(crate) fn is_needed(snapshot: &Snapshot) -> bool {
    snapshot.is_live || snapshot.threads.iter().any(has_more)
}

pub(crate) fn encode(snapshot: &Snapshot, out: &mut Writer) {
    out.u32(if snapshot.is_live { LIVE } else { 0 });
    for thread in snapshot.threads.iter().filter(|thread| has_more(thread)) {
        let (ruid, suid) = thread.ruid_suid.unwrap_or_default();
        out.entry(|out| {
            out.i64(thread.tid).u64(thread.clone_ts);
            out.u32(if thread.ruid_suid.is_some() { IDS } else { 0 }).u32(ruid).u32(suid);
        });
    }
}

fn has_more(thread: &Thread) -> bool {
    thread.clone_ts != 0 || thread.ruid_suid.is_some()
}
