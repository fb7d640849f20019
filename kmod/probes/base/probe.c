// SPDX-License-Identifier: GPL-2.0-only
// Every kernel: what the other probes stand on compiles.
#include <linux/device.h>
#include <linux/iommu.h>
#include <linux/platform_device.h>

static const char * __maybe_unused
probe(struct device *dev)
{
	return dev_name(dev);
}
