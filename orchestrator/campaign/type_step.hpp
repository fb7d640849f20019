// SPDX-License-Identifier: GPL-2.0-or-later
// This file writes a group's default domain type and reads it back.
#pragma once

#include "board/devices.hpp"
#include "verdict/observed.hpp"

#include <string>

namespace dmarace::campaign {

// 'group' is a number, or a device whose group is meant. Fills in what was
// there before, what was asked, whether a driver was bound, and what is read
// back; the kernel's refusal is the status and its errno.
Status write_type(const board::Devices& devices, const std::string& group, const std::string& type,
                  verdict::StepResult& result);

} // namespace dmarace::campaign
