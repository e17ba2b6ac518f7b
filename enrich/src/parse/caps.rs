//! What a change of user ids does to capabilities, as capabilities(7) tells under "Effect of user
//! ID changes on capabilities".
//!
//! No event carries the outcome: those of setuid(2) and its kin tell the ids that were asked for. Falco
//! leaves the capabilities as they were, so a replay does, too; where events happen now
//! ([`crate::state::State::set_live`]) they follow the kernel's rules. Ids count as their events
//! tell them: as the caller's user namespace numbers them, whose root is 0. The file system user id
//! has no event and is not followed; it moves a few effective capabilities only.

use crate::record::ProcessFacts;

/// Capability that may set any user id.
const CAP_SETUID: u64 = 1 << 7;
/// `SECBIT_NO_SETUID_FIXUP`: user ids do not move capabilities.
const NO_SETUID_FIXUP: u32 = 1 << 2;
/// `SECBIT_KEEP_CAPS`: permitted ones stay when root goes; exec clears the bit.
const KEEP_CAPS: u32 = 1 << 4;

/// The user ids of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ids {
    real: u32,
    effective: u32,
    saved: u32,
}

impl Ids {
    /// The ids of a thread. One that is not known is taken for the effective one: it is for all
    /// programs but those that are set-uid.
    fn of(facts: &ProcessFacts) -> Self {
        let or_effective = |id| if id == u32::MAX { facts.uid } else { id };
        Ids {
            real: or_effective(facts.ruid),
            effective: facts.uid,
            saved: or_effective(facts.suid),
        }
    }

    fn has_root(self) -> bool {
        [self.real, self.effective, self.saved].contains(&0)
    }
}

/// setuid(2). It does not take −1.
pub(super) fn setuid(facts: &mut ProcessFacts, uid: u32) {
    if uid == u32::MAX {
        return;
    }
    let old = Ids::of(facts);
    let new = if facts.cap_effective & CAP_SETUID != 0 {
        Ids { real: uid, effective: uid, saved: uid }
    } else {
        Ids { effective: uid, ..old }
    };
    change(facts, old, new);
}

/// setreuid(2). −1 leaves an id as it is.
pub(super) fn setreuid(facts: &mut ProcessFacts, real: u32, effective: u32) {
    let old = Ids::of(facts);
    let mut new = Ids { real: or(real, old.real), effective: or(effective, old.effective), ..old };
    if real != u32::MAX || (effective != u32::MAX && effective != old.real) {
        new.saved = new.effective;
    }
    change(facts, old, new);
}

/// setresuid(2). −1 leaves an id as it is.
pub(super) fn setresuid(facts: &mut ProcessFacts, real: u32, effective: u32, saved: u32) {
    let old = Ids::of(facts);
    let new = Ids {
        real: or(real, old.real),
        effective: or(effective, old.effective),
        saved: or(saved, old.saved),
    };
    change(facts, old, new);
}

/// execve(2) as far as ids go; capabilities come with its event. `effective` is the new one.
pub(super) fn exec(facts: &mut ProcessFacts, effective: u32) {
    facts.ruid = Ids::of(facts).real;
    facts.suid = effective;
    facts.securebits &= !KEEP_CAPS;
}

/// `PR_SET_KEEPCAPS` of prctl(2).
pub(super) fn keep_caps(facts: &mut ProcessFacts, on: bool) {
    facts.securebits = facts.securebits & !KEEP_CAPS | if on { KEEP_CAPS } else { 0 };
}

fn or(id: u32, old: u32) -> u32 {
    if id == u32::MAX { old } else { id }
}

fn change(facts: &mut ProcessFacts, old: Ids, new: Ids) {
    (facts.ruid, facts.uid, facts.suid) = (new.real, new.effective, new.saved);
    if facts.securebits & NO_SETUID_FIXUP != 0 {
        return;
    }
    if old.has_root() && !new.has_root() && facts.securebits & KEEP_CAPS == 0 {
        facts.cap_permitted = 0;
        facts.cap_effective = 0;
    }
    if old.effective == 0 && new.effective != 0 {
        facts.cap_effective = 0;
    }
    if old.effective != 0 && new.effective == 0 {
        facts.cap_effective = facts.cap_permitted;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: u64 = (1 << 41) - 1;

    fn root() -> ProcessFacts {
        let none = ProcessFacts::default();
        ProcessFacts { uid: 0, cap_permitted: ALL, cap_effective: ALL, ..none }
    }

    fn caps(facts: &ProcessFacts) -> (u64, u64) {
        (facts.cap_permitted, facts.cap_effective)
    }

    #[test]
    fn who_gives_root_up_for_good_loses_all() {
        let mut facts = root();
        setuid(&mut facts, 65534);
        assert_eq!((facts.uid, facts.ruid, facts.suid), (65534, 65534, 65534));
        assert_eq!(caps(&facts), (0, 0));

        let mut facts = root();
        setresuid(&mut facts, 5, 5, 5);
        assert_eq!(caps(&facts), (0, 0));

        let mut facts = root();
        setreuid(&mut facts, 5, 5);
        assert_eq!((facts.suid, caps(&facts)), (5, (0, 0)));
    }

    #[test]
    fn who_may_come_back_keeps_what_is_permitted() {
        let mut facts = root();
        setresuid(&mut facts, u32::MAX, 5, u32::MAX);
        assert_eq!((facts.ruid, facts.uid, facts.suid), (0, 5, 0));
        assert_eq!(caps(&facts), (ALL, 0));
        // Without CAP_SETUID in effect only the effective id moves.
        setuid(&mut facts, 0);
        assert_eq!((facts.ruid, facts.uid, facts.suid), (0, 0, 0));
        assert_eq!(caps(&facts), (ALL, ALL));
        // seteuid(3) of the C library is setresuid; setreuid to another id than the real one saves it.
        setreuid(&mut facts, u32::MAX, 7);
        assert_eq!((facts.ruid, facts.uid, facts.suid), (0, 7, 7));
    }

    #[test]
    fn secure_bits_change_the_rules() {
        let mut facts = root();
        keep_caps(&mut facts, true);
        setuid(&mut facts, 5);
        assert_eq!(caps(&facts), (ALL, 0));
        let mut facts = ProcessFacts { securebits: NO_SETUID_FIXUP, ..root() };
        setuid(&mut facts, 5);
        assert_eq!(caps(&facts), (ALL, ALL));
        keep_caps(&mut facts, true);
        exec(&mut facts, 5);
        assert_eq!(facts.securebits, NO_SETUID_FIXUP);
    }

    #[test]
    fn set_uid_programs_remember_who_ran_them() {
        let mut facts = ProcessFacts { uid: 1000, ..ProcessFacts::default() };
        exec(&mut facts, 0);
        facts.uid = 0;
        (facts.cap_permitted, facts.cap_effective) = (ALL, ALL);
        assert_eq!((facts.ruid, facts.suid), (1000, 0));
        // sudo -u nobody
        setresuid(&mut facts, 65534, 65534, 65534);
        assert_eq!(caps(&facts), (0, 0));
    }
}
