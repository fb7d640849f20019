// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/files.hpp"
#include "vm/board/control.hpp"
#include "vm/image/guest/words.hpp"
#include "vm/kernels/say.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <fstream>
#include <iterator>

namespace dmarace::vm {
namespace fs = std::filesystem;
namespace {

using Clock = std::chrono::steady_clock;
constexpr int kTickMs = 10;
// From the exit code to the end of QEMU, where a disk is to be left whole: results
// are out by then, and 7.3 takes a minute to shut an nvme down behind virtio-iommu.
constexpr std::chrono::seconds kPowerOff{4};

// A reader that has gone away (a closed pipe) must not end the run.
void write_all(int to, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t done = write(to, bytes.data(), bytes.size());
        if (done > 0)
            bytes.remove_prefix(static_cast<std::size_t>(done));
        else if (done < 0 && errno != EINTR && errno != EAGAIN)
            return;
    }
}

// Copies what is appended to a file to a descriptor. The file may not be there yet.
class Follower {
public:
    Follower(std::filesystem::path file, int to) : file_(std::move(file)), to_(to) {}
    // Copies what is new; true if there was anything.
    bool poll();
    // Ends a line in whose middle the writer died, and says so: what follows is no
    // part of it.
    void writer_died();

private:
    std::filesystem::path file_;
    UniqueFd from_;
    int to_;
    char last_ = '\n'; // of what was copied
};

bool Follower::poll() {
    if (!from_)
        from_.reset(open(file_.c_str(), O_RDONLY | O_CLOEXEC));
    if (!from_)
        return false;
    std::array<char, 65536> buffer{};
    bool moved = false;
    for (ssize_t got; (got = read(from_.get(), buffer.data(), buffer.size())) > 0; moved = true) {
        const std::string_view bytes(buffer.data(), static_cast<std::size_t>(got));
        write_all(to_, bytes);
        last_ = bytes.back();
    }
    return moved;
}

void Follower::writer_died() {
    if (last_ != '\n')
        write_all(to_, std::string(kCutOff) + "\n");
    last_ = '\n';
}

// Watches one guest until it is gone.
class BootWatcher {
public:
    BootWatcher(BoardControl& machine, const Watch& watch)
        : machine_(machine), watch_(watch), channel_(machine.channel()),
          out_(channel_ / guest::kStdout, watch.out), err_(channel_ / guest::kStderr, watch.err),
          last_beat_(Clock::now()) {}

    void run(BootTraces& traces) {
        std::optional<int> status;
        while (!(status = machine_.wait(kTickMs))) {
            hand_on();
            look(traces);
            if (traces.stopped || power_off_late())
                machine_.stop();
        }
        hand_on();
        look_for_exit(traces);
        if (!traces.exit) {
            out_.writer_died();
            err_.writer_died();
        }
        traces.status = *status;
        traces.beaten = !beat_.empty();
    }

private:
    void hand_on() {
        out_.poll();
        err_.poll();
    }

    void look(BootTraces& traces) {
        const auto now = Clock::now();
        if (const std::string beat = peek(channel_ / guest::kBeat); beat != beat_) {
            beat_ = beat;
            last_beat_ = now;
        }
        look_for_exit(traces);
        if (traces.exit || traces.stopped)
            return;
        if (now - last_beat_ > (beat_.empty() ? watch_.first_beat : watch_.beat))
            traces.stopped = BootEnd::hang;
        if (now > watch_.deadline)
            traces.stopped = BootEnd::timeout;
        pass_interrupts(traces);
    }

    void look_for_exit(BootTraces& traces) {
        const std::string text = peek(channel_ / guest::kExit);
        int status = 0;
        if (traces.exit || !text.ends_with('\n'))
            return;
        const char* const end = text.data() + text.size();
        if (const auto read = std::from_chars(text.data(), end, status); read.ec == std::errc()) {
            traces.exit = status;
            if (read.ptr + 1 < end)
                std::from_chars(read.ptr + 1, end, traces.program_seconds);
            power_off_ = Clock::now() + (watch_.keeps_disk ? kPowerOff : kPowerOff.zero());
        }
    }

    bool power_off_late() const { return Clock::now() >= power_off_; }

    void pass_interrupts(BootTraces& traces) {
        const int asked = InterruptCount::count();
        if (asked > 0 && passed_ == 0) {
            say("passing the interrupt on; once more ends the guest");
            passed_ = asked;
            if (!write_text(channel_ / guest::kInterrupt, "\n") || beat_.empty())
                traces.stopped = BootEnd::interrupted;
        } else if (asked > passed_) {
            traces.stopped = BootEnd::interrupted;
        }
    }

    BoardControl& machine_;
    const Watch& watch_;
    fs::path channel_;
    Follower out_, err_;
    std::string beat_;
    Clock::time_point last_beat_;
    Clock::time_point power_off_ = Clock::time_point::max();
    int passed_ = 0;
};

} // namespace

std::string peek(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    return std::string{std::istreambuf_iterator<char>(in), {}};
}

Status open_channel(const fs::path& channel, const std::map<std::string, std::string>& files) {
    std::error_code error;
    fs::remove_all(channel, error);
    fs::create_directories(channel, error);
    for (const auto& [name, text] : files)
        if (auto written = write_text(channel / name, text); !written)
            return written;
    return {};
}

Result<BootOutcome> run_boot(BoardControl& machine, const Boot& boot, const Watch& watch) {
    if (auto started = machine.start(boot); !started)
        return std::unexpected(started.error());
    BootTraces traces;
    BootWatcher(machine, watch).run(traces);
    traces.console = machine.console();
    traces.complaint = machine.complaint();
    return classify(traces);
}

} // namespace dmarace::vm
