// SPDX-License-Identifier: GPL-2.0-or-later
// Measures dmarace on a board, in one boot:
//   measure sim-scale DMARACE [STEP [ROWS]]   STEP, 2 STEP, .. clients [1000, 10 rows]
//   measure sim-scale DMARACE run JOB N       runs a job on a board with N clients
// how adding, auditing and removing the clients of the simulated IOMMU grows with their
// number: time and memory for each device, and their ratio to those of the first row.
// Each is the least of three. Linear is a ratio of one. Exit 1 when a ratio of the last
// row is above kMostRatio; for run, dmarace's own.
//   measure soak DMARACE JOB COUNT OUT
// runs a job for thousands of iterations and watches what the kernel and dmarace keep: a
// line a sample, then what each figure grows by. Exit 0: all within bounds(), every
// iteration judged, and the journal can be read.
//   measure type-rate DMARACE JOB
// compares dmarace's type writer with a bare loop: rounds of one and the other in turn,
// and the median of their ratios. Exit 0 when it is 0.9 or more, 1 when not.
//   measure iteration DMARACE COUNT OUT
// compares an iteration of instance-lookup, from one verdict to the next, with a bare loop of
// the same operations: medians of COUNT. Exit 0 when the ratio is 1.6 or less, 1 when not.
#include "process.hpp"
#include "tests/crash/books.hpp"

#include <fcntl.h>

#include <sys/syscall.h>
#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

namespace {

using guest::run;

[[noreturn]] void die(const std::string& what) {
    std::fprintf(stderr, "measure: %s: %s\n", what.c_str(), std::strerror(errno));
    std::exit(3);
}

double seconds_now() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// The number after "NAME:" in a file of such lines, -1 when there is none.
double figure(const std::string& path, const std::string& name) {
    std::ifstream in(path);
    for (std::string line; std::getline(in, line);)
        if (line.starts_with(name + ":"))
            return std::atof(line.c_str() + name.size() + 1);
    return -1;
}

int write_to(const std::string& path, const std::string& text) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    const auto done = ::write(fd, text.data(), text.size());
    ::close(fd);
    return done == static_cast<ssize_t>(text.size()) ? 0 : -1;
}

// sim-scale

constexpr double kMostRatio = 1.5;
constexpr int kTimes = 3;
constexpr const char* kModule = "dmarace_sim";

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
    constexpr const char* kRemove = "/sys/devices/platform/dmarace-sim/remove";
    if (write_to(kRemove, "all") != 0)
        die(kRemove);
    if (::syscall(SYS_delete_module, kModule, O_NONBLOCK) != 0)
        die(kModule);
}

// How many clients an audit says are well.
unsigned count_mapped(const std::string& text) {
    std::istringstream in(text);
    unsigned count = 0;
    for (std::string line; std::getline(in, line);)
        if (line.find("dmarace-sim-client.") != std::string::npos &&
            line.find("test mapping ok") != std::string::npos)
            ++count;
    return count;
}

// For one device: microseconds of adding, auditing and removing it, kilobytes of the program
// and of the kernel.
using Row = std::array<double, 5>;

double free_memory() {
    const double kilobytes = figure("/proc/meminfo", "MemAvailable");
    if (kilobytes < 0)
        die("/proc/meminfo: MemAvailable");
    return kilobytes;
}

Row measure(const std::string& dmarace, unsigned devices) {
    const double free_before = free_memory();
    const double start = seconds_now();
    insert(devices);
    const double added = seconds_now();
    const double kernel = free_before - free_memory();
    const double asked = seconds_now();
    const auto audit = run({dmarace, "audit"});
    const double audited = seconds_now();
    if (audit.code != 0 || count_mapped(audit.text) != devices) {
        std::fprintf(stderr, "measure: %u of %u clients were audited, exit %d\n",
                     count_mapped(audit.text), devices, audit.code);
        std::exit(3);
    }
    remove_all();
    const double removed = seconds_now();
    const double n = devices;
    return {(added - start) * 1e6 / n, (audited - asked) * 1e6 / n, (removed - audited) * 1e6 / n,
            static_cast<double>(audit.peak) / n, kernel / n};
}

