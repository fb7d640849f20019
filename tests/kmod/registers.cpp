// SPDX-License-Identifier: GPL-2.0-or-later
// This file tests what a detour leaves as it was, and where it must not sleep,
// with functions of dmarace_test.ko that know what is in every register.
#include "cases.hpp"
#include "client.hpp"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <thread>

namespace kmod_test {
namespace {

const std::string parameters = "/sys/module/dmarace_test/parameters/";
const std::string leaf = "rule point=dmarace_test:dmarace_test_leaf unsafe=1 ";

std::string parameter(const std::string& name) {
    std::ifstream in(parameters + name);
    std::string text;
    std::getline(in, text);
    return text;
}

int run(const std::string& what) {
    return write_file(parameters + "run", what);
}

// Loaded before, unloaded after whatever happens.
class TestModule {
public:
    TestModule() {
        const auto path = module_path.substr(0, module_path.rfind('/') + 1) + "dmarace_test.ko";
        expect_equal(load_module(path), 0, "insmod " + path);
    }
    ~TestModule() { unload_module("dmarace_test"); }
    TestModule(const TestModule&) = delete;
    TestModule& operator=(const TestModule&) = delete;
};

std::string inside() {
    return "rule point=dmarace_test:dmarace_test_inside+" + parameter("offset") + " unsafe=1 ";
}

void nothing_changed(const std::string& what) {
    expect_equal(run(what), 0, what);
    expect(parameter("changed") == "0x0", what + ": registers changed: " + parameter("changed"));
}

void inside_a_function() {
    const TestModule module;
    Control control;
    nothing_changed("inside");
    control.must(inside() + "name=first delay=30ms");
    control.must(inside() + "name=second from=dmarace_test_inside");
    control.must("arm iter=1 seed=1");
    nothing_changed("inside");
    control.await("delay", {{"rule", "first"}});
    control.await("hit", {{"rule", "second"}});
    expect_equal(control.send(inside() + "on=exit"), EINVAL, "on=exit inside");
}

void around_a_function() {
    const TestModule module;
    Control control;
    control.must(leaf + "name=in delay=30ms");
    control.must(leaf + "name=out on=exit delay=30ms");
    control.must("arm iter=1 seed=1");
    nothing_changed("call");
    control.await("delay", {{"rule", "in"}});
    control.await("delay", {{"rule", "out"}});
}

void many_times() {
    const TestModule module;
    Control control;
    control.must(inside() + "name=inside probability=50 delay=1us..30us");
    control.must(leaf + "name=in delay=1us..30us");
    control.must(leaf + "name=out on=exit");
    control.must("arm iter=1 seed=1");
    for (int i = 0; i < 500; i++) {
        nothing_changed("inside");
        nothing_changed("call");
        if (i % 5 == 0) {
            control.drain();
            control.must("lease");
        }
    }
    control.drain();
    control.must("disarm");
    expect_equal(control.await("count", {{"rule", "inside"}}).number("nmissed"), 0, "nmissed");
    expect_equal(control.await("count", {{"rule", "out"}}).number("hits"), 500, "hits");
}

void cannot_sleep(const std::string& what) {
    const TestModule module;
    Control control;
    control.must(leaf + "name=h wait_for=go timeout=5s");
    control.must("arm iter=1 seed=1");
    const auto start = now_ms();
    expect_equal(run(what), 0, what);
    expect(now_ms() - start < 3000, "a task slept with " + what);
    control.must("disarm");
    const auto count = control.await("count", {{"rule", "h"}});
    expect_equal(count.number("hits"), 1, "hits");
    expect_equal(count.number("atomic"), 1, "atomic");
    expect_equal(count.number("met") + count.number("timeout"), 0, "ended holds");
}

void interrupts_off() {
    cannot_sleep("irqs_off");
}
void bottom_halves_off() {
    cannot_sleep("bh_off");
}

// A driver that has no device yet: its operations are an argument when its
// instance registers, and go with its module.
void operations_of_a_new_driver() {
    Control control;
    control.must("rule point=iommu_ops.probe_device name=probe on=exit ret=-19");
    control.must("rule point=iommu_device_register name=walk");
    for (int i = 0; i < 10; i++) {
        control.must("arm iter=1 seed=1");
        const TestModule module;
        const int error = run("register");
        control.await("hit", {{"rule", "walk"}});
        // Up to 6.1 a second driver is refused before any device is shown to it; before,
        // it was for bus_set_iommu() to show them.
        if (error == 0 && !has_symbol("bus_set_iommu"))
            control.await("hit", {{"rule", "probe"}});
        else if (error != 0)
            expect_equal(error, EBUSY, "register");
        expect_equal(run("unregister"), 0, "unregister");
        control.drain();
        control.must("disarm");
        expect_equal(control.await("count", {{"rule", "probe"}}).number("armed"), 1, "armed");
    }
}

// More tasks than the detour has slots: the rest passes, and is counted.
void too_many_tasks_are_counted() {
    constexpr int tasks = 520, slots = 512;
    std::atomic<int> wrong{0}, done{0};
    std::vector<std::jthread> threads; // joined after the control has let them go
    Control control;
    control.must(door().rule() + " name=h wait_for=go timeout=10s");
    control.must("arm iter=1 seed=1");
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

} // namespace

std::vector<Case> register_cases() {
    return {
        {"registers survive inside a function", inside_a_function},
        {"registers survive around a function", around_a_function},
        {"registers survive many times", many_times},
        {"no hold with interrupts off", interrupts_off},
        {"no hold with bottom halves off", bottom_halves_off},
        {"operations of a driver that registers", operations_of_a_new_driver},
        {"tasks that find no slot are missed ones", too_many_tasks_are_counted},
    };
}

} // namespace kmod_test
