// SPDX-License-Identifier: GPL-2.0-or-later
// This file counts how often the user asked us to stop.
#pragma once

namespace dmarace::vm {

// SIGINT and SIGTERM are counted instead of ending the process, and SIGPIPE is
// ignored, as long as the object lives.
class Interrupts {
public:
    Interrupts();
    ~Interrupts();
    Interrupts(const Interrupts&) = delete;
    Interrupts& operator=(const Interrupts&) = delete;
    static int count();
};

} // namespace dmarace::vm
