// SPDX-License-Identifier: GPL-2.0-or-later
#include "board/modules.hpp"

#include <libkmod.h>

#include <sys/utsname.h>

#include <string_view>

namespace dmarace::board {

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

int state(kmod_ctx* ctx, const std::string& name) {
    const auto module = by_name(ctx, name);
    return module ? kmod_module_get_initstate(module->get()) : -1;
}

} // namespace

void Modules::KmodUnref::operator()(kmod_ctx* ctx) const {
    kmod_unref(ctx);
}

Modules::Modules() : ctx_(kmod_new(nullptr, nullptr)) {
    if (ctx_)
        kmod_set_log_fn(
            ctx_.get(), [](void*, int, const char*, int, const char*, const char*, va_list) {},
            nullptr);
}

Status Modules::insert(const std::string& name, const std::string& options) const {
    const auto module = by_name(ctx_.get(), name);
    if (!module)
        return std::unexpected(module.error());
    const int now = kmod_module_get_initstate(module->get());
    if (now == KMOD_MODULE_BUILTIN)
        return fail_errno("module " + name + " is built into this kernel", EEXIST);
    if (kmod_module_get_path(module->get()) == nullptr)
        return fail_errno("module " + name + " is not in this kernel's tree", ENOENT);
    const int err = kmod_module_probe_insert_module(module->get(), KMOD_PROBE_FAIL_ON_LOADED,
                                                    options.empty() ? nullptr : options.c_str(),
                                                    nullptr, nullptr, nullptr);
    if (err < 0)
        return fail_errno("cannot insert module " + name, -err);
    return {};
}

Status Modules::remove(const std::string& name) const {
    const auto module = by_name(ctx_.get(), name);
    if (!module)
        return std::unexpected(module.error());
    const int err = kmod_module_remove_module(module->get(), KMOD_REMOVE_NOLOG);
    if (err < 0)
        return fail_errno("cannot remove module " + name, -err);
    return {};
}

bool Modules::loaded(const std::string& name) const {
    const int now = state(ctx_.get(), name);
    return now == KMOD_MODULE_LIVE || now == KMOD_MODULE_COMING || now == KMOD_MODULE_GOING;
}

bool Modules::builtin(const std::string& name) const {
    return state(ctx_.get(), name) == KMOD_MODULE_BUILTIN;
}

std::string Modules::path(const std::string& name) const {
    const auto module = by_name(ctx_.get(), name);
    const char* path = module ? kmod_module_get_path(module->get()) : nullptr;
    return path ? path : "";
}

std::string Modules::release(const std::string& name) const {
    utsname host{};
    if (loaded(name) && ::uname(&host) == 0)
        return host.release;
    const auto module = by_name(ctx_.get(), name);
    kmod_list* info = nullptr;
    if (!module || path(name).empty() || kmod_module_get_info(module->get(), &info) < 0)
        return {};
    std::string found;
    kmod_list* item = nullptr;
    kmod_list_foreach(item, info) {
        const std::string value = kmod_module_info_get_value(item);
        if (std::string_view(kmod_module_info_get_key(item)) == "vermagic")
            found = value.substr(0, value.find(' '));
    }
    kmod_module_info_free_list(info);
    return found;
}

bool Modules::known(const std::string& name) const {
    return loaded(name) || builtin(name) || !path(name).empty();
}

std::vector<std::string> Modules::for_alias(const std::string& modalias) const {
    std::vector<std::string> names;
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

} // namespace dmarace::board
