// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/kernel/build_log.hpp"

#include <fmt/format.h>

#include <fstream>
#include <sstream>

namespace dmarace::vm {

std::string step_of(std::string_view line) {
    if (line.size() < 4 || !line.starts_with("  ") || line[2] < 'A' || line[2] > 'Z')
        return {};
    const auto at = line.find_last_of(' ');
    return std::string(line.substr(at + 1));
}

std::string BuildLog::text() {
    std::ifstream in(file_, std::ios::binary);
    in.seekg(static_cast<std::streamoff>(offset_));
    std::string line;
    while (std::getline(in, line) && !in.eof()) { // the last line may still grow
        offset_ += line.size() + 1;
        if (std::string step = step_of(line); !step.empty()) {
            ++steps_;
            last_ = std::move(step);
        }
    }
    return steps_ == 0 ? "" : fmt::format("({}: {})", steps_, last_);
}

std::string host_trouble(std::string_view log) {
    for (const std::string_view sign :
         {"No space left on device", "Cannot allocate memory", "virtual memory exhausted",
          "Killed signal terminated program", "Read-only file system", "Disk quota exceeded"}) {
        const auto at = log.find(sign);
        if (at == std::string_view::npos)
            continue;
        const auto start = log.rfind('\n', at) + 1; // npos + 1 is 0
        return std::string(log.substr(start, log.find('\n', at) - start));
    }
    return {};
}

std::string errors_in(const std::string& log) {
    std::istringstream lines(log);
    std::string line, text;
    for (unsigned shown = 0; shown < 5 && std::getline(lines, line);)
        if (line.find("error:") != std::string::npos || line.find("ERROR:") != std::string::npos ||
            line.find("Error ") != std::string::npos || line.find("*** ") != std::string::npos) {
            text += "\n  " + line;
            ++shown;
        }
    return text;
}

} // namespace dmarace::vm
