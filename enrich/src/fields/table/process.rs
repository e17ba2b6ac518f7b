//! Class `process`: the thread that made the call, its process and their relatives.
//!
//! Scopes are careful: what reads a thread other than the event's own or an ancestor's main thread
//! (the process's main thread, a session leader), or what is not kept in the record, holds for the
//! event only.

use super::class;

class! {
    /// Fields of threads and processes.
    Process {
        Exe "proc.exe" CharBuf Na [] Process
            "First argument of the program (argv[0])";
        Pexe "proc.pexe" CharBuf Na [] Lineage
            "proc.exe of the parent process";
        Aexe "proc.aexe" CharBuf Na [ARG_ALLOWED NO_TRANSFORMER NO_RHS ARG_INDEX] Lineage
            "proc.exe of an ancestor: [0] is the process, [1] its parent and so on; without a \
             number, in a condition, of any ancestor";
        Exepath "proc.exepath" CharBuf Na [] Process
            "Path of the program, as the kernel resolved it";
        Pexepath "proc.pexepath" CharBuf Na [] Lineage
            "proc.exepath of the parent process";
        Aexepath "proc.aexepath" CharBuf Na [ARG_ALLOWED NO_TRANSFORMER NO_RHS ARG_INDEX] Lineage
            "proc.exepath of an ancestor: [0] is the process, [1] its parent and so on; without a \
             number, in a condition, of any ancestor";
        Name "proc.name" CharBuf Na [] Process
            "Name of the process (the kernel's comm, at most 15 bytes)";
        Pname "proc.pname" CharBuf Na [] Lineage
            "proc.name of the parent process";
        Aname "proc.aname" CharBuf Na [ARG_ALLOWED NO_TRANSFORMER NO_RHS ARG_INDEX] Lineage
            "proc.name of an ancestor: [0] is the process, [1] its parent and so on; without a \
             number, in a condition, of any ancestor";
        Args "proc.args" CharBuf Na [ARG_ALLOWED ARG_INDEX] Process
            "Arguments of the program, the first excluded, joined by blanks; [N] is one of them, \
             empty if there is no such one";
        Aargs "proc.aargs" CharBuf Na [ARG_ALLOWED ARG_INDEX] Lineage
            "proc.args of an ancestor: [0] is the process, [1] its parent and so on; without a \
             number, of all ancestors together";
        Cmdline "proc.cmdline" CharBuf Na [] Process
            "proc.name and proc.args, joined by a blank";
        Pcmdline "proc.pcmdline" CharBuf Na [] Lineage
            "proc.cmdline of the parent process";
        Acmdline "proc.acmdline" CharBuf Na [ARG_ALLOWED NO_TRANSFORMER NO_RHS ARG_INDEX] Lineage
            "proc.cmdline of an ancestor: [0] is the process, [1] its parent and so on; without a \
             number, in a condition, of any ancestor";
        Cmdnargs "proc.cmdnargs" Uint64 Dec [] Process
            "Number of arguments, the first excluded";
        Cmdlenargs "proc.cmdlenargs" Uint64 Dec [] Process
            "Bytes of all arguments, the first and the blanks between excluded";
        Exeline "proc.exeline" CharBuf Na [] Process
            "proc.exe and proc.args, joined by a blank";
        Env "proc.env" CharBuf Na [ARG_ALLOWED ARG_KEY] Event
            "Environment variables as `NAME=value`, joined by blanks; [NAME] is the value of one, \
             empty if it is not set";
        Aenv "proc.aenv" CharBuf Na [ARG_ALLOWED NO_TRANSFORMER NO_RHS ARG_INDEX ARG_KEY] Event
            "[NAME] is the variable of the nearest ancestor that has it, [N] proc.env of an \
             ancestor; without either, in a condition, proc.env of any ancestor";
        Cwd "proc.cwd" CharBuf Na [] Event
            "Working directory, with a slash at its end";
        Loginshellid "proc.loginshellid" Int64 Id [] Event
            "Process id of the highest ancestor, the process included, whose name ends in `sh`";
        Tty "proc.tty" Uint32 Id [] Process
            "Device number of the controlling terminal, 0 if there is none";
        Pid "proc.pid" Int64 Id [] Event
            "Process id on the host";
        Ppid "proc.ppid" Int64 Id [] Lineage
            "proc.pid of the parent process";
        Apid "proc.apid" Int64 Id [ARG_ALLOWED NO_TRANSFORMER NO_RHS ARG_INDEX] Lineage
            "proc.pid of an ancestor: [0] is the process, [1] its parent and so on; without a \
             number, in a condition, of any ancestor";
        Vpid "proc.vpid" Int64 Id [] Process
            "Process id in the process's own pid namespace";
        Pvpid "proc.pvpid" Int64 Id [] Lineage
            "proc.vpid of the parent process";
        Sid "proc.sid" Int64 Id [] Process
            "Session id";
        Sname "proc.sname" CharBuf Na [] Event
            "proc.name of the session leader, empty if it is not known";
        SidExe "proc.sid.exe" CharBuf Na [] Event
            "proc.exe of the session leader, empty if it is not known";
        SidExepath "proc.sid.exepath" CharBuf Na [] Event
            "proc.exepath of the session leader, empty if it is not known";
        Vpgid "proc.vpgid" Int64 Id [] Process
            "Process group id in the process's own pid namespace";
        VpgidName "proc.vpgid.name" CharBuf Na [] Event
            "proc.name of the leader of the process group (found by proc.vpgid), empty if it is \
             not known";
        VpgidExe "proc.vpgid.exe" CharBuf Na [] Event
            "proc.exe of the leader of the process group (found by proc.vpgid), empty if it is not \
             known";
        VpgidExepath "proc.vpgid.exepath" CharBuf Na [] Event
            "proc.exepath of the leader of the process group (found by proc.vpgid), empty if it is \
             not known";
        Pgid "proc.pgid" Int64 Id [] Process
            "Process group id on the host";
        PgidName "proc.pgid.name" CharBuf Na [] Event
            "proc.name of the leader of the process group (found by proc.pgid), empty if it is not \
             known";
        PgidExe "proc.pgid.exe" CharBuf Na [] Event
            "proc.exe of the leader of the process group (found by proc.pgid), empty if it is not \
             known";
        PgidExepath "proc.pgid.exepath" CharBuf Na [] Event
            "proc.exepath of the leader of the process group (found by proc.pgid), empty if it is \
             not known";
        Duration "proc.duration" RelTime Dec [] Event
            "Nanoseconds since the process was started; no value if that was not seen";
        PpidDuration "proc.ppid.duration" RelTime Dec [] Event
            "Nanoseconds since the parent process was started";
        PidTs "proc.pid.ts" RelTime Dec [] Process
            "Start of the process in nanoseconds since the epoch; no value if it was not seen";
        PpidTs "proc.ppid.ts" RelTime Dec [] Lineage
            "Start of the parent process in nanoseconds since the epoch, 0 if it was not seen";
        IsExeWritable "proc.is_exe_writable" Bool Na [] Process
            "Whether the user that runs the program may write to its file";
        IsExeUpperLayer "proc.is_exe_upper_layer" Bool Na [] Process
            "Whether the program's file is in the upper, writable layer of an overlayfs";
        IsExeLowerLayer "proc.is_exe_lower_layer" Bool Na [] Process
            "Whether the program's file is in the lower layer of an overlayfs";
        IsExeFromMemfd "proc.is_exe_from_memfd" Bool Na [] Process
            "Whether the program's file exists in memory only (memfd)";
        IsSidLeader "proc.is_sid_leader" Bool Na [] Process
            "Whether the process leads its session";
        IsVpgidLeader "proc.is_vpgid_leader" Bool Na [] Process
            "Whether the process leads its process group (by proc.vpgid)";
        IsPgidLeader "proc.is_pgid_leader" Bool Na [] Event
            "Whether the process leads its process group (by proc.pgid)";
        ExeIno "proc.exe_ino" Int64 Dec [] Process
            "Inode number of the program's file";
        ExeInoCtime "proc.exe_ino.ctime" AbsTime Dec [] Process
            "Last change of the program's inode in nanoseconds since the epoch";
        ExeInoMtime "proc.exe_ino.mtime" AbsTime Dec [] Process
            "Last change of the program's content in nanoseconds since the epoch";
        ExeInoCtimeDurationProcStart "proc.exe_ino.ctime_duration_proc_start" AbsTime Dec [] Process
            "Nanoseconds between the last change of the program's inode and the start of the \
             process";
        ExeInoCtimeDurationPidnsStart "proc.exe_ino.ctime_duration_pidns_start" AbsTime Dec [] Process
            "Nanoseconds between the start of the pid namespace and a later change of the \
             program's inode";
        PidnsInitStartTs "proc.pidns_init_start_ts" Uint64 Dec [] Process
            "Start of the pid namespace in nanoseconds since the epoch";
        ThreadCapPermitted "thread.cap_permitted" CharBuf Na [] Process
            "Names of the permitted capabilities, joined by blanks";
        ThreadCapInheritable "thread.cap_inheritable" CharBuf Na [] Process
            "Names of the inheritable capabilities, joined by blanks";
        ThreadCapEffective "thread.cap_effective" CharBuf Na [] Process
            "Names of the effective capabilities, joined by blanks";
        Fdopencount "proc.fdopencount" Uint64 Dec [] Event
            "Number of open descriptors of the process";
        Fdlimit "proc.fdlimit" Int64 Dec [] Event
            "Number of descriptors that the process may open";
        Fdusage "proc.fdusage" Double Na [] Event
            "proc.fdopencount in percent of proc.fdlimit";
        Vmsize "proc.vmsize" Uint64 Dec [] Event
            "Virtual memory of the process in kB, when last told";
        Vmrss "proc.vmrss" Uint64 Dec [] Event
            "Resident memory of the process in kB, when last told";
        Vmswap "proc.vmswap" Uint64 Dec [] Event
            "Swapped memory of the process in kB, when last told";
        ThreadPfmajor "thread.pfmajor" Uint64 Dec [] Event
            "Major page faults since the start of the thread, when last told";
        ThreadPfminor "thread.pfminor" Uint64 Dec [] Event
            "Minor page faults since the start of the thread, when last told";
        ThreadTid "thread.tid" Int64 Id [] Event
            "Thread id on the host";
        ThreadIsmain "thread.ismain" Bool Na [] Event
            "Whether the thread is the main thread of its process";
        ThreadVtid "thread.vtid" Int64 Id [] Process
            "Thread id in the thread's own pid namespace";
        ThreadNametid "thread.nametid" CharBuf Na [HIDDEN] Event
            "proc.name and thread.tid, one after the other";
        ThreadExectime "thread.exectime" RelTime Dec [] Event
            "On switch events, nanoseconds since the last switch on the same CPU; 0 on others";
        ThreadTotexectime "thread.totexectime" RelTime Dec [] Event
            "Sum of thread.exectime of the thread since the first event";
        ThreadCgroups "thread.cgroups" CharBuf Na [] Process
            "All control groups as `subsystem=path`, joined by blanks";
        ThreadCgroup "thread.cgroup" CharBuf Na [ARG_REQUIRED] Process
            "Path of the control group of one subsystem, named after the dot \
             (thread.cgroup.cpuacct)";
        Nthreads "proc.nthreads" Uint64 Dec [] Event
            "Number of living threads of the process, the main one included";
        Nchilds "proc.nchilds" Uint64 Dec [] Event
            "Number of living threads of the process, the main one excluded";
        ThreadCpu "thread.cpu" Double Na [] Event
            "CPU use of the thread in the last second, in percent; only on process information \
             events";
        ThreadCpuUser "thread.cpu.user" Double Na [] Event
            "User part of thread.cpu";
        ThreadCpuSystem "thread.cpu.system" Double Na [] Event
            "System part of thread.cpu";
        ThreadVmsize "thread.vmsize" Uint64 Dec [] Event
            "proc.vmsize on the main thread, 0 on others";
        ThreadVmrss "thread.vmrss" Uint64 Dec [] Event
            "proc.vmrss on the main thread, 0 on others";
        ThreadVmsizeB "thread.vmsize.b" Uint64 Dec [HIDDEN] Event
            "thread.vmsize in bytes";
        ThreadVmrssB "thread.vmrss.b" Uint64 Dec [HIDDEN] Event
            "thread.vmrss in bytes";
        StdinType "proc.stdin.type" CharBuf Na [] Event
            "fd.type of descriptor 0";
        StdoutType "proc.stdout.type" CharBuf Na [] Event
            "fd.type of descriptor 1";
        StderrType "proc.stderr.type" CharBuf Na [] Event
            "fd.type of descriptor 2";
        StdinName "proc.stdin.name" CharBuf Na [] Event
            "fd.name of descriptor 0";
        StdoutName "proc.stdout.name" CharBuf Na [] Event
            "fd.name of descriptor 1";
        StderrName "proc.stderr.name" CharBuf Na [] Event
            "fd.name of descriptor 2";
    }
}
