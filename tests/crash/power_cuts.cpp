// SPDX-License-Identifier: GPL-2.0-or-later
// Cuts the power of a board again and again in the middle of one campaign, and
// looks into its disk after each cut:
//   power_cuts DMARACE_VM ARM64_DMARACE JOB [--count N] [--seed S] [--kernel K] [--out DIR]
// One line a cut. Exit 0 when no iteration that was told as judged was lost or
// doubled, each cut-off one was counted once, and the campaign could be ended.
#include "base/files.hpp"
#include "base/process.hpp"
#include "books.hpp"
#include "run/record.hpp"

#include <fcntl.h>

#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>
#include <random>
#include <sstream>
#include <thread>

namespace dmarace::test {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr milliseconds kBootSpan{6000}; // a cut while the board boots
constexpr unsigned kOneInBoots = 8;     // so many cuts hit the boot
constexpr unsigned kMostTold = 3;       // iterations of a boot before its cut
constexpr unsigned kLastIterations = 2; // that the last boot, which is not cut, adds

using Clock = std::chrono::steady_clock;
constexpr milliseconds kLook{10};

unsigned iterations_in(const std::string& text) {
    constexpr std::string_view kWord = ": iteration ";
    unsigned count = 0;
    for (auto at = text.find(kWord); at != std::string::npos; at = text.find(kWord, at + 1))
        ++count;
    return count;
}

// When the power goes: so long after QEMU was started, or after so many
// iterations of this boot were told, whatever time they take.
struct Moment {
    bool in_boot = false;
    unsigned told = 0;
    milliseconds after{0};
};

std::string read_file(const std::filesystem::path& path) { return read_text(path).value_or(""); }

// One boot of a virtual board, dmarace-vm in a process of its own, whose power can be
// cut: SIGKILL for QEMU.
class BoardProcess {
public:
    // run_dir: what the command gives as --out; log: both streams, made anew.
    BoardProcess(const std::vector<std::string>& command, fs::path run_dir, const fs::path& log)
        : run_dir_(std::move(run_dir)) {
        std::error_code ec;
        fs::remove_all(run_dir_ / ".vm", ec); // a beat there is of the boot before
        const UniqueFd out(::open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
        if (auto started = start_command({.argv = command}, out.get(), out.get()))
            child_.emplace(*std::move(started));
    }

    // Kills QEMU at that moment and waits for dmarace-vm. Whether the board had
    // come up by then.
    bool cut_power(const Moment& moment) {
        pid_t machine = -1;
        while (!over() && (machine = qemu()) < 0)
            std::this_thread::sleep_for(kLook);
        if (!moment.in_boot)
            wait_for(moment);
        for (const auto since = Clock::now(); !over() && Clock::now() - since < moment.after;)
            std::this_thread::sleep_for(kLook);
        // A beat that is just being written looks like none.
        const bool up = !moment.in_boot || is_up();
        was_cut_ = !over() && ::kill(machine, SIGKILL) == 0;
        wait();
        return up;
    }
    // How long the last iteration took that was told before the cut, 0 if none was.
    milliseconds pace() const { return pace_; }
    // Whether QEMU was there to be killed.
    bool was_cut() const { return was_cut_; }
    // Waits for the end; dmarace-vm's exit code, or 128 + signal; -1 when it did not start.
    int wait() { return child_ ? child_->wait(-1).value_or(-1) : -1; }

private:
    bool over() { return !child_ || child_->wait(0).has_value(); }
    bool is_up() const { return !read_file(run_dir_ / ".vm" / "beat").empty(); }
    pid_t qemu() const {
        const auto pid = std::to_string(child_->pid());
        std::istringstream children(read_file("/proc/" + pid + "/task/" + pid + "/children"));
        for (pid_t child = 0; children >> child;)
            if (read_file("/proc/" + std::to_string(child) + "/comm").starts_with("qemu-system"))
                return child;
        return -1;
    }
    // Until the board is up and so many iterations were told.
    void wait_for(const Moment& moment) {
        while (!over() && !is_up())
            std::this_thread::sleep_for(kLook);
        auto last = Clock::now();
        for (unsigned told = 0; !over() && told < moment.told;) {
            std::this_thread::sleep_for(kLook);
            const auto now = iterations_in(read_file(run_dir_ / ".vm" / "stderr"));
            if (now == told)
                continue;
            pace_ = std::chrono::duration_cast<milliseconds>(Clock::now() - last);
            last = Clock::now();
            told = now;
        }
    }

    fs::path run_dir_;
    std::optional<Process> child_; // dmarace-vm takes its QEMU with it
    bool was_cut_ = false;
    milliseconds pace_{0};
};

struct Options {
    fs::path vm, dmarace, job, out;
    std::string kernel = "debian:6.12";
    unsigned count = 100;
    std::uint64_t seed = 1;
};

class Campaign {
public:
    explicit Campaign(const Options& options) : options_(options), random_(options.seed) {}

