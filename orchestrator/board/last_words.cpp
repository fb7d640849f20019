// SPDX-License-Identifier: GPL-2.0-or-later
#include "board/last_words.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>

namespace dmarace::board {

namespace {

constexpr std::array kPlaces{"/sys/fs/pstore", "/var/lib/systemd/pstore"};
constexpr int kDeepest = 3; // systemd-pstore: BOOT/DUMP/dmesg.txt

// "Panic#2 Part3": part 1 is the end of the log, the highest its beginning.
struct Part {
    std::string dump;
    long number = 0;
    std::string text;
};

Part part_of(const std::string& where, const std::string& text) {
    const auto first = text.substr(0, text.find('\n'));
    const auto at = first.find(" Part");
    if (at == std::string::npos || first.find('#') > at)
        return {where, 0, text};
    const auto directory = where.substr(0, where.rfind('/'));
    return {directory + " " + first.substr(0, at), std::strtol(first.c_str() + at + 5, nullptr, 10),
            text.substr(std::min(first.size() + 1, text.size()))};
}

void gather(const Files& files, const std::string& path, int depth, std::vector<Part>& out) {
    for (const auto& name : files.list(path)) {
        const auto inner = path + "/" + name;
        if (auto text = files.read(inner))
            out.push_back(part_of(inner, *text));
        else if (depth < kDeepest)
            gather(files, inner, depth + 1, out);
    }
}

} // namespace

std::vector<std::string> last_words(const Files& files) {
    std::vector<Part> parts;
    for (const auto* place : kPlaces)
        gather(files, place, 1, parts);
    std::ranges::stable_sort(parts, std::greater<>(), &Part::number);
    std::map<std::string, std::string> dumps;
    for (const auto& part : parts)
        dumps[part.dump] += part.text + "\n";
    std::vector<std::string> out;
    for (auto& [dump, text] : dumps)
        out.push_back(std::move(text));
    return out;
}

std::vector<std::string> after_mark(const std::vector<std::string>& texts, const std::string& mark,
                                    std::size_t most) {
    for (const auto& text : texts) {
        const auto at = text.rfind(mark);
        if (at == std::string::npos)
            continue;
        std::vector<std::string> lines;
        for (auto begin = text.find('\n', at); begin != std::string::npos;) {
            const auto end = text.find('\n', begin + 1);
            auto line = text.substr(begin + 1, end == std::string::npos ? end : end - begin - 1);
            if (!line.empty())
                lines.push_back(std::move(line));
            begin = end;
        }
        if (lines.size() > most)
            lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(most));
        return lines;
    }
    return {};
}

} // namespace dmarace::board
