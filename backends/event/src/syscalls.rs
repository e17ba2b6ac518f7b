//! The portable system call ids (`PPM_SC_*`) and the event types that they send.
//!
//! A `GENERIC_X` event carries such an id instead of parameters of its own. Ids are libscap's
//! (`driver/ppm_events_public.h`): the same on every architecture, never reused.

use crate::table::EventCode;

/// One system call (or tracepoint that libscap counts as one).
#[derive(Clone, Copy, Debug)]
pub struct Syscall {
    /// `PPM_SC_*` number.
    pub id: u16,
    /// Name, as `evt.type` shows it for generic events.
    pub name: &'static str,
    /// The event types that it sends, old forms included.
    pub events: &'static [EventCode],
}

impl Syscall {
    /// The system call with this portable id, if the id is known.
    pub fn by_id(id: u16) -> Option<&'static Syscall> {
        // Ids are dense but for a few holes, so the entry stands at or before its id.
        let end = (id as usize).min(SYSCALLS.len() - 1);
        SYSCALLS[..=end].iter().rev().take(4).find(|s| s.id == id)
    }

    /// The system call of this name.
    pub fn by_name(name: &str) -> Option<&'static Syscall> {
        SYSCALLS.iter().find(|s| s.name == name)
    }

    /// Whether it has no event of its own, only the generic pair.
    pub fn is_generic(&self) -> bool {
        self.events.contains(&EventCode::GENERIC_X)
    }
}

macro_rules! syscalls {
    ($($id:literal $name:ident $([$($code:literal)*])?;)*) => {
        /// Every known system call, ordered by id.
        pub static SYSCALLS: &[Syscall] = &[$(Syscall {
            id: $id,
            name: stringify!($name),
            events: syscalls!(@events $($($code)*)?),
        }),*];
    };
    (@events) => { &[EventCode::GENERIC_E, EventCode::GENERIC_X] };
    (@events $($code:literal)+) => { &[$(EventCode($code)),+] };
}

