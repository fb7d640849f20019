// SPDX-License-Identifier: GPL-2.0-or-later
// Makes a disk of the board what the machine stands on (swap), and
// asks of jobs of the library, or of all, what they would do to it:
//   guarded_disk DMARACE DISK BUS/NAME [JOB..]   e.g. /dev/nvme0n1 pci/0000:00:06.0
//   guarded_disk DMARACE - BUS/NAME REASON [JOB..]   one that is so already
// A line a job; lines that begin with BAD are faults. Exit 0: none; 1: some; 3:
// no such disk.
#include <fcntl.h>
#include <unistd.h>

#include <sys/swap.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

namespace {

namespace fs = std::filesystem;

constexpr const char* kJobs = "/usr/share/dmarace/jobs";
constexpr std::uint32_t kPages = 1024;

// What mkswap writes (include/linux/swap.h, union swap_header): at 1024 version,
// last page and bad pages; the magic ends the first page.
bool make_swap(const char* disk) {
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    std::string header(page, '\0');
    const std::uint32_t info[3]{1, kPages - 1, 0};
    std::memcpy(header.data() + 1024, info, sizeof info);
    header.replace(page - 10, 10, "SWAPSPACE2");
    const int fd = ::open(disk, O_WRONLY | O_CLOEXEC);
    const bool written = fd >= 0 &&
                         ::write(fd, header.data(), header.size()) == static_cast<ssize_t>(page) &&
                         ::fsync(fd) == 0;
    ::close(fd);
    return written && ::swapon(disk, 0) == 0;
}

struct Said {
    int code = 0;
    std::string text;
};

Said run(std::vector<std::string> words) {
    int ends[2];
    if (::pipe(ends) != 0)
        return {-1, "no pipe"};
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::dup2(ends[1], STDOUT_FILENO);
        ::dup2(ends[1], STDERR_FILENO);
        std::vector<char*> argv;
        for (auto& word : words)
            argv.push_back(word.data());
        argv.push_back(nullptr);
        ::execv(argv[0], argv.data());
        ::_exit(127);
    }
    ::close(ends[1]);
    Said said;
    char buffer[4096];
    for (ssize_t got; (got = ::read(ends[0], buffer, sizeof buffer)) > 0;)
        said.text.append(buffer, static_cast<std::size_t>(got));
    ::close(ends[0]);
    int status = 0;
    ::waitpid(pid, &status, 0);
    said.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
    return said;
}

std::string first_line_with(const std::string& text, const std::string& word) {
    const auto at = text.find(word);
    if (at == std::string::npos)
        return "";
    const auto begin = text.rfind('\n', at) + 1;
    return text.substr(begin, text.find('\n', at) - begin);
}

// The steps of a dry run, from the first numbered list to the rules.
bool a_step_names(const std::string& text, const std::string& device) {
    auto at = std::min(text.find("\nreset"), text.find("\nactor "));
    if (at == std::string::npos)
        return false;
    const auto steps = text.substr(at, text.find("\nmay be changed") - at);
    return steps.find(device.substr(device.find('/') + 1)) != std::string::npos;
}

bool fine(const std::string& dmarace, const std::string& job, const std::string& device,
          const std::string& reason) {
    const auto alone = run({dmarace, "run", job, "--dry-run", "--unsafe"});
    const auto asked = run({dmarace, "run", job, "--dry-run", "--unsafe", "--device", device});
    const auto known =
        run({dmarace, "run", job, "--dry-run", "--unsafe", "--device", device, "--i-know", device});
    std::vector<std::string> bad;
    if (alone.code == 0 && a_step_names(alone.text, device))
        bad.push_back("it would touch the disk by itself");
    if (asked.code == 0)
        bad.push_back("--device takes the disk");
    const bool takes_none = asked.text.find("takes no device") != std::string::npos;
    if (asked.code != 0 && !takes_none && asked.text.find(reason) == std::string::npos &&
        asked.code != 4)
        bad.push_back("the refusal does not say '" + reason + "': " + asked.text);
    if (known.text.find("must not be touched") != std::string::npos)
        bad.push_back("--i-know does not let it: " + known.text);
    const auto why = first_line_with(asked.text, reason);
    std::cout << std::unitbuf << job << ": exit " << asked.code << ", " << known.code
              << " with --i-know: "
              << (why.empty() ? asked.text.substr(0, asked.text.find('\n')) : why) << "\n";
    for (const auto& what : bad)
        std::cout << "BAD " << job << ": " << what << "\n";
    return bad.empty();
}

} // namespace

int main(int argc, char** argv) {
    if (argc < 4) {
        std::cerr << "usage: guarded_disk DMARACE DISK BUS/NAME [JOB..]\n";
        return 2;
    }
    const bool given = std::string(argv[2]) == "-";
    const int first_job = given ? 5 : 4;
    const std::string reason = given && argc > 4 ? argv[4] : "swap";
    for (int i = 0; i < 300 && !given && ::access(argv[2], F_OK) != 0; ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    if (!given && !make_swap(argv[2])) {
        std::cerr << "guarded_disk: " << argv[2] << ": " << std::strerror(errno) << "\n";
        return 3;
    }
    std::vector<std::string> jobs(argv + std::min(first_job, argc), argv + argc);
    for (const auto& entry : fs::directory_iterator(kJobs))
        if (argc <= first_job && entry.path().extension() == ".toml")
            jobs.push_back(entry.path().stem());
    std::ranges::sort(jobs);
    bool all = !jobs.empty();
    for (const auto& job : jobs)
        all = fine(argv[1], job, argv[3], reason) && all;
    std::cout << jobs.size() << " jobs asked\n";
    return all ? 0 : 1;
}
