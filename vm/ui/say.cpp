// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/ui/say.hpp"

#include "base/nearest.hpp"

namespace dmarace::vm {

std::string hint(std::string_view word, const std::vector<std::string>& candidates) {
    if (std::string meant = did_you_mean(word, candidates); !meant.empty())
        return meant;
    return fmt::format("; there are: {}", fmt::join(candidates, ", "));
}

} // namespace dmarace::vm
