// SPDX-License-Identifier: GPL-2.0-or-later
// This file writes a group's default domain type and reads it back.
#pragma once

#include "campaign/steps.hpp"
#include "verdict/observed.hpp"

#include <string>

namespace dmarace::campaign {

// 'group' is a number, or a device whose group is meant, the one it was in when
// the actors were made if it cannot be found any more. Fills in what was
// there before, what was asked, whether a driver was bound, and what is read
// back; the kernel's refusal is the status and its errno.
Status write_type(StepContext& context, const std::string& group, const std::string& type,
                  verdict::StepResult& result);

// Drivers that leave the DMA of their device to others (driver_managed_dma): bound
// to one, a device does not keep its group from changing type.
bool manages_its_dma(const std::string& driver);

} // namespace dmarace::campaign
