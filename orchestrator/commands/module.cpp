// SPDX-License-Identifier: GPL-2.0-or-later
#include "commands/module.hpp"

#include <unistd.h>

#include <sys/utsname.h>

namespace dmarace::commands {

namespace {

std::string release() {
    utsname host{};
    ::uname(&host);
    return host.release;
}

} // namespace

Result<std::unique_ptr<board::Control>> open_module(const board::Modules& modules) {
    if (::geteuid() != 0)
        return fail(Fault::environment, "this needs root");
    if (!modules.loaded("dmarace")) {
        const auto inserted = modules.insert("dmarace", "");
        if (!inserted && inserted.error().os_error == ENOENT)
            return fail(Fault::environment,
                        "kernel " + release() +
                            " has no module dmarace; build it with make -C /lib/modules/" +
                            release() + "/build M=$PWD modules modules_install, then depmod");
        if (!inserted && inserted.error().os_error == EPERM)
            return fail(Fault::environment,
                        inserted.error().message +
                            ": lockdown or a signature requirement keeps modules out (dmarace "
                            "doctor)");
        if (!inserted && inserted.error().os_error == ENOEXEC)
            return fail(Fault::environment, "dmarace.ko is for another kernel than " + release() +
                                                " (it says " + modules.release("dmarace") +
                                                "): build it again, make -C /lib/modules/" +
                                                release() +
                                                "/build M=$PWD modules "
                                                "modules_install, then depmod");
        if (!inserted && inserted.error().os_error != EEXIST)
            return std::unexpected(inserted.error());
    }
    return board::open_control();
}

} // namespace dmarace::commands
