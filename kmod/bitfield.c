// SPDX-License-Identifier: GPL-2.0-only
/*
 * This file resolves rmw:FUNCTION: the stores in that function which end a
 * read-modify-write of the byte that holds dev->dma_iommu. Between load and
 * store of one task, another one's change of a neighbouring bit is lost.
 */
#include <linux/device.h>
#include <linux/kernel.h>
#include <linux/kprobes.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "arch.h"
#include "compat.h"
#include "dmarace.h"

#define PREFIX		"rmw:"
#define FUNCTIONS_MAX	8
#define CODE_MAX	4096

/*
 * Code is read once: later a breakpoint of ours may stand where the store was.
 * Functions of the table are built in, so they stay where they are.
 */
static struct {
	const char *function;
	unsigned int count;
	struct dmarace_store at[DMARACE_STORES_MAX];
} known[FUNCTIONS_MAX];

bool is_bitfield(const char *symbol)
{
	return !strncmp(symbol, PREFIX, strlen(PREFIX));
}

const char *bitfield_function(const char *symbol)
{
	return symbol + strlen(PREFIX);
}

/* Registering a disabled probe resolves its symbol and patches nothing. */
static void *address_of(const char *function)
{
	struct kprobe kp = {
		.symbol_name = function,
		.flags = KPROBE_FLAG_DISABLED,
	};
	void *address;

	if (register_kprobe(&kp))
		return NULL;
	address = kp.addr;
	unregister_kprobe(&kp);
	return address;
}

/* What kallsyms takes for the function's size. */
static size_t size_of(void *address)
{
	char text[KSYM_SYMBOL_LEN];
	unsigned long size;
	char *slash;

	sprint_symbol(text, (unsigned long)address);
	slash = strchr(text, '/');
	if (!slash)
		return 0;
	slash[1 + strcspn(slash + 1, " ")] = '\0';
	return kstrtoul(slash + 1, 0, &size) ? 0 : min_t(size_t, size, CODE_MAX);
}

static const char *read_code(void *address, unsigned int byte,
			     struct dmarace_store *found, unsigned int *count)
{
	size_t size = size_of(address);
	unsigned int *code = kmalloc(CODE_MAX, GFP_KERNEL);
	const char *why = NULL;

	*count = 0;
	if (!code || copy_from_kernel_nofault(code, address, size))
		why = "its code cannot be read";
	else
		*count = arch_find_stores(code, size, byte, found);
	kfree(code);
	if (!why && !*count)
		why = "no read-modify-write of the byte with dev->dma_iommu in it";
	return why;
}

/* Under control_lock. Returns how many; if none, says why. */
unsigned int bitfield_find(const char *symbol, struct dmarace_store *found,
			   const char **why)
{
	const char *function = bitfield_function(symbol);
	int byte = compat_dma_iommu_byte();
	unsigned int i, count = 0;
	void *address;

	for (i = 0; i < FUNCTIONS_MAX && known[i].function; i++)
		if (!strcmp(known[i].function, function)) {
			memcpy(found, known[i].at, sizeof(known[i].at));
			return known[i].count;
		}
	address = address_of(function);
	if (!IS_ENABLED(CONFIG_ARM64))
		*why = "code of this architecture is not decoded";
	else if (byte < 0)
		*why = "dev->dma_iommu is no bitfield in this kernel";
	else if (!address)
		*why = "no such symbol";
	else
		*why = read_code(address, byte, found, &count);
	if (count && i < FUNCTIONS_MAX) {
		known[i].function = function;
		known[i].count = count;
		memcpy(known[i].at, found, sizeof(known[i].at));
	}
	return count;
}
