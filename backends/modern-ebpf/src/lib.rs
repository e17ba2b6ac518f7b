//! The system calls of this host, seen through eBPF.
