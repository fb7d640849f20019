// SPDX-License-Identifier: GPL-2.0-or-later
// This file makes sure that the module dmarace is there before a command
// needs it.
#pragma once

#include "board/control.hpp"
#include "board/modules.hpp"

#include <memory>

namespace dmarace::commands {

// Root, the module loaded (inserted when it is not), the device opened. Each
// thing that lacks is an error with its remedy.
Result<std::unique_ptr<board::Control>> open_module(const board::Modules& modules);

} // namespace dmarace::commands
