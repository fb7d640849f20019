// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/kernel/fragment.hpp"

#include "vm/cache/cache.hpp"
#include "vm/ui/say.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <sstream>

namespace dmarace::vm {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kBase = "base";
constexpr std::string_view kSuffix = ".config";
constexpr std::string_view kOff = "n";

struct Setting {
    std::string option, value; // value "n" when it is off
};

// "CONFIG_X=y" or "# CONFIG_X is not set"; nothing for any other line.
std::optional<Setting> read_setting(const std::string& line) {
    constexpr std::string_view kStart = "CONFIG_", kUnset = " is not set";
    const bool comment = line.starts_with("# ");
    const std::string text = comment ? line.substr(2) : line;
    if (!text.starts_with(kStart))
        return std::nullopt;
    if (comment)
        return text.ends_with(kUnset)
                   ? std::optional(
                         Setting{text.substr(0, text.size() - kUnset.size()), std::string(kOff)})
                   : std::nullopt;
    const auto equals = text.find('=');
    if (equals == std::string::npos)
        return std::nullopt;
    return Setting{text.substr(0, equals), text.substr(equals + 1)};
}

std::vector<Setting> read_settings(std::string_view text) {
    std::vector<Setting> settings;
    std::istringstream lines{std::string(text)};
    std::string line;
    while (std::getline(lines, line))
        if (auto setting = read_setting(line))
            settings.push_back(*std::move(setting));
    return settings;
}

std::string to_line(const Setting& setting) {
    return setting.value == kOff ? fmt::format("# {} is not set", setting.option)
                                 : fmt::format("{}={}", setting.option, setting.value);
}

} // namespace

Result<std::vector<std::string>> choose_variants(const std::vector<std::string>& asked,
                                                 const std::vector<std::string>& known) {
    std::set<std::string> names;
    for (const std::string& words : asked) {
        std::istringstream list(words);
        std::string name;
        while (std::getline(list, name, ',')) {
            if (std::find(known.begin(), known.end(), name) == known.end())
                return fail(Fault::usage,
                            fmt::format("no kernel variant '{}'{}", name, hint(name, known)));
            names.insert(name);
        }
    }
    return std::vector<std::string>(names.begin(), names.end());
}

std::string merge_fragments(const std::vector<std::string>& texts) {
    std::vector<std::string> order;
    std::map<std::string, Setting> last;
    for (const std::string& text : texts)
        for (const Setting& setting : read_settings(text))
            if (last.insert_or_assign(setting.option, setting).second)
                order.push_back(setting.option);
    std::string merged;
    for (const std::string& option : order)
        merged += to_line(last.at(option)) + "\n";
    return merged;
}

std::vector<std::string> unmet_options(std::string_view fragment, std::string_view config) {
    std::map<std::string, std::string> have;
    for (Setting& setting : read_settings(config))
        have.insert_or_assign(std::move(setting.option), std::move(setting.value));
    std::vector<std::string> unmet;
    for (const Setting& setting : read_settings(fragment)) {
        const auto found = have.find(setting.option);
        if ((found == have.end() ? kOff : std::string_view(found->second)) != setting.value)
            unmet.push_back(to_line(setting));
    }
    return unmet;
}

std::vector<std::string> variant_names(const fs::path& configs) {
    std::vector<std::string> names;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(configs, error))
        if (entry.path().extension() == kSuffix && entry.path().stem() != kBase)
            names.push_back(entry.path().stem().string());
    std::sort(names.begin(), names.end());
    return names;
}

Result<std::string> read_fragments(const fs::path& configs,
                                   const std::vector<std::string>& variants,
                                   const std::vector<fs::path>& own) {
    std::vector<fs::path> files{configs / (std::string(kBase) + std::string(kSuffix))};
    for (const std::string& variant : variants)
        files.push_back(configs / (variant + std::string(kSuffix)));
    files.insert(files.end(), own.begin(), own.end());
    std::vector<std::string> texts;
    for (const fs::path& file : files) {
        auto text = read_text(file);
        if (!text)
            return fail(Fault::usage, "kernel options: " + text.error().message);
        texts.push_back(*std::move(text));
    }
    return merge_fragments(texts);
}

} // namespace dmarace::vm
