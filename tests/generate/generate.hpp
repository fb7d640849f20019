// SPDX-License-Identifier: GPL-2.0-or-later
// Makes random job files that are right: they load, lint finds no
// error in them, and none may wedge a sound kernel (risk below reboot, no
// DMA-FQ beside a removal, which oopses every kernel since 6.5). Pure; words
// come from the tables that the loader itself reads.
#pragma once

#include <cstdint>
#include <string>

namespace dmarace::generate {

// The text of the job 'random-SEED'. The same seed gives the same text.
std::string job_text(std::uint64_t seed);

} // namespace dmarace::generate
