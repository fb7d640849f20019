// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/kernel/series.hpp"

#include "vm/ui/say.hpp"

#include <algorithm>
#include <cctype>
#include <set>

namespace dmarace::vm {
namespace {

bool is_digit(char letter) {
    return std::isdigit(static_cast<unsigned char>(letter)) != 0;
}

// '~' sorts before the end of a part, letters before all else.
int weight(std::string_view text, std::size_t at) {
    if (at >= text.size() || is_digit(text[at]))
        return 0;
    if (text[at] == '~')
        return -1;
    const auto letter = static_cast<unsigned char>(text[at]);
    return std::isalpha(letter) ? letter : letter + 256;
}

int compare_part(std::string_view left, std::string_view right) {
    std::size_t i = 0, j = 0;
    while (i < left.size() || j < right.size()) {
        while ((i < left.size() && !is_digit(left[i])) ||
               (j < right.size() && !is_digit(right[j]))) {
            if (const int order = weight(left, i) - weight(right, j))
                return order;
            ++i;
            ++j;
        }
        const auto number = [](std::string_view text, std::size_t& at) {
            while (at < text.size() && text[at] == '0')
                ++at;
            const std::size_t start = at;
            while (at < text.size() && is_digit(text[at]))
                ++at;
            return text.substr(start, at - start);
        };
        const std::string_view a = number(left, i), b = number(right, j);
        if (a.size() != b.size())
            return a.size() < b.size() ? -1 : 1;
        if (const int order = a.compare(b))
            return order;
    }
    return 0;
}

struct Version {
    std::string_view epoch = "0", upstream, revision;
};

Version split_version(std::string_view text) {
    Version version;
    if (const auto colon = text.find(':'); colon != std::string_view::npos) {
        version.epoch = text.substr(0, colon);
        text.remove_prefix(colon + 1);
    }
    const auto dash = text.rfind('-');
    version.upstream = text.substr(0, dash);
    if (dash != std::string_view::npos)
        version.revision = text.substr(dash + 1);
    return version;
}

// The ABI in linux-headers-ABI-ARCH, "" for other packages and flavours.
std::string abi_of(const std::string& name, const std::string& arch) {
    constexpr std::string_view kStart = "linux-headers-";
    const std::string end = "-" + arch;
    if (!name.starts_with(kStart) || !name.ends_with(end) ||
        name.size() <= kStart.size() + end.size())
        return {};
    const std::string abi = name.substr(kStart.size(), name.size() - kStart.size() - end.size());
    for (const char* flavour : {"-rt", "-cloud", "-dbg", "-16k", "common"})
        if (abi.find(flavour) != std::string::npos)
            return {};
    return abi;
}

// "6.1.0-56" and "6.1.192-2" share the kbuild package "linux-kbuild-6.1".
std::string short_series(const std::string& abi) {
    const auto dot = abi.find('.');
    return abi.substr(0, abi.find('.', dot + 1));
}

class Stock {
public:
    explicit Stock(const std::vector<Package>& packages) {
        for (const Package& package : packages)
            have_.insert(package.name + "=" + package.version);
    }
    bool has(const std::string& name, const std::string& version) const {
        return have_.contains(name + "=" + version);
    }
    // The first of the names in that version, "" if there is none.
    std::string first(const std::vector<std::string>& names, const std::string& version) const {
        for (const std::string& name : names)
            if (has(name, version))
                return name;
        return {};
    }

private:
    std::set<std::string> have_;
};

// The packages of one kernel; nothing when one is missing.
std::optional<Choice> complete(const std::string& series, const std::string& arch,
                               const std::string& abi, const Package& headers, const Stock& stock) {
    const std::string& version = headers.version;
    const std::string end = "-" + abi + "-" + arch;
    Choice choice{series, arch, abi, version, headers.suite, {}, {}};
    const std::string binary =
        stock.first({"linux-binary" + end, "linux-binary-unsigned" + end}, version);
    std::vector<std::string> wanted{"linux-headers" + end, "linux-headers-" + abi + "-common"};
    if (!binary.empty()) // the image deb is split up, and itself empty
        wanted.insert(wanted.end(), {binary, "linux-modules" + end, "linux-base" + end});
    else
        wanted.push_back(stock.first({"linux-image" + end, "linux-image-unsigned" + end}, version));
    choice.kbuild =
        stock.first({"linux-kbuild-" + abi, "linux-kbuild-" + short_series(abi)}, version);
    for (const std::string& name : wanted)
        if (!stock.has(name, version))
            return std::nullopt;
    if (choice.kbuild.empty())
        return std::nullopt;
    choice.packages = std::move(wanted);
    return choice;
}

} // namespace

int compare_versions(std::string_view left, std::string_view right) {
    const Version a = split_version(left), b = split_version(right);
    if (const int order = compare_part(a.epoch, b.epoch))
        return order;
    if (const int order = compare_part(a.upstream, b.upstream))
        return order;
    return compare_part(a.revision, b.revision);
}

Result<Choice> choose_kernel(const std::string& series, const std::string& arch,
                             const std::vector<Package>& packages) {
    const Stock stock(packages);
    std::optional<Choice> best;
    for (const Package& package : packages) {
        const std::string abi = abi_of(package.name, arch);
        if (abi.empty() || !abi.starts_with(series + "."))
            continue;
        auto choice = complete(series, arch, abi, package, stock);
        if (choice && (!best || compare_versions(choice->version, best->version) > 0))
            best = std::move(choice);
    }
    if (!best)
        return fail(Fault::environment,
                    fmt::format("no {} kernel of series {} has image, headers and kbuild in the "
                                "configured suites (vm/suites)",
                                arch, series));
    return *best;
}

} // namespace dmarace::vm
