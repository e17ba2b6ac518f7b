//! TODO

use super::class;

class! {
    /// TODO
    Process {
        Exe "proc.exe" CharBuf Na [] Process
            "Argv[0] of the process";
        Pexe "proc.pexe" CharBuf Na [] Lineage
            "Argv[0] of the parent process";
        Aexe "proc.aexe" CharBuf Na [ARG_ALLOWED NO_TRANSFORMER NO_RHS ARG_INDEX] Lineage
            "Argv[0] of ancestor N; bare in a filter = any ancestor";
        Exepath "proc.exepath" CharBuf Na [] Process
            "Kernel-resolved path of the executable";
        Pexepath "proc.pexepath" CharBuf Na [] Lineage
            "Exepath of the parent";
        Aexepath "proc.aexepath" CharBuf Na [ARG_ALLOWED NO_TRANSFORMER NO_RHS ARG_INDEX] Lineage
            "Exepath of ancestor N; bare in a filter = any ancestor";
        Name "proc.name" CharBuf Na [] Process
            "Task comm (≤15 chars + NUL)";
        Pname "proc.pname" CharBuf Na [] Lineage
            "Comm of the parent process";
        Aname "proc.aname" CharBuf Na [ARG_ALLOWED NO_TRANSFORMER NO_RHS ARG_INDEX] Lineage
            "Comm of ancestor N (`[0]` = the process itself); bare in a filter = any ancestor";
        Args "proc.args" CharBuf Na [ARG_ALLOWED ARG_INDEX] Process
            "Argv[1..] joined by blanks; `[N]` = single argument counted from argv[1]; out of range gives empty string, not NA";
        Aargs "proc.aargs" CharBuf Na [ARG_ALLOWED ARG_INDEX] Lineage
            "Args of ancestor N; bare = args of all ancestors joined by blanks (no \"any ancestor\" compare for this one)";
        Cmdline "proc.cmdline" CharBuf Na [] Process
            "Comm + blank + args (not argv[0])";
        Pcmdline "proc.pcmdline" CharBuf Na [] Lineage
            "Cmdline of the parent";
        Acmdline "proc.acmdline" CharBuf Na [ARG_ALLOWED NO_TRANSFORMER NO_RHS ARG_INDEX] Lineage
            "Cmdline of ancestor N; bare in a filter = any ancestor";
        Cmdnargs "proc.cmdnargs" Uint64 Dec [] Process
            "Count of args (argv[0] excluded)";
        Cmdlenargs "proc.cmdlenargs" Uint64 Dec [] Process
            "Total bytes of args without separators";
        Exeline "proc.exeline" CharBuf Na [] Process
            "Argv[0] + blank + args (trailing blank remains when no args)";
        Env "proc.env" CharBuf Na [ARG_ALLOWED ARG_KEY] Event
            "Environment joined by blanks; `[NAME]` gives that variable (blanks trimmed; unset gives empty string, not NA)";
        Aenv "proc.aenv" CharBuf Na [ARG_ALLOWED NO_TRANSFORMER NO_RHS ARG_INDEX ARG_KEY] Event
            "`[NAME]` first ancestor (≤20 levels) having it; `[N]` env of ancestor N; bare in a filter = any ancestor's whole environment";
        Cwd "proc.cwd" CharBuf Na [] Event
            "Working directory of the main thread, ends with `/`";
        Loginshellid "proc.loginshellid" Int64 Id [] Event
            "Pid of the highest ancestor whose comm ends in `sh`";
        Tty "proc.tty" Uint32 Id [] Process
            "Controlling tty device number, 0 if none";
        Pid "proc.pid" Int64 Id [] Event
            "Process id (tgid) in the host namespace";
        Ppid "proc.ppid" Int64 Id [] Lineage
            "Pid of the parent process";
        Apid "proc.apid" Int64 Id [ARG_ALLOWED NO_TRANSFORMER NO_RHS ARG_INDEX] Lineage
            "Pid of ancestor N; bare in a filter = any ancestor; bare in output = the process itself";
        Vpid "proc.vpid" Int64 Id [] Process
            "Pid inside its own pid namespace (absent when −1)";
        Pvpid "proc.pvpid" Int64 Id [] Lineage
            "Vpid of the parent";
        Sid "proc.sid" Int64 Id [] Process
            "Session id";
        Sname "proc.sname" CharBuf Na [] Event
            "Comm of the session leader (empty string when not found)";
        SidExe "proc.sid.exe" CharBuf Na [] Event
            "Argv[0] of the session leader";
        SidExepath "proc.sid.exepath" CharBuf Na [] Event
            "Exepath of the session leader";
        Vpgid "proc.vpgid" Int64 Id [] Process
            "Process group id in its pid namespace";
        VpgidName "proc.vpgid.name" CharBuf Na [] Event
            "Comm of the (virtual) process-group leader";
        VpgidExe "proc.vpgid.exe" CharBuf Na [] Event
            "Argv[0] of that leader";
        VpgidExepath "proc.vpgid.exepath" CharBuf Na [] Event
            "Exepath of that leader";
        Pgid "proc.pgid" Int64 Id [] Process
            "Process group id in host namespace";
        PgidName "proc.pgid.name" CharBuf Na [] Event
            "Comm of the process-group leader";
        PgidExe "proc.pgid.exe" CharBuf Na [] Event
            "Argv[0] of that leader";
        PgidExepath "proc.pgid.exepath" CharBuf Na [] Event
            "Exepath of that leader";
        Duration "proc.duration" RelTime Dec [] Event
            "Ns since clone timestamp of the process; absent when the start is unknown (0)";
        PpidDuration "proc.ppid.duration" RelTime Dec [] Event
            "Ns since the parent started (quirk: with unknown parent start the code falls through and yields the fd count)";
        PidTs "proc.pid.ts" RelTime Dec [] Process
            "Process start, epoch ns (absent if 0)";
        PpidTs "proc.ppid.ts" RelTime Dec [] Lineage
            "Parent start, epoch ns (0 allowed)";
        IsExeWritable "proc.is_exe_writable" Bool Na [] Process
            "Exe file writable by the executing user";
        IsExeUpperLayer "proc.is_exe_upper_layer" Bool Na [] Process
            "Exe lives in an overlayfs upper layer";
        IsExeLowerLayer "proc.is_exe_lower_layer" Bool Na [] Process
            "Exe lives in an overlayfs lower layer";
        IsExeFromMemfd "proc.is_exe_from_memfd" Bool Na [] Process
            "Exe is a memfd";
        IsSidLeader "proc.is_sid_leader" Bool Na [] Process
            "Sid equals vpid";
        IsVpgidLeader "proc.is_vpgid_leader" Bool Na [] Process
            "Vpgid equals vpid";
        IsPgidLeader "proc.is_pgid_leader" Bool Na [] Event
            "Pgid equals pid";
        ExeIno "proc.exe_ino" Int64 Dec [] Process
            "Inode of the executable (absent if 0)";
        ExeInoCtime "proc.exe_ino.ctime" AbsTime Dec [] Process
            "Ctime of the executable, epoch ns (absent if 0)";
        ExeInoMtime "proc.exe_ino.mtime" AbsTime Dec [] Process
            "Mtime of the executable, epoch ns (absent if 0)";
        ExeInoCtimeDurationProcStart "proc.exe_ino.ctime_duration_proc_start" AbsTime Dec [] Process
            "Ns between exe ctime and process start (absent if 0)";
        ExeInoCtimeDurationPidnsStart "proc.exe_ino.ctime_duration_pidns_start" AbsTime Dec [] Process
            "Ns between pid-namespace start and exe ctime, when ctime is later (absent if 0)";
        PidnsInitStartTs "proc.pidns_init_start_ts" Uint64 Dec [] Process
            "Start of the pid-namespace init, epoch ns (absent if 0)";
        ThreadCapPermitted "thread.cap_permitted" CharBuf Na [] Process
            "Permitted capability names joined by blanks";
        ThreadCapInheritable "thread.cap_inheritable" CharBuf Na [] Process
            "Inheritable capability names";
        ThreadCapEffective "thread.cap_effective" CharBuf Na [] Process
            "Effective capability names";
        Fdopencount "proc.fdopencount" Uint64 Dec [] Event
            "Number of fds known in the table";
        Fdlimit "proc.fdlimit" Int64 Dec [] Event
            "RLIMIT_NOFILE (soft)";
        Fdusage "proc.fdusage" Double Na [] Event
            "Percentage of fdopencount over fdlimit";
        Vmsize "proc.vmsize" Uint64 Dec [] Event
            "Virtual size in kB at last sample (exec/page-fault/sched events)";
        Vmrss "proc.vmrss" Uint64 Dec [] Event
            "Resident set in kB";
        Vmswap "proc.vmswap" Uint64 Dec [] Event
            "Swapped memory in kB";
        ThreadPfmajor "thread.pfmajor" Uint64 Dec [] Event
            "Major faults since start";
        ThreadPfminor "thread.pfminor" Uint64 Dec [] Event
            "Minor faults since start";
        ThreadTid "thread.tid" Int64 Id [] Event
            "Thread id of the event";
        ThreadIsmain "thread.ismain" Bool Na [] Event
            "Tid equals pid";
        ThreadVtid "thread.vtid" Int64 Id [] Process
            "Thread id in its pid namespace (absent when −1)";
        ThreadNametid "thread.nametid" CharBuf Na [HIDDEN] Event
            "Hidden: comm followed by tid";
        ThreadExectime "thread.exectime" RelTime Dec [] Event
            "On switch events: ns since the previous switch on that CPU, otherwise 0";
        ThreadTotexectime "thread.totexectime" RelTime Dec [] Event
            "Running sum of thread.exectime per thread";
        ThreadCgroups "thread.cgroups" CharBuf Na [] Process
            "All cgroups as `subsys=path` joined by blanks";
        ThreadCgroup "thread.cgroup" CharBuf Na [ARG_REQUIRED] Process
            "Path of one cgroup subsystem, dotted argument only (`thread.cgroup.cpuacct`; letters and `_`)";
        Nthreads "proc.nthreads" Uint64 Dec [] Event
            "Live threads in the group including leader";
        Nchilds "proc.nchilds" Uint64 Dec [] Event
            "Live non-leader threads";
        ThreadCpu "thread.cpu" Double Na [] Event
            "% CPU in last second, only on procinfo events";
        ThreadCpuUser "thread.cpu.user" Double Na [] Event
            "User part of thread.cpu";
        ThreadCpuSystem "thread.cpu.system" Double Na [] Event
            "System part of thread.cpu";
        ThreadVmsize "thread.vmsize" Uint64 Dec [] Event
            "Vmsize for main thread, 0 for others (kB)";
        ThreadVmrss "thread.vmrss" Uint64 Dec [] Event
            "Vmrss for main thread, 0 for others (kB)";
        ThreadVmsizeB "thread.vmsize.b" Uint64 Dec [HIDDEN] Event
            "Hidden: vmsize in bytes";
        ThreadVmrssB "thread.vmrss.b" Uint64 Dec [HIDDEN] Event
            "Hidden: vmrss in bytes";
        StdinType "proc.stdin.type" CharBuf Na [] Event
            "Type string of fd 0";
        StdoutType "proc.stdout.type" CharBuf Na [] Event
            "Type string of fd 1";
        StderrType "proc.stderr.type" CharBuf Na [] Event
            "Type string of fd 2";
        StdinName "proc.stdin.name" CharBuf Na [] Event
            "Name of fd 0";
        StdoutName "proc.stdout.name" CharBuf Na [] Event
            "Name of fd 1";
        StderrName "proc.stderr.name" CharBuf Na [] Event
            "Name of fd 2";
    }
}
