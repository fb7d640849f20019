// SPDX-License-Identifier: GPL-2.0-or-later
// The subcommand 'dmarace queue': the jobs that dmaraced runs.
#include "commands/commands.hpp"
#include "commands/run_options.hpp"
#include "job/load.hpp"
#include "queue/spool.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace dmarace::commands {

namespace {

using queue::Shelf;
using queue::Spool;

constexpr const char* kAbout =
    "The queue of dmaraced. 'add' takes a job and the options of 'dmarace run' (after --), 'list'\n"
    "shows what waits, runs and has ended, 'cancel' takes a waiting entry away and ends a\n"
    "running one. A job file dropped into new/ of the spool directory is an entry too.\n";

// What dmaraced would find wrong later is said now.
Status check(const queue::Entry& entry) {
    const auto job = load_job(entry.job);
    if (!job)
        return std::unexpected(job.error());
    po::options_description known("");
    add_run_options(known);
    const auto parsed = parse(entry.args, known);
    if (!parsed)
        return std::unexpected(parsed.error());
    const auto options = to_options(*parsed);
    if (!options)
        return std::unexpected(options.error());
    if (const auto why = job::why_unsafe(*job); !why.empty() && !options->unsafe)
        return fail(Fault::usage, "job " + job->name + ": " + why + "; --unsafe queues it");
    return {};
}

int add(const Spool& spool, const Words& words) {
    queue::Entry entry;
    entry.job = words.empty() ? "" : words.front();
    if (entry.job.empty())
        return report_error("queue", Error{Fault::usage, "give a JOB to add", 0});
    entry.args.assign(words.begin() + 1, words.end());
    // A path holds from wherever the daemon stands.
    std::error_code ec;
    if (std::filesystem::exists(entry.job, ec) && entry.job.find('/') != std::string::npos)
        entry.job = std::filesystem::absolute(entry.job, ec).string();
    const auto text = queue::to_text(entry);
    if (const auto read = queue::parse_entry(text, entry.job); !read)
        return report_error("queue", read.error());
    if (const auto checked = check(entry); !checked)
        return report_error("queue", checked.error());
    const auto name = queue::entry_name(entry.job);
    if (const auto added = spool.add(name, text); !added)
        return report_error("queue", added.error());
    return print(name + "\n") ? 0 : kExitEnvironment;
}

int list(const Spool& spool) {
    std::string out;
    for (const auto shelf : {Shelf::running, Shelf::fresh, Shelf::trigger, Shelf::done, Shelf::bad})
        for (const auto& name : spool.list(shelf)) {
            const auto text = spool.read(shelf, name);
            const auto entry = text ? queue::parse_entry(*text, name)
                                    : Result<queue::Entry>(std::unexpected(text.error()));
            out += std::string(queue::to_text(shelf)) + "\t" + name;
            if (entry && !entry->job.empty()) {
                out += "\t" + entry->job;
                for (const auto& arg : entry->args)
                    out += " " + arg;
                if (!entry->event.empty())
                    out += "\t" + entry->event;
            }
            out += "\n";
        }
    return print(out.empty() ? "the queue is empty\n" : out) ? 0 : kExitEnvironment;
}

int cancel(const Spool& spool, const Words& names) {
    if (names.empty())
        return report_error("queue",
                            Error{Fault::usage, "give the NAME of an entry (queue list)", 0});
    for (const auto& name : names) {
        const auto has = [&](Shelf shelf) {
            const auto known = spool.list(shelf);
            return std::ranges::find(known, name) != known.end();
        };
        if (has(Shelf::fresh) || has(Shelf::trigger)) {
            const auto shelf = has(Shelf::fresh) ? Shelf::fresh : Shelf::trigger;
            if (const auto removed = spool.remove(shelf, name); !removed)
                return report_error("queue", removed.error());
        } else if (has(Shelf::running)) {
            std::ofstream(spool.path_of(Shelf::running, name + ".cancel"));
        } else {
            return report_error(
                "queue",
                Error{Fault::usage, "no entry " + name + " waits or runs (queue list)", 0});
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
    const auto parsed = parse({words.begin(), split}, visible);
    if (!parsed)
        return report_error("queue", parsed.error());
    if (parsed->flag("help"))
        return print(help_text("queue [--spool DIR] add JOB [RUN-OPTION..] | list | cancel NAME..",
                               kAbout, visible))
                   ? 0
                   : kExitEnvironment;
    const auto verb = parsed->words.empty() ? "list" : parsed->words.front();
    if (verb != "add" && verb != "list" && verb != "cancel")
        return report_error(
            "queue", Error{Fault::usage, "queue takes add, list or cancel, not '" + verb + "'", 0});
    const auto spool = Spool::open(parsed->text("spool"));
    if (!spool)
        return report_error("queue", spool.error());
    if (verb == "list")
        return list(*spool);
    Words rest(parsed->words.begin() + 1, parsed->words.end());
    for (auto word = split; word != words.end(); ++word)
        if (*word != "--")
            rest.push_back(*word);
    return verb == "add" ? add(*spool, rest) : cancel(*spool, rest);
}

} // namespace dmarace::commands
