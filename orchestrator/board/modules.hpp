// SPDX-License-Identifier: GPL-2.0-or-later
// Loads and unloads kernel modules of the running kernel's own tree,
// through libkmod. Modules are named, never given by path.
#pragma once

#include "base/error.hpp"

#include <memory>
#include <string>
#include <vector>

struct kmod_ctx;

namespace dmarace::board {

class Modules {
public:
    Modules();
    // A context of its own for another process: libkmod contexts are not shared.
    Modules fresh() const { return Modules(); }

    // Inserts a module after those it depends on. os_error EEXIST: it is there
    // already; ENOENT: this kernel's tree has none of that name.
    Status insert(const std::string& name, const std::string& options) const;
    // Removes it, never by force. os_error EAGAIN or EBUSY: it is in use.
    Status remove(const std::string& name) const;
    bool loaded(const std::string& name) const;
    bool known(const std::string& name) const; // loaded, built in, or in the tree
    bool builtin(const std::string& name) const;
    // Modules that claim a modalias, by name; built-in ones are not listed.
    std::vector<std::string> for_alias(const std::string& modalias) const;
    // The kernel release that the module was built for: this kernel's when it is
    // loaded, else what the file in the tree says; "" if there is none.
    std::string release(const std::string& name) const;
    // Where the tree has the module's file, "" if it has none.
    std::string path(const std::string& name) const;

private:
    struct KmodUnref {
        void operator()(kmod_ctx* ctx) const;
    };
    std::unique_ptr<kmod_ctx, KmodUnref> ctx_;
};

} // namespace dmarace::board
