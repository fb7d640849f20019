// SPDX-License-Identifier: GPL-2.0-or-later
#include "commands/run_options.hpp"

#include <cstdlib>

namespace dmarace::commands {
namespace words = run::words;

void add_run_options(po::options_description& visible) {
    visible.add_options()("device", po::value<std::string>(),
                          "the job's first device parameter; sim: one that is simulated")(
        "set", po::value<std::vector<std::string>>(),
        "NAME=VALUE of a job's parameter; repeatable")("iterations,n", po::value<unsigned>(),
                                                       "how many; default: the job's own number")(
        "duration", po::value<std::string>(),
        "run for so long: 30s, 5m, 2h")("seed", po::value<std::uint64_t>(),
                                        "of random delays (default: 1); same seed, same delays")(
        "no-holds", po::bool_switch(), "without holds and delays: what luck alone would hit")(
        "compare", po::bool_switch(),
        "both, with holds and without, and both rates beside each other")(
        "unsafe", po::bool_switch(), "allow what may wedge the machine (risk = reboot, write)")(
        "i-know", po::value<std::vector<std::string>>(),
        "DEVICE that the guard protects and the run may touch; repeatable")(
        words::kOut, po::value<std::string>(),
        "DIR for the results (default: dmarace-JOB-DATE here)")(
        "reboot", po::bool_switch(),
        "the job's iterations are boots of this machine: leave the rules for the next one, boot,\n"
        "judge, and again; at the end nothing is left on the disk")(
        "async-probe", po::value<std::vector<std::string>>(),
        "MODULE whose driver probes asynchronously in those boots; repeatable")(
        words::kResume, po::bool_switch(), "go on with the run that DIR holds")(
        words::kFresh, po::value<std::string>()->default_value("never"),
        "WHEN to end after one iteration and leave the rest to --resume after a boot: never,\n"
        "risky (jobs of risk reboot) or always")(
        "crash-limit", po::value<std::string>()->default_value("3/5"),
        "CRASHES/BOOTS: stop when so many iterations of the last so many boots killed the\n"
        "machine; none: never stop")("dry-run", po::bool_switch(),
                                     "show what would be done to which device, and do nothing")(
        words::kJson, po::bool_switch(),
        "result.json, on one line, to stdout instead of the summary")(
        words::kKtap, po::bool_switch(), "KTAP to stdout instead of the summary")(
        words::kExitStyle, po::value<std::string>()->default_value("plain"),
        "plain, bisect or ksft");
}

Result<report::ExitStyle> exit_style(const std::string& text) {
    if (const auto style = run::exit_style_from(text))
        return *style;
    return fail(Fault::usage, "--exit-style is plain, bisect or ksft, not '" + text + "'");
}

Result<campaign::CampaignOptions> to_options(const Parsed& parsed) {
    campaign::CampaignOptions out;
    out.wishes.device = parsed.text("device");
    if (parsed.has("set"))
        for (const auto& word : parsed.values["set"].as<std::vector<std::string>>()) {
            const auto equals = word.find('=');
            if (equals == 0 || equals == std::string::npos)
                return fail(Fault::usage, "--set takes NAME=VALUE, not '" + word + "'");
            out.wishes.set[word.substr(0, equals)] = word.substr(equals + 1);
        }
    if (parsed.has("i-know"))
        out.wishes.i_know = parsed.values["i-know"].as<std::vector<std::string>>();
    if (parsed.has("iterations"))
        out.iterations = parsed.values["iterations"].as<unsigned>();
    if (out.iterations == 0U)
        return fail(Fault::usage, "--iterations 0 would run nothing");
    if (parsed.has("duration")) {
        const auto duration = parse_duration(parsed.text("duration"));
        if (!duration)
            return std::unexpected(Error(duration.error()).within("--duration"));
        out.duration = *duration;
    }
    if (parsed.has("seed"))
        out.seed = parsed.values["seed"].as<std::uint64_t>();
    out.holds = !parsed.flag("no-holds");
    out.unsafe = parsed.flag("unsafe");
    out.resume = parsed.flag(words::kResume);
    out.at_boot = parsed.flag("reboot");
    if (parsed.has("async-probe"))
        out.async = parsed.values["async-probe"].as<std::vector<std::string>>();
    if (!out.async.empty() && !out.at_boot)
        return fail(Fault::usage, "--async-probe is for the boots of --reboot; for an insmod in a "
                                  "job there is 'insmod MODULE async'");
    const auto fresh = campaign::fresh_from(parsed.text(words::kFresh));
    if (!fresh)
        return fail(Fault::usage,
                    "--fresh is never, risky or always, not '" + parsed.text(words::kFresh) + "'");
    out.fresh = *fresh;
    if (out.fresh != campaign::Fresh::never && !parsed.has(words::kOut))
        return fail(Fault::usage, "--fresh takes --out DIR: the run goes on there after a boot");
    const auto limit = campaign::crash_limit_from(parsed.text("crash-limit"));
    if (!limit)
        return std::unexpected(limit.error());
    out.crash_limit = *limit;
    if (const char* board = std::getenv("DMARACE_BOARD"))
        out.board = board;
    return out;
}

} // namespace dmarace::commands
