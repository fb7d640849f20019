// SPDX-License-Identifier: GPL-2.0-or-later
// The module's request parser, its words and its draws, in userspace: the parser knows exactly
// the words of the contract, and an error arrives as what it was.
#include "board/control.hpp"
#include "kmod/dmarace_abi.h"

#include <gmock/gmock.h>

#include <cerrno>
#include <iterator>
#include <set>
#include <sstream>
#include <string>
#include <vector>

extern "C" {
#include "kmod/parse.h"
}

namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

struct Parsed {
    bool ok;
    dmarace_request req;
    std::string reason;
};

Parsed parse(std::string line) {
    Parsed parsed{};
    char reason[DMARACE_REASON_MAX] = "";
    parsed.ok = dmarace_parse(line.data(), &parsed.req, reason, sizeof(reason)) == 0;
    parsed.reason = reason;
    return parsed;
}

std::string refused(const std::string& line) {
    const auto parsed = parse(line);
    EXPECT_FALSE(parsed.ok) << line;
    return parsed.reason;
}

TEST(KmodRule, EveryWordArrives) {
    const auto p =
        parse("rule point=of_iommu_configure on=exit name=win dev=pci/0000:00:02.0 group=3 "
              "task=ins* actor=walk from=iommu_init_device nth=2 ret=-517 probability=40 "
              "interval=3 times=5 space=6 delay=1ms..2s signal=in-window "
              "wait_for=done:client,bound:pci/0000:00:02.0 timeout=1500us return=-12 "
              "optional=1 id=7");
    ASSERT_TRUE(p.ok) << p.reason;
    const auto& r = p.req.rule;
    EXPECT_EQ(p.req.verb, DMARACE_DO_RULE);
    const std::string words[] = {p.req.id, r.point, r.name,   r.dev,     r.task,
                                 r.actor,  r.from,  r.signal, r.wait[0], r.wait[1]};
    EXPECT_THAT(words, ElementsAre("7", "of_iommu_configure", "win", "pci/0000:00:02.0", "ins*",
                                   "walk", "iommu_init_device", "in-window", "done:client",
                                   "bound:pci/0000:00:02.0"));
    const long long numbers[] = {r.group,     r.nth,     r.ret,   r.probability,
                                 r.interval,  r.times,   r.space, r.delay_min,
                                 r.delay_max, r.timeout, r.value, r.waits};
    EXPECT_THAT(numbers,
                ElementsAre(3, 2, -517, 40, 3, 5, 6, 1'000'000, 2'000'000'000, 1'500'000, -12, 2));
    const bool facts[] = {r.on_exit, r.has_ret, r.has_value, r.optional, r.unsafe};
    EXPECT_THAT(facts, ElementsAre(true, true, true, true, false));
}

TEST(KmodRule, Defaults) {
    const auto p = parse("rule point=really_probe");
    ASSERT_TRUE(p.ok) << p.reason;
    const auto& r = p.req.rule;
    const long long numbers[] = {r.group, r.arg, r.probability, r.interval, r.times};
    EXPECT_THAT(numbers, ElementsAre(-1, -1, 100, 1, 0));
    EXPECT_FALSE(r.on_exit || r.has_ret || r.has_value);
    EXPECT_TRUE(parse("audit").req.map);
    EXPECT_FALSE(parse("audit map=0").req.map);
}

TEST(KmodRule, OtherRequests) {
    EXPECT_EQ(parse("arm iter=4 seed=18446744073709551615").req.seed, ~0ULL);
    EXPECT_EQ(parse("actor name=walk pid=17").req.pid, 17);
    EXPECT_STREQ(parse("signal name=done:walk").req.name, "done:walk");
    EXPECT_STREQ(parse("audit dev=amba/9010000.pl031").req.dev, "amba/9010000.pl031");
    EXPECT_STREQ(parse("where dev=pci/0000:00:02.0").req.dev, "pci/0000:00:02.0");
    EXPECT_THAT(refused("where"), HasSubstr("needs dev="));
    EXPECT_THAT(refused("where map=0 dev=a/b"), HasSubstr("unknown word 'map'"));
    for (const char* verb : {"abi", "points", "status", "disarm", "clear", "lease"})
        EXPECT_TRUE(parse(verb).ok) << verb;
}

TEST(KmodRule, QuotedValues) {
    EXPECT_STREQ(parse(R"(abi id="a \"b\" \\ c")").req.id, R"(a "b" \ c)");
    EXPECT_TRUE(parse(R"(signal name="x y")").ok);
    refused(R"(abi id="open)");
    refused(R"(abi id="bad\n")");
    refused(R"(abi id="x"y)");
    refused(R"(abi id=a"b)");
}

TEST(KmodRule, RefusalsNameTheWordAndTheValidOnes) {
    EXPECT_THAT(refused("frobnicate"), AllOf(HasSubstr("'frobnicate'"), HasSubstr("disarm")));
    EXPECT_THAT(refused("rule point=p wait=x"), AllOf(HasSubstr("'wait'"), HasSubstr("wait_for")));
    EXPECT_THAT(refused("rule point=p on=leave"),
                AllOf(HasSubstr("leave"), HasSubstr("enter exit")));
    EXPECT_THAT(refused("rule point=p delay=5"),
                AllOf(HasSubstr("'5'"), HasSubstr("ns, us, ms or s")));
    EXPECT_THAT(refused("rule point=p nth=0"), AllOf(HasSubstr("'0'"), HasSubstr("1..")));
    EXPECT_THAT(refused("rule point=p probability=101"), HasSubstr("0..100"));
    EXPECT_THAT(refused("rule point=p optional=yes"), HasSubstr("0 1"));
    EXPECT_THAT(refused("rule on=enter"), HasSubstr("point="));
    EXPECT_THAT(refused("arm iter=1"), HasSubstr("seed="));
    EXPECT_THAT(refused("rule point=p point=q"), HasSubstr("twice"));
}

TEST(KmodRule, RefusalsOfWhatMakesNoSense) {
    EXPECT_THAT(refused("rule point=p wait_for=x"), HasSubstr("timeout="));
    EXPECT_THAT(refused("rule point=p timeout=1s"), HasSubstr("wait_for="));
    EXPECT_THAT(refused("rule point=p wait_for=x timeout=0s"), HasSubstr("timeout="));
    EXPECT_THAT(refused("rule point=p ret=1"), HasSubstr("on=exit"));
    EXPECT_THAT(refused("rule point=p arg=1"), HasSubstr("unsafe=1"));
    EXPECT_THAT(refused("rule point=p delay=2ms..1ms"), HasSubstr("above"));
    EXPECT_THAT(refused("rule point=p delay=11s"), HasSubstr("10000 ms"));
    EXPECT_THAT(refused("rule point=p wait_for=x timeout=10001ms"), HasSubstr("10000 ms"));
    EXPECT_THAT(refused("rule point=p wait_for=a,b,c,d,e timeout=1s"), HasSubstr("4 signals"));
    refused("rule point=p wait_for=a,,b timeout=1s");
    refused("rule point=");
}

TEST(KmodRule, RefusesWhatIsNoLine) {
    for (const char* bad : {"", " abi", "abi ", "abi  id=1", "rule point", "rule =x",
                            "rule point=a\tb", "ABI", "abi id=1 id", "rule point=a\x7f"})
        refused(bad);
    std::string many = "rule";
    for (int i = 0; i < 40; i++)
        many += " x=1";
    refused(many);
    refused("signal name=" + std::string(DMARACE_NAME_MAX, 'x'));
    EXPECT_TRUE(parse("signal name=" + std::string(DMARACE_NAME_MAX - 1, 'x')).ok);
}

TEST(KmodRule, IdSurvivesARefusal) {
    EXPECT_STREQ(parse("rule id=9 point=p on=leave").req.id, "9");
}

TEST(KmodWords, NumbersAndTimes) {
    long long n = 0;
    EXPECT_EQ(dmarace_number("-9223372036854775807", &n), 0);
    EXPECT_EQ(n, -9223372036854775807LL);
    EXPECT_EQ(dmarace_number("0x1F", &n), 0);
    EXPECT_EQ(n, 31);
    for (const char* bad :
         {"", "-", "0x", "1a", "9223372036854775808", "99999999999999999999", "+1", "1 "})
        EXPECT_NE(dmarace_number(bad, &n), 0) << bad;
    EXPECT_EQ(dmarace_time("250us", &n), 0);
    EXPECT_EQ(n, 250'000);
    for (const char* bad : {"", "s", "1", "1m", "1.5s", "-1s", "9223372036854775807s", "1s "})
        EXPECT_NE(dmarace_time(bad, &n), 0) << bad;
}

TEST(KmodWords, Globs) {
    EXPECT_TRUE(dmarace_glob("kworker*", "kworker/u4:2"));
    EXPECT_TRUE(dmarace_glob("*", ""));
    EXPECT_TRUE(dmarace_glob("i?smod", "insmod"));
    EXPECT_TRUE(dmarace_glob("*a*b", "xaxbab"));
    EXPECT_FALSE(dmarace_glob("insmod", "insmod2"));
    EXPECT_FALSE(dmarace_glob("*x", "abc"));
    EXPECT_FALSE(dmarace_glob("?", ""));
}

TEST(KmodWords, CompilerSuffixesAreLeftOut) {
    EXPECT_TRUE(dmarace_same_function("__iommu_probe_device.part.0", "__iommu_probe_device"));
    EXPECT_TRUE(dmarace_same_function("viommu_probe [virtio_iommu]", "viommu_probe"));
    EXPECT_FALSE(dmarace_same_function("iommu_probe_device_lock", "iommu_probe_device"));
    EXPECT_FALSE(dmarace_same_function("iommu_probe", "iommu_probe_device"));
}

using Words = std::vector<std::string>;

#define X(id) DMARACE_V_##id,
const Words requests{DMARACE_REQUESTS(X)};
#undef X
#define X(id) DMARACE_E_##id,
const Words events{DMARACE_EVENTS(X)};
#undef X
#define X(id) DMARACE_K_##id,
const Words rule_words{DMARACE_RULE_WORDS(X)};
const Words audit_words{DMARACE_AUDIT_WORDS(X)};
#undef X
#define X(id) DMARACE_S_##id,
const Words prefixes{DMARACE_SIGNAL_PREFIXES(X)};
#undef X
#define X(id) DMARACE_U_##id,
const Words uevent_keys{DMARACE_UEVENT_KEYS(X)};
#undef X

// What a refusal lists behind "valid are".
Words listed(const std::string& line) {
    const std::string text = refused(line), before = "valid are";
    std::istringstream in(text.substr(text.find(before) + before.size()));
    return {std::istream_iterator<std::string>(in), {}};
}

TEST(KmodWords, AreUniqueInTheirLists) {
    for (const auto& list : {requests, events, rule_words, audit_words, prefixes, uevent_keys})
        EXPECT_EQ(std::set(list.begin(), list.end()).size(), list.size()) << list.front();
}

TEST(KmodWords, TheParserKnowsThoseOfTheLists) {
    EXPECT_EQ(listed("nonsense"), requests);
    const auto keys = listed("rule nonsense=1");
    EXPECT_EQ(std::multiset(keys.begin(), keys.end()),
              std::multiset(rule_words.begin(), rule_words.end()));
}

TEST(KmodWords, EveryErrorSurvivesTheRoundTrip) {
#define X(error) EXPECT_EQ(dmarace::board::error_number(dmarace_error_name(-error)), error);
    DMARACE_ERRORS(X)
#undef X
    EXPECT_EQ(dmarace::board::error_number(dmarace_error_name(-EXDEV)), EIO);
    EXPECT_EQ(dmarace::board::error_number(""), EINVAL);
}

TEST(KmodDraw, DependsOnTheFourAndNothingElse) {
    const auto one = dmarace_hash(1, "r", "pci/a", 1);
    EXPECT_EQ(one, dmarace_hash(1, "r", "pci/a", 1));
    EXPECT_NE(one, dmarace_hash(2, "r", "pci/a", 1));
    EXPECT_NE(one, dmarace_hash(1, "s", "pci/a", 1));
    EXPECT_NE(one, dmarace_hash(1, "r", "pci/b", 1));
    EXPECT_NE(one, dmarace_hash(1, "r", "pci/a", 2));
    EXPECT_NE(dmarace_hash(1, "ab", "c", 1), dmarace_hash(1, "a", "bc", 1));
}

// Seeds are written into reports: what they mean must not change.
TEST(KmodDraw, StaysTheSameForever) {
    EXPECT_EQ(dmarace_hash(1, "r", "pci/a", 1), 4289674590443521598ULL);
}

TEST(KmodDraw, DelaysFillTheRangeEvenly) {
    int low = 0;
    std::set<long long> seen;
    for (unsigned long long hit = 1; hit <= 10'000; hit++) {
        const auto ns = dmarace_draw_delay(dmarace_hash(7, "r", "d", hit), 1000, 1999);
        ASSERT_GE(ns, 1000);
        ASSERT_LE(ns, 1999);
        low += ns < 1500;
        seen.insert(ns);
    }
    EXPECT_NEAR(low, 5000, 200);
    EXPECT_EQ(seen.size(), 1000U);
    EXPECT_EQ(dmarace_draw_delay(12345, 5, 5), 5);
}

TEST(KmodDraw, ChanceIsWhatItSays) {
    int yes = 0;
    for (unsigned long long hit = 1; hit <= 10'000; hit++) {
        const auto hash = dmarace_hash(7, "r", "d", hit);
        EXPECT_TRUE(dmarace_draw_chance(hash, 100));
        EXPECT_FALSE(dmarace_draw_chance(hash, 0));
        yes += dmarace_draw_chance(hash, 30);
    }
    EXPECT_NEAR(yes, 3000, 200);
}

// What rules= at load is cut into.
TEST(KmodCut, AMarkInQuotesCutsNothing) {
    std::string text = R"(rule task="a;b" ; rule from="x\\";rule name="\";")";
    std::vector<std::string> lines;
    for (char* rest = text.data(); rest != nullptr;)
        lines.emplace_back(dmarace_cut(&rest, ';'));
    EXPECT_EQ(lines, (std::vector<std::string>{R"(rule task="a;b" )", R"( rule from="x\\")",
                                               R"(rule name="\";")"}));
}

} // namespace
