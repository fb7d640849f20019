// SPDX-License-Identifier: GPL-2.0-or-later
#include "books.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <sstream>

namespace dmarace::test {

namespace {

using Json = nlohmann::json;

constexpr double kRun = 10'000;

std::string text_of(unsigned number) { return "iteration " + std::to_string(number); }

// Splits "JOB: iteration N[/M]: VERDICT[: WHY]"; nothing when it is another line.
std::optional<std::pair<unsigned, std::string>> judged(const std::string& line) {
    constexpr std::string_view kWord = ": iteration ";
    const auto at = line.find(kWord);
    if (at == std::string::npos || line.ends_with(" [cut off]"))
        return std::nullopt;
    const auto begin = at + kWord.size();
    const auto colon = line.find(": ", begin);
    unsigned number = 0;
    const auto [end, error] =
        std::from_chars(line.data() + begin, line.data() + line.size(), number);
    if (colon == std::string::npos || error != std::errc() || (*end != '/' && *end != ':'))
        return std::nullopt;
    const auto word = line.substr(colon + 2);
    return std::pair{number, word.substr(0, word.find(':'))};
}

void take_record(const Json& record, Books& books, std::vector<std::string>& faults) {
    const auto what = record.value("t", "");
    const auto number = record.value("iteration", 0U);
    if (what == "begin") {
        if (books.open)
            faults.push_back(text_of(*books.open) + " has no verdict, and " + text_of(number) +
                             " began");
        books.open = number;
    } else if (what == "verdict") {
        if (!books.ended.emplace(number, record.value("verdict", "")).second)
            faults.push_back(text_of(number) + " has two verdicts");
        books.open.reset();
    }
}

} // namespace

void add_told(const std::string& output, Told& told, std::vector<std::string>& faults) {
    std::istringstream lines(output);
    for (std::string line; std::getline(lines, line);)
        if (const auto one = judged(line); one && !lines.eof() && !told.insert(*one).second)
            faults.push_back(text_of(one->first) + " was told twice");
}

Books keep_books(const std::string& journal, const Told& told, std::vector<std::string>& faults) {
    Books books;
    for (std::size_t begin = 0; begin < journal.size();) {
        const auto end = journal.find('\n', begin);
        const auto record = Json::parse(journal.substr(begin, end - begin), nullptr, false);
        ++books.lines;
        if (end == std::string::npos)
            books.torn = true;
        else if (!record.is_object())
            faults.push_back("line " + std::to_string(books.lines) + " is no record");
        else
            take_record(record, books, faults);
        begin = end == std::string::npos ? journal.size() : end + 1;
    }
    unsigned next = 1;
    for (const auto& [number, verdict] : books.ended)
        if (number != next++) {
            faults.push_back("there is " + text_of(number) + " and none before it");
            break;
        }
    for (const auto& [number, verdict] : told)
        if (const auto kept = books.ended.find(number); kept == books.ended.end())
            faults.push_back(text_of(number) + " was told, and is missing");
        else if (kept->second != verdict)
            faults.push_back(text_of(number) + " was told as " + verdict + ", and is kept as " +
                             kept->second);
    return books;
}

double growth(const std::vector<Sample>& samples, double Sample::*figure, double iterations) {
    std::vector<double> slopes;
    for (std::size_t i = samples.size() / 5; i < samples.size(); ++i)
        for (std::size_t j = i + 1; j < samples.size(); ++j)
            if (samples[j].iteration > samples[i].iteration)
                slopes.push_back((samples[j].*figure - samples[i].*figure) /
                                 (samples[j].iteration - samples[i].iteration));
    if (slopes.empty())
        return 0;
    const auto middle = slopes.begin() + static_cast<std::ptrdiff_t>(slopes.size() / 2);
    std::nth_element(slopes.begin(), middle, slopes.end());
    return *middle * iterations;
}

// A kernel object leaked in each iteration is at least 64 bytes, so 640 KiB a
// run. dmarace keeps of each iteration what result.json needs, some 400 bytes.
const std::vector<Bound>& bounds() {
    static const std::vector<Bound> all{{"slab", &Sample::slab, 600},
                                        {"unreclaimable slab", &Sample::unreclaimable, 600},
                                        {"resident", &Sample::resident, 8192},
                                        {"descriptors", &Sample::descriptors, 0.5}};
    return all;
}

std::vector<std::string> faults_of(const std::vector<Sample>& samples) {
    std::vector<std::string> faults;
    for (const auto& bound : bounds())
        if (const auto grown = growth(samples, bound.figure, kRun); grown > bound.most)
            faults.push_back(std::string(bound.name) + " grows by " + std::to_string(grown) +
                             " in 10,000 iterations, at most " + std::to_string(bound.most) +
                             " is allowed");
    return faults;
}

} // namespace dmarace::test
