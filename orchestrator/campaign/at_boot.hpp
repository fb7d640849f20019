// SPDX-License-Identifier: GPL-2.0-or-later
// This file runs a job whose iterations are boots of the machine: rules are left
// for the next boot, the machine boots, and what the module, the log and the
// devices then show is judged. Each call is one leg, from boot to boot.
#pragma once

#include "board/boot_files.hpp"
#include "campaign/run.hpp"

namespace dmarace::campaign {

// One leg of a run. Ran::boot_again is set where the machine is to boot for the
// next iteration; without it every trace on the disk is taken away. An Error has
// changed nothing. files: where the traces are; tests have their own.
Result<Ran> run_at_boot(Machine& machine, Progress& progress, Interrupts& interrupts,
                        const job::Job& job, const RunOptions& options,
                        board::BootFiles files = board::BootFiles());

} // namespace dmarace::campaign
