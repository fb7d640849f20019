// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/campaign/places.hpp"
#include "vm/commands/commands.hpp"
#include "vm/kernels/debian.hpp"
#include "vm/kernels/say.hpp"

namespace dmarace::vm {
namespace {

constexpr const char* kHelp =
    "dmarace-vm kernels [--update] [SERIES...]: what debian:SERIES stands for. A series is\n"
    "resolved once and then kept, so that runs can be compared; --update asks the suites\n"
    "(vm/suites) for the newest kernel again. SERIES may name an architecture (6.12/amd64),\n"
    "else it is arm64. Without SERIES: 6.1, 6.12 and 7.\n";

Result<int> show(const Cache& cache, const Places& places, const std::vector<std::string>& series,
                 bool update) {
    const auto lock = cache.lock("kernels");
    if (!lock)
        return std::unexpected(lock.error());
    for (const std::string& name : series) {
        const auto wanted = read_series(name, arm64());
        if (!wanted)
            return std::unexpected(wanted.error());
        const std::string arch(wanted->architecture->name);
        auto choice = cached_choice(cache, wanted->series, arch);
        if (update || !choice) {
            auto newest = resolve(cache, places.suites(), wanted->series, arch);
            if (!newest)
                return std::unexpected(newest.error());
            choice = *newest;
        }
        fmt::print("debian:{:<11} {}-{}  {}  {}  {}\n", name, choice->abi, arch, choice->version,
                   choice->suite, is_fetched(cache, *choice) ? "cached" : "not fetched yet");
    }
    return 0;
}

} // namespace

Result<int> kernels_command(const Arguments& arguments) {
    po::options_description options = common_options();
    options.add_options()("update", po::bool_switch(), "ask the suites for newer kernels");
    const auto values = parse_options(arguments, options, true, kHelp);
    if (!values)
        return std::unexpected(values.error());
    if (!*values)
        return 0;
    const auto places = find_places((**values)["source"].as<std::string>());
    const auto cache = Cache::open((**values)["cache"].as<std::string>());
    if (!places || !cache)
        return std::unexpected(places ? cache.error() : places.error());
    std::vector<std::string> series{"6.1", "6.12", "7"};
    if ((**values).contains(kWordOption))
        series = (**values)[kWordOption].as<std::vector<std::string>>();
    return show(*cache, *places, series, (**values)["update"].as<bool>());
}

} // namespace dmarace::vm
