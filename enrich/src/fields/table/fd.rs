//! Classes `fd` and `fdlist`: the descriptors that a call works on.

use super::class;

class! {
    /// Fields of a descriptor.
    Fd {
        Num "fd.num" Int64 Id [] Event
            "Number of the descriptor, -1 if the call that would have made it failed";
        Type "fd.type" CharBuf Dec [] Event
            "Kind of the descriptor: file, directory, ipv4, ipv6, unix, pipe, event, signalfd, \
             eventpoll, inotify, timerfd, netlink, bpf, userfaultfd, io_uring, memfd or pidfd; \
             `<NA>` for others";
        Typechar "fd.typechar" CharBuf Dec [] Event
            "Kind of the descriptor as one letter: f file, d directory, 4 and 6 IP sockets, u unix \
             socket and userfaultfd, p pipe, e event, s signalfd, l eventpoll, i inotify, t \
             timerfd, n netlink, b bpf, r io_uring, m memfd, P pidfd, o other";
        Name "fd.name" CharBuf Na [] Event
            "Full path of a file, `address:port->address:port` of a connection, or what else names \
             the descriptor";
        Directory "fd.directory" CharBuf Na [] Event
            "Directory of the file, or the directory itself";
        Filename "fd.filename" CharBuf Na [] Event
            "Name of the file without its directory";
        Ip "fd.ip" IpAddr Na [FILTER_ONLY NO_TRANSFORMER NO_RHS] Event
            "Address of either end of the socket: `=` holds if one end has it, `!=` if none has";
        Cip "fd.cip" IpAddr Na [] Event
            "Address of the client";
        Sip "fd.sip" IpAddr Na [] Event
            "Address of the server";
        Lip "fd.lip" IpAddr Na [] Event
            "Address on this host";
        Rip "fd.rip" IpAddr Na [] Event
            "Address of the other host";
        Port "fd.port" Port Dec [FILTER_ONLY NO_TRANSFORMER NO_RHS] Event
            "Port of either end of the socket: `=` holds if one end has it, `!=` if none has";
        Cport "fd.cport" Port Dec [] Event
            "Port of the client";
        Sport "fd.sport" Port Dec [] Event
            "Port of the server";
        Lport "fd.lport" Port Dec [] Event
            "Port on this host";
        Rport "fd.rport" Port Dec [] Event
            "Port of the other host";
        L4proto "fd.l4proto" CharBuf Na [] Event
            "Transport of the socket: tcp, udp, icmp or raw; `<NA>` for other descriptors";
        Sockfamily "fd.sockfamily" CharBuf Na [] Event
            "Family of the socket: `ip` or `unix`";
        IsServer "fd.is_server" Bool Na [] Event
            "Whether the socket listens, or its server end is on this host";
        Uid "fd.uid" CharBuf Na [] Event
            "thread.tid and fd.num, one after the other";
        Containername "fd.containername" CharBuf Na [] Event
            "Id of the container and fd.name, joined by a colon";
        Containerdirectory "fd.containerdirectory" CharBuf Na [] Event
            "Id of the container and fd.directory, joined by a colon";
        Proto "fd.proto" Port Na [FILTER_ONLY NO_TRANSFORMER NO_RHS] Event
            "Port of either end of the socket, by number";
        Cproto "fd.cproto" CharBuf Na [] Event
            "fd.cport as text";
        Sproto "fd.sproto" CharBuf Na [] Event
            "fd.sport as text";
        Lproto "fd.lproto" CharBuf Na [] Event
            "fd.lport as text";
        Rproto "fd.rproto" CharBuf Na [] Event
            "fd.rport as text";
        Net "fd.net" IpNet Na [FILTER_ONLY NO_TRANSFORMER NO_RHS] Event
            "Network of either end of the socket: `=` holds if one end is in it, `!=` if none is";
        Cnet "fd.cnet" IpNet Na [FILTER_ONLY NO_TRANSFORMER NO_RHS] Event
            "Network of the client";
        Snet "fd.snet" IpNet Na [FILTER_ONLY NO_TRANSFORMER NO_RHS] Event
            "Network of the server";
        Lnet "fd.lnet" IpNet Na [FILTER_ONLY NO_TRANSFORMER NO_RHS] Event
            "Network of the address on this host";
        Rnet "fd.rnet" IpNet Na [FILTER_ONLY NO_TRANSFORMER NO_RHS] Event
            "Network of the other host";
        Connected "fd.connected" Bool Na [] Event
            "Whether the socket is connected";
        NameChanged "fd.name_changed" Bool Na [] Event
            "Whether the event changed fd.name, e.g. because a datagram went to another host";
        CipName "fd.cip.name" CharBuf Na [NO_TRANSFORMER NO_RHS] Event
            "Host name of the client, of the names that conditions compare fd.cip.name, fd.sip.name, \
             fd.lip.name and fd.rip.name with: their addresses are looked up in the background at the \
             start of a live run, and again every 10 to 320 seconds; nothing is looked up in replay";
        SipName "fd.sip.name" CharBuf Na [NO_TRANSFORMER NO_RHS] Event
            "Host name of the server; see fd.cip.name for the names that are known";
        LipName "fd.lip.name" CharBuf Na [NO_TRANSFORMER NO_RHS] Event
            "Host name of the address on this host; see fd.cip.name for the names that are known";
        RipName "fd.rip.name" CharBuf Na [NO_TRANSFORMER NO_RHS] Event
            "Host name of the other host; see fd.cip.name for the names that are known";
        Dev "fd.dev" Int32 Hex [] Event
            "Device number of the file";
        DevMajor "fd.dev.major" Int32 Dec [] Event
            "Major part of fd.dev";
        DevMinor "fd.dev.minor" Int32 Dec [] Event
            "Minor part of fd.dev";
        Ino "fd.ino" Int64 Dec [] Event
            "Inode number of the file";
        Nameraw "fd.nameraw" CharBuf Na [] Event
            "Path as the program gave it, doubled slashes removed";
        Types "fd.types" CharBuf Dec [LIST ARG_ALLOWED NO_RHS ARG_INDEX] Event
            "Kinds of all descriptors of the process, each once; [N] is that of descriptor N alone";
        IsUpperLayer "fd.is_upper_layer" Bool Na [] Event
            "Whether the file is in the upper, writable layer of an overlayfs";
        IsLowerLayer "fd.is_lower_layer" Bool Na [] Event
            "Whether the file is in the lower layer of an overlayfs";
    }
}

class! {
    /// Fields of the descriptors of a poll call.
    FdList {
        Nums "fdlist.nums" CharBuf Id [] Event
            "Numbers of the descriptors, joined by commas";
        Names "fdlist.names" CharBuf Na [] Event
            "fd.name of the descriptors, joined by commas";
        Cips "fdlist.cips" CharBuf Na [] Event
            "fd.cip of the descriptors, joined by commas";
        Sips "fdlist.sips" CharBuf Na [] Event
            "fd.sip of the descriptors, joined by commas";
        Cports "fdlist.cports" CharBuf Dec [] Event
            "fd.cport of the descriptors, joined by commas";
        Sports "fdlist.sports" CharBuf Dec [] Event
            "fd.sport of the descriptors, joined by commas";
    }
}
