// SPDX-License-Identifier: GPL-2.0-or-later
// This file tests loading: rules= before anybody listens, and many cycles.
#include "cases.hpp"
#include "client.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>

namespace kmod_test {
namespace {

void reload(const std::string& parameters = "") {
    expect_equal(unload_module("dmarace"), 0, "rmmod");
    expect_equal(load_module(module_path, parameters), 0, "insmod");
}

void rules_at_load() {
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
    control.must("disarm");
    const auto count = control.await("count", {{"rule", "boot"}});
    expect_equal(count.number("acted"), 1, "each hold once");
    control.must("status");
    expect_equal(control.await("reply", {{"re", "status"}}).number("rules"), 2, "adopted");
    control.close_now();
    reload();
}

void bad_rules_at_load() {
    expect_equal(unload_module("dmarace"), 0, "rmmod");
    expect_equal(load_module(module_path, "rules=\"rule point=nope\""), EINVAL, "insmod");
    expect_equal(load_module(module_path, "rules=\"arm iter=1 seed=1\""), EINVAL, "insmod");
    expect_equal(load_module(module_path), 0, "insmod");
}

void cycles() {
    const char* text = std::getenv("CYCLES");
    const int count = text != nullptr ? std::atoi(text) : 200;
    for (int i = 0; i < count; i++) {
        {
            Control control;
            control.must(door().rule() +
                         " wait_for=go timeout=5s on=" + std::string(i % 2 ? "enter" : "exit"));
            control.must("arm iter=1 seed=1");
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

void wait_for_device() {
    struct stat info {};
    for (int i = 0; i < 200 && ::stat("/dev/dmarace", &info) != 0; i++)
        sleep_ms(5);
}

} // namespace

std::vector<Case> load_cases() {
    wait_for_device();
    return {
        {"rules= at load", rules_at_load},
        {"bad rules= at load", bad_rules_at_load},
        {"load, hold, release, unload", cycles},
    };
}

} // namespace kmod_test
