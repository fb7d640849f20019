// SPDX-License-Identifier: GPL-2.0-or-later
// This file reads Ctrl-C and SIGTERM from a signalfd.
#pragma once

#include "base/unique_fd.hpp"
#include "campaign/machine.hpp"

namespace dmarace::commands {

// Blocks SIGINT and SIGTERM for the process and counts them. The second one
// ends the process at once: closing the control device releases every hold.
class SignalInterrupts final : public campaign::Interrupts {
public:
    SignalInterrupts();
    int descriptor() const override { return fd_.get(); }
    unsigned count() override;

private:
    UniqueFd fd_;
    unsigned count_ = 0;
};

} // namespace dmarace::commands
