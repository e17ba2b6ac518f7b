//! TODO

use super::class;

class! {
    /// TODO
    Generic {
        Num "evt.num" Uint64 Id [] Event
            "Sequence number of the event in this inspector, first event is 1 (so `evt.num=0` is the idiomatic \"never\"; the event-code analyser knows this and yields an empty code set)";
        Time "evt.time" CharBuf Na [] Event
            "Local wall-clock time `HH:MM:SS.nnnnnnnnn` of the event";
        TimeS "evt.time.s" CharBuf Na [] Event
            "Same without the fraction";
        TimeIso8601 "evt.time.iso8601" CharBuf Na [] Event
            "UTC ISO-8601 with 9 fractional digits, offset written `+0000`";
        Datetime "evt.datetime" CharBuf Na [] Event
            "Local date + time with nanoseconds";
        DatetimeS "evt.datetime.s" CharBuf Na [] Event
            "Local date + time, seconds resolution";
        Rawtime "evt.rawtime" AbsTime Dec [] Event
            "Event timestamp, ns since epoch";
        RawtimeS "evt.rawtime.s" AbsTime Dec [] Event
            "Whole-second part of the timestamp";
        RawtimeNs "evt.rawtime.ns" AbsTime PaddedDec [] Event
            "Sub-second remainder in ns";
        Reltime "evt.reltime" RelTime PaddedDec [] Event
            "Ns since the first event seen by the inspector (printed zero-padded to at least 9 digits)";
        ReltimeS "evt.reltime.s" RelTime Dec [] Event
            "Whole seconds of that offset";
        ReltimeNs "evt.reltime.ns" RelTime PaddedDec [] Event
            "Fractional remainder of that offset";
        Pluginname "evt.pluginname" CharBuf Na [] Event
            "Name of the source plugin that emitted the event (plugin events only, plugin must be loaded)";
        Plugininfo "evt.plugininfo" CharBuf Na [] Event
            "The plugin's own `event_to_string` rendering of the event";
        Source "evt.source" CharBuf Na [] Event
            "Event source name (`syscall` or plugin source); for the syscall inspector always `syscall`";
        IsAsync "evt.is_async" Bool Na [] Event
            "True for meta events (async/container/drop… class), not only ASYNCEVENT_E";
        Asynctype "evt.asynctype" CharBuf Na [] Event
            "Async event name (e.g. `container`), absent on other events";
        Hostname "evt.hostname" CharBuf Na [] Event
            "Host name recorded in machine info; overridable through env FALCO_HOSTNAME";
    }
}

