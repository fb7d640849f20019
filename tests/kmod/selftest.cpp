// SPDX-License-Identifier: GPL-2.0-or-later
// The module's own test, on a booted kernel that has a group, and a pl031 clock or a
// bound PCI device, as root:  selftest all|PATTERN [PATH/dmarace.ko]
// Without a path it takes the module of the running kernel's tree. Prints TAP.
//   selftest parser [SEED [RANDOM-WRITES]]
// writes to /dev/dmarace what the fuzzer of the module's parser begins with: the corpus,
// its damaged forms, and random bytes. Each write is taken, or refused with a reason; the
// module answers after it, and keeps no rule.
#include "client.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <fuzz_corpus.hpp>

#include <sys/utsname.h>

#include <cerrno>
#include <cstdio>
#include <exception>
#include <random>

namespace kmod_test {

namespace {

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

    // It still answers, and nothing is left of what was written.
    void ask() {
        control_.must("clear");
        control_.drain();
        control_.must("status id=ask");
        const auto status = control_.await("reply", {{"re", "ask"}});
        expect_equal(status.number("rules"), 0, "rules that are left");
    }

    void tell() const {
        std::printf("# %zu writes:", writes_);
        for (const auto& [error, count] : answers_)
            std::printf(" %s %zu", error == 0 ? "taken" : std::to_string(error).c_str(), count);
        std::printf("\n");
    }

private:
    Control control_;
    std::map<int, std::size_t> answers_;
    std::size_t writes_ = 0;
};

void corpus() {
    Parser parser;
    for (const auto& bytes : fuzz::inputs_of(fuzz::part_of(kFuzzCorpus, "rule"))) {
        const auto feed = [&parser](const std::string& text) { parser.feed(text + "\n"); };
        feed(bytes);
        fuzz::damage(bytes, feed);
    }
    parser.ask();
    parser.tell();
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

void anything(std::uint64_t seed, unsigned writes) {
    Parser parser;
    std::mt19937_64 random(seed);
    for (unsigned i = 0; i < writes; ++i)
        parser.feed(random_bytes(random));
    parser.ask();
    parser.tell();
}

std::uint64_t parser_seed = 1;
unsigned parser_writes = 20'000;

std::vector<Case> parser_cases() {
    return {{"the corpus and its damaged forms", corpus},
            {"random bytes", [] { anything(parser_seed, parser_writes); }},
            {"the module can be taken out",
             [] { expect_equal(unload_module("dmarace"), 0, "rmmod"); }}};
}

std::vector<Case> all_cases() {
    std::vector<Case> all;
    for (auto make : {rule_cases, control_cases, detour_cases, owner_cases})
        for (auto& one : make())
            all.push_back(one);
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
    int number = 0, failed = 0;
    for (const auto& one : parser ? parser_cases() : all_cases()) {
        if (pattern != "all" && !parser && one.name.find(pattern) == std::string::npos)
            continue;
        failed += !passes(one, ++number);
        std::fflush(stdout);
    }
    std::printf("1..%d\n", number);
    return failed || number == 0 ? 1 : 0;
}
