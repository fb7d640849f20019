// SPDX-License-Identifier: GPL-2.0-or-later
// Only lines are added: a variable at the top of each function, which is initialised before all
// others, or cleaned up after all others, at whichever return.
#include "base/text.hpp"
#include "repro/repro.hpp"

#include <algorithm>
#include <array>
#include <map>

namespace dmarace::repro {

namespace {

constexpr std::size_t kContext = 3;
constexpr const char* kOurs = "Reproducer, not to be merged";

// Lines to add behind a line, from 1.
using Added = std::map<std::size_t, std::vector<std::string>>;

struct Changed {
    std::vector<std::string> lines;
    Added added;
};

void add_lines(Changed& file, std::size_t behind, const std::string& text) {
    for (auto& line : lines_in(text))
        file.added[behind].push_back(std::move(line));
}

// Behind the last #include that stands for itself, before any function.
std::size_t line_of_includes(const std::vector<std::string>& lines) {
    std::size_t found = 0;
    int depth = 0;
    for (std::size_t i = 0; i < lines.size() && !lines[i].starts_with("{"); ++i) {
        if (lines[i].starts_with("#if"))
            ++depth;
        else if (lines[i].starts_with("#endif"))
            --depth;
        else if (lines[i].starts_with("#include") && depth == 0)
            found = i + 1;
    }
    return found;
}

// Words by which a function says that its callers may not sleep.
constexpr std::array<std::string_view, 6> kAtomic{"assert_spin_locked(",
                                                  "assert_raw_spin_locked(",
                                                  "lockdep_assert_irqs_disabled(",
                                                  "lockdep_assert_in_irq(",
                                                  "lockdep_assert_preemption_disabled(",
                                                  "WARN_ON(!irqs_disabled("};

Status may_sleep(const Hold& hold, const Definition& definition, const std::string& place) {
    for (const std::string_view word : {"__must_hold", "__releases", "__acquires"})
        if (!hold.in_table && definition.behind.find(word) != std::string::npos)
            return fail(Fault::usage, place + ": nobody may sleep there: it says " +
                                          std::string(word) + ", so a caller's lock is held");
    for (const auto word : kAtomic)
        if (definition.body.find(word) != std::string::npos)
            return fail(Fault::usage,
                        place + ": nobody may sleep there: it says " + std::string(word) + ")");
    return {};
}

std::string name_of(const std::string& parameter) {
    const auto end = parameter.find_last_not_of(" []");
    const auto begin = parameter.find_last_of(" *", end);
    return parameter.substr(begin + 1, end - begin);
}

// The struct device, as an expression; "" where the function has none.
std::string device_in(const Hold& hold, const Definition& definition) {
    const auto expression = [](const std::string& parameter) -> std::string {
        if (parameter.find("struct pci_dev *") != std::string::npos)
            return "&" + name_of(parameter) + "->dev";
        const bool device = parameter.find("struct device *") != std::string::npos &&
                            parameter.find("(*") == std::string::npos;
        return device || parameter.starts_with("void *") ? name_of(parameter) : "";
    };
    const auto& all = definition.parameters;
    if (hold.argument)
        return *hold.argument < all.size() ? expression(all[*hold.argument]) : "";
    for (const auto& parameter : all)
        if (!parameter.starts_with("void *") && !expression(parameter).empty())
            return expression(parameter);
    return "";
}

std::string here_text(const Hold& hold, const std::string& n, bool device) {
    std::string who =
        hold.mark == 0 ? "" : "current->signal->oom_score_adj != " + std::to_string(hold.mark);
    if (device && !hold.device.empty())
        who += std::string(who.empty() ? "" : " ||\n\t    ") +
               "!dev || !dev_name(dev) || strcmp(dev_name(dev), \"" + hold.device + "\")";
    std::string out = "static bool repro_here" + n +
                      "(struct device *dev)\n{\n"
                      "\tstatic pid_t last;\n\tstatic int passed;\n\n";
    if (!who.empty())
        out += "\tif (" + who + ")\n\t\treturn false;\n";
    return out +
           "\tif (last != current->pid)\n\t\tpassed = 0;\n\tlast = current->pid;\n"
           "\treturn ++passed == " +
           std::to_string(hold.nth) + ";\n}\n\n";
}

std::string tell_text(const Hold& hold, const std::string& n) {
    const auto line = [&](const std::string& what) {
        return "\tpr_notice(\"repro: " + hold.says + ": " + hold.functions.front() + "() " + what +
               "\\n\");\n";
    };
    const auto ms = std::to_string(hold.sleep.count());
    std::string out = "static bool repro_tell" + n +
                      "(bool here)\n{\n\tif (!here)\n"
                      "\t\treturn false;\n";
    if (hold.sleep.count() == 0)
        return out + line("is passed") + "\treturn true;\n}\n";
    return out + line("sleeps for " + ms + " ms") + "\tmsleep(" + ms + ");\n" + line("goes on") +
           "\treturn true;\n}\n";
}

std::string helpers_of(const Hold& hold, const std::string& n, bool device) {
    std::string out = std::string("\n/* ") + kOurs + ": '" + hold.says + "' at the " +
                      (hold.exit ? "end" : "beginning") + " of " + hold.functions.front() +
                      "(). */\n" + here_text(hold, n, device) + tell_text(hold, n);
    if (hold.exit)
        out += "\nstatic void repro_leave" + n + "(const bool *here)\n{\n\trepro_tell" + n +
               "(*here);\n}\n";
    return out;
}

std::string call_of(const Hold& hold, const std::string& n, const std::string& device) {
    const auto here = "repro_here" + n + "(" + (device.empty() ? "NULL" : device) + ")";
    if (hold.exit)
        return "\tbool repro" + n + " __attribute__((cleanup(repro_leave" + n + "))) = " + here +
               ";\n";
    return "\tbool __maybe_unused repro" + n + " = repro_tell" + n + "(" + here + ");\n";
}

std::string hunk_head(std::size_t first, std::size_t old_count, std::size_t shift,
                      std::size_t new_count) {
    return "@@ -" + std::to_string(first) + "," + std::to_string(old_count) + " +" +
           std::to_string(first + shift) + "," + std::to_string(new_count) + " @@\n";
}

// One file's part of the patch.
std::string diff_of(const std::string& path, const Changed& file) {
    std::string out = "--- a/" + path + "\n+++ b/" + path + "\n";
    std::size_t shift = 0;
    for (auto at = file.added.begin(); at != file.added.end();) {
        const auto first = at->first > kContext ? at->first - kContext + 1 : 1;
        auto last = std::min(at->first + kContext, file.lines.size());
        auto end = std::next(at);
        for (; end != file.added.end() && end->first <= last + kContext; ++end)
            last = std::min(end->first + kContext, file.lines.size());
        std::string body;
        std::size_t added = 0;
        for (auto line = first; line <= last; ++line) {
            body += " " + file.lines[line - 1] + "\n";
            if (const auto more = file.added.find(line); more != file.added.end())
                for (const auto& text : more->second) {
                    body += "+" + text + "\n";
                    ++added;
                }
        }
        const auto count = last - first + 1;
        out += hunk_head(first, count, shift, count + added) + body;
        shift += added;
        at = end;
    }
    return out;
}

Result<SourceFile> file_of(Hold& hold, const Tree& tree) {
    const auto rule = shown(hold.where) + ": rule '" + hold.rule + "': ";
    for (const auto& function : hold.functions) {
        TRY_AS(auto files, tree(function));
        if (files.size() > 1)
            return fail(Fault::usage, rule + function + "() is defined in several files: " +
                                          joined(texts_of(files, &SourceFile::path), ", ") +
                                          "; --file says which");
        if (files.empty())
            continue;
        hold.functions = {function};
        return std::move(files.front());
    }
    return fail(Fault::usage, rule + "no file of the tree defines " +
                                  joined(hold.functions, "() or ") +
                                  "(): it was renamed, or is not in this kernel; name another "
                                  "function in the job, or with --file where it is");
}

} // namespace

Result<std::string> patch_of(std::vector<Hold>& holds, const Tree& tree) {
    std::map<std::string, Changed> files;
    for (std::size_t i = 0; i < holds.size(); ++i) {
        auto& hold = holds[i];
        const auto n = std::to_string(i + 1);
        TRY_AS(const auto source, file_of(hold, tree));
        auto& file = files[source.path];
        if (source.text.find(kOurs) != std::string::npos)
            return fail(Fault::usage, source.path + " has a reproducer already; take that out of "
                                                    "the tree first (git apply -R)");
        if (file.lines.empty()) {
            file.lines = lines_in(source.text);
            add_lines(
                file, line_of_includes(file.lines),
                "#include <linux/delay.h>\n#include <linux/device.h>\n#include "
                "<linux/pci.h>\n#include <linux/sched/signal.h>\n#include <linux/string.h>\n");
        }
        bool device = false;
        for (const auto& definition : definitions_of(source.text, hold.functions.front())) {
            const auto place =
                source.path + ":" + std::to_string(definition.line) + ": " + hold.functions.front();
            TRY(may_sleep(hold, definition, place));
            const auto name = device_in(hold, definition);
            if (name.empty() && !hold.device.empty())
                return fail(Fault::usage, place + "() has no struct device *, and rule '" +
                                              hold.rule + "' is for " + hold.device +
                                              "; say which argument is the device (arg = N)");
            device = device || !name.empty();
            add_lines(file, definition.line, call_of(hold, n, name));
        }
        add_lines(file, line_of_includes(file.lines), helpers_of(hold, n, device));
    }
    std::string out;
    for (const auto& [path, file] : files)
        out += diff_of(path, file);
    return out;
}

} // namespace dmarace::repro
