// SPDX-License-Identifier: GPL-2.0-or-later
#include "commands/table.hpp"

#include <array>

namespace dmarace::commands {

namespace {

constexpr std::array kTable{
    Subcommand{"doctor", "what can be run here now, what stops the rest, and the remedy",
               run_doctor},
    Subcommand{"audit", "the DMA set-up of devices as it is now", run_audit},
    Subcommand{"list", "jobs, points, devices or groups", run_list},
    Subcommand{"lint", "check job files without running them", run_lint},
    Subcommand{"new", "write a commented job file to start from", run_new},
    Subcommand{"queue", "jobs for dmaraced: add, list, cancel", run_queue},
    Subcommand{"report", "say again what runs found, from their journals", run_report},
    Subcommand{"restore", "put back what an interrupted run changed", run_restore},
    Subcommand{"run", "run jobs and judge every device's DMA", run_run},
};

} // namespace

std::span<const Subcommand> table() {
    return kTable;
}

} // namespace dmarace::commands
