// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/board/control.hpp"

#include "base/files.hpp"
#include "base/text.hpp"
#include "catalogue/failures.hpp"
#include "vm/image/guest/words.hpp"
#include "vm/kernels/say.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <fstream>
#include <iterator>

namespace dmarace::vm {
namespace fs = std::filesystem;
namespace {

using catalogue::hinted;
using catalogue::LogHint;

constexpr std::size_t kEvidence = 60;
constexpr std::size_t kTail = 400; // lines from the end in which trouble is looked for
constexpr std::string_view kNoStart = guest::kCannotStart;

std::vector<std::string> lines_of(std::string_view text) {
    auto lines = split(text, '\n');
    for (std::string& line : lines)
        while (line.ends_with('\r'))
            line.pop_back();
    return lines;
}

bool is_trouble(const std::string& line) {
    const auto* sign = catalogue::console_sign(line);
    return sign != nullptr && sign->effect == catalogue::LogSign::Effect::broke;
}

// The line that holds the words, from them on; "" if none does.
std::string from_words(std::string_view text, std::string_view words) {
    const auto at = text.rfind(words);
    if (at == std::string_view::npos)
        return {};
    const auto end = text.find_first_of("\r\n", at);
    return std::string(text.substr(at, end == std::string_view::npos ? end : end - at));
}

BootOutcome stopped_by_us(BootEnd end, const std::string& console) {
    switch (end) {
    case BootEnd::hang:
        return {end, 0, "the guest stopped beating", trouble(console, kEvidence)};
    case BootEnd::timeout:
        return {end, 0, "the time for the whole run was over", trouble(console, kEvidence)};
    default:
        return {end, 0, "stopped by the user", {}};
    }
}

// A reset that the kernel speaks of was wanted.
BootOutcome told_by_board(BootOutcome outcome, const std::string& console) {
    if (outcome.end == BootEnd::died && !hinted(LogHint::restart, console).empty())
        return {BootEnd::rebooted, 0, "the board was told to boot again", {}};
    outcome.evidence = trouble(console, kEvidence);
    return outcome;
}

} // namespace

std::string_view to_text(BootEnd end) {
    constexpr std::array<std::string_view, 12> kWords{
        "ended",   "panic",       "rebooted", "died",    "qemu-failed", "hang",
        "timeout", "interrupted", "no-start", "no-qemu", "lost",        "other-kernel"};
    return kWords.at(static_cast<std::size_t>(end));
}

BootOutcome classify(const BootTraces& traces) {
    if (traces.exit)
        return {BootEnd::ended, *traces.exit, "", {}, traces.program_seconds};
    if (const std::string panic = std::string(hinted(LogHint::panic, traces.console));
        !panic.empty())
        return {BootEnd::panic, 0, panic, trouble(traces.console, kEvidence)};
    if (traces.told)
        return told_by_board(*traces.told, traces.console);
    // Whoever cannot start is not heard of again, and was stopped for that.
    if (const std::string why = from_words(traces.console, kNoStart); !why.empty())
        return {BootEnd::no_start, 0, why.substr(kNoStart.size()), {}};
    if (traces.stopped)
        return stopped_by_us(*traces.stopped, traces.console);
    if (!traces.beaten && traces.status != 0 && traces.console.empty())
        return {BootEnd::no_qemu,
                0,
                traces.complaint.empty() ? "QEMU ended with " + std::to_string(traces.status)
                                         : traces.complaint,
                {}};
    if (traces.status != 0)
        return {BootEnd::qemu_failed, 0,
                "QEMU failed or was killed (status " + std::to_string(traces.status) +
                    "): " + traces.complaint,
                trouble(traces.console, kEvidence)};
    if (!hinted(LogHint::restart, traces.console).empty())
        return {BootEnd::rebooted, 0, "the guest was told to boot again", {}};
    return {BootEnd::died, 0,
            "the guest went off before the program ended, and its kernel did not say why",
            trouble(traces.console, kEvidence)};
}

std::vector<std::string> trouble(std::string_view console, std::size_t most) {
    auto lines = lines_of(console);
    const auto tail =
        lines.size() > kTail ? lines.end() - static_cast<std::ptrdiff_t>(kTail) : lines.begin();
    auto first = std::find_if(tail, lines.end(), is_trouble);
    if (first == lines.end()) // nothing said: what came last is all there is
        first = lines.end() - static_cast<std::ptrdiff_t>(std::min(lines.size(), most / 3));
    lines.erase(lines.begin(), first);
    if (lines.size() > most)
        lines.resize(most);
    return lines;
}

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
    Follower(fs::path file, int to) : file_(std::move(file)), to_(to) {}

    // Copies what is new.
    void poll() {
        if (!from_)
            from_.reset(open(file_.c_str(), O_RDONLY | O_CLOEXEC));
        if (!from_)
            return;
        std::array<char, 65536> buffer{};
        for (ssize_t got; (got = read(from_.get(), buffer.data(), buffer.size())) > 0;) {
            const std::string_view bytes(buffer.data(), static_cast<std::size_t>(got));
            write_all(to_, bytes);
            last_ = bytes.back();
        }
    }

    // Ends a line in whose middle the writer died, and says so: what follows is no
    // part of it.
    void writer_died() {
        if (last_ != '\n')
            write_all(to_, std::string(kCutOff) + "\n");
        last_ = '\n';
    }

private:
    fs::path file_;
    UniqueFd from_;
    int to_;
    char last_ = '\n'; // of what was copied
};

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
        look_for_last_word(traces);
        if (traces.exit || traces.stopped)
            return;
        if (now - last_beat_ > (beat_.empty() ? watch_.first_beat : watch_.beat) &&
            !machine_.may_be_booting())
            traces.stopped = BootEnd::hang;
        if (now > watch_.deadline)
            traces.stopped = BootEnd::timeout;
        pass_interrupts(traces);
    }

    void look_for_last_word(BootTraces& traces) {
        if (traces.exit || watch_.last_word.empty())
            return;
        const std::string text = peek(watch_.last_word);
        const auto lines = split(text, '\n');
        if (lines.size() < 2 || !text.ends_with('\n'))
            return;
        traces.exit = to_number<int>(lines[1]);
        power_off_ = Clock::now();
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

std::string peek(const fs::path& file) {
    std::ifstream in(file, std::ios::binary);
    return std::string{std::istreambuf_iterator<char>(in), {}};
}

Status open_channel(const fs::path& channel, const std::map<std::string, std::string>& files) {
    std::error_code error;
    fs::remove_all(channel, error);
    fs::create_directories(channel, error);
    for (const auto& [name, text] : files)
        TRY(write_text(channel / name, text));
    return {};
}

Result<BootOutcome> run_boot(BoardControl& machine, const Boot& boot, const Watch& watch) {
    TRY(machine.start(boot));
    BootTraces traces;
    BootWatcher(machine, watch).run(traces);
    traces.console = machine.console();
    traces.complaint = machine.complaint();
    traces.told = machine.told();
    return classify(traces);
}

} // namespace dmarace::vm
