// SPDX-License-Identifier: GPL-2.0-or-later
// Who waits for a lock that a held task owns: known at once, with the owner's name, and
// only that. The locks are the kernel's own: one around the parameters of a module, one
// around each open file of sysfs, and those of directories and of files.
#include "client.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <fstream>

namespace kmod_test {
namespace {

constexpr int kRounds = 1000;
// On a machine that is busy elsewhere; who looks at stacks takes 300 ms.
constexpr double kSoonUs = 20'000;

const std::string hold = std::string(TestModule::leaf) + "name=h actor=a ";

std::uint64_t monotonic_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U +
           static_cast<std::uint64_t>(now.tv_nsec);
}

// A process that acts under a name: once for each go(), until it is let go.
class Actor {
public:
    Actor(Control& control, const std::string& name, const std::function<int()>& act)
        : shared_(static_cast<Shared*>(::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE,
                                              MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {
        pid_ = spawn([this, act] {
            for (int round = 1;; round++) {
                while (shared_->asked < round)
                    ::usleep(100);
                if (shared_->over)
                    return 0;
                shared_->began = monotonic_ns();
                shared_->error = act();
                shared_->done = round;
            }
        });
        control.must("actor name=" + name + " pid=" + std::to_string(pid_));
    }
    ~Actor() {
        shared_->over = true;
        ++shared_->asked;
        if (reap(pid_) < 0)
            kill();
        ::munmap(shared_, sizeof(Shared));
    }
    Actor(const Actor&) = delete;
    Actor& operator=(const Actor&) = delete;

    void go() { ++shared_->asked; }
    // The errno of its act.
    int done(int timeout_ms = 5000) const {
        const auto until = now_ms() + static_cast<std::uint64_t>(timeout_ms);
        while (shared_->done < shared_->asked) {
            expect(now_ms() < until, "an actor did not come back");
            ::usleep(100);
        }
        return shared_->error;
    }
    std::uint64_t began() const { return shared_->began; } // CLOCK_MONOTONIC, ns
    pid_t pid() const { return pid_; }
    void kill() const { ::kill(pid_, SIGKILL); }

private:
    struct Shared {
        std::atomic<int> asked, done, error;
        std::atomic<bool> over;
        std::atomic<std::uint64_t> began;
    };
    Shared* shared_;
    pid_t pid_ = 0;
};

void needs_owners(Control& control) {
    if (control.status().get("contended").empty())
        throw Skipped("this kernel does not tell who waits for a lock (before 5.19, PREEMPT_RT)");
}

int run_call() { return TestModule::run("call"); }

void expect_blocked(const Event& event, const std::string& lock, const std::string& owner,
                    pid_t owner_tid) {
    expect(event.get("lock") == lock && event.get("owner") == owner &&
               event.number("owner_tid") == owner_tid && event.get("rule") == "h",
           event.text);
}

// Its median, in us.
double print(const char* what, std::vector<double> us) {
    std::ranges::sort(us);
    std::printf("# %s of %zu: median %.0f us, p99 %.0f us, max %.0f us\n", what, us.size(),
                us[us.size() / 2], us[us.size() * 99 / 100], us.back());
    return us[us.size() / 2];
}

double us_since(const Event& event, std::uint64_t began) {
    return static_cast<double>(static_cast<std::uint64_t>(event.number("ts")) - began) / 1000;
}

CASE(blocked, at_once, "blocked at once, 1,000 times, by an owner with a name") {
    const TestModule module;
    Control control;
    needs_owners(control);
    Actor a(control, "a", run_call), b(control, "b", run_call);
    control.must(hold + "wait_for=done:b timeout=5s");
    control.must("arm iter=1 seed=1");
    const auto renewing = keep_lease(control);
    std::vector<double> waited, known, over;
    for (int i = 0; i < kRounds; i++) {
        a.go();
        control.await("held");
        b.go();
        const auto signal = control.await("signal", {{"name", "blocked:b"}, {"by", "lock"}});
        expect_blocked(signal, "mutex", "a", a.pid());
        const auto end = control.await("end", {{"how", "blocked"}, {"by", "blocked:b"}});
        expect(a.done() == 0 && b.done() == 0, "an actor's write failed");
        waited.push_back(static_cast<double>(signal.number("us")));
        known.push_back(us_since(signal, b.began()));
        over.push_back(us_since(end, b.began()));
    }
    const double median = print("known after the wait began", waited);
    print("known after the write began that comes to it", known);
    print("the hold over after that", over);
    expect(median <= kSoonUs, "not at once");
}

CASE(blocked, no_longer, "blocked is over when the lock is there") {
    const TestModule module;
    Control control;
    needs_owners(control);
    Actor a(control, "a", run_call), b(control, "b", run_call);
    control.must(hold + "nth=1 wait_for=go,blocked:b timeout=5s");
    control.must(std::string(TestModule::leaf) +
                 "name=again actor=a nth=2 wait_for=go,blocked:b timeout=300ms");
    control.must("arm iter=1 seed=1");
    a.go();
    control.await("held");
    b.go();
    control.await("end", {{"how", "met"}, {"by", "blocked:b"}});
    expect(a.done() == 0 && b.done() == 0, "an actor's write failed");
    a.go();
    control.await("end", {{"how", "timeout"}});
    a.done();
}

// Writes on one open file of sysfs come one after the other.
int two_write(const std::string& file, const std::string& text, std::function<bool()> more) {
    const int fd = ::open(file.c_str(), O_WRONLY | O_CLOEXEC);
    const auto write = [&] {
        do
            if (::pwrite(fd, text.data(), text.size(), 0) < 0 && errno == EBADF)
                return;
        while (more());
    };
    { const std::jthread one(write), other(write); }
    ::close(fd);
    return 0;
}

CASE(blocked, by_short_foreign_waits, "1,000 short waits beside a hold block nobody") {
    const TestModule module;
    Control control;
    needs_owners(control);
    const auto until = [&](std::uint64_t end) { return [end] { return now_ms() < end; }; };
    Actor a(control, "a", run_call),
        b(control, "b", [&] { return two_write(door().file, "bogus", until(now_ms() + 2000)); });
    control.must(hold + "wait_for=done:b,go timeout=8s");
    control.must("arm iter=1 seed=1");
    const auto renewing = keep_lease(control);
    long long waits = 0;
    for (int i = 0; i < 20 && waits < kRounds; i++) {
        const auto before = control.status().number("contended");
        a.go();
        control.await("held");
        b.go();
        b.done(10000);
        waits += control.status().number("contended") - before;
        control.must("signal name=go");
        const auto end = control.await("end");
        expect(end.get("how") == "met", end.text);
        a.done();
        control.must("arm iter=2 seed=1");
    }
    for (const auto& event : control.drain())
        expect(event.get("by") != "lock", event.text);
    std::printf("# %lld short waits\n", waits);
    expect(waits >= kRounds, "too few waits");
}

CASE(blocked, behind_another, "blocked behind one who is blocked") {
    const TestModule module;
    Control control;
    needs_owners(control);
    Actor a(control, "a", run_call), b(control, "b", [] {
        return two_write("/sys/module/dmarace_test/parameters/run", "call", [] { return false; });
    });
    control.must(hold + "nth=1 wait_for=go timeout=5s");
    control.must("arm iter=1 seed=1");
    a.go();
    control.await("held");
    b.go();
    auto first = control.await("signal", {{"by", "lock"}});
    auto second = control.await("signal", {{"by", "lock"}});
    if (first.get("owner") == "b")
        std::swap(first, second);
    expect_blocked(first, "mutex", "a", a.pid());
    expect_blocked(second, "mutex", "b", static_cast<pid_t>(first.number("tid")));
    control.must("signal name=go");
    expect(a.done() == 0 && b.done() == 0, "an actor's write failed");
}

CASE(blocked, by_the_writer_of_an_rwsem, "blocked by the writer of an rwsem") {
    const std::string dir = "/tmp/blocked";
    ::mkdir("/tmp", 0755);
    ::mkdir(dir.c_str(), 0755);
    expect_equal(::mount("none", dir.c_str(), "tmpfs", 0, nullptr) < 0 ? errno : 0, 0, "mount");
    const std::string file = dir + "/file";
    std::ofstream(file) << "x";
    {
        Control control;
        needs_owners(control);
        const auto write = [&] { return write_file(file, "y"); };
        Actor a(control, "a", write), b(control, "b", write);
        control.must("rule point=shmem_write_begin unsafe=1 name=h actor=a wait_for=done:b "
                     "timeout=5s");
        control.must("arm iter=1 seed=1");
        a.go();
        control.await("held");
        b.go();
        expect_blocked(control.await("signal", {{"by", "lock"}}), "rwsem", "a", a.pid());
        control.await("end", {{"how", "blocked"}});
        expect(a.done() == 0 && b.done() == 0, "an actor's write failed");
    }
    ::umount(dir.c_str());
}

// Readers of an rwsem are not written down anywhere: whoever looks at stacks must tell.
CASE(blocked, by_readers, "whom readers block the owner must tell of") {
    const TestModule module;
    Control control;
    needs_owners(control);
    const std::string dir = "/sys/kernel";
    Actor a(control, "a", [&] {
        const int fd = ::open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        char entries[4096];
        const auto got = ::syscall(SYS_getdents64, fd, entries, sizeof entries);
        ::close(fd);
        return got > 0 ? 0 : EIO;
    });
    Actor b(control, "b", [&] { return ::mkdir((dir + "/no").c_str(), 0755) < 0 ? errno : 0; });
    control.must("rule point=kernfs_fop_readdir unsafe=1 name=h actor=a nth=1 wait_for=done:b "
                 "timeout=5s");
    control.must("arm iter=1 seed=1");
    a.go();
    control.await("held");
    b.go();
    sleep_ms(400);
    for (const auto& event : control.drain())
        expect(event.verb != "end" && event.get("by") != "lock", event.text);
    control.must("signal name=blocked:b");
    control.await("end", {{"how", "blocked"}, {"by", "blocked:b"}});
    expect(a.done() == 0 && b.done() != 0, "what the actors were told");
}

CASE(blocked, kill_and_unload, "killed in a hold that blocks others, and taken out") {
    const auto cycles = std::getenv("CYCLES") ? std::atoi(std::getenv("CYCLES")) : 10;
    const auto end = now_ms() + 600'000;
    for (int i = 0; i < cycles; i++) {
        const pid_t waits = spawn(
            [end] { return two_write(door().file, "bogus", [end] { return now_ms() < end; }); });
        {
            const TestModule module;
            Control control;
            needs_owners(control);
            Actor a(control, "a", run_call), b(control, "b", run_call);
            control.must(hold + "wait_for=go timeout=5s");
            control.must("arm iter=1 seed=1");
            a.go();
            control.await("held");
            b.go();
            control.await("signal", {{"by", "lock"}, {"owner", "a"}});
            a.kill();
            control.await("end", {{"how", "killed"}});
            expect_equal(b.done(), 0, "who waited");
        }
        reload();
        ::kill(waits, SIGKILL);
        reap(waits);
    }
}

} // namespace
} // namespace kmod_test
