// SPDX-License-Identifier: GPL-2.0-or-later
// This file is the yardstick for dmarace's type writer: a bare loop of the same
// writes and reads.
#pragma once

namespace dmarace::bench {

// Writes 'identity' and 'DMA' in turn to an open 'type' file, 'writes' times, and
// reads back each time. Writes a second, or a negative errno.
double type_loop(int type, unsigned writes);

} // namespace dmarace::bench
