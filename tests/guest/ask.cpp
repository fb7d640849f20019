// SPDX-License-Identifier: GPL-2.0-or-later
// Asks dmarace on a board, and looks at what it says:
//   ask commands PROGRAM "WORD WORD.." .. [-- FILE..]
// one command after the other in one boot. Before each stands '##### WORD WORD..', after
// it '[exit N]' unless that is 0. The FILEs are for dmarace-vm, which takes them along.
//   ask guarded-disk DMARACE DISK BUS/NAME [JOB..]   e.g. /dev/nvme0n1 pci/0000:00:06.0
//   ask guarded-disk DMARACE - BUS/NAME REASON [JOB..]   one that is so already
// makes a disk of the board what the machine stands on (swap), and asks of jobs of the
// library, or of all, what they would do to it. A line a job; lines that begin with BAD
// are faults. Exit 0: none; 1: some; 3: no such disk.
#include "process.hpp"

#include <fcntl.h>

#include <sys/swap.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <sstream>
#include <thread>

namespace {

namespace fs = std::filesystem;
using guest::run;

int commands(const std::string& program, const std::vector<std::string>& asked) {
    for (const auto& command : asked) {
        if (command == "--")
            break;
        std::cout << "##### " << command << "\n" << std::flush;
        std::vector<std::string> words{program};
        std::istringstream in(command);
        for (std::string word; in >> word;)
            words.push_back(word);
        const int code = guest::end_of(guest::start(words, guest::Streams::none)).code;
        if (code != 0)
            std::cout << "[exit " << code << "]\n" << std::flush;
    }
    return asked.empty() ? 2 : 0;
}

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

int guarded_disk(const std::string& dmarace, const std::vector<std::string>& words) {
    const auto& disk = words[0];
    const auto& device = words[1];
    const bool given = disk == "-";
    const std::size_t first_job = given ? 3 : 2;
    const std::string reason = given && words.size() > 2 ? words[2] : "swap";
    for (int i = 0; i < 300 && !given && ::access(disk.c_str(), F_OK) != 0; ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    if (!given && !make_swap(disk.c_str())) {
        std::cerr << "ask: " << disk << ": " << std::strerror(errno) << "\n";
        return 3;
    }
    std::vector<std::string> jobs;
    if (words.size() > first_job)
        jobs.assign(words.begin() + static_cast<std::ptrdiff_t>(first_job), words.end());
    else
        for (const auto& entry : fs::directory_iterator(kJobs))
            if (entry.path().extension() == ".toml")
                jobs.push_back(entry.path().stem());
    std::ranges::sort(jobs);
    bool all = !jobs.empty();
    for (const auto& job : jobs)
        all = fine(dmarace, job, device, reason) && all;
    std::cout << jobs.size() << " jobs asked\n";
    return all ? 0 : 1;
}

} // namespace

int main(int argc, char** argv) {
    const std::vector<std::string> words(argv + std::min(argc, 3), argv + argc);
    const std::string what = argc > 2 ? argv[1] : "";
    if (what == "commands")
        return commands(argv[2], words);
    if (what == "guarded-disk" && words.size() > 1)
        return guarded_disk(argv[2], words);
    std::cerr << "usage: ask commands PROGRAM \"WORD WORD..\" .. [-- FILE..]\n"
                 "       ask guarded-disk DMARACE DISK BUS/NAME [JOB..]\n"
                 "       ask guarded-disk DMARACE - BUS/NAME REASON [JOB..]\n";
    return 2;
}
