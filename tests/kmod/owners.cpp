// SPDX-License-Identifier: GPL-2.0-or-later
// Who may do what, that nothing outlives its owner, and loading: with rules= before
// anybody listens, and many times.
#include "client.hpp"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <thread>

namespace kmod_test {
namespace {

std::string hold() { return door().rule() + " name=h wait_for=go timeout=8s"; }

CASE(owners, one_owner, "one owner at a time") {
    Control owner;
    Control other;
    owner.must("rule point=really_probe");
    expect_equal(other.send("rule point=really_probe"), EBUSY, "second owner");
    expect(other.await("reply", {{"ok", "0"}}).get("reason").find(std::to_string(::getpid())) !=
               std::string::npos,
           "the refusal names the owner");
    expect_equal(other.send("disarm"), EBUSY, "disarm");
    expect_equal(other.status().number("owner"), ::getpid(), "owner=");
    owner.close_now();
    other.must("rule point=really_probe");
}

void wait_until_idle(Control& control) {
    const auto start = now_ms();
    for (;;) {
        const auto status = control.status();
        if (!status.number("held") && status.get("gate") == "closed" && !status.number("rules"))
            break;
        expect(now_ms() - start < 1000, "still after a second: " + status.text);
        sleep_ms(10);
    }
}

// Another process that owns the module until it is killed.
pid_t spawn_owner(std::initializer_list<std::string> rules) {
    return spawn([rules] {
        Control control(rules);
        for (;;)
            ::pause();
        return 0;
    });
}

CASE(owners, killed_owner_lets_go, "SIGKILL of the owner releases within a second") {
    Control watch;
    const pid_t owner = spawn_owner({hold()});
    watch.await("gate", {{"state", "open"}}, 20000);
    const pid_t task = knock_in_child();
    watch.await("held");
    const auto start = now_ms();
    ::kill(owner, SIGKILL);
    expect_equal(reap(task, 1000), door().error, "errno of the held write");
    expect(now_ms() - start < 1000, "took more than a second");
    watch.await("gate", {{"state", "closed"}});
    watch.await("end", {{"how", "released"}});
    reap(owner);
    wait_until_idle(watch);
}

CASE(owners, lease_runs_out, "the lease runs out") {
    Control control{hold()};
    Control watch;
    sleep_ms(4000);
    control.must("lease");
    sleep_ms(7000);
    expect(control.status().get("gate") == "open", "lease renewed");
    sleep_ms(4000);
    const pid_t task = knock_in_child();
    watch.await("held");
    watch.await("lease", {{"state", "lost"}}, 7500);
    expect_equal(reap(task), door().error, "errno of the held write");
    expect_equal(control.send("arm iter=2 seed=1"), EPERM, "before clear");
    control.must("clear");
    control.must(hold());
    control.must("arm iter=2 seed=1");
}

CASE(owners, rmmod_is_refused, "rmmod is refused while a task is held") {
    const pid_t owner = spawn_owner({"rule point=really_probe on=exit name=x",
                                     door().rule() + " on=exit wait_for=go timeout=3s"});
    {
        Control watch;
        watch.await("gate", {{"state", "open"}}, 20000);
        const pid_t task = knock_in_child();
        watch.await("held");
        expect_equal(unload_module("dmarace"), EAGAIN, "rmmod with a held task");
        ::kill(owner, SIGKILL);
        reap(owner);
        expect_equal(reap(task), door().error, "errno of the held write");
    }
    reload();
}

// The owner is gone, but a call is still between our entry and our exit.
CASE(owners, rmmod_waits_for_detoured_calls, "rmmod is refused inside a detoured call") {
    int pipe_fd[2];
    expect_equal(::pipe(pipe_fd), 0, "pipe");
    {
        Control control;
        // The name changed; both are what read() of a pipe calls.
        if (control.send("rule point=pipe_read unsafe=1 on=exit name=x") != 0)
            control.must("rule point=anon_pipe_read unsafe=1 on=exit name=x");
        control.must("arm iter=1 seed=1");
        std::thread([fd = pipe_fd[0]] {
            char c;
            if (::read(fd, &c, 1) < 0)
                return;
        }).detach();
        sleep_ms(100);
    }
    expect_equal(unload_module("dmarace"), EAGAIN, "rmmod inside a detoured call");
    expect_equal(::write(pipe_fd[1], "x", 1), 1, "write");
    sleep_ms(100);
    reload();
    ::close(pipe_fd[0]);
    ::close(pipe_fd[1]);
}

CASE(owners, stress, "detours on all processors at once") {
    Control control{door().rule() + " name=in delay=1us..200us",
                    door().rule() + " name=out on=exit delay=1us..200us from=vfs_write",
                    "rule point=" + door().writer + " unsafe=1 name=outer on=exit",
                    "rule point=really_probe name=p1 delay=1us..1ms",
                    "rule point=really_probe name=p2 on=exit delay=1us..1ms",
                    "rule point=driver_probe_device name=p3 on=exit",
                    "rule point=" + bindable().configure() + " name=p4 on=exit"};
    std::atomic<int> writes{0}, wrong{0};
    std::vector<std::jthread> threads; // stopped and joined whatever is thrown below
    for (int i = 0; i < 4; i++)
        threads.emplace_back([&](const std::stop_token& stop) {
            while (!stop.stop_requested()) {
                wrong += door().knock() != door().error;
                writes++;
            }
        });
    const auto renewing = keep_lease(control); // a bind between all these may outlast it
    const auto end = now_ms() + 8000;
    int binds = 0;
    while (now_ms() < end) {
        wrong += bindable().unbind() != 0;
        wrong += bindable().bind() != 0;
        binds++;
        control.drain();
    }
    threads.clear();
    control.must("disarm");
    expect_equal(wrong, 0, "wrong results");
    long long in = 0, out = 0, probes = 0, missed = 0;
    for (const auto& event : control.drain()) {
        if (event.verb != "count")
            continue;
        missed += event.number("nmissed");
        in += event.get("rule") == "in" ? event.number("hits") : 0;
        out += event.get("rule") == "out" ? event.number("hits") : 0;
        probes += event.get("rule") == "p2" ? event.number("hits") : 0;
    }
    expect_equal(missed, 0, "nmissed");
    expect_equal(in, writes, "hits at entry");
    expect_equal(out, writes, "hits at exit");
    expect_equal(probes, binds, "hits of really_probe");
    std::printf("# %d writes, %d binds\n", writes.load(), binds);
}

CASE(owners, rules_at_load, "rules= at load") {
    reload("rules=\"" + door().rule() +
           " name=boot wait_for=go timeout=200ms; "
           "rule point=really_probe name=second\"");
    const auto start = now_ms();
    expect_equal(door().knock(), door().error, "held write");
    expect(now_ms() - start >= 190, "was not held");
    expect_equal(door().knock(), door().error, "second write");
    Control control;
    control.await("gate", {{"state", "open"}, {"why", "load"}});
    control.await("end", {{"rule", "boot"}, {"how", "timeout"}});
    const auto count = control.disarm("boot");
    expect_equal(count.number("acted"), 1, "each hold once");
    expect_equal(control.status().number("rules"), 2, "adopted");
    control.close_now();
    reload();
}

CASE(owners, bad_rules_at_load, "bad rules= at load") {
    expect_equal(unload_module("dmarace"), 0, "rmmod");
    expect_equal(load_module(module_path, "rules=\"rule point=nope\""), EINVAL, "insmod");
    expect_equal(load_module(module_path, "rules=\"arm iter=1 seed=1\""), EINVAL, "insmod");
    expect_equal(load_module(module_path), 0, "insmod");
}

CASE(owners, cycles, "load, hold, release, unload") {
    const char* text = std::getenv("CYCLES");
    const int count = text != nullptr ? std::atoi(text) : 200;
    for (int i = 0; i < count; i++) {
        {
            Control control{door().rule() +
                            " wait_for=go timeout=5s on=" + std::string(i % 2 ? "enter" : "exit")};
            const pid_t task = knock_in_child();
            control.await("held");
            if (i % 3 == 0)
                control.must("signal name=go");
            else if (i % 3 == 1)
                control.must("disarm");
            else
                control.close_now();
            expect_equal(reap(task), door().error, "errno of the held write");
        }
        int error = unload_module("dmarace");
        for (int tries = 0; error == EAGAIN && tries < 100; tries++) {
            sleep_ms(5);
            error = unload_module("dmarace");
        }
        expect_equal(error, 0, "rmmod");
        expect_equal(load_module(module_path), 0, "insmod");
    }
}

// The lease ends while one line of a write sleeps: those behind it are refused.
CASE(owners, lease_runs_out_inside_a_write, "the lease runs out inside a write") {
    // At two points: what rules do to one call adds up to one hold's time.
    const auto dev = " dev=" + bindable().device();
    Control control{"rule point=really_probe" + dev + " name=d delay=10s",
                    "rule point=" + bindable().configure() + dev +
                        " name=h wait_for=never timeout=10s"};
    expect_equal(bindable().unbind(), 0, "unbind");
    // Not by the driver's bind, whose probing nobody waits for.
    const pid_t binder = spawn([] {
        return write_file("/sys/bus/" + bindable().bus + "/drivers_probe", bindable().name);
    });
    control.await("delay", {{"rule", "d"}});
    control.must("settle\narm iter=2 seed=1 id=late");
    control.await("lease", {{"state", "lost"}});
    const auto reply = control.await("reply", {{"re", "late"}});
    expect(reply.get("ok") == "0" && reply.get("err") == "EPERM", reply.text);
    const auto status = control.status();
    expect(status.get("gate") == "closed", status.text);
    expect_equal(reap(binder), 0, "bind");
    // What follows clear in one write has a lease again.
    control.must("clear\narm iter=3 seed=1\nstatus id=again");
    expect(control.await("reply", {{"re", "again"}}).number("lease_ms") > 5000, "lease_ms");
}

// Somebody who is still in a call when the module that it came by is gone.
void sleep_long(const std::stop_token& stop) {
    while (!stop.stop_requested())
        sleep_ms(10000);
}

bool has_oopsed() {
    constexpr unsigned long kTaintDie = 1UL << 7;
    std::ifstream in("/proc/sys/kernel/tainted");
    unsigned long taint = 0;
    return in >> taint && (taint & kTaintDie) != 0;
}

// What fails behind the rules must not find them acting: their calls would return
// into a module that is gone.
CASE(owners, load_fails_behind_its_rules, "a load that fails behind its rules") {
    const TestModule test;
    expect_equal(unload_module("dmarace"), 0, "rmmod");
    expect_equal(TestModule::run("refuse_misc"), 0, "refuse_misc");
    std::vector<int> errors;
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < 400; i++) {
            threads.emplace_back(sleep_long);
            sleep_ms(20); // so that at any time some of them begin
        }
        for (int i = 0; i < 5; i++)
            errors.push_back(load_module(
                module_path, "rules=\"rule point=hrtimer_nanosleep unsafe=1 on=exit\""));
        for (auto& thread : threads)
            thread.request_stop(); // all before the first is waited for
    }
    for (const int error : errors)
        expect_equal(error, EBUSY, "insmod");
    expect(!has_oopsed(), "the kernel oopsed: somebody returned into what was gone");
    expect_equal(TestModule::run("allow_misc"), 0, "allow_misc");
    expect_equal(load_module(module_path), 0, "insmod");
    wait_for_device();
}

} // namespace

} // namespace kmod_test
