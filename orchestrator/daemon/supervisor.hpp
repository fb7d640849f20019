// SPDX-License-Identifier: GPL-2.0-or-later
// This file talks to systemd: readiness, watchdog, journal. Without systemd, or
// built without its library, the same words go to stderr and nobody waits.
#pragma once

#include <chrono>
#include <map>
#include <string>

namespace dmarace::daemon {

// How often alive() is wanted; zero when nobody watches.
std::chrono::milliseconds beat();

void tell_ready();
void tell_alive();
void tell_status(const std::string& text);
void tell_stopping();

enum class LogLevel { error = 3, warning = 4, notice = 5, info = 6 }; // those of syslog

// One line; the fields ("DMARACE_JOB") can be searched for in the journal.
void log(LogLevel level, const std::string& message,
         const std::map<std::string, std::string>& fields = {});

} // namespace dmarace::daemon
