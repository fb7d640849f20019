// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/duration.hpp"
#include "base/help.hpp"
#include "base/options.hpp"
#include "base/size.hpp"
#include "base/text.hpp"
#include "results.hpp"

#include <gmock/gmock.h>

namespace dmarace {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(BaseText, Words) {
    EXPECT_EQ(in_quotes("a b"), "'a b'");
    EXPECT_EQ(joined({}, ", "), "");
    EXPECT_EQ(joined({"a", "", "b"}, ", "), "a, , b");
    EXPECT_EQ(first_line("one\ntwo\n"), "one");
    EXPECT_EQ(first_line("one"), "one");
    EXPECT_THAT(lines_in(""), ElementsAre());
    EXPECT_THAT(lines_in("\none\n\ntwo"), ElementsAre("", "one", "", "two"));
    EXPECT_THAT(lines_in("one\n"), ElementsAre("one"));
    EXPECT_THAT(words_in(" \n"), ElementsAre());
    EXPECT_THAT(words_in("one  two\t\nthree "), ElementsAre("one", "two", "three"));
}

TEST(BasePrintable, Escapes) {
    EXPECT_EQ(printable(""), "");
    EXPECT_EQ(printable("plain ~ text"), "plain ~ text");
    EXPECT_EQ(printable("a\nb\tc\rd"), "a\\nb\\tc\\x0dd");
    EXPECT_EQ(printable("\x1b[31m"), "\\x1b[31m");
    EXPECT_EQ(printable("\x7f"), "\\x7f");
    EXPECT_EQ(printable(std::string_view("\0", 1)), "\\x00");
    EXPECT_EQ(printable("\u00e9\u20ac\U0001f600"), "\u00e9\u20ac\U0001f600");
    EXPECT_EQ(printable("\xc2\x9b"), "\\xc2\\x9b");          // C1: a terminal takes it as ESC [
    EXPECT_EQ(printable("\xe2\x80\xae"), "\\xe2\\x80\\xae"); // turns the writing round
    EXPECT_EQ(printable("\xe2\x80\xa8"), "\\xe2\\x80\\xa8"); // line separator
    EXPECT_EQ(printable("\xff\xc3"), "\\xff\\xc3");          // no UTF-8
    EXPECT_EQ(printable("\xc0\xaf"), "\\xc0\\xaf");          // overlong
    EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80"); // surrogate
    EXPECT_EQ(printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");
    EXPECT_EQ(printable("\xe2\x82"), "\\xe2\\x82"); // cut off
    std::string all;
    for (int i = 0; i < 256; ++i)
        all += static_cast<char>(i);
    EXPECT_EQ(printable(printable(all)), printable(all));
}

TEST(EditDistance, CountsLetters) {
    EXPECT_EQ(edit_distance("", ""), 0U);
    EXPECT_EQ(edit_distance("", "abc"), 3U);
    EXPECT_EQ(edit_distance("abc", ""), 3U);
    EXPECT_EQ(edit_distance("wait", "wait"), 0U);
    EXPECT_EQ(edit_distance("wait", "wiat"), 1U) << "neighbours swapped";
    EXPECT_EQ(edit_distance("bind", "unbind"), 2U);
    EXPECT_EQ(edit_distance("DMA-fq", "dma-FQ"), 0U) << "letter case";
    EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
    // It is symmetric.
    for (const auto& [a, b] :
         {std::pair{"point", "pont"}, std::pair{"wait_for", "waitfor"}, std::pair{"ca", "abc"}})
        EXPECT_EQ(edit_distance(a, b), edit_distance(b, a)) << a;
}

TEST(Nearest, FindsTheSlip) {
    const std::vector<std::string> words{"insmod", "rmmod", "bind", "unbind", "probe"};
    EXPECT_EQ(nearest("insmode", words), "insmod");
    EXPECT_EQ(nearest("bidn", words), "bind");
    EXPECT_EQ(nearest("PROBE", words), "probe");
    EXPECT_EQ(nearest("modprobe", words), "probe");
    EXPECT_EQ(nearest("bond", {"bind", "band"}), "bind") << "the first of equally close ones";
    EXPECT_EQ(nearest("of", {"on", "off"}), "off") << "but it begins like the word";
    EXPECT_EQ(did_you_mean("pont", {"point"}), "; did you mean 'point'?");
    EXPECT_EQ(did_you_mean("banana", {"point"}), "");
}

TEST(Nearest, KeepsQuietWhenNothingIsClose) {
    EXPECT_EQ(nearest("banana", {"insmod", "rmmod"}), "");
    EXPECT_EQ(nearest("", {"a", "b"}), "");
    EXPECT_EQ(nearest("x", {"a", "b"}), "") << "another letter is no slip";
    EXPECT_EQ(nearest("bind", {}), "");
    EXPECT_EQ(nearest(std::string(100000, 'a'), {"a"}), "") << "and takes no time";
}

TEST(Line, KeepsTheOrderOfItsWords) {
    const auto line = got(parse_line("hit seq=7 ts=12 rule=window dev=pci/0000:00:02.0"));
    EXPECT_EQ(line.verb, "hit");
    EXPECT_EQ(line.words.front().first, "seq");
    EXPECT_EQ(line.get("dev"), "pci/0000:00:02.0");
    EXPECT_EQ(line.number("ts"), 12);
    EXPECT_EQ(to_text(line), "hit seq=7 ts=12 rule=window dev=pci/0000:00:02.0");
    EXPECT_EQ(got(parse_line("lease")), (Line{"lease", {}})) << "a verb alone";
}

TEST(Line, QuotesWhatMustBeQuoted) {
    Line line{"reply", {}};
    line.add("ok", "0").add("reason", R"(no such point "a\b")").add("empty", "");
    EXPECT_EQ(to_text(line), R"(reply ok=0 reason="no such point \"a\\b\"" empty="")");
    EXPECT_EQ(*parse_line(to_text(line)), line);
}

TEST(Line, RoundTripsEveryPrintableByte) {
    std::string all;
    for (char c = ' '; c < 127; ++c)
        all += c;
    const Line line{"x", {{"all", all}}};
    EXPECT_EQ(parse_line(to_text(line))->get("all"), all);
}

TEST(Line, AMissingKeyIsNothing) {
    const auto line = got(parse_line("audit dev=pci/a owned="));
    EXPECT_FALSE(line.find("group"));
    EXPECT_EQ(line.get("group"), "");
    EXPECT_EQ(line.find("owned"), "");
}

TEST(Line, Numbers) {
    const auto line = got(parse_line("x a=-22 b=0x1f c=12z d= e=0x f=+1 g=9223372036854775808"));
    EXPECT_EQ(line.number("a"), -22);
    EXPECT_EQ(line.number("b"), 31);
    for (const char* key : {"c", "d", "e", "f", "g", "h"})
        EXPECT_FALSE(line.number(key)) << key;
}

TEST(Line, WhatIsNoLineIsRefused) {
    for (const char* text :
         {"", " hit", "a=b", "\"x\"", "hit a", "hit =b", "hit  a=b", "hit a=b ", "hit a=b a=c",
          "hit a=\"b", "hit a=\"b\"c=d", "hit a\"b=c", "hit a=\"b\\"}) {
        const auto line = parse_line(text);
        EXPECT_TRUE(refused(line, Fault::environment)) << text;
        EXPECT_FALSE(line || line.error().message.empty()) << text;
    }
}

TEST(Duration, HasANumberAndAUnit) {
    for (const auto& [text, value] : {std::pair{"10ns", Nanoseconds(10ns)},
                                      {"30us", 30us},
                                      {"250ms", 250ms},
                                      {"2d", 48h},
                                      {"1h30m", 90min},
                                      {"1s500ms", 1500ms},
                                      {"2s", 2s},
                                      {"5m", 5min},
                                      {"1h", 1h},
                                      {"0s", 0s},
                                      {"9223372036s", 9223372036s}})
        EXPECT_EQ(got(parse_duration(text)), value) << text;
}

TEST(Duration, WhatIsNoneSaysWhy) {
    for (const auto& [text, why] : {std::pair{"", "no duration"},
                                    {"s", "no duration"},
                                    {"-1s", "no duration"},
                                    {" 1s", "no duration"},
                                    {"2", "no unit"},
                                    {"2sec", "unknown unit 'sec'"},
                                    {"2 s", "unknown unit ' s'"},
                                    {"30m1h", "large units first"},
                                    {"1h1h", "large units first"},
                                    {"1h30", "no unit"},
                                    {"106751d24h", "too long"},
                                    {"1.5s", "unknown unit '.5s'"},
                                    {"2S", "unknown unit 'S'"},
                                    {"9223372037s", "too long"},
                                    {"99999999999999999999s", "no duration"}})
        EXPECT_TRUE(refused(parse_duration(text), Fault::usage, why)) << text;
}

constexpr const char* kHelp =
    "usage: x --prose\n\nOptions:\n  -n [ --iterations ] arg  how many\n"
    "  --out DIR                where\n  --dry-run                nothing\n"
    "                           --later is prose\n  -h [ --help ]            this";

TEST(HelpOptions, AreThoseThatAreListed) {
    std::vector<std::string> found;
    for (const auto& option : options_in(kHelp))
        found.push_back(option.name + (option.takes_value ? "=" : ""));
    EXPECT_EQ(joined(found, " "), "--iterations= --out= --dry-run --help");
}

TEST(Completions, AreOptionsOrWords) {
    EXPECT_EQ(completions({"run", "la"}, kHelp, {"late", "early"}), "late\n");
    EXPECT_EQ(completions({"run", "--o"}, kHelp, {"late"}), "--out\n");
    EXPECT_EQ(completions({}, kHelp, {"late", "early"}), "late\nearly\n");
}

TEST(ManPageText, IsTheHelpAsItIs) {
    EXPECT_EQ(to_text(ManPage{"x-run", 8, "run it", ".a\n-b \\c\n", "x(8)"}),
              ".\\\" Made from --help.\n.TH X\\-RUN 8 \"\" \"dmarace " DMARACE_VERSION
              "\"\n.SH NAME\nx\\-run \\- run it\n.SH DESCRIPTION\n.nf\n\\&.a\n\\-b \\ec\n.fi\n"
              ".SH SEE ALSO\nx(8)\n");
}

TEST(Size, HasANumberAndAUnit) {
    EXPECT_EQ(got(parse_size("500K")), 500'000U);
    EXPECT_EQ(got(parse_size("2G")), 2'000'000'000U);
    for (const char* text : {"", "G", "100", "1.5G", "-1M", "1T", "99999999999999999G"})
        EXPECT_TRUE(refused(parse_size(text), Fault::usage, "100M")) << text;
}

TEST(Size, IsToldInItsUnit) {
    EXPECT_EQ(size_text(999), "999 bytes");
    EXPECT_EQ(size_text(1'460'000'000), "1.4 GB");
    EXPECT_EQ(size_text(320'500), "320 KB");
}

TEST(DurationRange, TakesOneOrTwo) {
    EXPECT_EQ(*parse_duration_range("5ms"), (DurationRange{5ms, 5ms}));
    EXPECT_EQ(*parse_duration_range("0ms..20ms"), (DurationRange{0ms, 20ms}));
    EXPECT_EQ(*parse_duration_range("1us..1s"), (DurationRange{1us, 1s}));
}

TEST(DurationRange, RefusesOthers) {
    for (const char* text :
         {"", "..", "1ms..", "..1ms", "20ms..1ms", "1..20ms", "1ms...20ms", "1ms-2ms"})
        EXPECT_FALSE(parse_duration_range(text)) << text;
    EXPECT_TRUE(refused(parse_duration_range("20ms..1ms"), "ends before it begins"));
}

TEST(DurationText, IsShortestAndParsesBack) {
    EXPECT_EQ(to_text(Nanoseconds(2s)), "2s");
    EXPECT_EQ(to_text(Nanoseconds(1500ms)), "1500ms");
    EXPECT_EQ(to_text(Nanoseconds(60s)), "1m");
    EXPECT_EQ(to_text(Nanoseconds(0)), "0s");
    for (const Nanoseconds time : {1ns, Nanoseconds(999us), Nanoseconds(61s), Nanoseconds(25h)})
        EXPECT_EQ(*parse_duration(to_text(time)), time);
}

po::options_description options() {
    po::options_description out;
    out.add_options()("kernel,k", po::value<std::string>(), "")("quiet", po::bool_switch(), "")(
        "set", po::value<std::vector<std::string>>(), "");
    return out;
}

TEST(BaseOptions, OptionsAndWordsAreToldApart) {
    const auto read =
        got(parse_words({"a", "--set", "x", "-k", "6.12", "b", "--quiet", "--set=y"}, options()));
    EXPECT_THAT(read.words, ElementsAre("a", "b"));
    EXPECT_EQ(read.text("kernel"), "6.12");
    EXPECT_TRUE(read.flag("quiet"));
    EXPECT_THAT(read.texts("set"), ElementsAre("x", "y"));
    EXPECT_FALSE(parse_words({}, options())->has("kernel"));
    EXPECT_EQ(parse_words({}, options())->text("kernel"), "");
}

TEST(BaseOptions, WhatIsWrongIsSaidInTheProgramsWords) {
    const auto message = [](std::vector<std::string> words, const OptionMessages& messages = {}) {
        const auto read = parse_words(words, options(), messages);
        return read ? "" : read.error().message;
    };
    EXPECT_EQ(message({"--kernle", "x"}), "no option --kernle; did you mean '--kernel'?");
    EXPECT_THAT(message({"--kern", "x"}), HasSubstr("no option --kern")); // nothing is guessed
    EXPECT_THAT(message({"--kernel"}), HasSubstr("kernel"));
    EXPECT_EQ(message({"--kernel", "-1"}), "--kernel takes no negative number, as -1 is");
    EXPECT_EQ(message({"--kernel=-1x"}), "--kernel takes no negative number, as -1x is");
    const OptionMessages strict{.before = "unknown '", .after = "'", .no_words = "too many words"};
    EXPECT_EQ(message({"--quite"}, strict), "unknown '--quite'; did you mean '--quiet'?");
    EXPECT_EQ(message({"a"}, strict), "too many words");
}

} // namespace
} // namespace dmarace
