// SPDX-License-Identifier: GPL-2.0-or-later
// The module's own test, on a booted kernel that has a group, and a pl031 clock or a
// bound PCI device, as root:  selftest all|PATTERN [PATH/dmarace.ko]
// Without a path it takes the module of the running kernel's tree. Prints TAP. The cases
// here are those of the control device: bad input, queues, points, audits.
//   selftest parser [SEED [RANDOM-WRITES]]
// writes to /dev/dmarace what the fuzzer of the module's parser begins with: the corpus,
// its damaged forms, and random bytes. Each write is taken, or refused with a reason; the
// module answers after it, and keeps no rule.
#include "client.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <fuzz_corpus.hpp>
#include <unistd.h>

#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <exception>
#include <random>

namespace kmod_test {

namespace {

CASE(control, bad_lines_change_nothing, "bad lines change nothing") {
    Control control;
    control.must(door().rule() + " name=keep");
    for (const char* bad : {"bogus", "rule point=nope", "rule point=really_probe name=keep",
                            "rule point=really_probe on=leave", "rule point=nope unsafe=1",
                            "rule point=bus_iommu_probe_nope unsafe=1 arg=1", "abi x=1",
                            "arm iter=1", "audit dev=pci/nothing", "audit dev=nobus/x",
                            "rule point=really_probe arg=0 unsafe=1", ""}) {
        expect_equal(control.send(bad), EINVAL, std::string("'") + bad + "'");
        const auto reply = control.await("reply", {{"ok", "0"}});
        expect(!reply.get("reason").empty() && !reply.get("err").empty(), reply.text);
    }
    expect_equal(control.send_raw("abi"), EINVAL, "no newline");
    expect_equal(control.send_raw(std::string("abi\0\n", 5)), EINVAL, "zero byte");
    expect_equal(control.send_raw(std::string(5000, 'a') + "\n"), EINVAL, "too long");
    expect_equal(control.send_raw("abi id=" + std::string(1100, 'a') + "\n"), EINVAL, "long line");
    expect_equal(control.send("rule point=really_probe name=a\nrule point=nope\nclear"), EINVAL,
                 "one bad line of three");
    expect_equal(control.status().number("rules"), 1, "rules");
}

CASE(control, garbage, "garbage") {
    Control control;
    std::mt19937 random(1);
    const std::string words =
        "rule point=really_probe on=exit \"\\\\ \n\t=,.. arm iter=1 seed=9 \xff\x01";
    for (int i = 0; i < 3000; i++) {
        std::string bytes(random() % 300, ' ');
        for (auto& c : bytes)
            c = random() % 3 ? words[random() % words.size()] : static_cast<char>(random());
        bytes += '\n';
        control.send_raw(bytes);
        if (i % 100 == 0)
            control.drain();
    }
    control.drain();
    control.must("abi");
}

CASE(control, table_limits, "128 rules") {
    Control control;
    for (int i = 0; i < 128; i++)
        control.must(door().rule());
    expect_equal(control.send(door().rule()), EINVAL, "rule 129");
    control.must("clear");
    control.must(door().rule());
}

CASE(control, signals_go_with_their_rules, "300 signals, of which each goes with its rule") {
    Control control;
    for (int i = 0; i < 300; i++) {
        control.must(door().rule() + " wait_for=s" + std::to_string(i) + " timeout=1s");
        control.must("clear");
    }
}

CASE(control, slow_reader_is_told, "a slow reader is told what it lost") {
    Control control;
    Control slow;
    for (int i = 0; i < 20000; i++) {
        control.must("signal name=x");
        if (i % 500 == 0)
            control.drain();
    }
    long long lines = 0, lost = 0;
    for (const auto& event : slow.drain()) {
        lines += event.verb == "signal";
        lost += event.verb == "lost" ? event.number("n") : 0;
    }
    expect_equal(lines + lost, 20000, "lines and lost");
    expect(lost > 0, "nothing was lost");
    long long last = 0;
    for (int i = 0; i < 3; i++) {
        control.must("signal name=y");
        for (const auto& event : slow.drain()) {
            expect(event.number("seq") > last, "not in order: " + event.text);
            last = event.number("seq");
        }
    }
    for (const auto& event : control.drain())
        expect(event.verb != "lost", "a quick reader lost lines");
}

CASE(control, points_know_this_kernel, "points") {
    Control control;
    control.must("points");
    int found = 0, missing = 0;
    for (;;) {
        for (const auto& event : control.drain()) {
            if (event.verb == "point" && event.number("found"))
                found++;
            else if (event.verb == "point")
                missing += !event.get("why").empty();
            else if (event.verb == "reply" && found) {
                expect(found > 25 && missing > 0, "points found: " + std::to_string(found));
                return;
            }
        }
        sleep_ms(10);
    }
}

// Whether this kernel has the bitfield, its own points request must say.
CASE(control, points_inside_a_function, "points inside a function") {
    Control control;
    control.must("points");
    const auto point = control.await("point", {{"name", "__driver_probe_device.rmw"}});
    const std::string rule = "rule point=__driver_probe_device.rmw name=";
    expect_equal(control.send(rule + "out on=exit"), EINVAL, "on=exit");
    if (!point.number("found")) {
        expect(point.get("why").starts_with("__driver_probe_device: "), point.text);
        expect_equal(control.send(rule + "none"), EINVAL, "a rule on it");
        return;
    }
    expect(point.get("sym").starts_with("__driver_probe_device+0x"), point.text);
    control.must(rule + "in delay=20ms");
    control.must(rule + "again dev=" + bindable().device());
    control.must("arm iter=1 seed=1");
    bindable().rebind();
    control.await("delay", {{"rule", "in"}});
    control.await("hit", {{"rule", "again"}, {"dev", bindable().device()}});
}

CASE(control, any_symbol_needs_unsafe, "any symbol with unsafe=1") {
    Control control;
    expect_equal(control.send("rule point=devres_release_all wait_for=x timeout=1s"), EINVAL,
                 "no row");
    // Large enough, and called often enough, that no compiler leaves it without a call.
    control.must("rule point=devres_release_all unsafe=1 arg=0 name=any");
    control.must("arm iter=1 seed=1");
    bindable().rebind();
    control.await("hit", {{"rule", "any"}, {"dev", bindable().device()}});
}

// The ways of a bind and an unbind from sysfs, in their order.
CASE(control, who_binds_and_unbinds, "points of a bind and an unbind") {
    Control control;
    const std::vector<std::string> points{"device_release_driver_internal", "device_driver_attach",
                                          "device_links_check_suppliers", "driver_bound",
                                          "device_links_driver_bound"};
    for (const auto& point : points)
        control.must("rule point=" + point + " dev=" + bindable().device() + " name=" + point);
    control.must("arm iter=1 seed=1");
    expect_equal(bindable().unbind(), 0, "unbind");
    expect_equal(bindable().bind(), 0, "bind");
    for (const auto& point : points)
        control.await("hit", {{"rule", point}, {"dev", bindable().device()}});
}

// A point by its name and by its address is one probe, and a call one hit of each rule.
CASE(control, two_names_of_one_function, "two names of one function") {
    Control control;
    control.must("rule point=really_probe name=row");
    control.must("rule point=really_probe+0 unsafe=1 name=again");
    expect_equal(control.send("rule point=really_probe unsafe=1 arg=1 name=other"), EINVAL,
                 "a row knows its arguments");
    control.must("rule point=devres_release_all unsafe=1 arg=0 name=first");
    expect_equal(control.send("rule point=devres_release_all unsafe=1 arg=1 name=second"), EINVAL,
                 "another argument of the same function");
    expect(
        control.await("reply", {{"ok", "0"}, {"err", "EEXIST"}}).get("reason").find("argument") !=
            std::string::npos,
        "the refusal says why");
}

// What is no device has no name, and does no harm.
CASE(control, arguments_that_are_no_devices, "arguments that are no devices") {
    Control control;
    for (int i = 0; i < 8; i++)
        control.must("rule point=vfs_write unsafe=1 name=a" + std::to_string(i) +
                     " dev=pci/none arg=1");
    control.must("rule point=vfs_write unsafe=1 name=b arg=1");
    control.must("arm iter=1 seed=1");
    write_file("/dev/null", "x");
    control.await("hit", {{"rule", "b"}});
}

CASE(control, audits, "audits on demand") {
    Control control;
    const bool clock = bindable().bus == "amba";
    control.must("audit dev=" + bindable().device() + " id=1");
    const auto audit = control.await("audit");
    expect(audit.get("at") == "demand" && audit.get("driver") == bindable().driver, audit.text);
    expect_equal(audit.number("bound"), 1, audit.text);
    // The clock is behind no IOMMU, a PCI device of this board is.
    expect_equal(audit.number("via_iommu"), !clock, audit.text);
    expect(audit.get("group").empty() == clock && audit.get("iommu").empty() == clock, audit.text);
    expect(audit.get("map") == "ok", audit.text);
    control.await("reply", {{"re", "1"}, {"ok", "1"}});
    control.must("audit map=0");
    if (clock)
        control.await("audit", {{"fw", "1"}});
}

// What libudev clients hear of: the kernel's own multicast group.
struct Uevents {
    int fd =
        ::socket(AF_NETLINK, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
    Uevents() {
        sockaddr_nl address{};
        address.nl_family = AF_NETLINK;
        address.nl_groups = 1;
        expect(fd >= 0 && ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0,
               "a uevent socket");
    }
    ~Uevents() { ::close(fd); }
    Uevents(const Uevents&) = delete;
    Uevents& operator=(const Uevents&) = delete;

    // The words of the first event of the control device that is there.
    std::string of_dmarace() const {
        for (;;) {
            std::string text(8192, '\0');
            const auto got = ::recv(fd, text.data(), text.size(), 0);
            if (got <= 0)
                return "";
            text.resize(static_cast<std::size_t>(got));
            std::replace(text.begin(), text.end(), '\0', ' ');
            if (text.starts_with("change@/devices/virtual/misc/dmarace "))
                return text;
        }
    }
};

CASE(control, failures_reach_udev, "failures reach udev") {
    Control control;
    const Uevents uevents;
    control.must("uevent kind=dma-direct dev=pci/0000:00:02.0 iter=7");
    const auto text = uevents.of_dmarace();
    for (const char* word : {" DMARACE_KIND=dma-direct ", " DMARACE_DEVICE=pci/0000:00:02.0 ",
                             " DMARACE_ITERATION=7 "})
        expect(text.find(word) != std::string::npos, "'" + text + "' has" + word);
    expect_equal(control.send("uevent dev=pci/0000:00:02.0"), EINVAL, "without a kind");
    Control other;
    expect_equal(other.send("uevent kind=hang"), EBUSY, "from another than the owner");
}

// Looked for in the text: what was refused is repeated in it, with quotes.
std::string reason_in(const std::string& reply) {
    const auto at = reply.rfind(" reason=");
    return at == std::string::npos ? "" : reply.substr(at + 8);
}

class Parser {
public:
    // One write, and what must hold after it.
    void feed(const std::string& bytes) {
        const int error = control_.send_raw(bytes);
        ++answers_[error];
        std::string reason;
        for (const auto& event : control_.drain())
            if (event.verb == "reply" && event.text.find(" ok=0 ") != std::string::npos)
                reason += reason_in(event.text);
        if (error == 0 && bytes.starts_with("rule"))
            control_.must("clear");
        if (error == EINVAL && bytes.size() <= 4096 && !bytes.empty())
            expect(!reason.empty(), "refused without a reason: " + bytes.substr(0, 200));
        if (++writes_ % 500 == 0)
            ask();
    }

