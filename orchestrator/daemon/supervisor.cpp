// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/supervisor.hpp"

#ifdef DMARACE_SYSTEMD
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>

#include <sys/uio.h>

#include <vector>
#endif

#include <cstdlib>
#include <iostream>

namespace dmarace::daemon {

namespace {

#ifdef DMARACE_SYSTEMD
void notify(const std::string& text) {
    ::sd_notify(0, text.c_str());
}

bool log_to_journal(LogLevel level, const std::string& message,
                    const std::map<std::string, std::string>& fields) {
    if (!std::getenv("JOURNAL_STREAM"))
        return false;
    std::vector<std::string> texts{"MESSAGE=" + message,
                                   "PRIORITY=" + std::to_string(static_cast<int>(level)),
                                   "SYSLOG_IDENTIFIER=dmaraced"};
    for (const auto& [name, value] : fields)
        texts.push_back(name + "=" + value);
    std::vector<iovec> parts;
    for (auto& text : texts)
        parts.push_back({text.data(), text.size()});
    return ::sd_journal_sendv(parts.data(), static_cast<int>(parts.size())) == 0;
}
#else
void notify(const std::string&) {}

bool log_to_journal(LogLevel, const std::string&, const std::map<std::string, std::string>&) {
    return false;
}
#endif

} // namespace

std::chrono::milliseconds beat() {
#ifdef DMARACE_SYSTEMD
    std::uint64_t wanted = 0;
    if (::sd_watchdog_enabled(0, &wanted) > 0)
        return std::chrono::duration_cast<std::chrono::milliseconds>(
            std::chrono::microseconds(wanted / 2));
#endif
    return std::chrono::milliseconds::zero();
}

void tell_ready() {
    notify("READY=1");
}

void tell_alive() {
    notify("WATCHDOG=1");
}

void tell_status(const std::string& text) {
    notify("STATUS=" + text);
}

void tell_stopping() {
    notify("STOPPING=1");
}

void log(LogLevel level, const std::string& message,
         const std::map<std::string, std::string>& fields) {
    if (log_to_journal(level, message, fields))
        return;
    std::cerr << "dmaraced: " << message;
    for (const auto& [name, value] : fields)
        std::cerr << " " << name << "=" << value;
    std::cerr << std::endl;
}

} // namespace dmarace::daemon
