// SPDX-License-Identifier: GPL-2.0-only
/* Symbols of the point table that are no names of functions. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/device.h>
#include <linux/iommu.h>
#include <linux/kernel.h>
#include <linux/kprobes.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "devices.h"
#include "rules.h"

/*
 * "ops:NAME" are functions of IOMMU drivers, by address: their names are static
 * and not unique (two SMMU drivers in one kernel), their operations tables can be
 * reached from any device they have probed, and are an argument when an instance
 * registers.
 */
#define OPERATION	"ops:"
#define ADDRESSES_MAX	4

struct search {
	const char *symbol;
	void **found;
	unsigned int count;
};

bool is_operation(const char *symbol)
{
	return !strncmp(symbol, OPERATION, strlen(OPERATION));
}

static const struct compat_operation operations[] = { COMPAT_OPERATIONS };

static const struct compat_operation *operation_of(const char *symbol)
{
	const char *name = symbol + strlen(OPERATION);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(operations); i++)
		if (!strcmp(name, operations[i].name))
			return &operations[i];
	return NULL;
}

/* Drivers have such an operation in this kernel. */
bool operation_exists(const char *symbol)
{
	return operation_of(symbol);
}

/* The driver's module may go while it is looked at. */
static void *operation(const struct iommu_ops *ops, const char *symbol)
{
	const struct compat_operation *op = operation_of(symbol);
	const char *at = (const char *)ops;
	unsigned int i;

	for (i = 0; op && at && i < COMPAT_DEEP && op->path[i] >= 0; i++)
		if (!peek(at, (const char *const *)(at + op->path[i])))
			return NULL;
	return op ? (void *)at : NULL;
}

/* The device's IOMMU may go meanwhile, too. */
static int look_for(struct device *dev, void *data)
{
	struct iommu_device *iommu = device_iommu(dev);
	struct search *search = data;
	const struct iommu_ops *ops;
	unsigned int i;
	void *address;

	if (!iommu || !peek(ops, &iommu->ops) || !ops)
		return 0;
	address = operation(ops, search->symbol);
	for (i = 0; address && i < search->count; i++)
		if (search->found[i] == address)
			address = NULL;
	if (address)
		search->found[search->count++] = address;
	return search->count == ADDRESSES_MAX;
}

/* The distinct addresses of one operation; returns how many. */
static unsigned int find(const char *symbol, void **found)
{
	struct search search = {
		.symbol = symbol,
		.found = found,
	};

	devices_each(look_for, &search);
	return search.count;
}

/* Drivers that register later are heard of at iommu_device_register(). */
static int watch_registrations(struct armed_rule *armed)
{
	struct probe *probe;
	struct probe_key key;

	if (armed->watch || !point_key("iommu_device_register", &key))
		return 0;
	probe = probe_get(&key);
	if (IS_ERR(probe))
		return PTR_ERR(probe);
	probe->registrations++;
	armed->watch = probe;
	return 0;
}

static int add_address(const struct probe_key *operation, void *address,
		       struct armed_rule *armed)
{
	struct probe_key key = *operation;
	struct probe *probe;

	key.address = address;
	probe = probe_get(&key);
	return IS_ERR(probe) ? PTR_ERR(probe) : point_add(armed, probe);
}

/* The operation of every IOMMU driver that has a device, or registers. */
int operation_resolve(const struct probe_key *key, struct armed_rule *armed)
{
	void *addresses[ADDRESSES_MAX];
	unsigned int i, count;
	int error;

	if (!operation_exists(key->symbol))
		return -ENOENT;
	count = find(key->symbol, addresses);
	for (i = 0; i < count; i++) {
		error = add_address(key, addresses[i], armed);
		if (error)
			return error;
	}
	return watch_registrations(armed);
}

/* Takes the place of a probe whose module is unloaded, if there is one. */
static int take_place(struct armed_rule *armed, struct probe *probe)
{
	unsigned int i;

	for (i = 0; i < armed->probe_count; i++) {
		if (armed->probes[i]->key.address)
			continue;
		point_replace(armed, i, probe);
		return 0;
	}
	return point_add(armed, probe);
}

/* A driver's operation joins a rule. */
static int join(struct probe_key *key, struct armed_rule *armed)
{
	struct probe *probe;

	probe = probe_get(key);
	if (IS_ERR(probe))
		return PTR_ERR(probe);
	if (point_has(armed, probe)) {
		probe_put(probe);
		return 0;
	}
	if (!READ_ONCE(probe->enabled))
		probe_enable(probe, READ_ONCE(session.open));
	return take_place(armed, probe);
}

/*
 * An IOMMU instance registers, in the context of whoever does it. That one may
 * hold what a request waits for, until the session is closed.
 */
void operations_registered(struct call *call)
{
	const struct iommu_ops *ops =
		compat_registered_ops((void *)call_argument(call, 0),
				      call_argument(call, 1));
	struct probe_key key;
	unsigned int i;
	int error;

	while (!mutex_trylock(&setup_lock)) {
		if (!session_is_open(call->epoch))
			return;
		usleep_range(500, 1000);
	}
	for (i = 0; i < rule_count; i++) {
		if (!point_key(rules[i].rule.point, &key) ||
		    !is_operation(key.symbol))
			continue;
		key.address = operation(ops, key.symbol);
		error = key.address ? join(&key, &rules[i]) : 0;
		if (error)
			pr_warn("%s of a new driver: error %d\n", key.symbol,
				error);
	}
	mutex_unlock(&setup_lock);
}

/*
 * "rmw:FUNCTION" are the stores in that function which end a read-modify-write
 * of the byte that holds dev->dma_iommu. Between load and store of one task,
 * another one's change of a neighbouring bit is lost.
 */
#define BITFIELD	"rmw:"
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
	return !strncmp(symbol, BITFIELD, strlen(BITFIELD));
}

const char *bitfield_function(const char *symbol)
{
	return symbol + strlen(BITFIELD);
}

/* Registering a disabled probe resolves its symbol and patches nothing. */
static void *address_of(const char *function)
{
	struct kprobe kp = { .flags = KPROBE_FLAG_DISABLED };
	void *address;

	if (named_register(&kp, function))
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
