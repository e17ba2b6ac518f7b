/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control groups: "cpuset=/a/b" and so on for five controllers, NUL-terminated one behind the other. Where
 * there is one hierarchy (version 2), all show the same path.
 */
#pragma once

#include "path.h"
#include "task.h"

INLINE struct kernfs_node *kernfs_parent(struct kernfs_node *node)
{
	if (HAS_FIELD(struct kernfs_node, parent))
		return READ(node, parent);
	struct kernfs_node___v6_15 *newer = (void *)node;
	return READ(newer, __parent);
}

/* Takes the walk of scratch memory `key` one control group nearer to the root. Whether it goes on. */
GLOBAL u32 walk_to_parent_group(u32 key)
{
	struct scratch *scratch = bpf_map_lookup_elem(&scratches, &key);
	if (!scratch)
		return false;
	struct walk *walk = &scratch->walk;
	struct kernfs_node *node = (struct kernfs_node *)walk->at;
	struct kernfs_node *parent = kernfs_parent(node);
	/* The root has no name. */
	if (!parent)
		return false;
	add_name(walk, READ(node, name));
	walk->at = (u64)parent;
	return true;
}

/* Writes the controller and the path of a `struct cgroup_subsys_state` at `pos` of scratch memory `key`.
 * Where that ends. */
GLOBAL u32 write_cgroup(u32 key, u32 pos, u64 state_address)
{
	struct scratch *scratch = bpf_map_lookup_elem(&scratches, &key);
	if (!scratch)
		return pos;
	struct cgroup_subsys_state *state = (struct cgroup_subsys_state *)state_address;
	u8 *to = &scratch->data[pos & (MAX_EVENT - 1)];
	long n = bpf_probe_read_kernel_str(to, MAX_NAME, READ(state, ss, name));
	if (n <= 0)
		return pos;
	pos += n;
	/* In place of the NUL. */
	scratch->data[(pos - 1) & (MAX_EVENT - 1)] = '=';
	scratch->walk.at = (u64)READ(state, cgroup, kn);
	scratch->walk.count = 0;
	for (u32 i = 0; i < MAX_COMPONENTS; i++)
		if (!walk_to_parent_group(key))
			break;
	return write_names(key, pos);
}

INLINE void push_cgroup(struct event *event, struct css_set *set, u32 id)
{
	struct cgroup_subsys_state *state = READ_ELEMENT(set, subsys, id);
	event->pos = write_cgroup(event->key, event->pos, (u64)state);
}

#define PUSH_CGROUP(event, set, id)                                                                     \
	if (HAS_ENUM(enum cgroup_subsys_id, id))                                                        \
	push_cgroup(event, set, ENUM(enum cgroup_subsys_id, id))

/* A parameter: the control groups of a task. */
INLINE void put_cgroups(struct event *event, struct task_struct *task)
{
	struct css_set *set = READ(task, cgroups);
	u32 start = event->pos;
	PUSH_CGROUP(event, set, cpuset_cgrp_id);
	PUSH_CGROUP(event, set, cpu_cgrp_id);
	PUSH_CGROUP(event, set, cpuacct_cgrp_id);
	PUSH_CGROUP(event, set, io_cgrp_id);
	PUSH_CGROUP(event, set, memory_cgrp_id);
	end_param(event, event->pos - start);
}
