// SPDX-License-Identifier: GPL-2.0-only
/* This file finds out which functions called a detoured one. */
#include <linux/kallsyms.h>
#include <linux/sched.h>
#include <linux/stacktrace.h>
#include <linux/string.h>

#include "arch.h"
#include "dmarace.h"

#define TRACE_MAX	48

#if defined(CONFIG_X86_64)
#include <asm/unwind.h>

/*
 * The trace stops where a return address was replaced: nothing on the stack
 * says who the caller is. It is begun again there.
 */
static unsigned int arch_callers(const struct call *call, unsigned long *trace,
				 unsigned int room)
{
	struct pt_regs regs = {
		.ip = call->lr - 1,
		.sp = call->sp + sizeof(long),
		.bp = call->fp,
		.cs = __KERNEL_CS,
	};
	struct unwind_state state;
	unsigned int count = 0;

	for (unwind_start(&state, current, &regs, NULL);
	     count < room && !unwind_done(&state); unwind_next_frame(&state))
		trace[count++] = unwind_get_return_address(&state);
	return count;
}
#else
/* Frame records go on where a return address was replaced. */
static unsigned int arch_callers(const struct call *call, unsigned long *trace,
				 unsigned int room)
{
	return 0;
}
#endif

/* With the addresses that we replaced put back. */
static unsigned int trace_callers(unsigned long *trace)
{
	unsigned int count = stack_trace_save(trace, TRACE_MAX, 0);
	unsigned int i, depth = 0;
	struct call *call;

	for (i = 0; i < count; i++) {
		if (trace[i] != (unsigned long)dmarace_trampoline)
			continue;
		call = call_replaced(depth++);
		if (!call)
			break;
		trace[i] = call->lr;
		if (i + 1 == count)
			count += arch_callers(call, trace + count,
					      TRACE_MAX - count);
	}
	return count;
}

/* Is a function of this name in the current call chain? */
bool called_from(const char *function)
{
	unsigned long trace[TRACE_MAX];
	char symbol[KSYM_SYMBOL_LEN];
	unsigned int i, count = trace_callers(trace);

	for (i = 0; i < count; i++) {
		/* A return address may be the first of the next function. */
		sprint_symbol_no_offset(symbol, trace[i] - 1);
		if (dmarace_same_function(symbol, function))
			return true;
	}
	return false;
}
