// SPDX-License-Identifier: GPL-2.0-or-later
// This file tells which functions of a kernel a rule stops at, from the point
// table alone. Pure.
#pragma once

#include "job/job.hpp"

#include <functional>
#include <string>
#include <string_view>

namespace dmarace::job {

// Does this kernel have a function of that name?
using HasSymbol = std::function<bool(std::string_view name)>;

// "of_iommu_configure and acpi_dma_configure_id", with a word where the module
// has to look at arming; or why the point is absent. The module follows the
// same table, but only it knows whether a probe is accepted.
std::string armed_at(const Rule& rule, const HasSymbol& has);

} // namespace dmarace::job
