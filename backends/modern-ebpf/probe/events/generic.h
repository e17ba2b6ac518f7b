/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls without an event of their own: just which one it was.
 */
#pragma once

#include "../call.h"

EXIT(generic)
{
	u32 nr = nr_of_call(call);
	struct event event;
	if (nr >= SYSCALLS || !begin_fixed(&event, GENERIC_X, 2 + 2))
		return 0;
	put_u16(&event, portable_ids[nr]);
	put_u16(&event, nr);
	return send(&event);
}
