// SPDX-License-Identifier: GPL-2.0-or-later
// Mounts /sys read-only and looks at what dmarace says then:
//   read_only_sys DMARACE JOB BUS/NAME
// A run is refused before it changes anything. What a killed run has changed
// cannot be restored: 'dmarace restore' says the commands that would, and
// restores it once /sys can be written, and a second time does nothing. JOB is
// test-hold of tests/vm/jobs.toml, BUS/NAME what it unbinds. TAP.
#include "tests/kmod/client.hpp"

#include <unistd.h>

#include <sys/mount.h>

#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace kmod_test {
namespace {

constexpr int kLong = 120000;

struct Said {
    int code = 0;
    std::string text;
};

pid_t begin(const std::vector<std::string>& words, const char* file) {
    return spawn([&] {
        if (std::freopen(file, "w", stdout) == nullptr || ::dup2(1, 2) < 0)
            return 126;
        std::vector<char*> argv;
        for (const auto& word : words)
            argv.push_back(const_cast<char*>(word.c_str()));
        argv.push_back(nullptr);
        ::execv(argv[0], argv.data());
        return 127;
    });
}

Said run(const std::vector<std::string>& words) {
    constexpr const char* kFile = "/tmp/said";
    const int code = reap(begin(words, kFile), kLong);
    std::ifstream in(kFile);
    Said said{code, {std::istreambuf_iterator<char>(in), {}}};
    std::printf("# %s %s: exit %d\n# %s\n", words[0].c_str(), words[1].c_str(), code,
                said.text.c_str());
    return said;
}

void remount_sys(bool read_only) {
    expect_equal(
        ::mount(nullptr, "/sys", nullptr, MS_REMOUNT | (read_only ? MS_RDONLY : 0), nullptr), 0,
        "remount of /sys");
}

void expect_has(const std::string& text, const std::string& what) {
    expect(text.find(what) != std::string::npos, "'" + what + "' is not in: " + text);
}

std::string driver_link(const std::string& device) {
    const auto slash = device.find('/');
    return "/sys/bus/" + device.substr(0, slash) + "/devices/" + device.substr(slash + 1) +
           "/driver";
}

char autoprobe(const std::string& device) {
    std::ifstream in("/sys/bus/" + device.substr(0, device.find('/')) + "/drivers_autoprobe");
    return static_cast<char>(in.get());
}

void a_run_is_refused(const std::string& program, const std::string& job,
                      const std::string& device) {
    remount_sys(true);
    const auto said =
        run({program, "run", job, "--device", device, "-n", "1", "--out", "/tmp/refused"});
    remount_sys(false);
    expect_equal(said.code, 3, "exit code");
    expect_has(said.text, "/sys is mounted read-only");
    expect_has(said.text, "mount -o remount,rw /sys");
    expect(!std::filesystem::exists("/tmp/refused"), "a run was begun");
}

void restore_says_the_commands(const std::string& program, const std::string& job,
                               const std::string& device) {
    const pid_t pid =
        begin({program, "run", job, "--device", device, "-n", "1", "--out", "/tmp/killed"},
              "/tmp/run-said");
    // The last step of its actor, which has unbound the device before.
    for (const auto start = now_ms(); autoprobe(device) != '0'; sleep_ms(1))
        expect(now_ms() - start < kLong, "the run never came to its last step");
    ::kill(pid, SIGKILL);
    reap(pid, kLong);
    expect(!std::filesystem::exists(driver_link(device)), device + " is bound");
    remount_sys(true);
    const auto cannot = run({program, "restore"});
    remount_sys(false);
    expect_equal(cannot.code, 3, "exit code of restore without a way to");
    expect_has(cannot.text, "not restored");
    expect_has(cannot.text, "echo " + device.substr(device.find('/') + 1) + " > /sys/bus/");
    expect_has(cannot.text, "echo 1 > /sys/bus/");
    const auto can = run({program, "restore"});
    expect_equal(can.code, 0, "exit code of restore");
    expect(std::filesystem::exists(driver_link(device)), device + " is not bound again");
    expect_equal(autoprobe(device), '1', "autoprobe");
    const auto again = run({program, "restore"});
    expect_equal(again.code, 0, "exit code of restore, again");
    expect_has(again.text, "no run of this boot has left anything");
}

struct Case {
    const char* name;
    void (*run)(const std::string& program, const std::string& job, const std::string& device);
};

constexpr Case kCases[] = {{"a run is refused", a_run_is_refused},
                           {"restore says the commands", restore_says_the_commands}};

} // namespace
} // namespace kmod_test

int main(int argc, char** argv) {
    using namespace kmod_test;
    if (argc != 4) {
        std::fprintf(stderr, "usage: read_only_sys DMARACE JOB BUS/NAME\n");
        return 2;
    }
    int number = 0, failed = 0;
    for (const auto& [name, run_case] : kCases) {
        try {
            run_case(argv[1], argv[2], argv[3]);
            std::printf("ok %d - %s\n", ++number, name);
        } catch (const std::exception& e) {
            std::printf("not ok %d - %s\n# %s\n", ++number, name, e.what());
            ++failed;
        }
    }
    std::printf("1..%d\n", number);
    return failed == 0 ? 0 : 1;
}