// The least of several times: what else the machine does only adds to one.
Row measure_best(const std::string& dmarace, unsigned devices) {
    Row best = measure(dmarace, devices);
    for (int more = 1; more < kTimes; ++more) {
        const Row row = measure(dmarace, devices);
        std::ranges::transform(best, row, best.begin(),
                               [](double a, double b) { return std::min(a, b); });
    }
    return best;
}

void print(unsigned devices, const Row& row, const Row& first) {
    constexpr int digits[]{0, 0, 0, 2, 1};
    std::printf("%7u", devices);
    for (std::size_t i = 0; i < row.size(); ++i)
        std::printf(" %8.*f %5.2f", digits[i], row[i], row[i] / first[i]);
    std::printf("\n");
    std::fflush(stdout);
}

bool is_linear(const Row& last, const Row& first) {
    if (first[3] <= 0 || first[4] <= 0) {
        std::fprintf(stderr, "measure: the first row took no memory, so nothing can be said of "
                             "the others; take a larger step\n");
        return false;
    }
    for (std::size_t i = 0; i < last.size(); ++i)
        if (last[i] / first[i] > kMostRatio)
            return false;
    return true;
}

int sim_scale(const std::string& dmarace, const std::vector<std::string>& words) {
    if (words.size() == 3 && words[0] == "run") {
        insert(static_cast<unsigned>(std::atoi(words[2].c_str())));
        ::execl(dmarace.c_str(), dmarace.c_str(), "run", words[1].c_str(), "--out", "/run/out",
                nullptr);
        die(dmarace);
    }
    const auto number = [&](std::size_t i, unsigned otherwise) {
        return words.size() > i ? static_cast<unsigned>(std::atoi(words[i].c_str())) : otherwise;
    };
    const unsigned step = number(0, 1000), rows = number(1, 10);
    (void)measure(dmarace, step); // what the first run pays once is nobody's measure
    std::printf("for one device, and its ratio to the first row:\n%7s %14s %14s %14s %14s %14s\n",
                "devices", "add us", "audit us", "remove us", "dmarace kB", "kernel kB");
    Row first{}, last{};
    for (unsigned i = 1; i <= rows; ++i) {
        last = measure_best(dmarace, i * step);
        if (i == 1)
            first = last;
        print(i * step, last, first);
    }
    std::printf("%s: no ratio of the last row may be above %.1f\n",
                is_linear(last, first) ? "linear" : "NOT LINEAR", kMostRatio);
    return is_linear(last, first) ? 0 : 1;
}

// soak

using namespace dmarace::test;

constexpr unsigned kSamples = 100;

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
std::vector<Sample> follow(const guest::Program& program, unsigned count) {
    std::vector<Sample> samples;
    const unsigned every = std::max(1U, count / kSamples);
    for (std::string line; !(line = guest::next_line(program)).empty();) {
        const auto number = iteration_of(line);
        if (number == 0)
            std::printf("%s", line.c_str());
        else if (number % every == 0)
            samples.push_back(sample(number, program.pid));
    }
    return samples;
}

// Whether the journal of the run can still be read, and how long that takes.
bool is_readable(const std::string& program, const std::string& out, unsigned count) {
    const double began = seconds_now();
    const auto report = run({program, "report", out, "--json"});
    std::printf("report: exit %d, %.1f s\n", report.code, seconds_now() - began);
    return report.code == 0 &&
           report.text.find("\"iterations\":" + std::to_string(count) + ",") != std::string::npos;
}

