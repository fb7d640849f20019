// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/files.hpp"
#include "base/text.hpp"
#include "board/kernel.hpp"

#include <fnmatch.h>
#include <libkmod.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace dmarace::board {
namespace fs = std::filesystem;

namespace {

struct ModuleUnref {
    void operator()(kmod_module* module) const { kmod_module_unref(module); }
};
using ModulePtr = std::unique_ptr<kmod_module, ModuleUnref>;

Result<ModulePtr> by_name(kmod_ctx* ctx, const std::string& name) {
    kmod_module* module = nullptr;
    const int err = kmod_module_new_from_name(ctx, name.c_str(), &module);
    if (err < 0)
        return fail_errno("module " + name, -err);
    return ModulePtr(module);
}

Result<ModulePtr> by_file(kmod_ctx* ctx, const fs::path& file) {
    kmod_module* module = nullptr;
    const int err = kmod_module_new_from_path(ctx, file.c_str(), &module);
    if (err < 0)
        return fail_errno("module " + file.string(), -err);
    return ModulePtr(module);
}

std::string underscored(std::string name) {
    std::ranges::replace(name, '-', '_');
    return name;
}

// "virtio_iommu" of ".../virtio-iommu.ko.xz", "" of what is no module's file.
std::string name_of_file(const fs::path& file) {
    const auto name = file.filename().string();
    for (const char* end : {".ko", ".ko.xz", ".ko.zst", ".ko.gz"})
        if (name.ends_with(end))
            return underscored(name.substr(0, name.size() - std::string_view(end).size()));
    return {};
}

// The values of one key of what a module's file says of itself.
std::vector<std::string> info_of(const kmod_module* module, std::string_view key) {
    std::vector<std::string> values;
    kmod_list* info = nullptr;
    if (kmod_module_get_info(module, &info) < 0)
        return values;
    kmod_list* item = nullptr;
    kmod_list_foreach(item, info) {
        if (kmod_module_info_get_key(item) == key)
            values.emplace_back(kmod_module_info_get_value(item));
    }
    kmod_module_info_free_list(info);
    return values;
}

std::string first_info_of(const kmod_module* module, std::string_view key) {
    const auto values = info_of(module, key);
    return values.empty() ? "" : values.front();
}

} // namespace

void Modules::KmodUnref::operator()(kmod_ctx* ctx) const { kmod_unref(ctx); }

Modules::Modules(const std::string& tree)
    : ctx_(kmod_new(tree.empty() ? nullptr : tree.c_str(), nullptr)) {
    if (!ctx_)
        return;
    kmod_set_log_fn(
        ctx_.get(), [](void*, int, const char*, int, const char*, const char*, va_list) {},
        nullptr);
    std::error_code ec;
    const fs::path root(kmod_get_dirname(ctx_.get()));
    // depmod of busybox writes the index as text, which libkmod does not read.
    if (!fs::exists(root / "modules.dep.bin", ec))
        walk(root);
}

namespace {

// Of files with one name depmod takes the one in updates/, and any other before one of the
// kernel's own; where it cannot tell, neither can we, and the first by name is taken.
std::pair<int, fs::path> precedence(const fs::path& tree, const fs::path& file) {
    const auto below = file.lexically_relative(tree);
    const auto first = below.begin()->string();
    return {first == "updates" ? 0 : first == "kernel" ? 2 : 1, below};
}

} // namespace

void Modules::walk(const fs::path& tree) {
    auto found = std::make_shared<Unindexed>();
    std::error_code ec;
    for (fs::recursive_directory_iterator at(tree, ec), end; !ec && at != end; at.increment(ec))
        if (const auto name = name_of_file(at->path()); !name.empty()) {
            const auto [known, fresh] = found->files.emplace(name, at->path());
            if (!fresh && precedence(tree, at->path()) < precedence(tree, known->second))
                known->second = at->path();
        }
    for (const auto& line : lines_in(read_text(tree / "modules.builtin").value_or("")))
        found->builtin.insert(name_of_file(line));
    unindexed_ = std::move(found);
}

Modules Modules::fresh() const {
    Modules out(kmod_get_dirname(ctx_.get()));
    out.given_ = given_;
    out.unindexed_ = unindexed_; // with what it has read
    return out;
}

Status Modules::give(const fs::path& file) {
    std::error_code ec;
    const auto whole = fs::absolute(file, ec);
    if (!fs::is_regular_file(whole, ec) || ::access(whole.c_str(), R_OK) != 0)
        return fail(Fault::usage, file.string() + ": no such file, or it cannot be read");
    TRY_AS(const auto module, by_file(ctx_.get(), whole));
    // A file may have any name.
    const auto name = first_info_of(module.get(), "name");
    if (name.empty())
        return fail(Fault::usage, file.string() + " is no kernel module (NAME.ko)");
    given_[underscored(name)] = whole;
    return {};
}

// A file that libkmod's index does not have, nullptr for none.
const fs::path* Modules::file_of(const std::string& name) const {
    const auto key = underscored(name);
    if (const auto given = given_.find(key); given != given_.end())
        return &given->second;
    if (!unindexed_)
        return nullptr;
    const auto found = unindexed_->files.find(key);
    return found == unindexed_->files.end() ? nullptr : &found->second;
}

