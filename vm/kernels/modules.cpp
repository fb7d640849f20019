// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/kernels/cache.hpp"
#include "vm/kernels/elf.hpp"
#include "vm/kernels/kernel.hpp"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <set>
#include <sstream>

namespace dmarace::vm {
namespace fs = std::filesystem;
namespace {

// The value of the first "KEY=value" among NUL-separated words.
std::string_view word(std::string_view modinfo, std::string_view key) {
    while (!modinfo.empty()) {
        const std::string_view entry = modinfo.substr(0, modinfo.find('\0'));
        if (entry.starts_with(key))
            return entry.substr(key.size());
        modinfo.remove_prefix(std::min(modinfo.size(), entry.size() + 1));
    }
    return {};
}

// "x.ko.xz" is "x.ko" once unpacked.
fs::path unpacked_name(fs::path path) {
    while (path.has_extension() && path.extension() != ".ko")
        path.replace_extension();
    return path;
}

struct FreeReader {
    void operator()(archive* reader) const { archive_read_free(reader); }
};

// A file's contents, decompressed if it is compressed (xz, zstd, gzip).
Result<std::string> read_unpacked(const fs::path& file) {
    const std::unique_ptr<archive, FreeReader> reader(archive_read_new());
    archive_read_support_filter_xz(reader.get());
    archive_read_support_filter_zstd(reader.get());
    archive_read_support_filter_gzip(reader.get());
    archive_read_support_format_raw(reader.get());
    archive_read_support_format_empty(reader.get());
    const auto failed = [&] {
        const char* why = archive_error_string(reader.get());
        return fail(Fault::environment, file.string() + ": " + (why ? why : "cannot be read"));
    };
    archive_entry* entry = nullptr;
    if (archive_read_open_filename(reader.get(), file.c_str(), 65536) != ARCHIVE_OK)
        return failed();
    const int header = archive_read_next_header(reader.get(), &entry);
    if (header == ARCHIVE_EOF)
        return std::string();
    if (header != ARCHIVE_OK)
        return failed();
    std::string text;
    std::array<char, 65536> buffer{};
    for (;;) {
        const la_ssize_t got = archive_read_data(reader.get(), buffer.data(), buffer.size());
        if (got < 0)
            return failed();
        if (got == 0)
            return text;
        text.append(buffer.data(), static_cast<std::size_t>(got));
    }
}

} // namespace

std::string module_name(std::string_view name) {
    std::string result(name);
    std::replace(result.begin(), result.end(), '-', '_');
    return result;
}

std::string module_of_file(std::string_view file_name) {
    const auto suffix = file_name.rfind(".ko");
    if (suffix == std::string_view::npos)
        return {};
    const std::string_view rest = file_name.substr(suffix + 3);
    if (!rest.empty() && rest != ".xz" && rest != ".zst" && rest != ".gz")
        return {};
    return module_name(file_name.substr(0, suffix));
}

std::vector<std::string> depends_of(std::string_view modinfo) {
    std::vector<std::string> names;
    std::istringstream list{std::string(word(modinfo, "depends="))};
    std::string name;
    while (std::getline(list, name, ','))
        if (!name.empty())
            names.push_back(module_name(name));
    return names;
}

std::string release_of(std::string_view modinfo) {
    const std::string_view magic = word(modinfo, "vermagic=");
    return std::string(magic.substr(0, magic.find(' ')));
}

ModuleIndex index_directory(const fs::path& directory) {
    ModuleIndex index;
    std::error_code error;
    for (const auto& entry : fs::recursive_directory_iterator(directory, error)) {
        const std::string name = module_of_file(entry.path().filename().string());
        if (!name.empty())
            index[name] = {entry.path(), unpacked_name(entry.path().lexically_relative(directory))};
    }
    return index;
}

Result<ModuleIndex> index_tree(const fs::path& tree) {
    auto order = read_text(tree / "modules.order");
    if (!order)
        return fail(Fault::environment,
                    order.error().message + "; build the tree's modules first (make modules)");
    ModuleIndex index;
    std::istringstream lines(*order);
    std::string line;
    while (std::getline(lines, line)) {
        // Newer kernels list objects, older ones modules, the oldest "kernel/" paths.
        fs::path path = fs::path(line).replace_extension(".ko");
        if (!path.empty() && *path.begin() == "kernel" && !fs::exists(tree / path))
            path = path.lexically_relative("kernel");
        if (fs::exists(tree / path))
            index[module_of_file(path.filename().string())] = {tree / path, "kernel" / path};
    }
    return index;
}

Result<std::string> read_module(const ModuleFile& file) {
    return file.host.extension() == ".ko" ? read_text(file.host) : read_unpacked(file.host);
}

Result<std::vector<std::string>> closure(const ModuleIndex& index,
                                         const std::vector<std::string>& wanted) {
    std::vector<std::string> order;
    std::set<std::string> seen;
    const std::function<Status(const std::string&)> visit = [&](const std::string& name) -> Status {
        const auto found = index.find(name);
        if (found == index.end() || !seen.insert(name).second)
            return {};
        const auto bytes = read_module(found->second);
        if (!bytes)
            return std::unexpected(bytes.error());
        const auto modinfo = find_section(*bytes, ".modinfo");
        if (!modinfo)
            return std::unexpected(Error(modinfo.error()).within(found->second.host.string()));
        for (const std::string& dependency : depends_of(*modinfo))
            if (auto status = visit(dependency); !status)
                return status;
        order.push_back(name);
        return {};
    };
    for (const std::string& name : wanted)
        if (auto status = visit(module_name(name)); !status)
            return std::unexpected(status.error());
    return order;
}

} // namespace dmarace::vm
