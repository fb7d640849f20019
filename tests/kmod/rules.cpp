// SPDX-License-Identifier: GPL-2.0-or-later
// Rules: every way a hold can end, which calls a rule acts on, and the draws of chance.
#include "client.hpp"

#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <fstream>

namespace kmod_test {
namespace {

void ends(const std::string& on, const std::string& raise, const std::string& how) {
    Control control{door().rule() + " on=" + on +
                    " name=h signal=in wait_for=go,done:a timeout=500ms"};
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

CASE(rules, met_at_enter, "hold at enter, met") { ends("enter", "signal name=go", "met"); }
CASE(rules, met_at_exit, "hold at exit, met") { ends("exit", "signal name=done:a", "met"); }
CASE(rules, blocked, "hold ends blocked") { ends("enter", "signal name=blocked:a", "blocked"); }
CASE(rules, timeout, "hold times out") { ends("enter", "", "timeout"); }
CASE(rules, released, "disarm releases") { ends("exit", "disarm", "released"); }

CASE(rules, killed, "SIGKILL ends a hold") {
    Control control{door().rule() + " name=h wait_for=go timeout=5s"};
    const pid_t task = knock_in_child();
    control.await("held");
    ::kill(task, SIGKILL);
    expect(control.await("end").get("how") == "killed", "how");
    expect_equal(reap(task), 128 + SIGKILL, "the held task's end");
}

CASE(rules, latch_before_the_hold, "a latch stays up until arm") {
    Control control{door().rule() + " name=h wait_for=go timeout=5s"};
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

CASE(rules, two_tasks_hold_each_other, "signals between rules") {
    Control control{door().rule() + " name=first nth=1 signal=one wait_for=two timeout=5s",
                    door().rule() +
                        " on=exit name=second actor=other wait_for=one timeout=5s signal=two"};
    const pid_t first = knock_in_child();
    control.await("held", {{"rule", "first"}});
    control.must("signal name=two");
    control.await("end", {{"rule", "first"}, {"how", "met"}, {"by", "two"}});
    expect_equal(reap(first), door().error, "errno");
}

CASE(rules, return_overrides, "return= at enter and exit") {
    const auto code = std::to_string(door().error);
    Control control{door().rule() + " name=skip return=-13 times=1",
                    door().rule() + " on=exit name=late ret=-" + code + " return=-5 times=1"};
    expect_equal(door().knock(), EACCES, "left out");
    expect_equal(door().knock(), EIO, "replaced");
    expect_equal(door().knock(), door().error, "left alone");
    const auto hit = control.await("hit", {{"rule", "late"}});
    expect_equal(hit.number("ret"), -door().error, "ret of hit");
}

CASE(rules, held_count_in_status, "status counts held tasks") {
    Control control{door().rule() + " wait_for=go timeout=5s"};
    const pid_t task = knock_in_child();
    control.await("held");
    expect_equal(control.status().number("held"), 1, "held");
    control.must("disarm");
    expect_equal(control.status().number("held"), 0, "held");
    expect_equal(reap(task), door().error, "errno");
}

std::string rule(const std::string& words) { return door().rule() + " name=r " + words; }

int hits_of(const std::string& words, int writes) {
    Control control;
    control.must(rule(words));
    control.must("arm iter=1 seed=5");
    for (int i = 0; i < writes; i++)
        expect_equal(door().knock(), door().error, "errno");
    control.must("disarm");
    int hits = 0;
    for (const auto& event : control.drain())
        hits += event.verb == "hit";
    return hits;
}

CASE(rules, by_number, "nth, space, times, interval, probability") {
    expect_equal(hits_of("nth=3", 5), 1, "nth=3");
    expect_equal(hits_of("space=2", 5), 3, "space=2");
    expect_equal(hits_of("times=2", 5), 2, "times=2");
    expect_equal(hits_of("interval=2", 6), 3, "interval=2");
    expect_equal(hits_of("interval=2 times=2 space=1", 9), 2, "all three");
    expect_equal(hits_of("probability=0", 5), 0, "probability=0");
    expect_equal(hits_of("probability=100", 5), 5, "probability=100");
    const int some = hits_of("probability=30", 200);
    expect(some > 35 && some < 85, "probability=30: " + std::to_string(some) + " of 200");
    expect_equal(hits_of("probability=30", 200), some, "same seed, same hits");
}

std::string own_name() {
    std::ifstream in("/proc/self/comm");
    std::string name;
    std::getline(in, name);
    return name;
}

CASE(rules, by_task, "task, actor, from, group filters") {
    expect_equal(hits_of("task=" + own_name().substr(0, 1) + "*", 1), 1, "task=");
    expect_equal(hits_of("task=kworker*", 1), 0, "task=");
    expect_equal(hits_of("actor=nobody", 1), 0, "actor=");
    expect_equal(hits_of("from=" + door().writer, 1), 1, "from=");
    expect_equal(hits_of("from=vfs_write on=exit", 1), 1, "from= at exit");
    expect_equal(hits_of("from=vfs_read", 1), 0, "from=");
    expect_equal(hits_of("from=" + door().point, 1), 1, "from= itself");
    expect_equal(hits_of("group=4711", 1), 0, "group=");
    if (!door().group.empty())
        expect_equal(hits_of("group=" + door().group, 1), 1, "group=");
}

CASE(rules, by_actor, "actor filter and name") {
    Control control{rule("actor=walk"), "actor name=walk pid=" + std::to_string(::getpid())};
    door().knock();
    expect(control.await("hit").get("actor") == "walk", "actor= of hit");
    expect_equal(control.send("actor name=x pid=999999"), EINVAL, "no such process");
}

std::vector<long long> delays(const std::string& seed) {
    Control control;
    control.must(rule("delay=100us..3ms"));
    control.must("arm iter=1 seed=" + seed);
    std::vector<long long> all;
    for (int i = 0; i < 20; i++) {
        const auto start = now_ms();
        door().knock();
        const auto us = control.await("delay").number("us");
        expect(us >= 100 && us <= 3000, "delay of " + std::to_string(us));
        expect(static_cast<long long>(now_ms() - start + 1) * 1000 >= us, "delay was not kept");
        all.push_back(us);
    }
    return all;
}

CASE(rules, delays_by_seed, "delays come from the seed") {
    const auto first = delays("42");
    expect(first == delays("42"), "same seed, other delays");
    expect(first != delays("43"), "other seed, same delays");
}

CASE(rules, by_device, "device filter, nested detours, bus events") {
    Control control{"rule point=really_probe name=dev dev=" + bindable().device() + " on=exit",
                    "rule point=really_probe name=other dev=pci/nothing",
                    "rule point=" + bindable().configure() + " name=nested from=really_probe"};
    bindable().rebind();
    control.await("hit", {{"rule", "nested"}, {"dev", bindable().device()}});
    const auto bound = control.await("bus", {{"what", "bound"}});
    expect(bound.get("driver") == bindable().driver, bound.text);
    control.await("signal", {{"name", "bound:" + bindable().device()}});
    expect_equal(control.await("hit", {{"rule", "dev"}}).number("ret"),
                 probe_errors_are_kept() ? 1 : 0, "ret");
    expect_equal(control.disarm("other").number("unhit"), 1, "unhit");
}

// A trace goes through callers whose return addresses are replaced.
CASE(rules, from_sees_through_exit_rules, "from sees through exit rules") {
    Control control;
    const std::vector<std::string> callers{door().writer, "vfs_write", "ksys_write"};
    control.must("rule point=" + door().writer + " unsafe=1 on=exit name=outer");
    control.must("rule point=vfs_write unsafe=1 on=exit name=outermost");
    for (const auto& function : callers) {
        control.must(door().rule() + " name=" + function + " from=" + function);
        control.must(door().rule() + " on=exit name=out-" + function + " from=" + function);
    }
    control.must(door().rule() + " name=read from=vfs_read");
    control.must("arm iter=1 seed=1");
    expect_equal(door().knock(), door().error, "errno");
    control.must("disarm");
    for (const auto& function : callers)
        expect_equal(control.await("count", {{"rule", function}}).number("hits"), 1, function);
    control.must("status");
    for (const auto& function : callers)
        expect_equal(control.await("count", {{"rule", "out-" + function}}).number("hits"), 1,
                     "at exit, from " + function);
    expect_equal(control.await("count", {{"rule", "read"}}).number("hits"), 0, "vfs_read");
}

// from= asks for symbols: a rule on that very function must not see itself.
CASE(rules, own_calls_are_not_detoured, "own calls are not detoured") {
    Control control{rule("from=vfs_write"),
                    "rule point=sprint_symbol_no_offset unsafe=1 name=self"};
    expect_equal(door().knock(), door().error, "errno");
    control.await("hit", {{"rule", "r"}});
    expect_equal(control.disarm("self").number("hits"), 0, "own calls");
}

CASE(rules, deferred_is_a_signal, "-EPROBE_DEFER raises deferred:") {
    Control control{"rule point=" + bindable().configure() + " return=-517"};
    expect_equal(bindable().unbind(), 0, "unbind");
    if (probe_errors_are_kept()) {
        expect_equal(bindable().bind(), ENODEV, "bind");
        control.must("disarm");
        expect_equal(bindable().bind(), 0, "bind without the rule");
        throw Skipped("before 5.14 really_probe() keeps -EPROBE_DEFER to itself");
    }
    expect_equal(bindable().bind(), EAGAIN, "bind");
    control.await("bus", {{"what", "deferred"}, {"dev", bindable().device()}});
    control.await("signal", {{"name", "deferred:" + bindable().device()}});
    control.must("disarm");
    expect_equal(bindable().bind(), 0, "bind without the rule");
}

} // namespace

} // namespace kmod_test
