// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/board/desk.hpp"

#include "vm/image/guest/frames.hpp"
#include "vm/kernels/say.hpp"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <termios.h>

#include <sys/socket.h>

#include <array>
#include <fstream>

namespace dmarace::vm {
namespace fs = std::filesystem;
namespace {

using Clock = std::chrono::steady_clock;
constexpr int kSendMs = 10'000; // a program that takes no input for so long is stuck
constexpr int kTickMs = 20;

struct Ends {
    UniqueFd ours, theirs;
};

Result<Ends> make_ends(Talk::By by) {
    std::array<int, 2> ends{};
    if (by == Talk::By::socket) {
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
            return fail_errno("socketpair");
        return Ends{UniqueFd(ends[0]), UniqueFd(ends[1])};
    }
    // Programs for serial lines want a terminal; this one changes nothing.
    termios raw{};
    cfmakeraw(&raw);
    if (openpty(&ends[0], &ends[1], nullptr, &raw, nullptr) != 0)
        return fail_errno("a terminal for the console");
    Ends made{UniqueFd(ends[0]), UniqueFd(ends[1])};
    for (const int fd : ends)
        fcntl(fd, F_SETFD, FD_CLOEXEC);
    return made;
}

} // namespace

Result<Talk> Talk::start(const Words& words, By by, const fs::path& errors) {
    TRY_AS(auto ends, make_ends(by));
    fcntl(ends.ours.get(), F_SETFL, O_NONBLOCK);
    UniqueFd log;
    if (!errors.empty())
        log.reset(open(errors.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
    const int theirs = ends.theirs.get();
    TRY_AS(auto process, start_command({.argv = words}, theirs, log ? log.get() : theirs, theirs));
    return Talk(std::move(ends.ours), std::move(process), words.front());
}

std::string Talk::take() {
    std::string all;
    std::array<char, 16384> buffer{};
    for (;;) {
        const ssize_t got = read(ours_.get(), buffer.data(), buffer.size());
        if (got > 0)
            all.append(buffer.data(), static_cast<std::size_t>(got));
        else if (got < 0 && errno == EINTR)
            continue;
        else {
            silent_ = got == 0 || errno != EAGAIN;
            return all;
        }
    }
}

Status Talk::send(std::string_view text) {
    const auto limit = Clock::now() + std::chrono::milliseconds(kSendMs);
    while (!text.empty()) {
        const ssize_t done = write(ours_.get(), text.data(), text.size());
        if (done > 0)
            text.remove_prefix(static_cast<std::size_t>(done));
        else if (errno != EINTR && errno != EAGAIN)
            return fail_errno(name_);
        else if (Clock::now() > limit)
            return fail(Fault::environment, name_ + " takes no input");
        pollfd room{ours_.get(), POLLOUT, 0};
        if (!text.empty())
            poll(&room, 1, kTickMs);
    }
    return {};
}

std::optional<int> Talk::ended() { return silent_ ? process_.wait(0) : std::nullopt; }

void ConsoleText::keep(std::string_view bytes) {
    std::ofstream(log_, std::ios::binary | std::ios::app) << bytes << std::flush;
    text_ += bytes;
    if (text_.size() > most_)
        drop(text_.size() - most_ / 2);
}

void ConsoleText::add(std::string_view bytes) {
    for (const char letter : bytes) {
        line_ += letter;
        if (letter != '\n')
            continue;
        const auto part = parts_ ? line_.find(guest::kFrame) : std::string::npos;
        if (part != std::string::npos)
            parts_(line_);
        if (part != 0)
            keep(part == std::string::npos ? line_ : line_.substr(0, part));
        line_.clear();
    }
}

std::string ConsoleText::tail(std::size_t most) const {
    std::string all = text_.substr(text_.size() - std::min(most, text_.size())) + line_;
    return all.substr(all.size() - std::min(most, all.size()));
}

Status Desk::open_console() {
    if (board_.console.empty() || (talk_ && !talk_->ended()))
        return {};
    talk_.reset();
    auto talk = Talk::start(board_.console, Talk::By::terminal);
    if (!talk)
        return std::unexpected(Error(talk.error()).within("console"));
    talk_.emplace(*std::move(talk));
    return {};
}

void Desk::listen(int timeout_ms, int other) {
    std::array<pollfd, 2> fds{{{talk_ ? talk_->fd() : -1, POLLIN, 0}, {other, POLLIN, 0}}};
    poll(fds.data(), fds.size(), timeout_ms);
    if (!talk_)
        return;
    console_.add(talk_->take());
    if (const auto status = talk_->ended()) {
        if (!std::exchange(told_, true))
            say("the console's command ended with {}; starting it again, whenever it does",
                *status);
        if (auto opened = open_console(); !opened)
            say("{}", opened.error().message);
        poll(nullptr, 0, 500); // one that ends at once is not started all the time
    }
}

Status Desk::type(std::string_view text) {
    return talk_ ? talk_->send(text) : fail(Fault::environment, "the board has no console");
}

Result<Desk::Ended> Desk::run(const Words& words, std::chrono::seconds limit,
                              const std::string& what, const fs::path& in) {
    const fs::path said = scratch_ / "said";
    UniqueFd input;
    if (!in.empty())
        input.reset(open(in.c_str(), O_RDONLY | O_CLOEXEC));
    if (!in.empty() && !input)
        return fail_errno(in.string());
    const UniqueFd output(open(said.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    const UniqueFd errors(
        open((scratch_ / "errors").c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!output || !errors)
        return fail_errno(said.string());
    TRY_AS(auto process, start_command({.argv = words}, output.get(), errors.get(), input.get()));
    const auto end = Clock::now() + limit;
    for (;;) {
        if (const auto status = process.wait(kTickMs))
            return Ended{*status, read_text(said).value_or("")};
        listen(0);
        TRY(unless_interrupted());
        if (Clock::now() > end)
            return fail(Fault::environment, fmt::format("{}: not over after {} s: {}", what,
                                                        limit.count(), fmt::join(words, " ")));
    }
}

Status Desk::must(const Words& words, const std::string& what) {
    TRY_AS(const auto ran, run(words, board_.command_timeout, what));
    if (ran.status == 0)
        return {};
    std::string why = read_text(scratch_ / "errors").value_or("") + ran.output;
    while (why.ends_with('\n'))
        why.pop_back();
    return fail(Fault::environment,
                fmt::format("{} ended with {} ({}){}{}", what, ran.status, fmt::join(words, " "),
                            why.empty() ? "" : ": ", why));
}

Status unless_interrupted() {
    if (InterruptCount::count() == 0)
        return {};
    return std::unexpected(Error{Fault::environment, "interrupted", EINTR});
}

} // namespace dmarace::vm