class! {
    /// TODO
    Event {
        Latency "evt.latency" RelTime Dec [DEPRECATED] Event
            "Deprecated: exit–enter delta; always 0 now that enter events are gone";
        LatencyS "evt.latency.s" RelTime Dec [DEPRECATED] Event
            "Deprecated: whole seconds of evt.latency";
        LatencyNs "evt.latency.ns" RelTime PaddedDec [DEPRECATED] Event
            "Deprecated: fraction of evt.latency (10-digit padded)";
        LatencyQuantized "evt.latency.quantized" Uint64 Dec [HIDDEN DEPRECATED] Event
            "Deprecated, hidden: log10 bucket of latency";
        LatencyHuman "evt.latency.human" CharBuf Na [DEPRECATED] Event
            "Deprecated: constant `0ns`";
        Deltatime "evt.deltatime" RelTime Dec [] Event
            "Ns since the last evaluation of this very check instance (state is per occurrence in the filter/format, first result 0)";
        DeltatimeS "evt.deltatime.s" RelTime Dec [] Event
            "Whole seconds of that delta";
        DeltatimeNs "evt.deltatime.ns" RelTime PaddedDec [] Event
            "Fraction of that delta";
        Outputtime "evt.outputtime" CharBuf Na [PRINT_ONLY] Event
            "Print-only: time rendered in the global time format (sysdig legacy)";
        Dir "evt.dir" CharBuf Dir [DEPRECATED] Event
            "Deprecated direction: `>` only for enter codes, `<` otherwise; rule using it raises a load warning";
        Type "evt.type" CharBuf Na [] Event
            "Event name; for generic events the syscall name. Filter values are validated at compile time against known event/syscall/async names";
        TypeIs "evt.type.is" Uint32 Na [ARG_REQUIRED] Event
            "Boolean-as-number test of one event name given as dotted argument";
        SyscallType "syscall.type" CharBuf Na [] Event
            "Syscall name, absent on non-syscall events (generic events give the real syscall name)";
        Category "evt.category" CharBuf Na [] Event
            "Coarse class: other, file, net, `IPC` (upper case), memory, process, sleep, system, signal, user, time, processing, wait, scheduler, internal, unknown; I/O events give file/net/`ipc`/unknown from the fd type";
        Cpu "evt.cpu" Int16 Id [] Event
            "CPU on which the event was captured";
        Args "evt.args" CharBuf Na [] Event
            "All arguments rendered `name=value` joined by blanks";
        Arg "evt.arg" CharBuf Na [ARG_REQUIRED] Event
            "One argument, by name (`evt.arg.flags`; bracketed names are rejected) or index (`evt.arg[0]`); resolved text (errno name, flag names, `<f>/path` for fds) preferred over raw; a success errno renders as `0`";
        Rawarg "evt.rawarg" Dyn Na [ARG_REQUIRED NO_TRANSFORMER NO_RHS] Event
            "One argument by name in its native type (type from the event table); `=` works, `in (…)` on non-string arguments never matches; printed raw (flags in hex without 0x)";
        Info "evt.info" CharBuf Na [] Event
            "Same as evt.args (internal events have special text)";
        Buffer "evt.buffer" ByteBuf Na [] Event
            "Raw data buffer of I/O events (bytes, up to snaplen)";
        Buflen "evt.buflen" Uint64 Dec [] Event
            "Number of bytes transferred (from res) for I/O events";
        Res "evt.res" CharBuf Dec [] Event
            "`SUCCESS`, or errno symbol such as `ENOENT`";
        Rawres "evt.rawres" Int64 Dec [] Event
            "Numeric return value";
        Failed "evt.failed" Bool Na [] Event
            "Return value is an error";
        IsIo "evt.is_io" Bool Na [] Event
            "Event reads or writes a descriptor (EF_READS/WRITES flags)";
        IsIoRead "evt.is_io_read" Bool Na [] Event
            "Event reads from a descriptor";
        IsIoWrite "evt.is_io_write" Bool Na [] Event
            "Event writes to a descriptor";
        IoDir "evt.io_dir" CharBuf Na [] Event
            "Text `read` or `write` (upstream help says r/w, code returns words)";
        IsWait "evt.is_wait" Bool Na [] Event
            "EF_WAITS event (poll, select, futex …)";
        WaitLatency "evt.wait_latency" RelTime Dec [DEPRECATED] Event
            "Deprecated: constant 0";
        IsSyslog "evt.is_syslog" Bool Na [] Event
            "Write-type event on `/dev/log`";
        Count "evt.count" Uint32 Dec [] Event
            "Constant 1";
        CountError "evt.count.error" Uint32 Dec [] Event
            "1 when the event failed";
        CountErrorFile "evt.count.error.file" Uint32 Dec [] Event
            "1 when failed and file related";
        CountErrorNet "evt.count.error.net" Uint32 Dec [] Event
            "1 when failed and network related";
        CountErrorMemory "evt.count.error.memory" Uint32 Dec [] Event
            "1 when failed and memory related";
        CountErrorOther "evt.count.error.other" Uint32 Dec [] Event
            "1 when failed and in none of the three previous classes";
        CountExit "evt.count.exit" Uint32 Dec [] Event
            "1 for exit events";
        CountProcinfo "evt.count.procinfo" Uint32 Dec [HIDDEN] Event
            "Hidden: 1 for procinfo events of main threads";
        CountThreadinfo "evt.count.threadinfo" Uint32 Dec [HIDDEN] Event
            "Hidden: 1 for procinfo events";
        Around "evt.around" Uint64 Dec [FILTER_ONLY ARG_REQUIRED NO_TRANSFORMER NO_RHS] Event
            "Filter-only window test: `evt.around[TS_ns] = D_ms`";
        Abspath "evt.abspath" CharBuf Na [ARG_REQUIRED] Event
            "Absolute path computed from dirfd+name for *at syscalls (args `.src`, `.dst` for two-path calls; none = single path)";
        BuflenIn "evt.buflen.in" Uint64 Dec [HIDDEN] Event
            "Hidden: buflen if input I/O";
        BuflenOut "evt.buflen.out" Uint64 Dec [HIDDEN] Event
            "Hidden: buflen if output I/O";
        BuflenFile "evt.buflen.file" Uint64 Dec [HIDDEN] Event
            "Hidden: buflen if file I/O";
        BuflenFileIn "evt.buflen.file.in" Uint64 Dec [HIDDEN] Event
            "Hidden: buflen if file input";
        BuflenFileOut "evt.buflen.file.out" Uint64 Dec [HIDDEN] Event
            "Hidden: buflen if file output";
        BuflenNet "evt.buflen.net" Uint64 Dec [HIDDEN] Event
            "Hidden: buflen if network I/O";
        BuflenNetIn "evt.buflen.net.in" Uint64 Dec [HIDDEN] Event
            "Hidden: buflen if network input";
        BuflenNetOut "evt.buflen.net.out" Uint64 Dec [HIDDEN] Event
            "Hidden: buflen if network output";
        IsOpenRead "evt.is_open_read" Bool Na [] Event
            "Open-family event opened with read intent (PPM_O_RDONLY bit)";
        IsOpenWrite "evt.is_open_write" Bool Na [] Event
            "Open-family event opened with write intent (PPM_O_WRONLY bit)";
        InfraDockerName "evt.infra.docker.name" CharBuf Na [HIDDEN] Event
            "Hidden legacy docker infra event name";
        InfraDockerContainerId "evt.infra.docker.container.id" CharBuf Na [HIDDEN] Event
            "Hidden legacy docker infra container id";
        InfraDockerContainerName "evt.infra.docker.container.name" CharBuf Na [HIDDEN] Event
            "Hidden legacy docker infra container name";
        InfraDockerContainerImage "evt.infra.docker.container.image" CharBuf Na [HIDDEN] Event
            "Hidden legacy docker infra image";
        IsOpenExec "evt.is_open_exec" Bool Na [] Event
            "File created (open with O_CREAT/O_TMPFILE, creat) with any execute permission bit in mode";
        IsOpenCreate "evt.is_open_create" Bool Na [] Event
            "Open-family event that created the file (F_CREATED / O_CREAT semantics in flags)";
    }
}