    // True when nothing was wrong.
    bool run() {
        for (unsigned number = 1; number <= options_.count && faults_.empty(); ++number)
            cut(number);
        if (faults_.empty())
            finish();
        for (const auto& fault : faults_)
            std::printf("BAD %s\n", fault.c_str());
        std::printf(
            "%u cuts: %u in an iteration, %u between, %u in the boot; %zu iterations ended, "
            "%zu of them told before a cut; %zu faults\n",
            cuts_, in_iteration_, cuts_ - in_iteration_ - in_boot_, in_boot_, books_.ended.size(),
            told_.size(), faults_.size());
        return faults_.empty();
    }

private:
    // Without an end of its own, until the last boot gives it one.
    std::vector<std::string> command(bool first, bool last) const {
        std::vector<std::string> words{options_.vm,  "run",
                                       "--board",    "smmuv3-disk",
                                       "--kernel",   options_.kernel,
                                       "--boots",    "1",
                                       "--timeout",  "15m",
                                       "--out",      run_dir(),
                                       "--program",  options_.dmarace,
                                       "--",         "run",
                                       options_.job, "--crash-limit",
                                       "none"};
        const auto add = [&](const auto&... more) { (words.emplace_back(more), ...); };
        if (last)
            add("--iterations",
                std::to_string(books_.ended.size() + (books_.open ? 1 : 0) + kLastIterations));
        else
            add("--duration", "48h");
        if (!first)
            add("--resume");
        return words;
    }

    fs::path run_dir() const { return options_.out / "run"; }

    milliseconds any(milliseconds most) {
        return milliseconds(std::uniform_int_distribution<long>(0, most.count())(random_));
    }

    // In the boot, or anywhere in an iteration and what lies between two: iterations
    // take as long as they just took.
    Moment next_moment() {
        if (random_() % kOneInBoots == 0)
            return {true, 0, any(kBootSpan)};
        const auto told = static_cast<unsigned>(random_() % (kMostTold + 1));
        return {false, told, any(pace_)};
    }

    void cut(unsigned number) {
        const auto moment = next_moment();
        const auto log = options_.out / ("cut-" + std::to_string(number) + ".log");
        const auto open_before = books_.open;
        const auto told_before = told_.size();
        BoardProcess board(command(number == 1, false), run_dir(), log);
        const bool came_up = board.cut_power(moment);
        if (board.pace().count() > 0)
            pace_ = board.pace();
        add_told(read_file(log), told_, faults_);
        look(open_before);
        ++cuts_;
        in_iteration_ += books_.open != open_before && books_.open ? 1U : 0U;
        in_boot_ += came_up ? 0U : 1U;
        std::printf(
            "cut %u: %s, %u told, +%lld ms: %s; kept %zu verdicts in %zu lines%s\n", number,
            moment.in_boot ? "boot" : "run", static_cast<unsigned>(told_.size() - told_before),
            static_cast<long long>(moment.after.count()),
            books_.open ? ("in iteration " + std::to_string(*books_.open)).c_str() : "in none",
            books_.ended.size(), books_.lines, books_.torn ? ", the last one torn" : "");
        std::fflush(stdout);
        // dmarace-vm cuts a board that says nothing for a minute: as good as ours.
        if (!board.was_cut() && read_file(log).find("(hang)") == std::string::npos)
            faults_.push_back("cut " + std::to_string(number) +
                              ": the board ended by itself; see " + log.string());
    }

