// SPDX-License-Identifier: GPL-2.0-or-later
// The subcommand 'dmarace new'.
#include "base/text.hpp"
#include "commands/commands.hpp"
#include "job/help.hpp"

#include <fcntl.h>
#include <unistd.h>

namespace dmarace::commands {

namespace {

Status write_new(const std::string& path, const std::string& text) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0)
        return errno == EEXIST ? fail(Fault::usage, path + " is there already; it stays as it is")
                               : Status(fail_errno("cannot make " + path));
    const auto put = ::write(fd, text.data(), text.size());
    const int why = errno;
    ::close(fd);
    if (put == static_cast<ssize_t>(text.size()))
        return {};
    ::unlink(path.c_str());
    return fail_errno("cannot write " + path, put < 0 ? why : ENOSPC);
}

std::string kinds_text() {
    std::string out;
    for (const auto& kind : job::skeleton_kinds())
        out += "  " + std::string(kind.word) + ": " + std::string(kind.help) + "\n";
    return out;
}

} // namespace

int run_new(const Words& words) {
    po::options_description visible("Options");
    visible.add_options()("kind", po::value<std::string>()->default_value("hold"),
                          "what the job shows: hold, delay or type");
    const auto parsed = parse(words, visible);
    if (!parsed)
        return report_error("new", parsed.error());
    if (parsed->flag("help"))
        return print(help_text("new NAME",
                               "Writes NAME.toml here: a job with comments that lints clean, to "
                               "start from.\nKinds:\n" +
                                   kinds_text(),
                               visible))
                   ? 0
                   : kExitEnvironment;
    if (parsed->words.size() != 1)
        return report_error("new", Error{Fault::usage, "give one NAME", 0});
    const auto& name = parsed->words.front();
    if (name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") != std::string::npos)
        return report_error(
            "new",
            Error{Fault::usage, "a job's name is of a-z, 0-9 and '-', not '" + name + "'", 0});
    const auto kind = parsed->text("kind");
    if (!job::contains(job::skeleton_kinds(), kind))
        return report_error("new", Error{Fault::usage,
                                         "no kind '" + kind + "'" +
                                             did_you_mean(kind, job::names(job::skeleton_kinds())) +
                                             "; it is hold, delay or type",
                                         0});
    if (const auto made = write_new(name + ".toml", job::skeleton(name, kind)); !made)
        return report_error("new", made.error());
    print(name + ".toml written; edit it, then: dmarace lint ./" + name + ".toml\n");
    return 0;
}

} // namespace dmarace::commands
