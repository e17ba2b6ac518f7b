//! What this program knows beside what the format has room for, in a block of its own that other
//! readers pass over: when threads began, whose they really are, and whether the events were seen
//! live, so that a recording replays to what its sensor saw.
//!
//! Block types from 0x80000000 on are for local use in pcapng, whose blocks these are (draft-ietf-
//! opsawg-pcapng, 10.1); libscap skips what it does not know before the first event.

use falco_source::Snapshot;
use falco_source::snapshot::Thread;

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
    /// Its place among all threads of the preamble, from 0.
    pub index: u32,
    /// Its id, which must be the same there.
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
        for addition in &self.threads {
            let thread = snapshot.threads.get_mut(addition.index as usize);
            if let Some(thread) = thread.filter(|thread| thread.tid == addition.tid) {
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
        let (index, tid, clone_ts) = (entry.u32()?, entry.i64()?, entry.u64()?);
        let (flags, ids) = (entry.u32()?, (entry.u32()?, entry.u32()?));
        let ruid_suid = (flags & IDS != 0).then_some(ids);
        additions.threads.push(ThreadAddition { index, tid, clone_ts, ruid_suid });
    }
    Ok(additions)
}

/// Whether there is anything to write.
pub(crate) fn is_needed(snapshot: &Snapshot) -> bool {
    snapshot.is_live || snapshot.threads.iter().any(has_more)
}

pub(crate) fn encode(snapshot: &Snapshot, out: &mut Writer) {
    out.u32(if snapshot.is_live { LIVE } else { 0 });
    for (index, thread) in (0_u32..).zip(&snapshot.threads).filter(|(_, thread)| has_more(thread)) {
        let (ruid, suid) = thread.ruid_suid.unwrap_or_default();
        out.entry(|out| {
            out.u32(index).i64(thread.tid).u64(thread.clone_ts);
            out.u32(if thread.ruid_suid.is_some() { IDS } else { 0 }).u32(ruid).u32(suid);
        });
    }
}

fn has_more(thread: &Thread) -> bool {
    thread.clone_ts != 0 || thread.ruid_suid.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn additions_are_of_the_threads_that_they_name() {
        let plain = Thread { tid: 7, ..Thread::default() };
        let more = Thread { clone_ts: 5, ruid_suid: Some((1, 2)), ..plain.clone() };
        // Ids may stand twice in a hostile list.
        let threads = vec![plain.clone(), more.clone(), plain.clone()];
        let mut snapshot = Snapshot { is_live: true, threads, ..Snapshot::default() };
        assert!(is_needed(&snapshot));
        let mut body = Writer::default();
        encode(&snapshot, &mut body);
        let additions = decode(&body.bytes).unwrap();
        let expected = snapshot.clone();
        snapshot.is_live = false;
        snapshot.threads = vec![plain.clone(); 3];
        additions.apply(&mut snapshot);
        assert_eq!(snapshot, expected);
        for end in 0..4 {
            assert!(decode(&body.bytes[..end]).is_err());
        }
        for end in 9..body.bytes.len() {
            assert!(decode(&body.bytes[..end]).is_err(), "{end}");
        }
        // What is at another place is left alone.
        snapshot.threads = vec![plain.clone(), Thread { tid: 8, ..plain.clone() }];
        let untouched = snapshot.threads.clone();
        additions.apply(&mut snapshot);
        assert_eq!(snapshot.threads, untouched);
        assert!(!is_needed(&Snapshot { threads: untouched, ..Snapshot::default() }));
    }
}