int soak(const std::string& dmarace, const std::vector<std::string>& words) {
    const auto count = static_cast<unsigned>(std::atoi(words[1].c_str()));
    const auto& out = words[2];
    const auto started =
        guest::start({dmarace, "run", words[0], "--device", "sim", "-n", words[1], "--out", out},
                     guest::Streams::errors);
    const auto samples = follow(started, count);
    const int code = guest::end_of(started).code;
    auto faults = faults_of(samples);
    for (const auto& bound : bounds())
        std::printf("growth %s: %.1f in 10,000 iterations, bound %.1f\n", bound.name,
                    growth(samples, bound.figure, 10'000), bound.most);
    if (code != 0)
        faults.push_back("dmarace ended with " + std::to_string(code));
    if (samples.empty() || samples.back().iteration < count)
        faults.push_back("not every iteration was told");
    if (!is_readable(dmarace, out, count))
        faults.push_back("the journal does not tell of " + std::to_string(count) + " iterations");
    for (const auto& fault : faults)
        std::printf("BAD %s\n", fault.c_str());
    return faults.empty() ? 0 : 1;
}

// type-rate

constexpr int kRounds = 5;
constexpr unsigned kWrites = 5'000; // as many as the job's count
constexpr double kLeast = 0.9;
constexpr const char* kDevice = "/sys/bus/pci/devices/0000:00:02.0";

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

// Where it is bound.
void unbind() {
    const std::string device = kDevice;
    const auto path = device + "/driver/unbind";
    if (::access(path.c_str(), F_OK) == 0 &&
        write_to(path, device.substr(device.rfind('/') + 1)) != 0)
        die("unbind");
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

double dmarace_rate(const std::string& dmarace, const std::string& job, int round) {
    const auto out = "/tmp/rate-" + std::to_string(round);
    const auto ended = run({dmarace, "run", job, "-n", "1", "--out", out});
    std::printf("%s", ended.text.c_str());
    if (ended.code != 0) {
        std::fprintf(stderr, "measure: dmarace ended with %d\n", ended.code);
        std::exit(3);
    }
    return rate_in(out + "/result.json");
}

int type_rate(const std::string& dmarace, const std::string& job) {
    std::array<double, kRounds> ratios{};
    for (int round = 0; round < kRounds; ++round) {
        unbind();
        const double loop = bare();
        const double ours = dmarace_rate(dmarace, job, round);
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

// iteration

constexpr double kMostOfLoop = 1.6;
constexpr const char* kIommu = "virtio_iommu";
constexpr const char* kPci = "/sys/bus/pci/";

double median(std::vector<double> values) {
    if (values.empty())
        die("nothing was measured");
    std::ranges::sort(values);
    return values[values.size() / 2];
}

void put(const std::string& path, const std::string& text) {
    if (write_to(path, text) != 0)
        die(path);
}

// PCI devices in a group: those behind the IOMMU.
std::vector<std::string> behind() {
    std::vector<std::string> devices;
    for (const auto& entry : std::filesystem::directory_iterator(std::string(kPci) + "devices"))
        if (std::filesystem::exists(entry.path() / "iommu_group"))
            devices.push_back(entry.path().filename());
    return devices;
}

std::string module_file(const std::string& name) {
    utsname kernel{};
    ::uname(&kernel);
    const auto tree = std::string("/lib/modules/") + kernel.release;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(tree))
        if (std::string file = entry.path().filename(); file.ends_with(".ko")) {
            std::ranges::replace(file, '-', '_');
            if (file == name + ".ko")
                return entry.path();
        }
    die(name + " in " + tree);
}

// What the job's reset and its actors do, in one thread and without looking at anything.
std::vector<double> bare_iterations(unsigned count) {
    const std::string device = std::filesystem::path(kDevice).filename();
    const std::string driver = std::filesystem::read_symlink(std::string(kDevice) + "/driver");
    const auto devices = behind();
    const int module = ::open(module_file(kIommu).c_str(), O_RDONLY | O_CLOEXEC);
    std::vector<double> seconds;
    put(std::string(kPci) + "drivers_autoprobe", "0");
    for (unsigned i = 0; i < count; ++i) {
        const double began = seconds_now();
        for (const auto& one : devices)
            put(std::string(kPci) + "devices/" + one + "/remove", "1");
        if (::syscall(SYS_delete_module, kIommu, O_NONBLOCK) != 0)
            die(kIommu);
        put(std::string(kPci) + "rescan", "1");
        if (::syscall(SYS_finit_module, module, "", 0) != 0)
            die(kIommu);
        put(std::string(kPci) + "drivers/" + std::filesystem::path(driver).filename().string() +
                "/bind",
            device);
        seconds.push_back(seconds_now() - began);
    }
    ::close(module);
    put(std::string(kPci) + "drivers_autoprobe", "1");
    for (const auto& one : devices) // as the run finds them
        (void)write_to(std::string(kPci) + "drivers_probe", one);
    return seconds;
}

// "guard=0.012 before=0.031" of each verdict in a journal: the median of each.
void print_phases(const std::string& journal) {
    constexpr std::string_view kKey = "\"phases\":\"";
    std::vector<std::pair<std::string, std::vector<double>>> phases;
    std::ifstream in(journal);
    for (std::string line; std::getline(in, line);) {
        const auto at = line.find(kKey);
        if (at == std::string::npos)
            continue;
        const auto from = at + kKey.size();
        std::istringstream words(line.substr(from, line.find('"', from) - from));
        for (std::string word; words >> word;) {
            const auto name = word.substr(0, word.find('='));
            auto known = std::ranges::find(phases, name, &decltype(phases)::value_type::first);
            if (known == phases.end())
                known = phases.insert(known, {name, {}});
            known->second.push_back(
                std::atof(word.c_str() + std::min(name.size() + 1, word.size())));
        }
    }
    for (const auto& [name, seconds] : phases)
        std::printf("  %-8s %.3f s\n", name.c_str(), median(seconds));
}

int iteration(const std::string& dmarace, const std::vector<std::string>& words) {
    const auto count = static_cast<unsigned>(std::atoi(words[0].c_str()));
    const double loop = median(bare_iterations(count));
    const auto started =
        guest::start({dmarace, "run", "instance-lookup", "--device", "0000:00:02.0", "--unsafe",
                      "-n", std::to_string(count + 1), "--out", words[1]},
                     guest::Streams::errors);
    std::vector<double> seconds;
    double last = 0;
    for (std::string line; !(line = guest::next_line(started)).empty();) {
        if (iteration_of(line) == 0)
            continue;
        if (last > 0)
            seconds.push_back(seconds_now() - last);
        last = seconds_now();
    }
    const int code = guest::end_of(started).code;
    print_phases(words[1] + "/journal.jsonl");
    const double ours = median(seconds);
    std::printf("bare loop %.3f s, iteration %.3f s (medians of %u and %zu), dmarace ended with "
                "%d: %.2f times the loop, at most %.1f\n",
                loop, ours, count, seconds.size(), code, ours / loop, kMostOfLoop);
    return seconds.size() == count && ours / loop <= kMostOfLoop ? 0 : 1;
}

} // namespace

int main(int argc, char** argv) {
    const std::vector<std::string> words(argv + std::min(argc, 3), argv + argc);
    const std::string what = argc > 2 ? argv[1] : "";
    if (what == "sim-scale")
        return sim_scale(argv[2], words);
    if (what == "soak" && words.size() == 3)
        return soak(argv[2], words);
    if (what == "type-rate" && words.size() == 1)
        return type_rate(argv[2], words[0]);
    if (what == "iteration" && words.size() == 2)
        return iteration(argv[2], words);
    std::fprintf(stderr, "usage: measure sim-scale DMARACE [STEP [ROWS]]\n"
                         "       measure sim-scale DMARACE run JOB N\n"
                         "       measure soak DMARACE JOB COUNT OUT\n"
                         "       measure type-rate DMARACE JOB\n"
                         "       measure iteration DMARACE COUNT OUT\n");
    return 2;
}
