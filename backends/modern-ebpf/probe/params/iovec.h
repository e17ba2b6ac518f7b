/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is read and written: from a buffer, or from the buffers of a vector (struct iovec). Events hold its
 * beginning, cut after the bytes that user space asks for (the snaplen).
 */
#pragma once

#include "../event.h"

/* How many bytes of `available` ones an event is to hold. */
INLINE u32 data_limit(u64 available)
{
	struct settings *settings = settings_get();
	u32 snaplen = settings ? settings->snaplen : 0;
	return available < snaplen ? available : snaplen;
}

/* A parameter: the beginning of a buffer with `available` bytes. */
INLINE void put_data(struct event *event, u64 from, u64 available)
{
	put_bytes(event, (const void *)from, data_limit(available), USER);
}

/* Copies from the next buffer of the vector in scratch memory `key`, and adds its size. Whether there is
 * more to do. */
GLOBAL u32 take_buffer(u32 key)
{
	struct scratch *scratch = bpf_map_lookup_elem(&scratches, &key);
	if (!scratch)
		return false;
	struct vector *vector = &scratch->vector;
	u32 room = vector->room;
	if (!vector->left || (!room && !vector->wants_size))
		return false;
	/* Two u64, or two u32. */
	u32 i = vector->next & (BUFFERS_AT_ONCE - 1);
	u64 base, len;
	if (vector->compat) {
		base = (u32)vector->entries[i];
		len = vector->entries[i] >> 32;
	} else {
		base = vector->entries[2 * i];
		len = vector->entries[2 * i + 1];
	}
	vector->next++;
	vector->left--;
	vector->size += len;
	u32 n = len < room ? len : room;
	if (!n)
		return true;
	opaque(n);
	n &= MAX_EVENT - 1;
	u32 pos = vector->pos;
	u8 *to = &scratch->data[pos & (MAX_EVENT - 1)];
	if (bpf_probe_read_user(to, n, (const void *)base)) {
		/* What is behind a gap is not told. */
		vector->room = 0;
		return vector->wants_size;
	}
	vector->pos = pos + n;
	vector->room = room - n;
	return true;
}

/* How often BUFFERS_AT_ONCE: as many entries in all as the kernel allows (UIO_MAXIOV). */
#define BUFFER_TURNS 64

/* Reads the next entries and takes their buffers. Whether there is more to do. */
GLOBAL u32 take_buffers(u32 key)
{
	struct scratch *scratch = bpf_map_lookup_elem(&scratches, &key);
	if (!scratch)
		return false;
	struct vector *vector = &scratch->vector;
	u32 n = vector->left < BUFFERS_AT_ONCE ? vector->left : BUFFERS_AT_ONCE;
	u32 bytes = n * (vector->compat ? 8 : 16);
	opaque(bytes);
	bytes &= sizeof(vector->entries) - 1;
	if (bpf_probe_read_user(vector->entries, bytes, (const void *)vector->at)) {
		/* The kernel has not taken such a vector. */
		vector->pos = vector->start;
		vector->size = 0;
		return false;
	}
	vector->at += bytes;
	vector->next = 0;
	for (u32 i = 0; i < BUFFERS_AT_ONCE; i++) {
		if (!take_buffer(key))
			return false;
	}
	return true;
}

/* A parameter: the beginning of what the buffers of a vector hold, `available` bytes in all. How large they
 * are together, if `wants_size`; 0 if the vector cannot be read. */
INLINE u64 put_vector_data(struct event *event, u64 from, u64 count, bool compat, u64 available,
			   bool wants_size)
{
	struct vector *vector = &event->scratch->vector;
	vector->at = from;
	vector->left = count;
	vector->start = vector->pos = event->pos;
	vector->room = data_limit(available);
	vector->size = 0;
	vector->compat = compat;
	vector->wants_size = wants_size;
	for (u32 i = 0; i < BUFFER_TURNS; i++) {
		if (!take_buffers(event->key))
			break;
	}
	event->pos = vector->pos;
	end_param(event, event->pos - vector->start);
	return vector->size;
}