// One entry a system call: id, name, and its event types unless it is generic.
syscalls! {
    1 restart_syscall; 2 exit; 3 read [6 7]; 4 write [8 9]; 5 open [2 3]; 6 close [4 5];
    7 creat [58 59]; 8 link [104 105 308 309]; 9 unlink [108 109 300 301]; 10 chdir [94 95];
    11 time; 12 mknod [414 415]; 13 chmod [314 315]; 14 stat [66 67]; 15 lseek [86 87]; 16 getpid;
    17 mount [256 257]; 18 ptrace [168 169]; 19 alarm; 20 fstat [70 71]; 21 pause; 22 utime;
    23 access [264 265]; 24 sync; 25 kill [128 129]; 26 rename [174 175]; 27 mkdir [98 99 276 277];
    28 rmdir [100 101 278 279]; 29 dup [124 125 366 367]; 30 pipe [60 61]; 31 times;
    32 brk [10 11 158 159]; 33 acct; 34 ioctl [90 91 170 171]; 35 fcntl [150 151];
    36 setpgid [294 295]; 37 umask; 38 chroot [266 267]; 39 ustat; 40 dup2 [362 363]; 41 getppid;
    42 getpgrp; 43 setsid [274 275]; 44 sethostname; 45 setrlimit [142 143]; 46 getrusage;
    47 gettimeofday; 48 settimeofday; 49 symlink [178 179]; 50 lstat [68 69]; 51 readlink;
    52 uselib; 53 swapon; 54 reboot; 55 mmap [160 161]; 56 munmap [164 165]; 57 truncate;
    58 ftruncate; 59 fchmod [316 317]; 60 getpriority; 61 setpriority; 62 statfs; 63 fstatfs;
    64 syslog; 65 setitimer; 66 getitimer; 67 uname; 68 vhangup; 69 wait4; 70 swapoff; 71 sysinfo;
    72 fsync; 73 setdomainname; 74 adjtimex; 75 mprotect [328 329]; 76 init_module [410 411];
    77 delete_module [424 425]; 78 quotactl [190 191]; 79 getpgid; 80 fchdir [96 97]; 81 sysfs;
    82 personality; 83 getdents [236 237]; 84 select [82 83 84 85]; 85 flock [242 243]; 86 msync;
    87 readv [116 117]; 88 writev [118 119]; 89 getsid; 90 fdatasync; 91 mlock [344 345];
    92 munlock [346 347]; 93 mlockall [348 349]; 94 munlockall [350 351]; 95 sched_setparam;
    96 sched_getparam; 97 sched_setscheduler; 98 sched_getscheduler; 99 sched_yield;
    100 sched_get_priority_max; 101 sched_get_priority_min; 102 sched_rr_get_interval;
    103 nanosleep [134 135]; 104 mremap; 105 poll [80 81]; 106 prctl [400 401]; 107 rt_sigaction;
    108 rt_sigprocmask; 109 rt_sigpending; 110 rt_sigtimedwait; 111 rt_sigqueueinfo;
    112 rt_sigsuspend; 113 getcwd [92 93]; 114 capget; 115 capset [352 353]; 116 sendfile [188 189];
    117 getrlimit [140 141]; 118 lchown [380 381]; 119 getuid [202 203]; 120 getgid [206 207];
    121 geteuid [204 205]; 122 getegid [208 209]; 123 setreuid [426 427]; 124 setregid [428 429];
    125 getgroups; 126 setgroups; 127 fchown [382 383]; 128 setresuid [192 193];
    129 getresuid [210 211]; 130 setresgid [194 195]; 131 getresgid [212 213]; 132 chown [378 379];
    133 setuid [198 199]; 134 setgid [200 201]; 135 setfsuid; 136 setfsgid; 137 pivot_root;
    138 mincore; 139 madvise; 140 gettid; 141 setxattr; 142 lsetxattr; 143 fsetxattr; 144 getxattr;
    145 lgetxattr; 146 fgetxattr; 147 listxattr; 148 llistxattr; 149 flistxattr; 150 removexattr;
    151 lremovexattr; 152 fremovexattr; 153 tkill [130 131]; 154 futex [64 65];
    155 sched_setaffinity; 156 sched_getaffinity; 157 set_thread_area; 158 get_thread_area;
    159 io_setup; 160 io_destroy; 161 io_getevents; 162 io_submit; 163 io_cancel; 164 exit_group;
    165 epoll_create [374 375]; 166 epoll_ctl; 167 epoll_wait [78 79]; 168 remap_file_pages;
    169 set_tid_address; 170 timer_create; 171 timer_settime; 172 timer_gettime;
    173 timer_getoverrun; 174 timer_delete; 175 clock_settime; 176 clock_gettime; 177 clock_getres;
    178 clock_nanosleep; 179 tgkill [132 133]; 180 utimes; 181 mq_open; 182 mq_unlink;
    183 mq_timedsend; 184 mq_timedreceive; 185 mq_notify; 186 mq_getsetattr; 187 kexec_load;
    188 waitid; 189 add_key; 190 request_key; 191 keyctl [453]; 192 ioprio_set; 193 ioprio_get;
    194 inotify_init [138 139]; 195 inotify_add_watch; 196 inotify_rm_watch;
    197 openat [102 103 306 307]; 198 mkdirat [304 305]; 199 mknodat [416 417];
    200 fchownat [384 385]; 201 futimesat; 202 unlinkat [110 111 302 303]; 203 renameat [176 177];
    204 linkat [106 107 310 311]; 205 symlinkat [180 181]; 206 readlinkat; 207 fchmodat [312 313];
    208 faccessat; 209 pselect6; 210 ppoll [254 255]; 211 unshare [284 285]; 212 set_robust_list;
    213 get_robust_list; 214 splice [166 167]; 215 tee; 216 vmsplice; 217 getcpu; 218 epoll_pwait;
    219 utimensat; 220 signalfd [126 127]; 221 timerfd_create [136 137]; 222 eventfd [62 63];
    223 timerfd_settime; 224 timerfd_gettime; 225 signalfd4 [398 399]; 226 eventfd2 [396 397];
    227 epoll_create1 [376 377]; 228 dup3 [364 365]; 229 pipe2 [392 393];
    230 inotify_init1 [394 395]; 231 preadv [120 121]; 232 pwritev [122 123]; 233 rt_tgsigqueueinfo;
    234 perf_event_open; 235 fanotify_init; 236 prlimit64 [144 145]; 237 clock_adjtime; 238 syncfs;
    239 setns [240 241]; 240 getdents64 [238 239]; 241 socket [18 19]; 242 bind [20 21];
    243 connect [22 23]; 244 listen [24 25]; 245 accept [26 27 246 247]; 246 getsockname [38 39];
    247 getpeername [40 41]; 248 socketpair [42 43]; 249 sendto [30 31]; 250 recvfrom [34 35];
    251 shutdown [36 37]; 252 setsockopt [44 45]; 253 getsockopt [46 47]; 254 sendmsg [48 49];
    255 sendmmsg [50 51]; 256 recvmsg [52 53]; 257 recvmmsg [54 55];
    258 accept4 [56 57 248 249 388 389]; 259 semop [250 251]; 260 semget [262 263];
    261 semctl [252 253]; 262 msgsnd; 263 msgrcv; 264 msgget; 265 msgctl; 266 shmdt; 267 shmget;
    268 shmctl; 269 statfs64; 270 fstatfs64; 271 fstatat64; 272 sendfile64 [188 189];
    273 ugetrlimit [140 141]; 274 bdflush; 275 sigprocmask; 276 ipc; 277 socketcall;
    278 stat64 [72 73]; 279 lstat64 [74 75]; 280 fstat64 [76 77]; 281 fcntl64 [150 151];
    282 mmap2 [162 163]; 283 _newselect; 284 sgetmask; 285 ssetmask; 286 sigpending; 287 olduname;
    288 umount [258 259 386 387]; 289 signal; 290 nice; 291 stime; 292 _llseek [88 89]; 293 waitpid;
    294 pread64 [112 113]; 295 pwrite64 [114 115]; 296 arch_prctl; 297 shmat; 298 rt_sigreturn;
    299 fallocate; 300 newfstatat [418 419]; 301 process_vm_readv [420 421];
    302 process_vm_writev [422 423]; 303 fork [182 183 218 219 224 225];
    304 vfork [184 185 220 221 226 227]; 305 setuid32 [198 199]; 306 getuid32 [202 203];
    307 setgid32 [200 201]; 308 geteuid32 [204 205]; 309 getgid32 [206 207];
    310 setresuid32 [192 193]; 311 setresgid32 [194 195]; 312 getresuid32 [210 211];
    313 getresgid32 [212 213]; 314 finit_module [412 413]; 315 bpf [296 297 368 369];
    316 seccomp [298 299]; 317 sigaltstack; 318 getrandom; 319 fadvise64; 320 renameat2 [318 319];
    321 userfaultfd [320 321]; 322 openat2 [326 327]; 323 umount2 [390 391];
    324 execve [12 13 154 155 172 173 214 215 230 231 282 283 288 289 292 293];
    325 execveat [330 331]; 326 copy_file_range [332 333];
    327 clone [14 15 156 157 216 217 222 223]; 328 clone3 [334 335];
    329 open_by_handle_at [336 337]; 330 io_uring_setup [338 339]; 331 io_uring_enter [340 341];
    332 io_uring_register [342 343]; 333 mlock2 [370 371]; 334 getegid32 [208 209];
    335 fsconfig [372 373]; 336 fspick; 337 fsmount; 338 fsopen; 339 open_tree; 340 move_mount;
    341 mount_setattr; 342 memfd_create [404 405]; 343 memfd_secret; 344 ioperm;
    345 kexec_file_load; 346 pidfd_getfd [406 407]; 347 pidfd_open [408 409]; 348 pidfd_send_signal;
    349 pkey_alloc; 350 pkey_mprotect; 351 pkey_free; 352 landlock_create_ruleset; 353 quotactl_fd;
    354 landlock_restrict_self; 355 landlock_add_rule; 356 epoll_pwait2; 357 migrate_pages;
    358 move_pages; 359 preadv2; 360 pwritev2; 361 kcmp; 362 sched_setattr; 363 mbind;
    364 epoll_ctl_old; 365 lookup_dcookie; 366 modify_ldt; 367 statx; 368 set_mempolicy;
    369 io_pgetevents; 370 set_mempolicy_home_node; 371 semtimedop; 372 get_kernel_syms;
    373 readahead; 374 futex_waitv; 375 getpmsg; 376 name_to_handle_at; 377 process_mrelease;
    378 nfsservctl; 379 epoll_wait_old; 380 rseq; 381 create_module; 383 sched_getattr;
    384 faccessat2; 385 _sysctl; 386 query_module; 387 get_mempolicy; 388 sync_file_range;
    389 process_madvise; 390 membarrier; 391 iopl; 392 close_range [451]; 393 fanotify_mark;
    394 recv [32 33]; 395 send [28 29]; 396 sched_process_exit [16 186]; 397 sched_switch [146 152];
    398 page_fault_user [290]; 399 page_fault_kernel [290]; 400 signal_deliver [232]; 401 timerfd;
    402 s390_pci_mmio_read; 403 sigaction; 404 s390_pci_mmio_write; 405 readdir; 406 s390_sthyi;
    407 sigsuspend; 408 idle; 409 s390_runtime_instr; 410 sigreturn; 411 s390_guarded_storage;
    412 cachestat; 413 fchmodat2; 414 map_shadow_stack; 415 riscv_flush_icache; 416 riscv_hwprobe;
    417 futex_wake; 418 futex_requeue; 419 futex_wait; 420 oldstat; 421 switch_endian;
    422 multiplexer; 423 oldlstat; 424 spu_create; 425 sync_file_range2; 426 oldfstat; 427 spu_run;
    428 swapcontext; 429 pciconfig_write; 430 rtas; 431 pciconfig_read; 432 sys_debug_setcontext;
    433 vm86; 434 oldolduname; 435 subpage_prot; 436 pciconfig_iobase; 437 listmount; 438 statmount;
    439 lsm_get_self_attr; 440 lsm_set_self_attr; 441 lsm_list_modules; 442 mseal; 443 uretprobe;
    444 removexattrat; 445 listxattrat; 446 getxattrat; 447 setxattrat; 448 open_tree_attr;
    449 file_getattr; 450 file_setattr; 451 listns; 452 uprobe; 453 rseq_slice_yield;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_is_found_by_id_and_by_name() {
        for s in SYSCALLS {
            assert_eq!(Syscall::by_id(s.id).map(|f| f.name), Some(s.name));
            assert_eq!(Syscall::by_name(s.name).map(|f| f.id), Some(s.id));
        }
        assert!(Syscall::by_id(0).is_none());
        assert!(Syscall::by_id(u16::MAX).is_none());
    }
}
