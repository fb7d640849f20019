// SPDX-License-Identifier: GPL-2.0-or-later
// What dmarace leaves on the board it is on:
//   job_sweep DMARACE FROM COUNT [DIR]
// runs random jobs one after the other, each with 'dmarace run', and looks after each.
// One line a job; lines that begin with BAD are faults of dmarace. Exit 0: none;
// 1: some; 6: the kernel is broken (a task is stuck, or it oopsed), boot again
// and go on with the seed after the last one.
//   job_sweep unchanged PROGRAM [WORD..]
// runs a program and says whether the board is as before: bindings, types, modules,
// taint, and that the kernel neither sent a uevent nor wrote a line. Exit: that of the
// program, or 9 when something changed.
#include "base/process.hpp"
#include "board/control.hpp"
#include "board/devices.hpp"
#include "board/kernel.hpp"
#include "generate.hpp"
#include "kmod/dmarace_abi.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iostream>
#include <iterator>
#include <set>
#include <sstream>

namespace dmarace::generate {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

// A step has 60 s and a stuck actor 20 s more; inspection, reset and putting
// back have bounds of their own. No generated job waits for 60 s of its own.
constexpr auto kBound = 300s;
constexpr unsigned long kTaintDie = 1UL << 7; // the kernel oopsed
constexpr int kTimedOut = -1;

// What a job must leave as it was, in words: "type pci/0000:00:02.0 DMA", "driver
// pci/0000:00:02.0 e1000e" .. Reads group types: only while nothing is held.
std::set<std::string> world() {
    std::set<std::string> out;
    const board::Devices devices;
    for (const auto& device : devices.all()) {
        out.insert("driver " + device.full_name() + " " + device.driver);
        if (!device.driver_override.empty())
            out.insert("override " + device.full_name() + " " + device.driver_override);
    }
    for (const auto& group : devices.groups())
        for (const auto& name : group.devices)
            out.insert("type " + name + " " + devices.group_type(group.number).value_or("?"));
    for (const char* bus : {"pci", "platform", "amba"})
        if (const auto on = devices.autoprobe(bus))
            out.insert("autoprobe " + std::string(bus) + (*on ? " on" : " off"));
    std::istringstream modules(devices.files().read("/proc/modules").value_or(""));
    for (std::string line; std::getline(modules, line);)
        if (!line.starts_with("dmarace "))
            out.insert("module " + line.substr(0, line.find(' ')));
    return out;
}

// What is in one and not in the other: "- before", "+ after".
std::vector<std::string> changes(const std::set<std::string>& before,
                                 const std::set<std::string>& after) {
    std::vector<std::string> out;
    for (const auto& fact : before)
        if (!after.contains(fact))
            out.push_back("- " + fact);
    for (const auto& fact : after)
        if (!before.contains(fact))
            out.push_back("+ " + fact);
    return out;
}

// What the module still holds open, or "": an owner, an open gate, held tasks.
std::string left_in_module() {
    if (!board::Modules().loaded("dmarace"))
        return "";
    auto control = board::open_control();
    if (!control)
        return control.error().message;
    const auto status = (*control)->request(Line{DMARACE_V_STATUS, {}});
    if (!status)
        return status.error().message;
    std::string out;
    if (status->get("gate") != "closed")
        out += "the gate is " + status->get("gate") + "; ";
    if (status->get("held") != "0")
        out += status->get("held") + " tasks are held; ";
    if (status->find("owner"))
        out += "process " + status->get("owner") + " owns the module; ";
    return out;
}
std::string read_file(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

// The exit code, 128 + signal, or kTimedOut after killing it.
int run(std::vector<std::string> words, const fs::path& log) {
    const UniqueFd out(::open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    auto program = start_command({.argv = std::move(words)}, out.get(), out.get());
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
    std::ofstream(file) << job_text(seed);
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
    if (const auto left = left_in_module(); !left.empty())
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
        std::cout << job_text(tried.seed) << tried.output;
    std::cout << std::flush;
}

int sweep(const std::string& program, std::uint64_t from, std::uint64_t count,
          const fs::path& dir) {
    fs::create_directories(dir);
    bool any = false;
    auto before = world();
    for (std::uint64_t seed = from; seed < from + count; ++seed) {
        std::cout << "begin " << seed << "\n" << std::flush;
        const auto tried = try_job(program, seed, dir);
        auto after = tried.broken() ? before : world();
        const auto changed = changes(before, after);
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

// The number of the kernel log's next record.
std::string log_end() {
    const int fd = ::open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    std::string last;
    char record[8192];
    for (ssize_t got; fd >= 0 && (got = ::read(fd, record, sizeof(record))) > 0;) {
        const std::string text(record, static_cast<std::size_t>(got));
        const auto comma = text.find(',');
        last = text.substr(comma + 1, text.find(',', comma + 1) - comma - 1);
    }
    ::close(fd);
    return last;
}

std::set<std::string> all_of_it() {
    auto out = world();
    const board::Files files;
    for (const char* path : {"/sys/kernel/uevent_seqnum", "/proc/sys/kernel/tainted"})
        out.insert(path + (" " + files.read(path).value_or("?")));
    out.insert("log ends at " + log_end());
    out.insert(std::string("module dmarace ") +
               (files.exists("/sys/module/dmarace") ? "loaded" : "not loaded"));
    return out;
}

int unchanged(std::vector<std::string> words) {
    // The board's drivers may still be probing when this starts.
    ::sleep(3);
    const auto before = all_of_it();
    auto program = start_command({.argv = std::move(words)}, STDOUT_FILENO, STDERR_FILENO);
    const int code = program ? program->wait(-1).value_or(kTimedOut) : 127;
    const auto changed = changes(before, all_of_it());
    for (const auto& change : changed)
        std::cout << change << "\n";
    std::cout << (changed.empty() ? "unchanged\n" : "CHANGED\n");
    return changed.empty() ? code : 9;
}

} // namespace
} // namespace dmarace::generate

int main(int argc, char** argv) {
    using namespace dmarace::generate;
    if (argc > 2 && std::string(argv[1]) == "unchanged")
        return unchanged({argv + 2, argv + argc});
    if (argc < 4) {
        std::cerr << "usage: job_sweep DMARACE FROM COUNT [DIR]\n"
                     "       job_sweep unchanged PROGRAM [WORD..]\n";
        return 2;
    }
    return sweep(argv[1], std::strtoull(argv[2], nullptr, 10), std::strtoull(argv[3], nullptr, 10),
                 argc > 4 ? argv[4] : "/tmp/sweep");
}
