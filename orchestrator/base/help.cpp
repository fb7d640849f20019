// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/help.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <cctype>

namespace dmarace {

namespace {

std::string escaped(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if ((c == '.' || c == '\'') && (out.empty() || out.back() == '\n'))
            out += "\\&";
        out += c == '\\' ? "\\e" : c == '-' ? "\\-" : std::string(1, c);
    }
    return out;
}

std::string upper(std::string text) {
    std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::toupper(c); });
    return text;
}

} // namespace

std::string to_text(const ManPage& page) {
    return ".\\\" Made from --help.\n.TH " + escaped(upper(page.name)) + " " +
           std::to_string(page.section) + " \"\" \"dmarace " DMARACE_VERSION "\"\n.SH NAME\n" +
           escaped(page.name) + " \\- " + escaped(page.summary) + "\n.SH DESCRIPTION\n.nf\n" +
           escaped(page.help) + ".fi\n.SH SEE ALSO\n" + escaped(page.see) + "\n";
}

std::vector<HelpOption> options_in(const std::string& help) {
    std::vector<HelpOption> out;
    for (const auto& line : split(help, '\n')) {
        const auto text = line.find_first_not_of(' ');
        const auto at = line.find("--");
        // "  --out DIR", "  -n [ --iterations ] arg": what comes later is prose.
        if (text != 2 || line[2] != '-' || at == std::string::npos || (at != 2 && at != 7))
            continue;
        const auto end = std::min(line.find(' ', at), line.size());
        auto rest = std::string_view(line).substr(end);
        if (rest.starts_with(" ]"))
            rest.remove_prefix(2);
        out.push_back({line.substr(at, end - at), rest.size() > 1 && rest[1] != ' '});
    }
    return out;
}

std::string completions(const std::vector<std::string>& given, const std::string& help,
                        const std::vector<std::string>& words) {
    const std::string last = given.empty() ? "" : given.back();
    auto candidates = words;
    if (last.starts_with("-")) {
        candidates.clear();
        for (const auto& option : options_in(help))
            candidates.push_back(option.name);
    }
    std::string out;
    for (const auto& word : candidates)
        if (word.starts_with(last))
            out += word + "\n";
    return out;
}

} // namespace dmarace
