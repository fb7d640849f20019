// SPDX-License-Identifier: GPL-2.0-or-later
// How long a run takes from a crash to the next iteration's begin, where each iteration has a
// fresh guest: fresh_guest DMARACE_VM KERNEL BOARD JOB RESTORED BOOTED. Two runs, one whose
// guest is restored and one whose board boots; both are watched from outside, by what they
// write. Exit code 1 when the median of the restored is above 1 s, when their iterations grow
// longer by more than a tenth, or when the two runs do not agree in their verdicts.
#include "base/process.hpp"
#include "base/text.hpp"
#include "catalogue/failures.hpp"
#include "run/files.hpp"
#include "run/record.hpp"
#include "vm/board/control.hpp"
#include "vm/kernels/cache.hpp"
#include "vm/measuring.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <future>
#include <map>
#include <optional>

namespace {

using namespace dmarace;
using namespace dmarace::vm;
namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr double kMostSeconds = 1.0, kMostGrowth = 1.1;
constexpr std::chrono::milliseconds kLook{3};

struct FreshTimes {
    std::vector<double> from_crash, from_end, iterations; // seconds
    std::map<std::string, int> verdicts;
    unsigned restored = 0;
};

// The whole lines that a file has got since the last look.
class GrowingFile {
public:
    explicit GrowingFile(fs::path file) : file_(std::move(file)) {}
    std::vector<std::string> lines() {
        std::ifstream in(file_, std::ios::binary);
        if (!in.seekg(static_cast<std::streamoff>(at_)))
            return {};
        std::string text{std::istreambuf_iterator<char>(in), {}};
        text.erase(text.rfind('\n') + 1);
        at_ += text.size();
        return lines_in(text);
    }

private:
    fs::path file_;
    std::size_t at_ = 0;
};

// One run, watched.
class Watcher {
public:
    explicit Watcher(const fs::path& out)
        : console_(out / kConsoleLog), journal_(out / run::files::kJournal) {}

    void look(FreshTimes& times) {
        for (const std::string& line : console_.lines()) {
            const auto* sign = catalogue::console_sign(line);
            if (!crash_ && ended_ < begun_ && sign &&
                sign->effect == catalogue::LogSign::Effect::broke)
                crash_ = Clock::now();
        }
        std::error_code none;
        const auto size = fs::file_size(journal_, none);
        if (none || size == size_)
            return;
        size_ = size;
        if (const auto run = run::read_journal(peek(journal_)))
            hear(*run, times);
    }

private:
    // One after the other, also where a look comes late.
    void hear(const run::Run& run, FreshTimes& times) {
        while (begun_ < run.begun.size() || ended_ < run.ended.size())
            if (ended_ < run.ended.size() && (ended_ < begun_ || begun_ == run.begun.size()))
                ends(run.ended[ended_++], times);
            else
                begins(times);
    }

    void begins(FreshTimes& times) {
        ++begun_;
        if (crash_)
            times.from_crash.push_back(seconds_since(*crash_));
        if (end_)
            times.from_end.push_back(seconds_since(*end_));
        crash_.reset();
        end_.reset();
    }

    void ends(const run::IterationEnd& end, FreshTimes& times) {
        end_ = Clock::now();
        ++times.verdicts[std::string(verdict::to_text(end.judgement.verdict))];
        times.iterations.push_back(end.seconds);
    }

    GrowingFile console_;
    fs::path journal_;
    std::uintmax_t size_ = 0;
    std::size_t begun_ = 0, ended_ = 0;
    std::optional<Clock::time_point> crash_, end_;
};

Result<FreshTimes> watch(std::vector<std::string> words, const fs::path& out) {
    FreshTimes times;
    const Command command{.argv = std::move(words), .log = out.string() + ".output"};
    auto running = std::async(std::launch::async, [&] { return run_to_end(command); });
    Watcher watcher(out);
    while (running.wait_for(kLook) != std::future_status::ready)
        watcher.look(times);
    TRY_AS(const auto finished, running.get());
    watcher.look(times);
    if (times.iterations.empty())
        return fail(Fault::environment, "no iteration came to its end, exit code " +
                                            std::to_string(finished.status) + ":\n" +
                                            peek(command.log));
    TRY_AS(const auto text, read_text(out / kVmJson));
    const auto json = nlohmann::json::parse(text, nullptr, false);
    for (const auto& boot : json.value("boots", nlohmann::json::array()))
        times.restored += boot.value("restored", false) ? 1U : 0U;
    return times;
}

double worst(const std::vector<double>& values) {
    return values.empty() ? 0 : std::ranges::max(values);
}

// The last tenth of them, at least five, against the first.
double growth(const std::vector<double>& seconds) {
    const auto part = static_cast<std::ptrdiff_t>(std::max<std::size_t>(5, seconds.size() / 10));
    if (std::ssize(seconds) < 2 * part)
        return 1;
    return median({seconds.end() - part, seconds.end()}) /
           std::max(median({seconds.begin(), seconds.begin() + part}), 1e-3);
}

void print(const char* what, const FreshTimes& times) {
    fmt::print("{}: {} iterations, {} of them in a restored guest; verdicts", what,
               times.iterations.size(), times.restored);
    for (const auto& [verdict, count] : times.verdicts)
        fmt::print(" {} {}", verdict, count);
    fmt::print("\n  crash to next begin: median of {} {:.2f} s, worst {:.2f} s; verdict to next "
               "begin: median of {} {:.2f} s, worst {:.2f} s\n  an iteration {:.2f} s (median), "
               "last to first {:.2f}\n",
               times.from_crash.size(), median(times.from_crash), worst(times.from_crash),
               times.from_end.size(), median(times.from_end), worst(times.from_end),
               median(times.iterations), growth(times.iterations));
    std::fflush(stdout);
}

// Whether all iterations of both ended in the same ways.
bool agree(const FreshTimes& one, const FreshTimes& other) {
    return std::ranges::equal(one.verdicts, other.verdicts, {},
                              &std::pair<const std::string, int>::first,
                              &std::pair<const std::string, int>::first);
}

Result<int> measure(const std::vector<std::string>& words) {
    TRY_AS(const auto scratch, TemporaryDirectory::make());
    const auto run = [&](const std::string& iterations, bool boots) {
        const fs::path out = scratch.path() / (boots ? "booted" : "restored");
        std::vector<std::string> all{words[0], "run",     "--kernel", words[1], "--board",
                                     words[2], "--fresh", "--out",    out};
        if (boots)
            all.push_back("--no-snapshot");
        all.insert(all.end(), {"--", "run", words[3], "--unsafe", "--crash-limit", "none",
                               "--iterations", iterations});
        return watch(all, out);
    };
    TRY_AS(const auto restored, run(words[4], false));
    print("restored", restored);
    bool well = median(restored.from_crash.empty() ? restored.from_end : restored.from_crash) <=
                    kMostSeconds &&
                growth(restored.iterations) <= kMostGrowth;
    if (words[5] != "0") {
        TRY_AS(const auto booted, run(words[5], true));
        print("booted", booted);
        well = well && agree(restored, booted);
    }
    return well ? 0 : 1;
}

} // namespace

int main(int argc, char** argv) { return measure_words(argc, argv, 6, measure); }
