// SPDX-License-Identifier: GPL-2.0-or-later
// This file tests holds: every way one can end, at entry and at exit.
#include "cases.hpp"
#include "client.hpp"

#include <unistd.h>

#include <cerrno>
#include <csignal>

namespace kmod_test {
namespace {

void ends(const std::string& on, const std::string& raise, const std::string& how) {
    Control control;
    control.must(door().rule() + " on=" + on +
                 " name=h signal=in wait_for=go,done:a timeout=500ms");
    control.must("arm iter=1 seed=1");
    const pid_t task = knock_in_child();
    const auto held = control.await("held", {{"rule", "h"}});
    expect(held.get("point") == door().point && held.get("on") == on, held.text);
    expect_equal(held.number("tid"), task, "tid of held");
    expect(held.get("wait_for") == "go,done:a", held.text);
    if (!raise.empty())
        control.must(raise);
    const auto end = control.await("end", {{"rule", "h"}});
    expect(end.get("how") == how, end.text);
    expect_equal(reap(task), door().error, "errno of the held write");
    if (raise != "disarm")
        control.must("disarm");
    const auto count = control.await("count", {{"rule", "h"}});
    expect_equal(count.number(how), 1, "count of " + how);
    expect_equal(count.number("hits"), 1, "hits");
    expect_equal(count.number("unhit"), 0, "unhit");
    expect_equal(count.number("nmissed"), 0, "nmissed");
}

void met_at_enter() {
    ends("enter", "signal name=go", "met");
}
void met_at_exit() {
    ends("exit", "signal name=done:a", "met");
}
void blocked() {
    ends("enter", "signal name=blocked:a", "blocked");
}
void timeout() {
    ends("enter", "", "timeout");
}
void released() {
    ends("exit", "disarm", "released");
}

void killed() {
    Control control;
    control.must(door().rule() + " name=h wait_for=go timeout=5s");
    control.must("arm iter=1 seed=1");
    const pid_t task = knock_in_child();
    control.await("held");
    ::kill(task, SIGKILL);
    expect(control.await("end").get("how") == "killed", "how");
    expect_equal(reap(task), 128 + SIGKILL, "the held task's end");
}

void latch_before_the_hold() {
    Control control;
    control.must(door().rule() + " name=h wait_for=go timeout=5s");
    control.must("arm iter=1 seed=1");
    control.must("signal name=go");
    const pid_t task = knock_in_child();
    const auto end = control.await("end");
    expect(end.get("how") == "met" && end.get("by") == "go", end.text);
    expect_equal(reap(task), door().error, "errno");
    control.must("arm iter=2 seed=1");
    const pid_t next = knock_in_child();
    control.await("held");
    sleep_ms(50);
    control.must("disarm");
    expect(control.await("end").get("how") == "released", "arm clears latches");
    expect_equal(reap(next), door().error, "errno");
}

void two_tasks_hold_each_other() {
    Control control;
    control.must(door().rule() + " name=first nth=1 signal=one wait_for=two timeout=5s");
    control.must(door().rule() +
                 " on=exit name=second actor=other wait_for=one timeout=5s signal=two");
    control.must("arm iter=1 seed=1");
    const pid_t first = knock_in_child();
    control.await("held", {{"rule", "first"}});
    control.must("signal name=two");
    control.await("end", {{"rule", "first"}, {"how", "met"}, {"by", "two"}});
    expect_equal(reap(first), door().error, "errno");
}

void return_overrides() {
    Control control;
    const auto code = std::to_string(door().error);
    control.must(door().rule() + " name=skip return=-13 times=1");
    control.must(door().rule() + " on=exit name=late ret=-" + code + " return=-5 times=1");
    control.must("arm iter=1 seed=1");
    expect_equal(door().knock(), EACCES, "left out");
    expect_equal(door().knock(), EIO, "replaced");
    expect_equal(door().knock(), door().error, "left alone");
    const auto hit = control.await("hit", {{"rule", "late"}});
    expect_equal(hit.number("ret"), -door().error, "ret of hit");
}

void held_count_in_status() {
    Control control;
    control.must(door().rule() + " wait_for=go timeout=5s");
    control.must("arm iter=1 seed=1");
    const pid_t task = knock_in_child();
    control.await("held");
    control.must("status");
    expect_equal(control.await("reply", {{"re", "status"}}).number("held"), 1, "held");
    control.must("disarm");
    control.must("status");
    expect_equal(control.await("reply", {{"re", "status"}}).number("held"), 0, "held");
    expect_equal(reap(task), door().error, "errno");
}

} // namespace

std::vector<Case> hold_cases() {
    return {
        {"hold at enter, met", met_at_enter},
        {"hold at exit, met", met_at_exit},
        {"hold ends blocked", blocked},
        {"hold times out", timeout},
        {"disarm releases", released},
        {"SIGKILL ends a hold", killed},
        {"a latch stays up until arm", latch_before_the_hold},
        {"signals between rules", two_tasks_hold_each_other},
        {"return= at enter and exit", return_overrides},
        {"status counts held tasks", held_count_in_status},
    };
}

} // namespace kmod_test
