// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/options.hpp"

namespace dmarace {

namespace {

bool is_negative(const std::string& word) {
    return word.size() > 1 && word[0] == '-' && word[1] >= '0' && word[1] <= '9';
}

} // namespace

Result<ParsedWords> parse_words(const std::vector<std::string>& words,
                                const po::options_description& options,
                                const OptionMessages& messages) {
    po::options_description all;
    all.add(options);
    po::positional_options_description positional;
    if (messages.no_words.empty()) {
        all.add_options()(kWordOption, po::value<std::vector<std::string>>());
        positional.add(kWordOption, -1);
    }
    ParsedWords parsed;
    try {
        namespace style = po::command_line_style;
        const auto found = po::command_line_parser(words)
                               .options(all)
                               .positional(positional)
                               .style(style::unix_style & ~style::allow_guessing)
                               .run();
        // Boost reads them as large numbers.
        for (const auto& option : found.options)
            for (const auto& value : option.value)
                if (option.position_key < 0 && is_negative(value))
                    return fail(Fault::usage, "--" + option.string_key +
                                                  " takes no negative number, as " + value + " is");
        po::store(found, parsed.values);
        po::notify(parsed.values);
    } catch (const po::unknown_option& unknown) {
        std::vector<std::string> names;
        for (const auto& option : options.options())
            names.push_back("--" + option->long_name());
        const auto name = unknown.get_option_name();
        return fail(Fault::usage,
                    messages.before + name + messages.after + messages.nearest(name, names));
    } catch (const po::too_many_positional_options_error&) {
        return fail(Fault::usage, messages.no_words);
    } catch (const po::error& error) {
        return fail(Fault::usage, error.what());
    }
    parsed.words = parsed.texts(kWordOption);
    return parsed;
}

} // namespace dmarace
