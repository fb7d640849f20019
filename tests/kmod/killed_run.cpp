// SPDX-License-Identifier: GPL-2.0-or-later
// 'dmarace run', ended in one phase of an iteration after the other, by
// SIGKILL, by a stall that outlives its lease, and by the kernel's OOM killer,
// and what is left then:
//   killed_run DMARACE JOB DEVICE all|PHASE..
// JOB is test-hold of tests/vm/jobs.toml, DEVICE what it unbinds. TAP; exit 0 when each
// time nothing stays held, no gate stays open, no probe is left, 'dmarace
// restore' puts the board back, and rmmod works in the end.
//   killed_run DMARACE JOB DEVICE read-only-sys
// mounts /sys read-only and looks at what dmarace says then: a run is refused before it
// changes anything. What a killed run has changed cannot be restored: 'dmarace restore'
// says the commands that would, and restores it once /sys can be written, and a second
// time does nothing.
#include "client.hpp"
#include "tests/guest/process.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <sys/mount.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace kmod_test {
namespace {

constexpr int kReachMs = 300000; // a slow machine may take long to a phase
constexpr int kRestoreMs = 120000;
constexpr int kBoundMs = 1000;  // after death
constexpr int kLeaseMs = 11000; // after a stall: the lease and a second

struct Run {
    std::string program, job, device;
    pid_t pid = -1;

    std::string bus() const { return "/sys/bus/" + device.substr(0, device.find('/')) + "/"; }
    std::string name() const { return device.substr(device.find('/') + 1); }
    std::string driver_link() const { return bus() + "devices/" + name() + "/driver"; }
};

// "" for what is not there, or goes away while it is read, as processes do.
std::string read_file(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    std::string text;
    char chunk[4096];
    for (ssize_t got; fd >= 0 && (got = ::read(fd, chunk, sizeof chunk)) > 0;)
        text.append(chunk, static_cast<std::size_t>(got));
    ::close(fd);
    return text;
}

// Is there a process of this name at work?
bool runs(const std::string& name) {
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
        const auto pid = entry.path().filename().string();
        if (pid.find_first_not_of("0123456789") != std::string::npos)
            continue;
        const auto comm = read_file(entry.path() / "comm");
        const auto stat = read_file(entry.path() / "stat");
        if (comm.starts_with(name) && stat.find(") Z ") == std::string::npos)
            return true;
    }
    return false;
}

// Children may live for a few milliseconds only: no search through all of /proc.
bool has_child(pid_t parent, const std::string& name) {
    const auto pid = std::to_string(parent);
    std::istringstream children(read_file("/proc/" + pid + "/task/" + pid + "/children"));
    for (std::string child; children >> child;)
        if (read_file("/proc/" + child + "/comm") == name + "\n")
            return true;
    return false;
}

void wait_for_child(const Run& run, const std::string& name) {
    for (const auto start = now_ms(); !has_child(run.pid, name); sleep_ms(1)) {
        expect(now_ms() - start < kReachMs, "no child " + name + " in five minutes");
        expect(reap(run.pid, 0) == -1, "dmarace ended before " + name);
    }
}

// What a run of the job changes.
std::string board_now(const Run& run) {
    std::error_code ec;
    return std::filesystem::read_symlink(run.driver_link(), ec).filename().string() +
           " autoprobe " + read_file(run.bus() + "drivers_autoprobe");
}

void start(Run& run) {
    run.pid = spawn([&run] {
        ::execl(run.program.c_str(), run.program.c_str(), "run", run.job.c_str(), "--device",
                run.device.c_str(), "-n", "1", static_cast<char*>(nullptr));
        return 127;
    });
    for (const auto start = now_ms(); ::access("/dev/dmarace", F_OK) != 0; sleep_ms(20)) {
        expect(now_ms() - start < kReachMs, "no control device in five minutes");
        expect(reap(run.pid, 0) == -1, "dmarace ended before it loaded the module");
    }
}

int restore(const Run& run) {
    return reap(spawn([&run] {
                    ::execl(run.program.c_str(), run.program.c_str(), "restore",
                            static_cast<char*>(nullptr));
                    return 127;
                }),
                kRestoreMs);
}

constexpr const char* kProbes = "/sys/kernel/debug/kprobes/list";

// Nobody but the module has probes here.
void expect_no_probe() {
    std::ifstream probes(kProbes);
    expect(probes.is_open(), std::string(kProbes) + " cannot be read");
    std::string line;
    expect(!std::getline(probes, line), "a probe is left: " + line);
}

