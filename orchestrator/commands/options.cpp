// SPDX-License-Identifier: GPL-2.0-or-later
#include "commands/options.hpp"

#include "base/nearest.hpp"

#include <sstream>

namespace dmarace::commands {

Result<Parsed> parse(const Words& words, po::options_description& visible) {
    visible.add_options()("help,h", po::bool_switch(), "this text");
    po::options_description all;
    all.add(visible);
    all.add_options()("word", po::value<std::vector<std::string>>());
    po::positional_options_description positional;
    positional.add("word", -1);
    Parsed parsed;
    try {
        po::store(
            po::command_line_parser(words)
                .options(all)
                .positional(positional)
                .style(po::command_line_style::unix_style & ~po::command_line_style::allow_guessing)
                .run(),
            parsed.values);
        po::notify(parsed.values);
    } catch (const po::unknown_option& unknown) {
        std::vector<std::string> names;
        for (const auto& option : visible.options())
            names.push_back("--" + option->long_name());
        return fail(Fault::usage, "no option " + unknown.get_option_name() +
                                      did_you_mean(unknown.get_option_name(), names));
    } catch (const po::error& error) {
        return fail(Fault::usage, error.what());
    }
    if (parsed.has("word"))
        parsed.words = parsed.values["word"].as<std::vector<std::string>>();
    return parsed;
}

std::string help_text(const std::string& usage, const std::string& about,
                      const po::options_description& visible) {
    std::ostringstream out;
    out << "usage: dmarace " << usage << "\n\n" << about << "\n" << visible;
    return out.str();
}

} // namespace dmarace::commands
