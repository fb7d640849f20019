// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "vm/board/board.hpp"
#include "vm/image/root.hpp"

namespace dmarace::vm {

// Boots guests of that board with KVM where it is, the other disks empty for each.
BootGuest boots_of(const Board& board);

} // namespace dmarace::vm