int Modules::state(const std::string& name) const {
    const auto module = by_name(ctx_.get(), name);
    if (!module)
        return -1;
    const int now = kmod_module_get_initstate(module->get());
    if (!unindexed_)
        return now;
    // Without its index libkmod takes one that is built in for one that is coming.
    const auto initstate = "/sys/module/" + underscored(name) + "/initstate";
    if ((now == KMOD_MODULE_COMING && ::access(initstate.c_str(), F_OK) != 0) ||
        unindexed_->builtin.contains(underscored(name)))
        return KMOD_MODULE_BUILTIN;
    return now;
}

// What libkmod's index would do for a file that it does not have.
Status Modules::insert_file(const std::string& name, const fs::path& file,
                            const std::string& options, unsigned depth) const {
    TRY_AS(const auto module, by_file(ctx_.get(), file));
    for (const auto& needed : split(first_info_of(module.get(), "depends"), ',')) {
        if (needed.empty() || loaded(needed) || builtin(needed))
            continue;
        if (depth == 0)
            return fail_errno("module " + name + " depends on itself", ELOOP);
        auto before = insert(needed, "", depth - 1);
        if (!before && before.error().os_error != EEXIST)
            return std::unexpected(Error(before.error()).within("module " + name + " depends on"));
    }
    const char* own = kmod_module_get_options(module.get());
    const auto all = (own ? std::string(own) + " " : "") + options;
    const int err = kmod_module_insert_module(module.get(), 0, all.c_str());
    if (err < 0)
        return fail_errno("cannot insert " + file.string(), -err);
    return {};
}

Status Modules::insert(const std::string& name, const std::string& options) const {
    constexpr unsigned kDeepest = 30;
    return insert(name, options, kDeepest);
}

Status Modules::insert(const std::string& name, const std::string& options, unsigned depth) const {
    if (builtin(name))
        return fail_errno("module " + name + " is built into this kernel", EEXIST);
    if (const auto* file = file_of(name))
        return loaded(name) ? fail_errno("cannot insert module " + name, EEXIST)
                            : insert_file(name, *file, options, depth);
    TRY_AS(const auto module, by_name(ctx_.get(), name));
    if (kmod_module_get_path(module.get()) == nullptr)
        return fail_errno("module " + name + " is not in this kernel's tree" +
                              (unindexed_
                                   ? ", by the names of its files: it has no modules.dep.bin, "
                                     "which depmod makes"
                                   : ""),
                          ENOENT);
    // 'install' lines of modprobe.d are commands of somebody: no job runs those.
    const int err = kmod_module_probe_insert_module(
        module.get(), KMOD_PROBE_FAIL_ON_LOADED | KMOD_PROBE_IGNORE_COMMAND,
        options.empty() ? nullptr : options.c_str(), nullptr, nullptr, nullptr);
    if (err < 0)
        return fail_errno("cannot insert module " + name, -err);
    return {};
}

Status Modules::remove(const std::string& name) const {
    TRY_AS(const auto module, by_name(ctx_.get(), name));
    const int err = kmod_module_remove_module(module.get(), KMOD_REMOVE_NOLOG);
    if (err < 0)
        return fail_errno("cannot remove module " + name, -err);
    return {};
}

bool Modules::loaded(const std::string& name) const {
    const int now = state(name);
    return now == KMOD_MODULE_LIVE || now == KMOD_MODULE_COMING || now == KMOD_MODULE_GOING;
}

bool Modules::builtin(const std::string& name) const { return state(name) == KMOD_MODULE_BUILTIN; }

std::string Modules::path(const std::string& name) const {
    if (const auto* file = file_of(name))
        return file->string();
    const auto module = by_name(ctx_.get(), name);
    const char* path = module ? kmod_module_get_path(module->get()) : nullptr;
    return path ? path : "";
}

std::string Modules::release(const std::string& name) const {
    if (loaded(name))
        return kernel_release();
    const auto file = path(name);
    if (file.empty())
        return {};
    const auto module = by_file(ctx_.get(), file);
    const auto magic = module ? first_info_of(module->get(), "vermagic") : "";
    return magic.substr(0, magic.find(' '));
}

bool Modules::known(const std::string& name) const {
    return loaded(name) || builtin(name) || !path(name).empty();
}

std::vector<std::string> Modules::for_alias(const std::string& modalias) const {
    if (unindexed_)
        return claimants(modalias);
    std::vector<std::string> names;
    kmod_load_resources(ctx_.get()); // once: else each lookup opens and reads the indexes
    kmod_list* list = nullptr;
    if (kmod_module_new_from_lookup(ctx_.get(), modalias.c_str(), &list) < 0)
        return names;
    kmod_list* item = nullptr;
    kmod_list_foreach(item, list) {
        const ModulePtr module(kmod_module_get_module(item));
        if (kmod_module_get_path(module.get()) != nullptr)
            names.emplace_back(kmod_module_get_name(module.get()));
    }
    kmod_module_unref_list(list);
    return names;
}

// Each file is read once, when the first alias is asked for.
std::vector<std::string> Modules::claimants(const std::string& modalias) const {
    auto& aliases = unindexed_->aliases;
    if (!aliases) {
        aliases.emplace();
        for (const auto& [name, file] : unindexed_->files)
            if (const auto module = by_file(ctx_.get(), file))
                for (const auto& alias : info_of(module->get(), "alias"))
                    aliases->emplace_back(alias, name);
    }
    std::vector<std::string> names;
    for (const auto& [alias, name] : *aliases)
        if (::fnmatch(alias.c_str(), modalias.c_str(), 0) == 0 &&
            std::ranges::count(names, name) == 0)
            names.push_back(name);
    return names;
}

} // namespace dmarace::board
