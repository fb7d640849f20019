// SPDX-License-Identifier: GPL-2.0-or-later
#include "job/params.hpp"

namespace dmarace::job {

std::vector<ParamUse> param_uses(std::string_view text) {
    std::vector<ParamUse> out;
    for (auto at = text.find('{'); at != std::string_view::npos; at = text.find('{', at + 1)) {
        const auto end = text.find('}', at);
        if (end == std::string_view::npos)
            out.push_back({"", at});
        else
            out.push_back({std::string(text.substr(at + 1, end - at - 1)), at});
    }
    return out;
}

bool is_one_param(std::string_view word) {
    return word.size() > 2 && word.front() == '{' && word.find('}') == word.size() - 1;
}

std::string fill(std::string_view text, const std::map<std::string, std::string>& values) {
    std::string out;
    std::size_t done = 0;
    for (const auto& use : param_uses(text)) {
        const auto value = values.find(use.name);
        if (value == values.end() || use.offset < done)
            continue;
        out += text.substr(done, use.offset - done);
        out += value->second;
        done = use.offset + use.name.size() + 2;
    }
    return out += text.substr(done);
}

} // namespace dmarace::job
