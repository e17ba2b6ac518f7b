/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of the kernel's socket structures that the probe reads, and the addresses of the socket
 * interface. (include/linux/net.h, include/net/{sock,inet_sock,af_unix}.h, include/uapi/linux/{in,in6,un}.h)
 */
#pragma once

#include "../bpf.h"

#define AF_UNSPEC 0
#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10

struct in6_addr {
	u32 words[4];
};

struct sockaddr_in {
	u16 sin_family;
	u16 sin_port; /* big endian */
	u32 sin_addr; /* big endian */
};

struct sockaddr_in6 {
	u16 sin6_family;
	u16 sin6_port; /* big endian */
	u32 sin6_flowinfo;
	struct in6_addr sin6_addr;
};

#define UNIX_PATH_MAX 108

struct sockaddr_un {
	u16 sun_family;
	char sun_path[UNIX_PATH_MAX];
};

struct sock_common {
	u32 skc_daddr;	   /* big endian, as all addresses and skc_dport */
	u32 skc_rcv_saddr;
	u16 skc_dport;
	u16 skc_num; /* host order */
	u16 skc_family;
	u8 skc_state;
	struct in6_addr skc_v6_daddr, skc_v6_rcv_saddr;
} KERNEL_LAYOUT;

struct socket;

struct sock {
	struct sock_common __sk_common;
	struct socket *sk_socket;
	u32 sk_ack_backlog, sk_max_ack_backlog;
	u16 sk_protocol, sk_type;
} KERNEL_LAYOUT;

struct socket {
	s16 type;
	struct file *file;
	struct sock *sk;
} KERNEL_LAYOUT;

struct ipv6_pinfo {
	struct in6_addr saddr;
} KERNEL_LAYOUT;

struct inet_sock {
	struct ipv6_pinfo *pinet6;
	u32 inet_saddr;
	u16 inet_sport;
} KERNEL_LAYOUT;

struct unix_address {
	int len;
	struct sockaddr_un name[0];
} KERNEL_LAYOUT;

struct unix_sock {
	struct unix_address *addr;
	struct sock *peer;
} KERNEL_LAYOUT;