// Milliseconds until nothing is held and no gate is open; with 'rules', until no
// rule is left either.
long long idle_after(Control& watch, std::uint64_t since, int bound, bool rules) {
    for (;;) {
        const auto status = watch.status();
        if (!status.number("held") && status.get("gate") == "closed" &&
            (!rules || !status.number("rules")))
            return static_cast<long long>(now_ms() - since);
        expect(now_ms() - since < static_cast<unsigned>(bound), "still: " + status.text);
        sleep_ms(5);
    }
}

struct Phase {
    const char* name;
    void (*reach)(const Run& run, Control& watch);
};

// In the order in which an iteration meets them.
constexpr Phase kPhases[] = {
    {"reset", [](const Run& run, Control&) { wait_for_child(run, "dmarace-reset"); }},
    {"look", [](const Run& run, Control&) { wait_for_child(run, "dmarace-inspect"); }},
    {"arm",
     [](const Run&, Control& watch) {
         watch.await("gate", {{"state", "open"}}, kReachMs);
     }},
    {"hold", [](const Run&, Control& watch) { watch.await("held", {}, kReachMs); }},
    {"act",
     [](const Run&, Control& watch) {
         watch.await("end", {{"how", "timeout"}}, kReachMs);
     }},
    {"settle",
     [](const Run&, Control& watch) {
         watch.await("gate", {{"state", "closed"}}, kReachMs);
     }},
    {"audit",
     [](const Run& run, Control& watch) {
         watch.await("gate", {{"state", "closed"}}, kReachMs);
         wait_for_child(run, "dmarace-inspect");
     }},
    {"restore", [](const Run& run, Control&) { wait_for_child(run, "dmarace-restore"); }},
};

// How dmarace ends. Each returns when it is dead, or is about to be, with the
// time from which the bound counts.
struct Ending {
    const char* name;
    std::uint64_t (*end)(const Run& run, const Phase& phase, Control& watch);
};

std::uint64_t kill_it(const Run& run, const Phase&, Control&) {
    const auto since = now_ms();
    ::kill(run.pid, SIGKILL);
    return since;
}

std::uint64_t stall_it(const Run& run, const Phase& phase, Control& watch) {
    const auto since = now_ms();
    ::kill(run.pid, SIGSTOP);
    const auto took = idle_after(watch, since, kLeaseMs, false);
    std::printf("# %s: idle %lld ms after SIGSTOP\n", phase.name, took);
    return kill_it(run, phase, watch);
}

bool is_dead(pid_t pid) {
    return read_file("/proc/" + std::to_string(pid) + "/stat").find(") Z ") != std::string::npos;
}

// The kernel's own choice of a victim, as when memory is out (sysrq f). Children
// that are at work keep their score: the owner is the one to go.
std::uint64_t run_out_of_memory(const Run& run, const Phase&, Control&) {
    const auto score = "/proc/" + std::to_string(run.pid) + "/oom_score_adj";
    expect_equal(write_file(score, "1000"), 0, score);
    expect_equal(write_file("/proc/sysrq-trigger", "f"), 0, "sysrq f");
    for (const auto start = now_ms(); !is_dead(run.pid); sleep_ms(1))
        expect(now_ms() - start < 20000, "the OOM killer did not end dmarace in 20 s");
    return now_ms();
}

constexpr Ending kEndings[] = {
    {"SIGKILL", kill_it}, {"SIGSTOP", stall_it}, {"OOM", run_out_of_memory}};

void end_in(const Phase& phase, const Ending& ending, Run& run) {
    const auto before = board_now(run);
    start(run);
    {
        Control watch;
        phase.reach(run, watch);
        const auto since = ending.end(run, phase, watch);
        const auto took = idle_after(watch, since, kBoundMs, true);
        std::printf("# %s: idle %lld ms after the end by %s\n", phase.name, took, ending.name);
        expect_equal(reap(run.pid), 128 + SIGKILL, "what dmarace ended by");
    }
    expect_no_probe();
    for (const auto start = now_ms(); runs("dmarace-"); sleep_ms(10))
        expect(now_ms() - start < 5000, "a child outlives its dmarace");
    expect_equal(restore(run), 0, "dmarace restore");
    expect_equal(restore(run), 0, "dmarace restore, again");
    expect(board_now(run) == before, "the board is '" + board_now(run) + "', was '" + before + "'");
}

void remount_sys(bool read_only) {
    expect_equal(
        ::mount(nullptr, "/sys", nullptr, MS_REMOUNT | (read_only ? MS_RDONLY : 0), nullptr), 0,
        "remount of /sys");
}

