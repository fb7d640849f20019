// SPDX-License-Identifier: GPL-2.0-or-later
// This file tells how one boot of a guest ended. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dmarace::vm {

enum class End {
    ended,       // the program ended: its exit code counts
    panic,       // the kernel panicked
    rebooted,    // the guest's kernel was asked to boot again
    died,        // the guest switched itself off: no exit code, no panic
    qemu_failed, // QEMU failed or was killed: the host is to blame
    hang,        // the guest stopped beating
    timeout,     // --timeout was over
    interrupted, // the user pressed ctrl-c twice
    no_start,    // init could not start the program
    no_qemu,     // QEMU refused its command line
};

std::string_view to_text(End end);

struct Outcome {
    End end = End::died;
    int status = 0;                    // of the program, when it ended
    std::string detail;                // one line: the panic, what was waited for
    std::vector<std::string> evidence; // the last lines of the console that matter
};

// What was seen of a boot when QEMU was gone.
struct Sight {
    std::optional<int> exit;    // what init wrote
    std::optional<End> stopped; // why we killed QEMU, if we did
    int qemu_status = 0;        // QEMU's exit code
    bool beaten = false;        // init was there
    std::string console;        // of this boot
    std::string qemu_errors;    // QEMU's stderr
};

Outcome classify(const Sight& sight);

// From the first sign of trouble near the end of a console to its end, at most
// so many lines; the last lines when there is no such sign.
std::vector<std::string> trouble(std::string_view console, std::size_t most);

} // namespace dmarace::vm
