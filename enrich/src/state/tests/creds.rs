//! Credentials, limits, memory figures and users.

use falco_event::EventCode as E;

use super::World;

#[test]
fn ids_follow_the_calls_that_succeed() {
    let mut w = World::new();
    w.event(10, E::SYSCALL_SETUID_X, |b| {
        b.i64(0).u32(1000);
    });
    w.event(10, E::SYSCALL_SETRESGID_X, |b| {
        b.i64(0).u32(1).u32(2).u32(3);
    });
    assert_eq!((w.thread(10).record.uid, w.thread(10).record.gid), (1000, 2));
    w.event(10, E::SYSCALL_SETREUID_X, |b| {
        b.i64(0).u32(1).u32(0);
    });
    w.event(10, E::SYSCALL_SETGID_X, |b| {
        b.i64(-1).u32(9);
    });
    assert_eq!((w.thread(10).record.uid, w.thread(10).record.gid), (0, 2));
}

#[test]
fn capabilities_are_set_or_won() {
    let mut w = World::new();
    w.event(10, E::SYSCALL_CAPSET_X, |b| {
        b.i64(0).u64(1).u64(2).u64(4);
    });
    let caps = |w: &World| {
        let r = &w.thread(10).record;
        (r.cap_inheritable, r.cap_permitted, r.cap_effective)
    };
    assert_eq!(caps(&w), (1, 2, 4));
    w.event(10, E::SYSCALL_UNSHARE_X, |b| {
        b.i64(0).u32(1 << 5);
    });
    assert_eq!(caps(&w), (1, 2, 4));
    w.event(10, E::SYSCALL_SETNS_X, |b| {
        b.i64(0).i64(3).u32(1 << 20);
    });
    assert_eq!(caps(&w).2, (1 << 41) - 1);
}

#[test]
fn limits_are_the_processs() {
    let mut w = World::new();
    w.thread_of(10, 11);
    w.event(11, E::SYSCALL_SETRLIMIT_X, |b| {
        b.i64(0).i64(64).i64(128).u8(7);
    });
    assert_eq!(w.state.fd_limit(w.thread(11)), 64);
    w.event(1, E::SYSCALL_PRLIMIT_X, |b| {
        b.i64(0).i64(256).i64(512).i64(0).i64(0).i64(11).u8(7);
    });
    assert_eq!(w.state.fd_limit(w.thread(10)), 256);
    w.event(1, E::SYSCALL_PRLIMIT_X, |b| {
        b.i64(0).i64(9).i64(9).i64(0).i64(0).i64(11).u8(3);
    });
    assert_eq!(w.state.fd_limit(w.thread(10)), 256, "another resource");
}

#[test]
fn memory_figures_make_no_new_version() {
    let mut w = World::new();
    let before = w.thread(10).record.generation;
    w.event(10, E::SYSCALL_BRK_4_X, |b| {
        b.u64(0).u32(500).u32(400).u32(3).u64(0);
    });
    let t = w.thread(10);
    assert_eq!((t.vmsize_kb, t.vmrss_kb, t.vmswap_kb), (500, 400, 3));
    w.event(10, E::SCHEDSWITCH_6_E, |b| {
        b.i64(1).u64(8).u64(9).u32(600).u32(500).u32(4);
    });
    let t = w.thread(10);
    assert_eq!((t.pfmajor, t.pfminor, t.vmsize_kb), (8, 9, 600));
    assert_eq!(t.record.generation, before);
}

#[test]
fn users_come_and_go() {
    let mut w = World::new();
    w.pause();
    let before = w.thread(10).record.generation;
    let add = |w: &mut World| {
        w.event(0, E::USER_ADDED_E, |b| {
            b.u32(7).u32(8).text("web").text("/srv").text("/bin/sh").text("c1");
        });
        w.event(0, E::GROUP_ADDED_E, |b| {
            b.u32(8).text("www").text("");
        });
    };
    add(&mut w);
    assert_eq!(w.state.users().user(b"c1", 7).map(|u| &*u.name), Some(&b"web"[..]));
    assert_eq!(w.state.users().group(b"", 8).map(|g| &*g.name), Some(&b"www"[..]));
    let after = w.thread(10).record.generation;
    assert_ne!(after, before, "verdicts over user names are dead");
    add(&mut w);
    assert_eq!(w.thread(10).record.generation, after, "no news");
    w.event(0, E::USER_DELETED_E, |b| {
        b.u32(7).u32(8).text("web").text("/srv").text("/bin/sh").text("c1");
    });
    assert!(w.state.users().user(b"c1", 7).is_none());
}

#[test]
fn accounts_from_files_replace_a_containers() {
    use crate::users::Accounts;
    use falco_source::snapshot::User;
    let mut w = World::new();
    w.pause();
    let generation = |w: &World| w.thread(10).record.generation;
    let before = generation(&w);
    let user = User { uid: 7, name: b"web".to_vec(), ..User::default() };
    let accounts = Accounts { users: vec![user], groups: Vec::new() };
    assert!(w.state.set_accounts(b"", &accounts));
    let after = generation(&w);
    assert_ne!(after, before, "verdicts over user names are dead");
    assert!(!w.state.set_accounts(b"", &accounts));
    assert_eq!(generation(&w), after, "no news");
    assert_eq!(w.state.users().user(b"", 7).map(|u| &*u.name), Some(&b"web"[..]));
}
