//! Class `evt`: fields of every event ([`Generic`]) and of system calls ([`Event`]).

use super::class;

class! {
    /// Fields of every event.
    Generic {
        Num "evt.num" Uint64 Id [] Event
            "Number of the event in the stream, from 1";
        Time "evt.time" CharBuf Na [] Event
            "Time of day of the event in the local zone, `HH:MM:SS.nnnnnnnnn`";
        TimeS "evt.time.s" CharBuf Na [] Event
            "Time of day of the event in the local zone, `HH:MM:SS`";
        TimeIso8601 "evt.time.iso8601" CharBuf Na [] Event
            "Date and time of the event in UTC, `YYYY-MM-DDTHH:MM:SS.nnnnnnnnn+0000`";
        Datetime "evt.datetime" CharBuf Na [] Event
            "Date and time of the event in the local zone, `YYYY-MM-DD HH:MM:SS.nnnnnnnnn`";
        DatetimeS "evt.datetime.s" CharBuf Na [] Event
            "Date and time of the event in the local zone, `YYYY-MM-DD HH:MM:SS`";
        Rawtime "evt.rawtime" AbsTime Dec [] Event
            "Time of the event in nanoseconds since the epoch";
        RawtimeS "evt.rawtime.s" AbsTime Dec [] Event
            "Time of the event in whole seconds since the epoch";
        RawtimeNs "evt.rawtime.ns" AbsTime PaddedDec [] Event
            "Nanoseconds of the event's time within its second";
        Reltime "evt.reltime" RelTime PaddedDec [] Event
            "Nanoseconds since the first event of the stream";
        ReltimeS "evt.reltime.s" RelTime Dec [] Event
            "Whole seconds since the first event of the stream";
        ReltimeNs "evt.reltime.ns" RelTime PaddedDec [] Event
            "Nanoseconds within the second of the time since the first event of the stream";
        Pluginname "evt.pluginname" CharBuf Na [] Event
            "Name of the plugin that made the event; only for events of plugins";
        Plugininfo "evt.plugininfo" CharBuf Na [] Event
            "Summary of the event by the plugin that made it; only for events of plugins";
        Source "evt.source" CharBuf Na [] Event
            "Name of the event source, `syscall` for system calls";
        IsAsync "evt.is_async" Bool Na [] Event
            "Whether the event is none of the source's own but tells of something beside it \
             (containers, users, drops)";
        Asynctype "evt.asynctype" CharBuf Na [] Event
            "Name of such an event, e.g. `container`; no value on others";
        Hostname "evt.hostname" CharBuf Na [] Event
            "Name of the host on which the event happened";
    }
}

