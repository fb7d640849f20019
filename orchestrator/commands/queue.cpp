// SPDX-License-Identifier: GPL-2.0-or-later
// The subcommand 'dmarace queue': the jobs that dmaraced runs.
#include "base/text.hpp"
#include "commands/commands.hpp"
#include "queue/spool.hpp"
#include "run/request.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace dmarace::commands {

namespace {

using queue::Shelf;
using queue::Spool;

constexpr const char* kAbout =
    "The queue of dmaraced. 'add' takes a job and the options of 'dmarace run' (after --), 'list'\n"
    "shows what waits, runs and has ended, and how; 'cancel' takes a waiting entry away and ends\n"
    "a running one; 'continue' lets a queue go on that an error of the machine had stopped (no\n"
    "module, no root). A job file dropped into new/ of the spool directory is an entry too.\n";

// Paths hold from wherever the daemon stands.
std::string whole(const std::string& path) {
    std::error_code ec;
    return std::filesystem::exists(path, ec) ? std::filesystem::absolute(path, ec).string() : path;
}

Words with_whole_files(Words args) {
    for (const std::string name : {run::words::kModule, run::words::kAllow}) {
        const auto option = "--" + name;
        for (std::size_t i = 0; i < args.size(); ++i)
            if (args[i] == option && i + 1 < args.size())
                args[i + 1] = whole(args[i + 1]);
            else if (args[i].starts_with(option + "="))
                args[i] = option + "=" + whole(args[i].substr(option.size() + 1));
    }
    return args;
}

Result<int> add(const Spool& spool, const Words& words) {
    queue::Entry entry;
    entry.job = words.empty() ? "" : words.front();
    if (entry.job.empty())
        return fail(Fault::usage, "give a JOB to add");
    entry.args = with_whole_files({words.begin() + 1, words.end()});
    if (entry.job.find('/') != std::string::npos)
        entry.job = whole(entry.job);
    const auto text = queue::to_text(entry);
    TRY(queue::parse_entry(text, entry.job));
    // What dmaraced would find wrong later is said now.
    TRY(check_run(entry.job, entry.args));
    const auto name = queue::entry_name(entry.job);
    TRY(spool.add(name, text));
    return print(name + "\n");
}

// "verdict=fail exit=1 seconds=12 ended=2026-11-30T10:00:00Z"
std::string end_text(const Spool& spool, const std::string& name) {
    const auto end = spool.end_of(name);
    if (!end)
        return "";
    Line line;
    line.add("verdict", end->verdict)
        .add("exit", std::to_string(end->exit))
        .add("seconds", std::to_string(end->seconds))
        .add("ended", end->ended);
    const auto text = to_text(line);
    return "\t" + text.substr(std::min(text.find_first_not_of(' '), text.size()));
}

int list(const Spool& spool) {
    std::string out;
    if (const auto why = spool.stopped(); !why.empty())
        out += "stopped\t" + why + "\n";
    for (const auto& name : spool.odd_names())
        out += "odd\t" + printable(name) + "\t" + queue::kOddName + "\n";
    for (const auto shelf : {Shelf::running, Shelf::fresh, Shelf::trigger, Shelf::done, Shelf::bad})
        for (const auto& name : spool.list(shelf)) {
            const auto entry = spool.entry(shelf, name);
            out += std::string(queue::to_text(shelf)) + "\t" + name;
            if (entry && !entry->job.empty()) {
                out +=
                    "\t" + entry->job + (entry->args.empty() ? "" : " ") + joined(entry->args, " ");
                if (!entry->event.empty())
                    out += "\t" + entry->event;
            }
            out += (shelf == Shelf::done ? end_text(spool, name) : "") + "\n";
        }
    return print(out.empty() ? "the queue is empty\n" : out);
}

Result<int> cancel(const Spool& spool, const Words& names) {
    if (names.empty())
        return fail(Fault::usage, "give the NAME of an entry (queue list)");
    for (const auto& name : names) {
        const auto has = [&](Shelf shelf) {
            const auto known = spool.list(shelf);
            return std::ranges::find(known, name) != known.end();
        };
        if (has(Shelf::fresh) || has(Shelf::trigger)) {
            const auto shelf = has(Shelf::fresh) ? Shelf::fresh : Shelf::trigger;
            TRY(spool.remove(shelf, name));
        } else if (has(Shelf::running)) {
            std::ofstream(spool.path_of(Shelf::running, name + ".cancel"));
        } else {
            return fail(Fault::usage, "no entry " + name + " waits or runs (queue list)");
        }
    }
    return 0;
}

} // namespace

int run_queue(const Words& words) {
    po::options_description visible("Options");
    visible.add_options()("spool", po::value<std::string>()->default_value(queue::kSpool),
                          "DIR of the queue");
    // Options of a run begin after the job, or after --.
    const auto own_end = std::find(words.begin(), words.end(), "--");
    auto split = std::find(words.begin(), own_end, "add");
    split = split == own_end ? own_end : std::min(split + 2, own_end);
    const auto work = [&](const Parsed& parsed) -> Result<int> {
        const auto verb = parsed.words.empty() ? "list" : parsed.words.front();
        if (verb != "add" && verb != "list" && verb != "cancel" && verb != "continue")
            return fail(Fault::usage,
                        "queue takes add, list, cancel or continue, not '" + verb + "'");
        TRY_AS(const auto spool, Spool::open(parsed.text("spool")));
        if (verb == "list")
            return list(spool);
        if (verb == "continue") {
            TRY(spool.go_on());
            return 0;
        }
        Words rest(parsed.words.begin() + 1, parsed.words.end());
        std::copy_if(split, words.end(), std::back_inserter(rest),
                     [](const auto& word) { return word != "--"; });
        return verb == "add" ? add(spool, rest) : cancel(spool, rest);
    };
    return run_command(
        "queue [--spool DIR] add JOB [RUN-OPTION..] | list | cancel NAME.. | continue", kAbout,
        visible, {words.begin(), split}, work);
}

} // namespace dmarace::commands
