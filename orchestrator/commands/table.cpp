// SPDX-License-Identifier: GPL-2.0-or-later
#include "commands/table.hpp"

#include <array>

namespace dmarace::commands {

namespace {

constexpr std::array kTable{
    Command{"doctor", "what can be run here now, what stops the rest, and the remedy", run_doctor},
    Command{"audit", "the DMA set-up of devices as it is now", run_audit},
    Command{"list", "jobs, points, devices or groups", run_list},
    Command{"lint", "check job files without running them", run_lint},
    Command{"new", "write a commented job file to start from", run_new},
    Command{"queue", "jobs for dmaraced: add, list, cancel", run_queue},
    Command{"report", "say again what runs found, from their journals", run_report},
    Command{"restore", "put back what an interrupted run changed", run_restore},
    Command{"run", "run jobs and judge every device's DMA", run_run},
};

} // namespace

std::span<const Command> table() {
    return kTable;
}

} // namespace dmarace::commands
