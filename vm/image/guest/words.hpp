// SPDX-License-Identifier: GPL-2.0-or-later
// The places and words by which a guest's first program and the host know each other.
#pragma once

namespace dmarace::guest {

inline constexpr const char* kShare = "/run/out"; // what the host shares, as the guest sees it
inline constexpr const char* kData = "/data";     // the disk that outlives boots
// In the initramfs. Modules are paths in loading order, one a line, parameters after a
// space; argv and environ are NUL-separated.
inline constexpr const char* kEtc = "/etc/dmarace";
inline constexpr const char
    *kTransport = "transport",
    *kModules = "modules", *kDevice = "data", *kArgv = "argv", *kEnviron = "environ",
    *kWarm = "warm",             // is there: the boot may be kept, and begun again
        *kStanding = "standing"; // is there: with its program, which says that it stands
// Below the share: files of the guest (stdout to exit) and of the host (interrupt).
inline constexpr const char* kChannel = ".vm";
inline constexpr const char *kStdout = "stdout", *kStderr = "stderr", *kBeat = "beat",
                            *kExit = "exit", *kInterrupt = "interrupt";
// A life that may not be the first one: the time and new entropy, a line each.
inline constexpr const char* kLife = "life";
// The console's line of a guest that stands before its program, and waits for a line there.
inline constexpr const char* kStands = "dmarace-init: ready to begin";
// Starts the console's line about a guest that cannot even tell through the share.
inline constexpr const char* kCannotStart = "dmarace-init: cannot start: ";
// Below lib/modules/RELEASE of a kernel that was deployed: tells it from the one before it.
inline constexpr const char* kStamp = "dmarace-stamp";

} // namespace dmarace::guest
