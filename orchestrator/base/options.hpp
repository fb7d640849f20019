// SPDX-License-Identifier: GPL-2.0-or-later
// Command lines: options by Boost.Program_options, and the words beside them.
#pragma once

#include "base/error.hpp"
#include "base/text.hpp"

#include <boost/program_options.hpp>

#include <string>
#include <vector>

namespace dmarace {

namespace po = boost::program_options;

// The name in 'values' of the words that are no option.
inline constexpr const char* kWordOption = "word";

struct ParsedWords {
    po::variables_map values;
    std::vector<std::string> words; // those that are no option

    bool has(const char* name) const { return values.count(name) > 0; }
    bool flag(const char* name) const { return has(name) && values[name].as<bool>(); }
    std::string text(const char* name) const {
        return has(name) ? values[name].as<std::string>() : "";
    }
    std::vector<std::string> texts(const char* name) const {
        return has(name) ? values[name].as<std::vector<std::string>>() : std::vector<std::string>();
    }
};

// How a program says what is wrong with its words.
struct OptionMessages {
    // An unknown one stands between the two; what it may mean follows.
    std::string before = "no option ", after;
    std::string (*nearest)(std::string_view option,
                           const std::vector<std::string>& options) = did_you_mean;
    std::string no_words; // said when there are words beside the options; "": there may be
};

// No guessing: --kern is not --kernel, so that new options break no script. What is
// wrong is Fault::usage.
Result<ParsedWords> parse_words(const std::vector<std::string>& words,
                                const po::options_description& options,
                                const OptionMessages& messages = {});

} // namespace dmarace