    // The journal as the disk has it, counted here and read by the program's own reader.
    void look(std::optional<unsigned> open_before) {
        const auto journal = read_file(run_dir() / "journal.jsonl");
        if (journal.empty() && told_.empty())
            return;
        books_ = keep_books(journal, told_, faults_);
        const auto run = run::read_journal(journal);
        if (!run)
            faults_.push_back("the journal cannot be read: " + run.error().message);
        else if (run->ended.size() != books_.ended.size())
            faults_.push_back("the program reads " + std::to_string(run->ended.size()) +
                              " verdicts, there are " + std::to_string(books_.ended.size()));
        // Who resumed has given the cut-off iteration its verdict.
        if (open_before && books_.open != open_before && books_.ended[*open_before] != "crash")
            faults_.push_back("iteration " + std::to_string(*open_before) +
                              " was cut off, and is no crash");
    }

    // One boot more, without a cut: the campaign ends by itself with all in it.
    void finish() {
        const auto open_before = books_.open;
        const auto log = options_.out / "end.log";
        BoardProcess board(command(options_.count == 0, true), run_dir(), log);
        const int code = board.wait();
        add_told(read_file(log), told_, faults_);
        look(open_before);
        unsigned crashes = 0;
        for (const auto& [number, verdict] : books_.ended)
            crashes += verdict == "crash" ? 1U : 0U;
        std::printf("end: exit %d, kept %zu, crashes %u\n", code, books_.ended.size(), crashes);
        if (books_.open)
            faults_.push_back("iteration " + std::to_string(*books_.open) + " has no end");
        if (crashes != in_iteration_)
            faults_.push_back(std::to_string(in_iteration_) + " iterations were cut off, " +
                              std::to_string(crashes) + " are crashes");
        if (code != (crashes > 0 ? 1 : 0))
            faults_.push_back("the last boot ended with " + std::to_string(code) + "; see " +
                              log.string());
    }

    const Options& options_;
    std::mt19937_64 random_;
    Told told_;
    Books books_;
    std::vector<std::string> faults_;
    milliseconds pace_{3000}; // of the last iteration that was told
    unsigned cuts_ = 0, in_iteration_ = 0, in_boot_ = 0;
};

bool take_number(const char* text, auto& number) {
    const auto* end = text + std::strlen(text);
    const auto read = std::from_chars(text, end, number);
    return read.ec == std::errc() && read.ptr == end;
}

std::optional<Options> parse(int argc, char** argv) {
    if (argc < 4 || argc % 2 != 0)
        return std::nullopt;
    Options options{fs::absolute(argv[1]), fs::absolute(argv[2]), fs::absolute(argv[3]), {}};
    for (int i = 4; i + 1 < argc; i += 2) {
        const std::string word = argv[i];
        const bool good = word == "--count"    ? take_number(argv[i + 1], options.count)
                          : word == "--seed"   ? take_number(argv[i + 1], options.seed)
                          : word == "--kernel" ? !(options.kernel = argv[i + 1]).empty()
                          : word == "--out"    ? !(options.out = argv[i + 1]).empty()
                                               : false;
        if (!good)
            return std::nullopt;
    }
    return options;
}

} // namespace
} // namespace dmarace::test

int main(int argc, char** argv) {
    using namespace dmarace::test;
    auto options = parse(argc, argv);
    if (!options) {
        std::fprintf(stderr, "usage: power_cuts DMARACE_VM ARM64_DMARACE JOB [--count N] [--seed S]"
                             " [--kernel K] [--out DIR]\n");
        return 2;
    }
    const bool ours = options->out.empty();
    if (ours) {
        std::string name = (std::filesystem::temp_directory_path() / "power-cuts-XXXXXX").string();
        options->out = ::mkdtemp(name.data());
    }
    std::filesystem::create_directories(options->out);
    const bool good = Campaign(*options).run();
    if (ours && good)
        std::filesystem::remove_all(options->out);
    else
        std::printf("kept: %s\n", options->out.c_str());
    return good ? 0 : 1;
}
