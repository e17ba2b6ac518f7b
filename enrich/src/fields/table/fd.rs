//! TODO

use super::class;

class! {
    /// TODO
    Fd {
        Num "fd.num" Int64 Id [] Event
            "Descriptor number of the event (last fd of the thread; −1 when the open failed)";
        Type "fd.type" CharBuf Dec [] Event
            "File, directory, ipv4, ipv6, unix, pipe, event, signalfd, eventpoll, inotify, timerfd, netlink, bpf, userfaultfd, io_uring, memfd, pidfd (`<NA>` text otherwise)";
        Typechar "fd.typechar" CharBuf Dec [] Event
            "One letter for the fd type; when no fdinfo exists it is derived from the event code (so failed opens still give `f`)";
        Name "fd.name" CharBuf Na [] Event
            "Full path, or `ip:port->ip:port` tuple, or unix path; for failed opens rebuilt from the event arguments";
        Directory "fd.directory" CharBuf Na [] Event
            "Dirname (files) or the directory itself; `/` when no other slash";
        Filename "fd.filename" CharBuf Na [] Event
            "Basename; files only, absent when there is no fdinfo";
        Ip "fd.ip" IpAddr Na [FILTER_ONLY NO_TRANSFORMER NO_RHS] Event
            "Either end address (filter-only). `=`/`in` either matches, `!=` both must differ";
        Cip "fd.cip" IpAddr Na [] Event
            "Client address (source of the connection)";
        Sip "fd.sip" IpAddr Na [] Event
            "Server address (destination, or bound listening address)";
        Lip "fd.lip" IpAddr Na [] Event
            "Address local to this host (by interface list; container aware)";
        Rip "fd.rip" IpAddr Na [] Event
            "The other end";
        Port "fd.port" Port Dec [FILTER_ONLY NO_TRANSFORMER NO_RHS] Event
            "Either port (filter-only)";
        Cport "fd.cport" Port Dec [] Event
            "Client port";
        Sport "fd.sport" Port Dec [] Event
            "Server port";
        Lport "fd.lport" Port Dec [] Event
            "Local port";
        Rport "fd.rport" Port Dec [] Event
            "Remote port";
        L4proto "fd.l4proto" CharBuf Na [] Event
            "Tcp, udp, icmp, raw; text `<NA>` when not a socket with known proto";
        Sockfamily "fd.sockfamily" CharBuf Na [] Event
            "`ip` or `unix`, absent otherwise";
        IsServer "fd.is_server" Bool Na [] Event
            "Listening socket, or destination address belongs to this host";
        Uid "fd.uid" CharBuf Na [] Event
            "Tid and fd number concatenated";
        Containername "fd.containername" CharBuf Na [] Event
            "Container id + `:` + fd.name";
        Containerdirectory "fd.containerdirectory" CharBuf Na [] Event
            "Container id + `:` + directory";
        Proto "fd.proto" Port Na [FILTER_ONLY NO_TRANSFORMER NO_RHS] Event
            "Either end's service/port (filter-only)";
        Cproto "fd.cproto" CharBuf Na [] Event
            "Client port as service text (port number unless name resolution is on)";
        Sproto "fd.sproto" CharBuf Na [] Event
            "Server port as service text (empty string for listening sockets)";
        Lproto "fd.lproto" CharBuf Na [] Event
            "Local port as service text";
        Rproto "fd.rproto" CharBuf Na [] Event
            "Remote port as service text";
        Net "fd.net" IpNet Na [FILTER_ONLY NO_TRANSFORMER NO_RHS] Event
            "CIDR test on either end (filter-only)";
        Cnet "fd.cnet" IpNet Na [FILTER_ONLY NO_TRANSFORMER NO_RHS] Event
            "CIDR test on client address";
        Snet "fd.snet" IpNet Na [FILTER_ONLY NO_TRANSFORMER NO_RHS] Event
            "CIDR test on server address";
        Lnet "fd.lnet" IpNet Na [FILTER_ONLY NO_TRANSFORMER NO_RHS] Event
            "CIDR test on local address";
        Rnet "fd.rnet" IpNet Na [FILTER_ONLY NO_TRANSFORMER NO_RHS] Event
            "CIDR test on remote address";
        Connected "fd.connected" Bool Na [] Event
            "Connect() has succeeded on the socket";
        NameChanged "fd.name_changed" Bool Na [] Event
            "This event altered the fd name (e.g. new UDP peer)";
        CipName "fd.cip.name" CharBuf Na [NO_TRANSFORMER NO_RHS] Event
            "DNS name for client address (filter resolves the RHS name and compares addresses)";
        SipName "fd.sip.name" CharBuf Na [NO_TRANSFORMER NO_RHS] Event
            "DNS name for server address";
        LipName "fd.lip.name" CharBuf Na [NO_TRANSFORMER NO_RHS] Event
            "DNS name for local address";
        RipName "fd.rip.name" CharBuf Na [NO_TRANSFORMER NO_RHS] Event
            "DNS name for remote address";
        Dev "fd.dev" Int32 Hex [] Event
            "Device number of the file";
        DevMajor "fd.dev.major" Int32 Dec [] Event
            "Major part";
        DevMinor "fd.dev.minor" Int32 Dec [] Event
            "Minor part";
        Ino "fd.ino" Int64 Dec [] Event
            "Inode number";
        Nameraw "fd.nameraw" CharBuf Na [] Event
            "Path as passed by the program, not made absolute (doubled slashes collapsed)";
        Types "fd.types" CharBuf Dec [LIST ARG_ALLOWED NO_RHS ARG_INDEX] Event
            "List of distinct fd type strings open in the process; `[N]` = one-element list with type of fd N";
        IsUpperLayer "fd.is_upper_layer" Bool Na [] Event
            "File is on an overlayfs upper layer";
        IsLowerLayer "fd.is_lower_layer" Bool Na [] Event
            "File is on an overlayfs lower layer";
    }
}

class! {
    /// TODO
    FdList {
        Nums "fdlist.nums" CharBuf Id [] Event
            "Fd numbers in a poll/ppoll set";
        Names "fdlist.names" CharBuf Na [] Event
            "Fd names in the set";
        Cips "fdlist.cips" CharBuf Na [] Event
            "Client addresses in the set";
        Sips "fdlist.sips" CharBuf Na [] Event
            "Server addresses in the set";
        Cports "fdlist.cports" CharBuf Dec [] Event
            "Client ports in the set";
        Sports "fdlist.sports" CharBuf Dec [] Event
            "Server ports in the set";
    }
}
