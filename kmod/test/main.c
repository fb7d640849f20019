// SPDX-License-Identifier: GPL-2.0-only
/*
 * dmarace_test.ko: something for dmarace's own test to hold. A word written to
 * the parameter 'run' does one thing; 'changed' says which registers the last
 * one found changed, 'offset' where inside dmarace_test_inside() to hold it.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bottom_half.h>
#include <linux/delay.h>
#include <linux/iommu.h>
#include <linux/irqflags.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/ptrace.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "../compat.h"
#include "test.h"

static u64 changed;
static struct iommu_device instance;
static bool registered;

#if defined(CONFIG_ARM64)
#define FLAGS		31
#define FLAGS_VALUE	0x60000000	/* Z and C */
/*
 * A call loses x30, and may lose x16 to a veneer. x18 may belong to the shadow
 * call stack.
 */
#define LOST_ANYHOW	(IS_ENABLED(CONFIG_SHADOW_CALL_STACK) ? BIT_ULL(18) : 0)
#define LOST_BY_CALL	(BIT_ULL(16) | BIT_ULL(30))
#else
#define FLAGS		15
#define FLAGS_VALUE	0xad7		/* all of the arithmetic ones, interrupts on */
#define LOST_ANYHOW	0
#define LOST_BY_CALL	0
#endif

static int run_registers(void (*run)(struct dmarace_test_registers *), u64 lost)
{
	struct dmarace_test_registers *registers = kzalloc(sizeof(*registers), GFP_KERNEL);
	unsigned int i;

	if (!registers)
		return -ENOMEM;
	for (i = 0; i < FLAGS; i++)
		registers->in[i] = 0x0123456789abcdefULL * (i + 3);
	registers->in[FLAGS] = FLAGS_VALUE;
	run(registers);
	changed = 0;
	for (i = 0; i <= FLAGS; i++)
		if (registers->in[i] != registers->out[i])
			changed |= BIT_ULL(i);
	changed &= ~(lost | LOST_ANYHOW);
	kfree(registers);
	return 0;
}

static int run_inside(void)
{
	return run_registers(dmarace_test_inside, 0);
}

static int run_call(void)
{
	return run_registers(dmarace_test_call, LOST_BY_CALL);
}

static int run_irqs_off(void)
{
	local_irq_disable();
	dmarace_test_leaf();
	local_irq_enable();
	return 0;
}

static int run_bh_off(void)
{
	local_bh_disable();
	dmarace_test_leaf();
	local_bh_enable();
	return 0;
}

/* An IOMMU that has no devices. Kernels up to 6.1 refuse a second driver. */
static struct iommu_device *refuse_device(struct device *dev)
{
	return ERR_PTR(-ENODEV);
}

static const struct iommu_ops instance_ops = {
	.probe_device = refuse_device,
	.owner = THIS_MODULE,
};

static int run_register(void)
{
	int error;

	if (registered)
		return -EEXIST;
	error = compat_register(&instance, &instance_ops);
	registered = !error;
	return error;
}

static int run_unregister(void)
{
	if (registered)
		iommu_device_unregister(&instance);
	registered = false;
	memset(&instance, 0, sizeof(instance));
	return 0;
}

/* The device of dmarace cannot be made: what comes before it has time to act. */
static int __kprobes refuse_misc(struct kprobe *kp, struct pt_regs *regs)
{
	mdelay(60);
	regs_set_return_value(regs, -EBUSY);
	instruction_pointer_set(regs, (unsigned long)dmarace_test_leaf);
	return 1;
}

/* Its being there keeps x86 from replacing the breakpoint by a jump. */
static void __kprobes after(struct kprobe *kp, struct pt_regs *regs,
			    unsigned long flags)
{
}

static struct kprobe misc;
static bool refusing;

static int run_refuse_misc(void)
{
	int error;

	if (refusing)
		return -EEXIST;
	misc = (struct kprobe) {
		.symbol_name = "misc_register",
		.pre_handler = refuse_misc,
		.post_handler = after,
	};
	error = register_kprobe(&misc);
	refusing = !error;
	return error;
}

static int run_allow_misc(void)
{
	if (refusing)
		unregister_kprobe(&misc);
	refusing = false;
	return 0;
}

static const struct {
	const char *word;
	int (*run)(void);
} words[] = {
	{ "inside", run_inside },
	{ "call", run_call },
	{ "irqs_off", run_irqs_off },
	{ "bh_off", run_bh_off },
	{ "register", run_register },
	{ "unregister", run_unregister },
	{ "refuse_misc", run_refuse_misc },
	{ "allow_misc", run_allow_misc },
};

static int set_run(const char *value, const struct kernel_param *kp)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(words); i++)
		if (sysfs_streq(value, words[i].word))
			return words[i].run();
	return -EINVAL;
}

static const struct kernel_param_ops run_ops = {
	.set = set_run,
};

module_param_cb(run, &run_ops, NULL, 0200);
MODULE_PARM_DESC(run, "inside, call, irqs_off, bh_off, register, unregister, refuse_misc or allow_misc");

static int get_changed(char *buffer, const struct kernel_param *kp)
{
	return scnprintf(buffer, PAGE_SIZE, "%#llx\n", changed);
}

static const struct kernel_param_ops changed_ops = {
	.get = get_changed,
};

module_param_cb(changed, &changed_ops, NULL, 0400);
MODULE_PARM_DESC(changed, "registers that the last run found changed, a bit each");

static int get_offset(char *buffer, const struct kernel_param *kp)
{
	return scnprintf(buffer, PAGE_SIZE, "%llu\n", dmarace_test_offset);
}

static const struct kernel_param_ops offset_ops = {
	.get = get_offset,
};

module_param_cb(offset, &offset_ops, NULL, 0400);
MODULE_PARM_DESC(offset, "where inside dmarace_test_inside() nothing happens");

static int __init test_init(void)
{
	return 0;
}

static void __exit test_exit(void)
{
	run_allow_misc();
	run_unregister();
}

module_init(test_init);
module_exit(test_exit);

MODULE_DESCRIPTION("Something for dmarace's own test to hold");
MODULE_LICENSE("GPL");
MODULE_INFO(test, "Y");
