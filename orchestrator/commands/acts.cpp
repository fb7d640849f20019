// SPDX-License-Identifier: GPL-2.0-or-later
#include "commands/acts.hpp"

#include "base/duration.hpp"
#include "base/text.hpp"
#include "board/task.hpp"
#include "commands/machine.hpp"
#include "job/load.hpp"
#include "report/report.hpp"
#include "run/run_dir.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>

namespace dmarace::commands {

namespace words = run::words;

search::ActBoard act_board(const campaign::Survey& survey, const std::string& client) {
    search::ActBoard out{survey.iommu_module, {}, ""};
    for (const auto& item : survey.devices) {
        out.devices.push_back({item.device.full_name(), item.driver_module, item.behind_iommu});
        if (!client.empty() && (item.device.full_name() == client || item.device.name == client))
            out.client = item.device.full_name();
    }
    return out;
}

Result<AskedActs> asked_acts(const std::vector<std::string>& words, const search::ActBoard& board) {
    const auto is_job = [](const std::string& word) {
        return word.find(' ') == std::string::npos && job::job_path(word).has_value();
    };
    if (words.size() == 1 && is_job(words.front())) {
        TRY_AS(const auto job, load_job(words.front(), true));
        TRY_AS(auto set, search::acts_of(job));
        return AskedActs{std::move(set), texts_of(job.actors, &job::Actor::name)};
    }
    if (words.size() != 2 && words.size() != 3)
        return fail(Fault::usage, "give two or three ACTs, or one JOB (--help lists the acts)");
    std::vector<search::Act> acts;
    for (const auto& word : words) {
        TRY_AS(auto act, search::parse_act(word, board));
        acts.push_back(std::move(act));
    }
    TRY_AS(auto set, search::common_start(acts, board));
    return AskedActs{std::move(set), words};
}

Result<int>
on_machine(const Parsed& parsed,
           const std::function<Result<int>(campaign::Machine&, const campaign::Survey&)>& work) {
    TRY(board::kernel_answers_reads(board::Files()));
    TRY_AS(const auto modules, modules_for(parsed));
    TRY_AS(auto control, open_module(modules));
    TRY_AS(auto log, board::KernelLog::open());
    campaign::Machine machine{board::Devices(), modules.fresh(), log, *control, {}};
    TRY_AS(const auto survey, campaign::survey(machine));
    return work(machine, survey);
}

void add_search_options(po::options_description& visible, const std::string& command,
                        unsigned bound, unsigned prove) {
    visible.add_options()("bound", po::value<unsigned>()->default_value(bound),
                          "how many are parked at once: 1, or 2 after all of 1")(
        "seed", po::value<std::uint64_t>()->default_value(1),
        "of the order among places and pairs of one rank; same seed, same list")(
        "prove", po::value<unsigned>()->default_value(prove),
        "N: run a finding so often, and as often without its hold")(
        words::kOut, po::value<std::string>(),
        ("DIR for the results (default: dmarace-" + command + "-DATE in $DMARACE_OUT, or here)")
            .c_str())(words::kResume, po::bool_switch(), "go on with what DIR holds")(
        words::kFresh, po::value<std::string>()->default_value("never"),
        "anything but never: somebody boots the machine when it has to be, and resumes")(
        "i-know", po::value<std::vector<std::string>>(),
        "DEVICE that the guard protects and the search may touch; repeatable")(
        words::kAllow, po::value<std::vector<std::string>>(), kAllowHelp)(
        words::kJson, po::bool_switch(), (command + ".json to stdout instead of the page").c_str());
    add_module_option(visible);
}

Status read_search_options(const Parsed& parsed, const std::string& command,
                           const std::vector<std::string>& points, explore::SearchOptions& out) {
    out.wishes.device = parsed.text("device");
    out.wishes.i_know = parsed.texts("i-know");
    out.out = parsed.has(words::kOut) ? parsed.text(words::kOut) : default_out(command);
    out.seed = parsed.values["seed"].as<std::uint64_t>();
    out.bound = parsed.values["bound"].as<unsigned>();
    out.prove = parsed.values["prove"].as<unsigned>();
    out.stop_after = parsed.values["findings"].as<unsigned>();
    out.most = parsed.values["schedules"].as<unsigned>();
    out.resume = parsed.flag(words::kResume);
    if (out.bound < 1 || out.bound > 2)
        return fail(Fault::usage, "--bound is 1 or 2: how many are parked at once");
    if (const auto given = parsed.text("points"); std::ranges::count(points, given) == 0)
        return fail(Fault::usage,
                    "--points is " + joined(points, " or ") + ", not '" + given + "'");
    if (parsed.has("time")) {
        const auto limit = parse_duration(parsed.text("time"));
        if (!limit)
            return std::unexpected(Error(limit.error()).within("--time"));
        out.limit = *limit;
    }
    const auto fresh = run::fresh_from(parsed.text(words::kFresh));
    if (!fresh)
        return fail(Fault::usage, "--fresh is never, risky or always");
    out.booted = out.resume && *fresh != run::Fresh::never;
    TRY_AS(out.allow, allowed_by(parsed));
    if (const char* board = std::getenv("DMARACE_BOARD"))
        out.board = board;
    out.command = command;
    for (const auto& word : parsed.words)
        out.command += word.find(' ') == std::string::npos ? " " + word : " '" + word + "'";
    return {};
}

Status can_begin(const explore::SearchOptions& options, std::string_view file) {
    TRY(run::can_hold_runs(options.out));
    std::error_code error;
    for (const std::string_view other : {run::kExploreJson, run::kSweepJson})
        if (std::filesystem::exists(options.out / other, error) &&
            (other != file || !options.resume))
            return fail(Fault::usage,
                        options.out.string() + " holds a search already (" + std::string(other) +
                            "); " +
                            (other == file ? "--resume goes on with it, or give another --out"
                                           : "give another --out"));
    return {};
}

Result<int> end_search(const Parsed& parsed, const explore::SearchOptions& options,
                       const SearchEnding& ending, const std::function<std::string()>& page) {
    const int code = ending.interrupted ? kExitInterrupted
                                        : report::exit_code(ending.verdict, run::ExitStyle::plain);
    if (!ending.boot_again.empty()) {
        if (run::fresh_from(parsed.text(words::kFresh)) != run::Fresh::never) {
            TRY(run::mark_boot_again(options.out, ending.boot_again));
            return code;
        }
        std::cerr << "dmarace: " << ending.boot_again << "; --resume goes on then\n";
    }
    const auto shown = print(page());
    return shown != 0 ? shown : code;
}

} // namespace dmarace::commands
