// SPDX-License-Identifier: GPL-2.0-or-later
// Runs a job for thousands of iterations on one boot and watches what
// the kernel and dmarace keep:
//   soak DMARACE JOB COUNT OUT
// A line a sample, then what each figure grows by. Exit 0: all within the bounds
// of growth.cpp, every iteration judged, and the journal can be read.
#include "tests/crash/growth.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace {

using namespace dmarace::test;

constexpr unsigned kSamples = 100;

struct Started {
    pid_t pid = -1;
    FILE* says = nullptr; // its stderr, and with 'all' its stdout as well
};

Started start(std::vector<std::string> words, bool all) {
    int ends[2];
    if (::pipe(ends) != 0)
        std::exit(3);
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::dup2(ends[1], STDERR_FILENO);
        if (all)
            ::dup2(ends[1], STDOUT_FILENO);
        ::close(ends[0]);
        ::close(ends[1]);
        std::vector<char*> argv;
        for (auto& word : words)
            argv.push_back(word.data());
        argv.push_back(nullptr);
        ::execv(argv[0], argv.data());
        ::_exit(127);
    }
    ::close(ends[1]);
    return {pid, ::fdopen(ends[0], "r")};
}

int reap(const Started& started) {
    int status = 0;
    ::waitpid(started.pid, &status, 0);
    ::fclose(started.says);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// The number after "NAME:" in a file of such lines.
double figure(const std::string& path, const std::string& name) {
    std::ifstream in(path);
    for (std::string line; std::getline(in, line);)
        if (line.starts_with(name + ":"))
            return std::atof(line.c_str() + name.size() + 1);
    return -1;
}

Sample sample(unsigned iteration, pid_t pid) {
    const auto process = "/proc/" + std::to_string(pid);
    std::error_code ec;
    const auto open = std::filesystem::directory_iterator(process + "/fd", ec);
    Sample now{.iteration = static_cast<double>(iteration),
               .slab = figure("/proc/meminfo", "Slab"),
               .unreclaimable = figure("/proc/meminfo", "SUnreclaim"),
               .resident = figure(process + "/status", "VmRSS"),
               .descriptors = static_cast<double>(std::distance(begin(open), end(open)))};
    std::printf("sample iteration=%u slab=%.0f sunreclaim=%.0f rss=%.0f fds=%.0f\n", iteration,
                now.slab, now.unreclaimable, now.resident, now.descriptors);
    std::fflush(stdout);
    return now;
}

// The N of "JOB: iteration N..", 0 for another line.
unsigned iteration_of(const std::string& line) {
    constexpr std::string_view kWord = ": iteration ";
    const auto at = line.find(kWord);
    return at == std::string::npos
               ? 0
               : static_cast<unsigned>(std::atoi(line.c_str() + at + kWord.size()));
}

// Samples when its output says that an iteration in a hundredth of them ended.
std::vector<Sample> follow(const Started& run, unsigned count) {
    std::vector<Sample> samples;
    char line[4096];
    const unsigned every = std::max(1U, count / kSamples);
    while (std::fgets(line, sizeof line, run.says) != nullptr) {
        const auto number = iteration_of(line);
        if (number == 0)
            std::printf("%s", line);
        else if (number % every == 0)
            samples.push_back(sample(number, run.pid));
    }
    return samples;
}

// Whether the journal of the run can still be read, and how long that takes.
bool is_readable(const std::string& program, const std::string& out, unsigned count) {
    const auto began = std::chrono::steady_clock::now();
    const auto report = start({program, "report", out, "--json"}, true);
    std::string text;
    char line[65536];
    while (std::fgets(line, sizeof line, report.says) != nullptr)
        text += line;
    const int code = reap(report);
    std::printf("report: exit %d, %.1f s\n", code,
                std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count());
    return code == 0 && text.find("\"iterations\":" + std::to_string(count) + ",") != text.npos;
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 5) {
        std::fprintf(stderr, "usage: soak DMARACE JOB COUNT OUT\n");
        return 2;
    }
    const auto count = static_cast<unsigned>(std::atoi(argv[3]));
    const std::string out = argv[4];
    const auto run =
        start({argv[1], "run", argv[2], "--device", "sim", "-n", argv[3], "--out", out}, false);
    const auto samples = follow(run, count);
    const int code = reap(run);
    auto faults = faults_of(samples);
    for (const auto& bound : bounds())
        std::printf("growth %s: %.1f in 10,000 iterations, bound %.1f\n", bound.name,
                    growth(samples, bound.figure, 10'000), bound.most);
    if (code != 0)
        faults.push_back("dmarace ended with " + std::to_string(code));
    if (samples.empty() || samples.back().iteration < count)
        faults.push_back("not every iteration was told");
    if (!is_readable(argv[1], out, count))
        faults.push_back("the journal does not tell of " + std::to_string(count) + " iterations");
    for (const auto& fault : faults)
        std::printf("BAD %s\n", fault.c_str());
    return faults.empty() ? 0 : 1;
}