class! {
    /// Fields of system calls.
    Event {
        Latency "evt.latency" RelTime Dec [DEPRECATED] Event
            "Deprecated, always 0: nanoseconds between the enter and the exit of a system call";
        LatencyS "evt.latency.s" RelTime Dec [DEPRECATED] Event
            "Deprecated, always 0: whole seconds of evt.latency";
        LatencyNs "evt.latency.ns" RelTime PaddedDec [DEPRECATED] Event
            "Deprecated, always 0: nanoseconds within the second of evt.latency";
        LatencyQuantized "evt.latency.quantized" Uint64 Dec [HIDDEN DEPRECATED] Event
            "Deprecated, always 0: order of magnitude of evt.latency";
        LatencyHuman "evt.latency.human" CharBuf Na [DEPRECATED] Event
            "Deprecated, always `0ns`: evt.latency for readers";
        Deltatime "evt.deltatime" RelTime Dec [] Event
            "Nanoseconds since the last event on which this field was asked for; 0 at first";
        DeltatimeS "evt.deltatime.s" RelTime Dec [] Event
            "Whole seconds since the last event on which this field was asked for";
        DeltatimeNs "evt.deltatime.ns" RelTime PaddedDec [] Event
            "Nanoseconds within the second of the time since the last event on which this field \
             was asked for";
        Outputtime "evt.outputtime" CharBuf Na [PRINT_ONLY] Event
            "Time of the event as alerts begin with it";
        Dir "evt.dir" CharBuf Dir [DEPRECATED] Event
            "Deprecated: `>` for the enter of a system call, `<` for everything else";
        Type "evt.type" CharBuf Na [] Event
            "Name of the event: that of the system call, or e.g. `switch`, `signaldeliver`, \
             `container`";
        TypeIs "evt.type.is" Uint32 Na [ARG_REQUIRED] Event
            "1 if the event has the name given after the dot (evt.type.is.open), 0 otherwise";
        SyscallType "syscall.type" CharBuf Na [] Event
            "Name of the system call; no value on other events";
        Category "evt.category" CharBuf Na [] Event
            "Class of the event: file, net, IPC, memory, process, sleep, system, signal, user, \
             time, processing, wait, scheduler, internal, other or unknown; input and output \
             belong to the class of their descriptor (file, net, ipc, unknown)";
        Cpu "evt.cpu" Int16 Id [] Event
            "Number of the CPU on which the event happened";
        Args "evt.args" CharBuf Na [] Event
            "All arguments as `name=value`, joined by blanks";
        Arg "evt.arg" CharBuf Na [ARG_REQUIRED] Event
            "One argument by name (evt.arg.flags) or number (evt.arg[0]), as text: names of flags \
             and errors, `<f>/path` for descriptors, absolute paths";
        Rawarg "evt.rawarg" Dyn Na [ARG_REQUIRED NO_TRANSFORMER NO_RHS] Event
            "One argument by name (evt.rawarg.fd) as it is: numbers as numbers, flags as bits";
        Info "evt.info" CharBuf Na [] Event
            "The same as evt.args";
        Buffer "evt.buffer" ByteBuf Na [] Event
            "Data that the call read or wrote, as much of it as was captured";
        Buflen "evt.buflen" Uint64 Dec [] Event
            "Number of bytes that the call read or wrote";
        Res "evt.res" CharBuf Dec [] Event
            "`SUCCESS`, or the name of the error, e.g. `ENOENT`";
        Rawres "evt.rawres" Int64 Dec [] Event
            "Return value as a number";
        Failed "evt.failed" Bool Na [] Event
            "Whether the call failed";
        IsIo "evt.is_io" Bool Na [] Event
            "Whether the call reads from or writes to a descriptor";
        IsIoRead "evt.is_io_read" Bool Na [] Event
            "Whether the call reads from a descriptor";
        IsIoWrite "evt.is_io_write" Bool Na [] Event
            "Whether the call writes to a descriptor";
        IoDir "evt.io_dir" CharBuf Na [] Event
            "`read` or `write`; no value on calls that do neither";
        IsWait "evt.is_wait" Bool Na [] Event
            "Whether the call waits for something (poll, select, futex, …)";
        WaitLatency "evt.wait_latency" RelTime Dec [DEPRECATED] Event
            "Deprecated, always 0: nanoseconds that a call waited";
        IsSyslog "evt.is_syslog" Bool Na [] Event
            "Whether the call writes to `/dev/log`";
        Count "evt.count" Uint32 Dec [] Event
            "Always 1, for counting";
        CountError "evt.count.error" Uint32 Dec [] Event
            "1 if the call failed, 0 if not";
        CountErrorFile "evt.count.error.file" Uint32 Dec [] Event
            "As evt.count.error, only on events about files";
        CountErrorNet "evt.count.error.net" Uint32 Dec [] Event
            "As evt.count.error, only on events about sockets";
        CountErrorMemory "evt.count.error.memory" Uint32 Dec [] Event
            "As evt.count.error, only on events about memory";
        CountErrorOther "evt.count.error.other" Uint32 Dec [] Event
            "As evt.count.error, only on events about none of files, sockets and memory";
        CountExit "evt.count.exit" Uint32 Dec [] Event
            "1 on the exit of a call; no value on others";
        CountProcinfo "evt.count.procinfo" Uint32 Dec [HIDDEN] Event
            "1 on process information of a main thread, 0 on all else";
        CountThreadinfo "evt.count.threadinfo" Uint32 Dec [HIDDEN] Event
            "1 on process information of any thread, 0 on all else";
        Around "evt.around" Uint64 Dec [FILTER_ONLY ARG_REQUIRED NO_TRANSFORMER NO_RHS] Event
            "Window of time: evt.around[T] = D holds from D milliseconds before to D after T, \
             which is in nanoseconds since the epoch";
        Abspath "evt.abspath" CharBuf Na [ARG_REQUIRED] Event
            "Absolute path on which a call with a directory descriptor worked; evt.abspath.src and \
             evt.abspath.dst for calls with two";
        BuflenIn "evt.buflen.in" Uint64 Dec [HIDDEN] Event
            "evt.buflen of calls that read";
        BuflenOut "evt.buflen.out" Uint64 Dec [HIDDEN] Event
            "evt.buflen of calls that write";
        BuflenFile "evt.buflen.file" Uint64 Dec [HIDDEN] Event
            "evt.buflen of calls on files";
        BuflenFileIn "evt.buflen.file.in" Uint64 Dec [HIDDEN] Event
            "evt.buflen of calls that read from files";
        BuflenFileOut "evt.buflen.file.out" Uint64 Dec [HIDDEN] Event
            "evt.buflen of calls that write to files";
        BuflenNet "evt.buflen.net" Uint64 Dec [HIDDEN] Event
            "evt.buflen of calls on sockets";
        BuflenNetIn "evt.buflen.net.in" Uint64 Dec [HIDDEN] Event
            "evt.buflen of calls that read from sockets";
        BuflenNetOut "evt.buflen.net.out" Uint64 Dec [HIDDEN] Event
            "evt.buflen of calls that write to sockets";
        IsOpenRead "evt.is_open_read" Bool Na [] Event
            "Whether the call opened a file for reading";
        IsOpenWrite "evt.is_open_write" Bool Na [] Event
            "Whether the call opened a file for writing";
        InfraDockerName "evt.infra.docker.name" CharBuf Na [HIDDEN] Event
            "Name of a docker event";
        InfraDockerContainerId "evt.infra.docker.container.id" CharBuf Na [HIDDEN] Event
            "Id of the container that a docker event is about";
        InfraDockerContainerName "evt.infra.docker.container.name" CharBuf Na [HIDDEN] Event
            "Name of the container that a docker event is about";
        InfraDockerContainerImage "evt.infra.docker.container.image" CharBuf Na [HIDDEN] Event
            "Image of the container that a docker event is about";
        IsOpenExec "evt.is_open_exec" Bool Na [] Event
            "Whether the call asked for a new file that somebody may execute";
        IsOpenCreate "evt.is_open_create" Bool Na [] Event
            "Whether the call made the file that it opened";
    }
}
