// SPDX-License-Identifier: GPL-2.0-or-later
// Runs random jobs one after the other on the board it is on, each
// with 'dmarace run', and looks after each at what dmarace left:
//   job_sweep DMARACE FROM COUNT [DIR]
// One line a job; lines that begin with BAD are faults of dmarace. Exit 0: none;
// 1: some; 6: the kernel is broken (a task is stuck, or it oopsed), boot again
// and go on with the seed after the last one.
#include "base/process.hpp"
#include "generate.hpp"
#include "world.hpp"

#include <fcntl.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>
#include <thread>

namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

// A step has 60 s and a stuck actor 20 s more; inspection, reset and putting
// back have bounds of their own. No generated job waits for 60 s of its own.
constexpr auto kBound = 300s;
constexpr unsigned long kTaintDie = 1UL << 7; // the kernel oopsed
constexpr int kTimedOut = -1;

std::string read_file(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

// The exit code, 128 + signal, or kTimedOut after killing it.
int run(std::vector<std::string> words, const fs::path& log) {
    const dmarace::UniqueFd out(
        ::open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    auto program = dmarace::start_command({.argv = std::move(words)}, out.get(), out.get());
    if (!program)
        return 127;
    const auto limit = std::chrono::duration_cast<std::chrono::milliseconds>(kBound);
    return program->wait(static_cast<int>(limit.count())).value_or(kTimedOut);
}

struct Tried {
    std::uint64_t seed = 0;
    int code = 0;
    double seconds = 0;
    std::string output;
    bool stuck = false, oopsed = false;

    bool broken() const { return stuck || oopsed; }
};

Tried try_job(const std::string& program, std::uint64_t seed, const fs::path& dir) {
    const auto file = dir / ("random-" + std::to_string(seed) + ".toml");
    const auto out = dir / std::to_string(seed);
    const auto log = dir / (std::to_string(seed) + ".log");
    std::ofstream(file) << dmarace::generate::job_text(seed);
    Tried tried;
    tried.seed = seed;
    const auto began = Clock::now();
    tried.code = run(
        {program, "run", file, "--iterations", "1", "--seed", std::to_string(seed), "--out", out},
        log);
    tried.seconds = std::chrono::duration<double>(Clock::now() - began).count();
    tried.output = read_file(log);
    tried.stuck = read_file(out / "journal.jsonl").find("\"hang: ") != std::string::npos;
    const auto taint = read_file("/proc/sys/kernel/tainted");
    tried.oopsed = (std::strtoul(taint.c_str(), nullptr, 10) & kTaintDie) != 0;
    return tried;
}

// What dmarace did wrong. A kernel that is broken can be restored by nobody.
std::vector<std::string> faults(const Tried& tried, const std::vector<std::string>& changed) {
    std::vector<std::string> out;
    if (tried.code == kTimedOut)
        out.emplace_back("hung: it did not return in 300 s");
    else if (tried.code != 0 && tried.code != 1 && tried.code != 4 && tried.code != 5)
        out.push_back("exit " + std::to_string(tried.code));
    if (tried.broken())
        return out;
    if (const auto left = dmarace::generate::left_in_module(); !left.empty())
        out.push_back("left in the module: " + left);
    for (const auto& change : changed)
        if (change.substr(2).starts_with("type ") ||
            tried.output.find("not restored") == std::string::npos)
            out.push_back("changed: " + change);
    return out;
}

// A result of a type write that the oracle cannot explain: the kernel is wrong,
// or the oracle. Each is worth a look.
std::vector<std::string> unexplained(const std::string& output) {
    std::vector<std::string> out;
    std::istringstream lines(output);
    for (std::string line; std::getline(lines, line);)
        if (line.find("unexpected-errno") != std::string::npos &&
            line.find(": write '") != std::string::npos)
            out.push_back(std::move(line));
    return out;
}

void tell(const Tried& tried, const std::vector<std::string>& bad,
          const std::vector<std::string>& changed) {
    // The summary's first line: "random-7: pass".
    const auto verdict = tried.output.find("\nrandom-" + std::to_string(tried.seed) + ": ");
    const auto begin = verdict == std::string::npos ? 0 : verdict + 1;
    const auto first = tried.output.substr(begin, tried.output.find('\n', begin) - begin);
    std::cout << "job " << tried.seed << " exit " << tried.code << " "
              << static_cast<int>(tried.seconds * 10) / 10.0 << "s" << (tried.stuck ? " stuck" : "")
              << (tried.oopsed ? " oops" : "") << " | " << first << "\n";
    for (const auto& change : changed)
        std::cout << "left " << tried.seed << ": " << change << "\n";
    for (const auto& line : unexplained(tried.output))
        std::cout << "odd " << tried.seed << ": " << line << "\n";
    for (const auto& fault : bad)
        std::cout << "BAD " << tried.seed << ": " << fault << "\n";
    if (!bad.empty())
        std::cout << dmarace::generate::job_text(tried.seed) << tried.output;
    std::cout << std::flush;
}

} // namespace

int main(int argc, char** argv) {
    if (argc < 4) {
        std::cerr << "usage: job_sweep DMARACE FROM COUNT [DIR]\n";
        return 2;
    }
    const std::uint64_t from = std::strtoull(argv[2], nullptr, 10);
    const std::uint64_t count = std::strtoull(argv[3], nullptr, 10);
    const fs::path dir = argc > 4 ? argv[4] : "/tmp/sweep";
    fs::create_directories(dir);
    bool any = false;
    auto before = dmarace::generate::world();
    for (std::uint64_t seed = from; seed < from + count; ++seed) {
        std::cout << "begin " << seed << "\n" << std::flush;
        const auto tried = try_job(argv[1], seed, dir);
        auto after = tried.broken() ? before : dmarace::generate::world();
        const auto changed = dmarace::generate::changes(before, after);
        const auto bad = faults(tried, changed);
        any = any || !bad.empty();
        tell(tried, bad, changed);
        fs::remove_all(dir / std::to_string(seed));
        if (tried.broken() || tried.code == kTimedOut)
            return 6;
        before = std::move(after);
    }
    return any ? 1 : 0;
}
