// SPDX-License-Identifier: GPL-2.0-or-later
// This file writes vm.json: what a run was booted on and how each boot ended. Pure.
#pragma once

#include "vm/watch/campaign.hpp"

#include <string>

namespace dmarace::vm {

std::string vm_json(const Setup& setup, const Course& course, const std::string& qemu_version,
                    double seconds);

} // namespace dmarace::vm
