// SPDX-License-Identifier: GPL-2.0-or-later
// How adding, auditing and removing the clients of the simulated IOMMU grows
// with their number, in one boot: time and memory for each device, and their
// ratio to those of the first row. Each is the least of three. Linear is a ratio
// of one.
//
//   sim_scale DMARACE [STEP [ROWS]]   STEP, 2 STEP, .. clients [1000, 10 rows]
//   sim_scale DMARACE run JOB N       runs a job on a board with N clients
//
// Exit 1 when a ratio of the last row is above kMost; for run, dmarace's own.
#include <fcntl.h>
#include <unistd.h>

#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <string>
#include <vector>

namespace {

constexpr double kMost = 1.5;
constexpr int kTimes = 3;
constexpr const char* kRemove = "/sys/devices/platform/dmarace-sim/remove";
constexpr const char* kModule = "dmarace_sim";

[[noreturn]] void die(const std::string& what) {
    std::fprintf(stderr, "sim_scale: %s: %s\n", what.c_str(), std::strerror(errno));
    std::exit(3);
}

double seconds_now() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// A "Name:  123 kB" line of /proc/meminfo.
double kilobytes(const std::string& name) {
    std::ifstream in("/proc/meminfo");
    for (std::string word; in >> word;)
        if (double value = 0; word == name + ":" && in >> value)
            return value;
    die("/proc/meminfo: " + name);
}

void insert(unsigned devices) {
    utsname kernel{};
    ::uname(&kernel);
    const std::string path =
        std::string("/lib/modules/") + kernel.release + "/updates/" + kModule + ".ko";
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    const std::string parameters = "devices=" + std::to_string(devices);
    if (fd < 0 || ::syscall(SYS_finit_module, fd, parameters.c_str(), 0) != 0)
        die(path);
    ::close(fd);
}

void remove_all() {
    const int fd = ::open(kRemove, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || ::write(fd, "all", 3) != 3)
        die(kRemove);
    ::close(fd);
    if (::syscall(SYS_delete_module, kModule, O_NONBLOCK) != 0)
        die(kModule);
}

struct Audit {
    unsigned lines = 0; // with "test mapping ok"
    double kilobytes = 0;
};

unsigned count_lines(const char* path) {
    std::ifstream in(path);
    unsigned count = 0;
    for (std::string line; std::getline(in, line);)
        if (line.find("dmarace-sim-client.") != std::string::npos &&
            line.find("test mapping ok") != std::string::npos)
            ++count;
    return count;
}

Audit audit(const char* dmarace) {
    constexpr const char* kOutput = "/tmp/audit";
    const pid_t pid = ::fork();
    if (pid == 0) {
        const int out = ::open(kOutput, O_WRONLY | O_CREAT | O_TRUNC, 0644);
        ::dup2(out, STDOUT_FILENO);
        ::execl(dmarace, dmarace, "audit", nullptr);
        ::_exit(127);
    }
    int status = 0;
    rusage used{};
    if (::wait4(pid, &status, 0, &used) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        std::fprintf(stderr, "sim_scale: dmarace audit ended with status %#x\n", status);
        std::exit(3);
    }
    return {count_lines(kOutput), static_cast<double>(used.ru_maxrss)};
}

// For one device: microseconds, and kilobytes.
struct Row {
    double add = 0, audit = 0, remove = 0, program = 0, kernel = 0;
};

Row measure(const char* dmarace, unsigned devices) {
    const double free_before = kilobytes("MemAvailable");
    const double start = seconds_now();
    insert(devices);
    const double added = seconds_now();
    const double kernel = free_before - kilobytes("MemAvailable");
    const double asked = seconds_now();
    const Audit seen = audit(dmarace);
    const double audited = seconds_now();
    if (seen.lines != devices) {
        std::fprintf(stderr, "sim_scale: %u of %u clients were audited\n", seen.lines, devices);
        std::exit(3);
    }
    remove_all();
    const double removed = seconds_now();
    const double n = devices;
    return {(added - start) * 1e6 / n, (audited - asked) * 1e6 / n, (removed - audited) * 1e6 / n,
            seen.kilobytes / n, kernel / n};
}

// The least of several times: what else the machine does only adds to one.
Row measure_best(const char* dmarace, unsigned devices) {
    Row best = measure(dmarace, devices);
    for (int more = 1; more < kTimes; ++more) {
        const Row row = measure(dmarace, devices);
        best = {std::min(best.add, row.add), std::min(best.audit, row.audit),
                std::min(best.remove, row.remove), std::min(best.program, row.program),
                std::min(best.kernel, row.kernel)};
    }
    return best;
}

void print(unsigned devices, const Row& row, const Row& first) {
    std::printf("%7u %8.0f %5.2f %8.0f %5.2f %8.0f %5.2f %8.2f %5.2f %8.1f %5.2f\n", devices,
                row.add, row.add / first.add, row.audit, row.audit / first.audit, row.remove,
                row.remove / first.remove, row.program, row.program / first.program, row.kernel,
                row.kernel / first.kernel);
    std::fflush(stdout);
}

bool is_linear(const Row& last, const Row& first) {
    if (first.kernel <= 0 || first.program <= 0) {
        std::fprintf(stderr, "sim_scale: the first row took no memory, so nothing can be said of "
                             "the others; take a larger step\n");
        return false;
    }
    const double ratios[] = {last.add / first.add, last.audit / first.audit,
                             last.remove / first.remove, last.program / first.program,
                             last.kernel / first.kernel};
    for (const double ratio : ratios)
        if (ratio > kMost)
            return false;
    return true;
}

} // namespace

int main(int argc, char** argv) {
    if (argc < 2)
        return 2;
    if (argc == 5 && std::strcmp(argv[2], "run") == 0) {
        insert(static_cast<unsigned>(std::atoi(argv[4])));
        ::execl(argv[1], argv[1], "run", argv[3], "--out", "/run/out", nullptr);
        die(argv[1]);
    }
    const unsigned step = argc > 2 ? static_cast<unsigned>(std::atoi(argv[2])) : 1000;
    const unsigned rows = argc > 3 ? static_cast<unsigned>(std::atoi(argv[3])) : 10;
    (void)measure(argv[1], step); // what the first run pays once is nobody's measure
    std::printf("for one device, and its ratio to the first row:\n%7s %14s %14s %14s %14s %14s\n",
                "devices", "add us", "audit us", "remove us", "dmarace kB", "kernel kB");
    Row first, last;
    for (unsigned i = 1; i <= rows; ++i) {
        last = measure_best(argv[1], i * step);
        if (i == 1)
            first = last;
        print(i * step, last, first);
    }
    std::printf("%s: no ratio of the last row may be above %.1f\n",
                is_linear(last, first) ? "linear" : "NOT LINEAR", kMost);
    return is_linear(last, first) ? 0 : 1;
}
