// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/watch/guest.hpp"

#include "base/process.hpp"
#include "vm/kernels/cache.hpp"
#include "vm/kernels/say.hpp"
#include "vm/watch/streams.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <charconv>

namespace dmarace::vm {
namespace fs = std::filesystem;
namespace {

using Clock = std::chrono::steady_clock;
constexpr int kTickMs = 10;
// From the exit code to the end of QEMU, where a disk is to be left whole: results
// are out by then, and 7.3 takes a minute to shut an nvme down behind virtio-iommu.
constexpr std::chrono::seconds kPowerOff{4};

// Watches one guest until it is gone.
class Session {
public:
    Session(Process& qemu, const Watch& watch)
        : qemu_(qemu), watch_(watch), channel_(watch.share / kChannel),
          out_(channel_ / "stdout", watch.out), err_(channel_ / "stderr", watch.err),
          last_beat_(Clock::now()) {}

    void run(Sight& sight) {
        std::optional<int> status;
        while (!(status = qemu_.wait(kTickMs))) {
            hand_on();
            look(sight);
            if (sight.stopped || power_off_late())
                qemu_.kill();
        }
        hand_on();
        look_for_exit(sight);
        if (!sight.exit) {
            out_.writer_died();
            err_.writer_died();
        }
        sight.qemu_status = *status;
        sight.beaten = !beat_.empty();
    }

private:
    void hand_on() {
        out_.poll();
        err_.poll();
    }

    void look(Sight& sight) {
        const auto now = Clock::now();
        if (const std::string beat = peek(channel_ / "beat"); beat != beat_) {
            beat_ = beat;
            last_beat_ = now;
        }
        look_for_exit(sight);
        if (sight.exit || sight.stopped)
            return;
        if (now - last_beat_ > (beat_.empty() ? watch_.first_beat : watch_.beat))
            sight.stopped = End::hang;
        if (now > watch_.deadline)
            sight.stopped = End::timeout;
        pass_interrupts(sight);
    }

    void look_for_exit(Sight& sight) {
        const std::string text = peek(channel_ / "exit");
        int status = 0;
        if (sight.exit || !text.ends_with('\n'))
            return;
        const char* const end = text.data() + text.size();
        if (const auto read = std::from_chars(text.data(), end, status); read.ec == std::errc()) {
            sight.exit = status;
            if (read.ptr + 1 < end)
                std::from_chars(read.ptr + 1, end, sight.program_seconds);
            power_off_ = Clock::now() + (watch_.keeps_disk ? kPowerOff : kPowerOff.zero());
        }
    }

    bool power_off_late() const { return Clock::now() >= power_off_; }

    void pass_interrupts(Sight& sight) {
        const int asked = InterruptCount::count();
        if (asked > 0 && passed_ == 0) {
            say("passing the interrupt on; once more ends the guest");
            passed_ = asked;
            if (!write_text(channel_ / "interrupt", "\n") || beat_.empty())
                sight.stopped = End::interrupted;
        } else if (asked > passed_) {
            sight.stopped = End::interrupted;
        }
    }

    Process& qemu_;
    const Watch& watch_;
    fs::path channel_;
    Follower out_, err_;
    std::string beat_;
    Clock::time_point last_beat_;
    Clock::time_point power_off_ = Clock::time_point::max();
    int passed_ = 0;
};

std::string first_line(const std::string& text) {
    return text.substr(0, text.find('\n'));
}

} // namespace

Result<Outcome> run_guest(const std::vector<std::string>& qemu, const Watch& watch) {
    const fs::path channel = watch.share / kChannel;
    std::error_code error;
    fs::remove_all(channel, error);
    fs::create_directories(channel, error);
    for (const auto& [name, text] : watch.files)
        if (auto written = write_text(channel / name, text); !written)
            return std::unexpected(written.error());
    const auto console_before = fs::exists(watch.console) ? fs::file_size(watch.console, error) : 0;
    const fs::path log = channel / "qemu";
    const UniqueFd messages(open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
    if (!messages)
        return fail_errno(log.string());
    auto child = start_command({.argv = qemu}, messages.get(), messages.get());
    if (!child)
        return std::unexpected(child.error());
    Sight sight;
    Session(*child, watch).run(sight);
    const std::string console = peek(watch.console);
    sight.console = console.substr(std::min<std::size_t>(console_before, console.size()));
    sight.qemu_errors = first_line(peek(log));
    return classify(sight);
}

} // namespace dmarace::vm
