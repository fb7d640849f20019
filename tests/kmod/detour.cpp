// SPDX-License-Identifier: GPL-2.0-or-later
// What a detour leaves as it was, where it must not sleep, and what is made of a
// breakpoint that is not there any more.
#include "client.hpp"

#include <unistd.h>

#include <sys/mount.h>
#include <sys/utsname.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <thread>

namespace kmod_test {
namespace {

const std::string leaf = TestModule::leaf;

void nothing_changed(const std::string& what) {
    expect_equal(TestModule::run(what), 0, what);
    expect(TestModule::parameter("changed") == "0x0",
           what + ": registers changed: " + TestModule::parameter("changed"));
}

CASE(detours, inside_a_function, "registers survive inside a function") {
    const TestModule module;
    Control control;
    nothing_changed("inside");
    control.must(TestModule::inside() + "name=first delay=30ms");
    control.must(TestModule::inside() + "name=second from=dmarace_test_inside");
    control.must("arm iter=1 seed=1");
    nothing_changed("inside");
    control.await("delay", {{"rule", "first"}});
    control.await("hit", {{"rule", "second"}});
    expect_equal(control.send(TestModule::inside() + "on=exit"), EINVAL, "on=exit inside");
}

CASE(detours, around_a_function, "registers survive around a function") {
    const TestModule module;
    Control control{leaf + "name=in delay=30ms", leaf + "name=out on=exit delay=30ms"};
    nothing_changed("call");
    control.await("delay", {{"rule", "in"}});
    control.await("delay", {{"rule", "out"}});
}

CASE(detours, many_times, "registers survive many times") {
    const TestModule module;
    Control control{TestModule::inside() + "name=inside probability=50 delay=1us..30us",
                    leaf + "name=in delay=1us..30us", leaf + "name=out on=exit"};
    for (int i = 0; i < 500; i++) {
        nothing_changed("inside");
        nothing_changed("call");
        if (i % 5 == 0) {
            control.drain();
            control.must("lease");
        }
    }
    control.drain();
    expect_equal(control.disarm("inside").number("nmissed"), 0, "nmissed");
    expect_equal(control.await("count", {{"rule", "out"}}).number("hits"), 500, "hits");
}

bool is_realtime() {
    utsname name{};
    uname(&name);
    return std::string(name.version).contains("PREEMPT_RT");
}

void cannot_sleep(const std::string& what) {
    const TestModule module;
    Control control{leaf + "name=h wait_for=go timeout=5s", leaf + "name=out on=exit"};
    const auto start = now_ms();
    expect_equal(TestModule::run(what), 0, what);
    expect(now_ms() - start < 3000, "a task slept with " + what);
    const auto count = control.disarm("h");
    const auto out = control.await("count", {{"rule", "out"}});
    // On PREEMPT_RT not even a rule can be looked at with interrupts off: the call is left
    // alone up to its return, and is one missed call.
    if (what == "irqs_off" && is_realtime()) {
        expect_equal(count.number("nmissed"), 1, "nmissed");
        expect_equal(count.number("hits") + out.number("hits"), 0, "hits");
        return;
    }
    expect_equal(out.number("hits"), 1, "hits of on=exit");
    expect_equal(count.number("hits"), 1, "hits");
    expect_equal(count.number("atomic"), 1, "atomic");
    expect_equal(count.number("met") + count.number("timeout"), 0, "ended holds");
}

CASE(detours, interrupts_off, "no hold with interrupts off") { cannot_sleep("irqs_off"); }
CASE(detours, bottom_halves_off, "no hold with bottom halves off") { cannot_sleep("bh_off"); }

// A driver that has no device yet: its operations are an argument when its
// instance registers, and go with its module.
CASE(detours, operations_of_a_new_driver, "operations of a driver that registers") {
    Control control;
    control.must("rule point=iommu_ops.probe_device name=probe on=exit ret=-19");
    control.must("rule point=iommu_device_register name=walk");
    for (int i = 0; i < 10; i++) {
        control.must("arm iter=1 seed=1");
        const TestModule module;
        const int error = TestModule::run("register");
        control.await("hit", {{"rule", "walk"}});
        // Up to 6.1 a second driver is refused before any device is shown to it; before,
        // it was for bus_set_iommu() to show them.
        if (error == 0 && !has_symbol("bus_set_iommu"))
            control.await("hit", {{"rule", "probe"}});
        else if (error != 0)
            expect_equal(error, EBUSY, "register");
        expect_equal(TestModule::run("unregister"), 0, "unregister");
        control.drain();
        expect_equal(control.disarm("probe").number("armed"), 1, "armed");
    }
}

// More tasks than the detour has slots: the rest passes, and is counted.
CASE(detours, too_many_tasks_are_counted, "tasks that find no slot are missed ones") {
    constexpr int tasks = 520, slots = 512;
    std::atomic<int> wrong{0}, done{0};
    std::vector<std::jthread> threads; // joined after the control has let them go
    Control control{door().rule() + " name=h wait_for=go timeout=10s"};
    const auto renewing = keep_lease(control);
    for (int i = 0; i < tasks; i++)
        threads.emplace_back([&] {
            wrong += door().knock() != door().error;
            done++;
        });
    for (int i = 0; i < 80 && done < tasks - slots; i++) {
        sleep_ms(100);
        control.drain();
    }
    control.must("signal name=go");
    threads.clear();
    control.drain();
    control.must("disarm");
    expect_equal(wrong, 0, "wrong results");
    const auto count = control.await("count", {{"rule", "h"}});
    expect_equal(count.number("hits") + count.number("nmissed"), tasks, count.text);
    if (count.number("timeout") > 0) {
        std::printf("# too slow a machine: holds ended before %d tasks had come\n", tasks);
        return;
    }
    expect(count.number("nmissed") >= tasks - slots, count.text);
}

// Kprobes switched off as a whole, and on again whatever happens.
class KprobesOff {
public:
    KprobesOff() {
        ::mount("debugfs", "/sys/kernel/debug", "debugfs", 0, nullptr); // or it is there
        expect_equal(write_file(file, "0"), 0, file);
    }
    ~KprobesOff() { write_file(file, "1"); }
    KprobesOff(const KprobesOff&) = delete;
    KprobesOff& operator=(const KprobesOff&) = delete;

private:
    static constexpr const char* file = "/sys/kernel/debug/kprobes/enabled";
};

// A held task goes on while there is no breakpoint to let it through: nothing of it
// may stay behind, and the next one is held again.
void second_hit_never_comes(const std::string& rules, const std::string& what) {
    const TestModule module;
    {
        Control control{rules};
        const pid_t task = spawn([&] { return TestModule::run(what); });
        control.await("held", {{"rule", "h"}});
        {
            const KprobesOff off;
            control.must("signal name=go");
            expect_equal(reap(task), 0, "the held task's end");
            expect(TestModule::parameter("changed") == "0x0", "registers changed");
        }
        nothing_changed(what);
        expect_equal(control.disarm("h").number("hits"), 2, "hits");
        const auto start = now_ms();
        control.must("clear");
        expect(now_ms() - start < 4000, "clear waited for a task that had gone on");
    }
    reload();
}

CASE(detours, kprobes_off_at_enter, "kprobes are switched off during a hold") {
    second_hit_never_comes(leaf + "name=h wait_for=go timeout=5s", "call");
}
CASE(detours, kprobes_off_with_an_exit_rule, "kprobes are switched off before an exit") {
    second_hit_never_comes(leaf + "name=h wait_for=go timeout=5s\n" + leaf + "name=out on=exit",
                           "call");
}
CASE(detours, kprobes_off_inside, "kprobes are switched off inside a function") {
    const auto inside = [] {
        const TestModule module;
        return TestModule::inside();
    }();
    second_hit_never_comes(inside + "name=h wait_for=go timeout=5s", "inside");
}

// A module's symbols can be found a moment before its notifiers are called, where there is
// ftrace: who makes a rule on it then has its probe already.
CASE(detours, rule_while_a_module_comes, "a rule on a module that is just coming") {
    {
        Control control{"rule point=ftrace_module_enable unsafe=1 name=h wait_for=go timeout=8s"};
        const auto renewing = keep_lease(control);
        const pid_t loader = spawn([] { return load_module(TestModule::path()); });
        control.await("held", {{"rule", "h"}});
        control.must(leaf + "name=leaf");
        control.must("signal name=go");
        expect_equal(reap(loader, 10000), 0, "insmod");
        const pid_t caller = spawn([] { return TestModule::run("call"); });
        expect_equal(reap(caller), 0, "a call of the probed function");
        control.await("hit", {{"rule", "leaf"}});
    }
    expect_equal(unload_module("dmarace_test"), 0, "rmmod");
}

} // namespace

} // namespace kmod_test
