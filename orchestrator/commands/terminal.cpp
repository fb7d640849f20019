// SPDX-License-Identifier: GPL-2.0-or-later
#include "commands/terminal.hpp"

#include <unistd.h>

#include <sys/ioctl.h>

#include <cstdlib>
#include <iostream>

namespace dmarace::commands {

namespace {

std::size_t columns() {
    winsize size{};
    if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    const char* text = std::getenv("COLUMNS");
    const auto wanted = text ? std::strtoul(text, nullptr, 10) : 0;
    return wanted > 0 ? wanted : 80;
}

} // namespace

bool TerminalProgress::stderr_is_live() {
    const char* forced = std::getenv("DMARACE_TTY");
    return ::isatty(STDERR_FILENO) == 1 || (forced != nullptr && std::string(forced) == "1");
}

TerminalProgress::~TerminalProgress() {
    clear();
}

void TerminalProgress::clear() {
    if (drawn_)
        std::cerr << "\r\x1b[K" << std::flush;
    drawn_ = false;
}

void TerminalProgress::draw() {
    if (!live_)
        return;
    const auto seconds =
        std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - began_)
            .count();
    std::string line = job_ + "  " + std::to_string(number_);
    if (planned_ > 0)
        line += "/" + std::to_string(planned_);
    for (const auto& [verdict, count] : counts_)
        line += "  " + verdict + " " + std::to_string(count);
    line += "  " + std::to_string(seconds) + "s  " + what_;
    if (line.size() >= columns())
        line.resize(columns() - 1);
    std::cerr << "\r\x1b[K" << line << std::flush;
    drawn_ = true;
}

void TerminalProgress::iteration(unsigned number, unsigned planned) {
    number_ = number;
    planned_ = planned;
    draw();
}

void TerminalProgress::doing(const std::string& what) {
    what_ = what;
    draw();
}

void TerminalProgress::judged(unsigned number, const std::string& verdict, const std::string& why) {
    ++counts_[verdict];
    if (live_)
        return draw();
    std::cerr << job_ << ": iteration " << number;
    if (planned_ > 0)
        std::cerr << "/" << planned_;
    std::cerr << ": " << verdict << (why.empty() ? "" : ": ") << why << "\n";
}

void TerminalProgress::note(const std::string& text) {
    clear();
    std::cerr << job_ << ": " << text << "\n";
    draw();
}

} // namespace dmarace::commands