    void finish() {
        ask();
        std::printf("# %zu writes:", writes_);
        for (const auto& [error, count] : answers_)
            std::printf(" %s %zu", error == 0 ? "taken" : std::to_string(error).c_str(), count);
        std::printf("\n");
    }

private:
    // It still answers, and nothing is left of what was written.
    void ask() {
        control_.must("clear");
        control_.drain();
        control_.must("status id=ask");
        const auto status = control_.await("reply", {{"re", "ask"}});
        expect_equal(status.number("rules"), 0, "rules that are left");
    }

    Control control_;
    std::map<int, std::size_t> answers_;
    std::size_t writes_ = 0;
};

CASE(parser, corpus, "the corpus and its damaged forms") {
    Parser parser;
    for (const auto& bytes : fuzz::inputs_of(fuzz::part_of(kFuzzCorpus, "rule"))) {
        const auto feed = [&parser](const std::string& text) { parser.feed(text + "\n"); };
        feed(bytes);
        fuzz::damage(bytes, feed);
    }
    parser.finish();
}

// Words of the grammar and any bytes, in any order.
std::string random_bytes(std::mt19937_64& random) {
    static const std::string kWords[] = {"rule",  "point=", "of_iommu_configure", " ",  "=",
                                         "\"",    "\\",     "timeout=2s",         "\n", "wait_for=",
                                         "nth=1", "arm",    "signal name=x",      ",",  "id="};
    std::string bytes;
    for (auto left = random() % 60; left > 0; --left) {
        if (random() % 4 != 0)
            bytes += kWords[random() % std::size(kWords)];
        else
            bytes.append(1 + random() % 90, static_cast<char>(random()));
    }
    return random() % 2 == 0 ? bytes : bytes + "\n";
}

std::uint64_t parser_seed = 1;
unsigned parser_writes = 20'000;

CASE(parser, anything, "random bytes") {
    Parser parser;
    std::mt19937_64 random(parser_seed);
    for (unsigned i = 0; i < parser_writes; ++i)
        parser.feed(random_bytes(random));
    parser.finish();
}

CASE(parser, rmmod, "the module can be taken out") {
    expect_equal(unload_module("dmarace"), 0, "rmmod");
}

std::vector<Case> all_cases() {
    std::vector<Case> all;
    for (const auto part : {Part::rules, Part::blocked, Part::control, Part::detours, Part::owners})
        all.insert(all.end(), cases(part).begin(), cases(part).end());
    return all;
}

bool passes(const Case& one, int number) {
    try {
        one.run();
    } catch (const Skipped& why) {
        std::printf("ok %d - %s # SKIP %s\n", number, one.name.c_str(), why.what());
        return true;
    } catch (const std::exception& e) {
        std::printf("not ok %d - %s\n# %s\n", number, one.name.c_str(), e.what());
        return false;
    }
    std::printf("ok %d - %s\n", number, one.name.c_str());
    return true;
}

} // namespace
} // namespace kmod_test

int main(int argc, char** argv) {
    using namespace kmod_test;
    if (argc < 2) {
        std::fprintf(stderr, "usage: selftest all|PATTERN [PATH/dmarace.ko]\n"
                             "       selftest parser [SEED [RANDOM-WRITES]]\n");
        return 2;
    }
    const std::string pattern = argv[1];
    const bool parser = pattern == "parser";
    if (parser && argc > 2)
        parser_seed = std::strtoull(argv[2], nullptr, 10);
    if (parser && argc > 3)
        parser_writes = static_cast<unsigned>(std::atoi(argv[3]));
    utsname host{};
    uname(&host);
    module_path = argc > 2 && !parser
                      ? argv[2]
                      : "/lib/modules/" + std::string(host.release) + "/updates/dmarace.ko";
    load_module(module_path);
    wait_for_device();
    int number = 0, failed = 0;
    for (const auto& one : parser ? cases(Part::parser) : all_cases()) {
        if (pattern != "all" && !parser && one.name.find(pattern) == std::string::npos)
            continue;
        failed += !passes(one, ++number);
        std::fflush(stdout);
    }
    std::printf("1..%d\n", number);
    return failed || number == 0 ? 1 : 0;
}
