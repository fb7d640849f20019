// SPDX-License-Identifier: GPL-2.0-or-later
// Writes to /dev/dmarace of a booted kernel what the fuzzer of the module's parser
// begins with: the corpus, its damaged forms, and random bytes.
//   kernel_parser [SEED] [RANDOM-WRITES]
// Each write is taken, or refused with a reason; the module answers after it, and
// keeps no rule. TAP.
#include "tests/fuzz/fuzz.hpp"
#include "tests/kmod/client.hpp"

#include <kmod_corpus.hpp>

#include <sys/utsname.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <map>
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
    for (const auto& bytes : fuzz::inputs_of(kKmodCorpus)) {
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

bool passes(int number, const char* name, const auto& run) {
    try {
        run();
    } catch (const std::exception& e) {
        std::printf("not ok %d - %s\n# %s\n", number, name, e.what());
        return false;
    }
    std::printf("ok %d - %s\n", number, name);
    return true;
}

} // namespace
} // namespace kmod_test

int main(int argc, char** argv) {
    using namespace kmod_test;
    const auto seed = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1;
    const auto writes = static_cast<unsigned>(argc > 2 ? std::atoi(argv[2]) : 20'000);
    utsname host{};
    ::uname(&host);
    load_module("/lib/modules/" + std::string(host.release) + "/updates/dmarace.ko");
    bool good = passes(1, "the corpus and its damaged forms", corpus);
    good = passes(2, "random bytes", [&] { anything(seed, writes); }) && good;
    const auto unloaded = [] { expect_equal(unload_module("dmarace"), 0, "rmmod"); };
    good = passes(3, "the module can be taken out", unloaded) && good;
    std::printf("1..3\n");
    return good ? 0 : 1;
}
