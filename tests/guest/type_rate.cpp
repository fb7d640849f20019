// SPDX-License-Identifier: GPL-2.0-or-later
// Compares dmarace's type writer with a bare loop, in one boot: rounds of one
// and the other in turn, and the median of their ratios. It is dmarace with
// another main: 'dmarace run' is a process of its own, this program again.
//
//   type_rate JOB.toml   exit 0 when the median is 0.9 or more, 1 when not
#include <fcntl.h>
#include <unistd.h>

#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

int dmarace_main(int argc, char** argv);

namespace {

constexpr int kRounds = 5;
constexpr unsigned kWrites = 5'000; // as many as the job's count
constexpr double kLeast = 0.9;
constexpr const char* kDevice = "/sys/bus/pci/devices/0000:00:02.0";

[[noreturn]] void die(const std::string& what) {
    std::fprintf(stderr, "type_rate: %s: %s\n", what.c_str(), std::strerror(errno));
    std::exit(3);
}

double seconds_now() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// Writes 'identity' and 'DMA' in turn to an open 'type' file and reads back each
// time: the yardstick. Writes a second, or a negative errno.
double type_loop(int type, unsigned writes) {
    static const char* const words[] = {"identity", "DMA"};
    char text[32];
    const double began = seconds_now();
    for (unsigned i = 0; i < writes; ++i) {
        const char* word = words[i % 2];
        if (::pwrite(type, word, std::strlen(word), 0) < 0)
            return -errno;
        if (::pread(type, text, sizeof(text), 0) < 0)
            return -errno;
    }
    return writes / (seconds_now() - began);
}

void unbind() {
    const std::string path = std::string(kDevice) + "/driver/unbind";
    const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return; // it is not bound
    const std::string name = std::string(kDevice).substr(std::strlen("/sys/bus/pci/devices/"));
    if (::write(fd, name.data(), name.size()) < 0)
        die("unbind");
    ::close(fd);
}

double bare() {
    const std::string path = std::string(kDevice) + "/iommu_group/type";
    const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
    if (fd < 0)
        die(path);
    const double rate = type_loop(fd, kWrites);
    ::close(fd);
    if (rate < 0) {
        errno = static_cast<int>(-rate);
        die("write");
    }
    return rate;
}

// The number after "rate": in a run's result.json.
double rate_in(const std::string& path) {
    std::ifstream file(path);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const auto at = text.find("\"rate\": ");
    if (at == std::string::npos)
        die("no rate in " + path);
    return std::strtod(text.c_str() + at + 8, nullptr);
}

double dmarace_rate(const std::string& job, int round) {
    const auto out = "/tmp/rate-" + std::to_string(round);
    const pid_t pid = ::fork();
    if (pid == 0) {
        std::array<std::string, 7> words{"dmarace", "run", job, "-n", "1", "--out", out};
        std::vector<char*> argv;
        for (auto& word : words)
            argv.push_back(word.data());
        argv.push_back(nullptr);
        ::execv("/proc/self/exe", argv.data());
        ::_exit(127);
    }
    int status = 0;
    if (::waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        std::fprintf(stderr, "type_rate: dmarace ended with status %#x\n", status);
        std::exit(3);
    }
    return rate_in(out + "/result.json");
}

int compare(const std::string& job) {
    std::array<double, kRounds> ratios{};
    for (int round = 0; round < kRounds; ++round) {
        unbind();
        const double loop = bare();
        const double ours = dmarace_rate(job, round);
        ratios[static_cast<std::size_t>(round)] = ours / loop;
        std::printf("round %d: bare loop %.0f/s, dmarace %.0f/s, ratio %.3f\n", round + 1, loop,
                    ours, ours / loop);
        std::fflush(stdout);
    }
    std::ranges::sort(ratios);
    const double median = ratios[kRounds / 2];
    std::printf("median ratio %.3f of %d rounds\n", median, kRounds);
    return median >= kLeast ? 0 : 1;
}

} // namespace

int main(int argc, char** argv) {
    if (argc == 2 && std::string(argv[1]).ends_with(".toml"))
        return compare(argv[1]);
    return dmarace_main(argc, argv);
}
