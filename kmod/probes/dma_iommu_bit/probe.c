// SPDX-License-Identifier: GPL-2.0-only
// From b5c58b2fdc42 ("dma-mapping: direct calls for dma-iommu") (in v6.12) to v7.1
#include <linux/device.h>

static bool __maybe_unused
probe(const struct device *dev)
{
	return dev->dma_iommu;
}