void expect_has(const std::string& text, const std::string& what) {
    expect(text.find(what) != std::string::npos, "'" + what + "' is not in: " + text);
}

guest::Ended say(const std::vector<std::string>& words) {
    auto said = guest::run(words);
    std::printf("# %s %s: exit %d\n# %s\n", words[0].c_str(), words[1].c_str(), said.code,
                said.text.c_str());
    return said;
}

std::vector<std::string> run_into(const Run& run, const char* out) {
    return {run.program, "run", run.job, "--device", run.device, "-n", "1", "--out", out};
}

void a_run_is_refused(const Run& run) {
    remount_sys(true);
    const auto said = say(run_into(run, "/tmp/refused"));
    remount_sys(false);
    expect_equal(said.code, 3, "exit code");
    expect_has(said.text, "/sys is mounted read-only");
    expect_has(said.text, "mount -o remount,rw /sys");
    expect(!std::filesystem::exists("/tmp/refused"), "a run was begun");
}

void restore_says_the_commands(const Run& run) {
    const auto autoprobe = [&] { return read_file(run.bus() + "drivers_autoprobe"); };
    const auto started = guest::start(run_into(run, "/tmp/killed"));
    // The last step of its actor, which has unbound the device before.
    for (const auto start = now_ms(); !autoprobe().starts_with('0'); sleep_ms(1))
        expect(now_ms() - start < kRestoreMs, "the run never came to its last step");
    ::kill(started.pid, SIGKILL);
    guest::end_of(started);
    expect(!std::filesystem::exists(run.driver_link()), run.device + " is bound");
    remount_sys(true);
    const auto cannot = say({run.program, "restore"});
    remount_sys(false);
    expect_equal(cannot.code, 3, "exit code of restore without a way to");
    expect_has(cannot.text, "not restored");
    expect_has(cannot.text, "echo " + run.name() + " > /sys/bus/");
    expect_has(cannot.text, "echo 1 > /sys/bus/");
    const auto can = say({run.program, "restore"});
    expect_equal(can.code, 0, "exit code of restore");
    expect(std::filesystem::exists(run.driver_link()), run.device + " is not bound again");
    expect(autoprobe().starts_with('1'), "autoprobe is not on again");
    const auto again = say({run.program, "restore"});
    expect_equal(again.code, 0, "exit code of restore, again");
    expect_has(again.text, "no run of this boot has left anything");
}

// Says as TAP what came of a case; with a dmarace that it left behind, it is ended.
bool passes(int number, const std::string& name, Run& run, const auto& one) {
    try {
        one();
    } catch (const std::exception& e) {
        std::printf("not ok %d - %s\n# %s\n", number, name.c_str(), e.what());
        if (run.pid > 0) {
            ::kill(run.pid, SIGKILL);
            reap(run.pid);
        }
        return false;
    }
    std::printf("ok %d - %s\n", number, name.c_str());
    std::fflush(stdout);
    return true;
}

int read_only_sys(Run& run) {
    const bool refused = passes(1, "a run is refused", run, [&] { a_run_is_refused(run); });
    const bool told =
        passes(2, "restore says the commands", run, [&] { restore_says_the_commands(run); });
    std::printf("1..2\n");
    return refused && told ? 0 : 1;
}

bool rmmod_works() {
    const auto since = now_ms();
    int error = unload_module("dmarace");
    for (; error != 0 && now_ms() - since < kBoundMs; sleep_ms(20))
        error = unload_module("dmarace");
    std::printf("# rmmod: %d\n", error);
    return error == 0;
}

} // namespace
} // namespace kmod_test

int main(int argc, char** argv) {
    using namespace kmod_test;
    if (argc < 5) {
        std::fprintf(stderr, "usage: killed_run DMARACE JOB DEVICE all|PHASE..|read-only-sys\n");
        return 2;
    }
    Run run{argv[1], argv[2], argv[3]};
    if (std::string(argv[4]) == "read-only-sys")
        return read_only_sys(run);
    int number = 0;
    bool all = true;
    for (const auto& phase : kPhases) {
        const auto asked = [&](const char* word) {
            return std::string(word) == "all" || word == std::string(phase.name);
        };
        if (std::none_of(argv + 4, argv + argc, asked))
            continue;
        for (const auto& ending : kEndings) {
            all = passes(++number, std::string(ending.name) + " in " + phase.name, run,
                         [&] { end_in(phase, ending, run); }) &&
                  all;
        }
    }
    std::printf("1..%d\n", number);
    return all && number > 0 && rmmod_works() ? 0 : 1;
}
