// SPDX-License-Identifier: GPL-2.0-or-later
// The program dmaraced: its options.
#include "base/files.hpp"
#include "base/help.hpp"
#include "base/options.hpp"
#include "base/process.hpp"
#include "daemon/service.hpp"
#include "job/load.hpp"

#include <sys/prctl.h>

#include <iostream>
#include <sstream>

namespace po = dmarace::po;

namespace {

constexpr const char* kAbout =
    "usage: dmaraced [OPTION..]\n\n"
    "Runs the jobs that 'dmarace queue add' puts into the spool directory, or that are dropped\n"
    "into its new/ by hand, one at a time, and goes on after a stop or a boot where it was.\n"
    "In the foreground; under systemd it tells readiness, feeds the watchdog and logs with\n"
    "fields (journalctl DMARACE_ENTRY=..). SIGTERM ends it within 5 s; what a run has changed\n"
    "is restored then, or at the next start.\n\n";

// What is wrong with a job its run says, not we.
std::optional<dmarace::job::Trigger> trigger_of(const std::string& name) {
    const auto checked = dmarace::job::check_job(name);
    return checked && checked->job ? checked->job->trigger : std::nullopt;
}

dmarace::daemon::ServiceOptions to_options(const dmarace::ParsedWords& parsed) {
    dmarace::daemon::ServiceOptions out;
    out.results = parsed.text("results");
    out.program = parsed.text("program");
    out.reboot = parsed.text("reboot");
    out.trigger_of = trigger_of;
    out.once = parsed.flag("once");
    return out;
}

// The one that came with us, the installed one.
std::string dmarace_of_ours() {
    std::error_code ec;
    const auto beside = dmarace::own_tree() / "dmarace";
    return std::filesystem::is_regular_file(beside, ec) ? beside.string() : DMARACE_PROGRAM;
}

std::string nothing_near(std::string_view /*option*/, const std::vector<std::string>& /*options*/) {
    return "";
}

} // namespace

int main(int argc, char** argv) {
    ::prctl(PR_SET_NAME, "dmaraced");
    dmarace::keep_standard_descriptors();
    po::options_description visible("Options");
    visible.add_options()("spool", po::value<std::string>()->default_value(dmarace::queue::kSpool),
                          "DIR of the queue: root's own, mode 0700")(
        "results", po::value<std::string>()->default_value("/var/lib/dmarace"),
        "DIR that gets a directory for each entry")(
        "program", po::value<std::string>()->default_value(dmarace_of_ours(), "dmarace beside it"),
        "the dmarace that is run")(
        "reboot", po::value<std::string>()->default_value(""),
        "PROGRAM that boots the machine when a run needs it (/usr/sbin/reboot); without it the\n"
        "queue waits for somebody who does")("once", po::bool_switch(),
                                             "end when the queue is empty")("help,h", "this help")(
        "version", "the version");
    std::ostringstream help;
    help << kAbout << visible;
    const std::vector<std::string> words(argv + 1, argv + argc);
    if (words == std::vector<std::string>{"help", "--man"}) {
        std::cout << dmarace::to_text({"dmaraced", 8,
                                       "run a queue of dmarace jobs, over days and boots",
                                       help.str(), "dmarace(8), dmarace-queue(8)"});
        return 0;
    }
    const auto parsed = dmarace::parse_words(
        words, visible,
        {.before = "unrecognised option '",
         .after = "'",
         .nearest = nothing_near,
         .no_words = "too many positional options have been specified on the command line"});
    if (!parsed) {
        std::cerr << "dmaraced: " << parsed.error().message << " (dmaraced --help)\n";
        return dmarace::kExitUsage;
    }
    if (parsed->has("help")) {
        std::cout << help.str();
        return 0;
    }
    if (parsed->has("version")) {
        std::cout << "dmaraced " DMARACE_VERSION "\n";
        return 0;
    }
    auto spool = dmarace::queue::Spool::open(parsed->text("spool"));
    if (!spool) {
        std::cerr << "dmaraced: " << spool.error().message << "\n";
        return dmarace::kExitEnvironment;
    }
    return dmarace::daemon::serve(*std::move(spool), to_options(*parsed));
}
