//! Names and attributes of files: links, directories, modes, owners, mounts.

use falco_event::portable;

use super::decoders;
use crate::calls::params::{Call, Params};

decoders! {
    // Links and directories.
    link SYSCALL_LINK_2_X |_, p| { p.result().path(0).path(1); };
    linkat SYSCALL_LINKAT_2_X |c, p| {
        p.result().path_at(0).path_at(2).u32(portable::linkat_flags(c.arg32(4)));
    };
    symlink SYSCALL_SYMLINK_X |_, p| { p.result().path(0).path(1); };
    symlinkat SYSCALL_SYMLINKAT_X |_, p| { p.result().path(0).path_at(1); };
    unlink SYSCALL_UNLINK_2_X |_, p| { p.result().path(0); };
    unlinkat SYSCALL_UNLINKAT_2_X |c, p| {
        p.result().path_at(0).u32(portable::unlinkat_flags(c.arg32(2)));
    };
    rename SYSCALL_RENAME_X |_, p| { p.result().path(0).path(1); };
    renameat SYSCALL_RENAMEAT_X |_, p| { p.result().path_at(0).path_at(2); };
    renameat2 SYSCALL_RENAMEAT2_X |_, p| { p.result().path_at(0).path_at(2).arg_u32(4); };
    mkdir SYSCALL_MKDIR_2_X |_, p| { p.result().path(0).arg_u32(1); };
    mkdirat SYSCALL_MKDIRAT_X |_, p| { p.result().path_at(0).arg_u32(2); };
    rmdir SYSCALL_RMDIR_2_X |_, p| { p.result().path(0); };
    getdents SYSCALL_GETDENTS_X |_, p| { p.result().fd(0); };
    getdents64 SYSCALL_GETDENTS64_X |_, p| { p.result().fd(0); };
    mknod SYSCALL_MKNOD_X |c, p| {
        p.result().path(0).u32(portable::mknod_mode(c.arg32(1))).u32(portable::device(c.arg32(2)));
    };
    mknodat SYSCALL_MKNODAT_X |c, p| {
        p.result().path_at(0).u32(portable::mknod_mode(c.arg32(2))).u32(portable::device(c.arg32(3)));
    };

    // Attributes.
    chmod SYSCALL_CHMOD_X |c, p| { p.result().path(0).u32(portable::permissions(c.arg32(1))); };
    fchmod SYSCALL_FCHMOD_X |c, p| { p.result().fd(0).u32(portable::permissions(c.arg32(1))); };
    fchmodat SYSCALL_FCHMODAT_X |c, p| {
        p.result().path_at(0).u32(portable::permissions(c.arg32(2)));
    };
    chown SYSCALL_CHOWN_X |_, p| { p.result().path(0).arg_u32(1).arg_u32(2); };
    lchown SYSCALL_LCHOWN_X |_, p| { p.result().path(0).arg_u32(1).arg_u32(2); };
    fchown SYSCALL_FCHOWN_X |_, p| { p.result().fd(0).arg_u32(1).arg_u32(2); };
    fchownat SYSCALL_FCHOWNAT_X |c, p| {
        p.result().path_at(0).arg_u32(2).arg_u32(3);
        p.u32(portable::fchownat_flags(c.arg32(4)));
    };
    access SYSCALL_ACCESS_X |c, p| { p.result().path(0).u32(portable::access_flags(c.arg32(1))); };
    stat SYSCALL_STAT_X |_, p| { p.result().path(0); };
    lstat SYSCALL_LSTAT_X |_, p| { p.result().path(0); };
    fstat SYSCALL_FSTAT_X |_, p| { p.result().fd(0); };
    newfstatat SYSCALL_NEWFSTATAT_X |c, p| {
        p.result().path_at(0).u32(portable::newfstatat_flags(c.arg32(3)));
    };

    // Where a process is. What is told is checked before the next event.
    chdir SYSCALL_CHDIR_X |_, p| { p.result().path(0); };
    fchdir SYSCALL_FCHDIR_X |_, p| { p.result().fd(0); };
    chroot SYSCALL_CHROOT_X |_, p| { p.result().path(0); };
    getcwd SYSCALL_GETCWD_X |c, p| {
        p.result();
        // After a failure the buffer holds anything.
        if c.failed() { p.empty() } else { p.path(0) };
    };

    // Mounts.
    mount SYSCALL_MOUNT_X |c, p| {
        p.result().path(0).path(1).path(2).u32(portable::mount_flags(c.arg32(3)));
    };
    umount2 SYSCALL_UMOUNT2_X |c, p| { p.result().path(0).u32(portable::umount_flags(c.arg32(1))); };
    fsconfig SYSCALL_FSCONFIG_X fsconfig;
}

fn fsconfig(c: Call<'_>, p: &mut Params<'_>) {
    const SET_STRING: u32 = 1;
    const SET_BINARY: u32 = 2;
    const SET_PATH: u32 = 3;
    const SET_PATH_EMPTY: u32 = 4;
    let (command, value, aux) = (c.arg32(1), c.arg(3), c.int(4));
    let is_text = matches!(command, SET_STRING | SET_PATH | SET_PATH_EMPTY) && !c.failed();
    p.result().fd(0).u32(command).path(2);
    match u16::try_from(aux) {
        Ok(len) if command == SET_BINARY && !c.failed() => p.bytes_at(value, len.into()),
        _ => p.empty(),
    };
    if is_text {
        p.text_at(value)
    } else {
        p.empty()
    };
    p.u32(aux as u32);
}
