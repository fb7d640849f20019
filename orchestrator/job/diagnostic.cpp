// SPDX-License-Identifier: GPL-2.0-or-later
#include "job/diagnostic.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <tuple>

namespace dmarace::job {

namespace {

constexpr auto kRows = std::to_array<CodeRow>({
    {Code::syntax, "syntax", "The file is no TOML, so nothing in it can be read.",
     "Texts stand in double quotes, lists in [ ], a table under its [name]."},
    {Code::key, "unknown-key",
     "A key that nobody reads is a slip: what it was meant to say would silently not happen.",
     "Take the nearest key, or see docs/job-format.md for those of this table."},
    {Code::missing, "missing", "Without it the job does not say what is to be done.",
     "Add the key, with a value."},
    {Code::kind, "wrong-kind",
     "The value is of another kind than the key takes: a number for a text, a text for a list.",
     "Write the kind that the message names."},
    {Code::value, "wrong-value", "The word is none of those the key takes.",
     "Take one of those the message names, or see docs/job-format.md."},
    {Code::unit, "unit", "Without its unit a time could be off by a factor of a million.",
     "Write a whole number and a unit, in quotes: 10ns, 30us, 250ms, 2s, 5m, 1h."},
    {Code::limit, "limit",
     "The module has room for so much and no more, and no hold may outlast the kernel's own "
     "watchdogs.",
     "Stay below the limit that the message names."},
    {Code::twice, "twice",
     "Signals and results are told apart by name; with two of one name nobody knows which.",
     "Rename one of them."},
    {Code::step, "step", "The step is not one that an actor can do, as it is written.",
     "Take the nearest, or see the steps of docs/job-format.md."},
    {Code::param, "parameter",
     "The word cannot be filled in, so the step or rule would work on nothing.",
     "Define the parameter in [params] with the type that this place wants."},
    {Code::actor, "unknown-actor",
     "No process of this job has that name: a filter would never match, a signal never come.",
     "Take the name of an [[actor]]; a [type] table makes the actor 'writer'."},
    {Code::point, "unknown-point",
     "A task can be held only where the module knows the arguments and the locks.",
     "Take a name of 'dmarace list points'; unsafe = true tries any symbol."},
    {Code::no_sleep, "cannot-sleep",
     "A task that cannot sleep at this point would take the processor with it.",
     "Hold or delay it at a caller or a callee that may sleep."},
    {Code::no_action, "no-action",
     "The rule is hit and does nothing, so it changes nothing and tests nothing.",
     "Give it delay, signal, wait_for or return."},
    {Code::owned_lock, "owned-lock",
     "The held task owns a lock. The one it waits for needs that lock and sleeps on it, so the "
     "two never meet in the window: the hold ends by its timeout and the race was not tried.",
     "Hold the task where it does not own the lock: often the exit of the function that "
     "releases it, or the enter of the one that takes it. Where the lock is the fix, wait for "
     "blocked:ACTOR: the other side asleep on it is then what a fixed kernel shows."},
    {Code::maybe_owned_lock, "maybe-owned-lock",
     "Two devices may sit in one IOMMU group or be one device. Then the held task owns the "
     "lock that the awaited one needs, the hold ends by its timeout, and nothing is tested.",
     "Name the same parameter on both sides if they are meant to be one, else look at "
     "'dmarace list groups' before you trust a timeout."},
    {Code::holds_anybody, "holds-anybody",
     "Every task that comes by is held. If the awaited actor comes by, it waits for its own "
     "end until the timeout.",
     "Add actor = \"NAME\" of the one that has to stand still; for kworkers dev or from."},
    {Code::holds_awaited, "holds-awaited",
     "The rule holds the very actor whose progress it waits for: nobody else can end it.",
     "Wait for a signal of another actor."},
    {Code::stops_binds, "stops-binds",
     "iommu_probe_device_lock is one for the whole machine: while a task stays here, every "
     "bind of every device waits behind it, those of other actors too.",
     "Hold at a point outside it, or keep the time short; 'dmarace list points' tells which."},
    {Code::no_device, "no-device",
     "The function does not get the device as an argument, so the filter can match nothing.",
     "Leave 'dev' out and filter by actor or from, or take a point that knows its device."},
    {Code::no_timeout, "no-timeout",
     "A hold always ends; without a word from you that is after 2s.",
     "Write timeout = \"2s\", or what the other side really needs."},
    {Code::not_raised, "not-raised",
     "Who waits for it waits until the time is over, and the race was not tried.",
     "Raise it: signal = \"NAME\" in a rule, or a step \"signal NAME\"."},
    {Code::unheard, "unheard", "The signal changes nothing: nobody waits for it.",
     "Wait for it in a step or a rule, or leave it out."},
    {Code::waits_for_itself, "waits-for-itself",
     "The signal comes only after a step that this actor has not reached, because it waits.",
     "Let another actor or a rule raise it, or move the wait."},
    {Code::circle, "circle",
     "Each of them goes on only after the other has ended: all wait until the time is over.",
     "Take one of the waits out, or wait for step:ACTOR:N instead of done:ACTOR."},
    {Code::only_optional, "only-optional",
     "An optional rule need not be hit; where it is not, the wait runs into its limit.",
     "Give the wait a short time, or a rule that must be hit."},
    {Code::raises_own, "raises-own",
     "The signal is up before the rule begins to wait for it, so the hold ends at once.",
     "Wait for a signal of somebody else."},
    {Code::reset_signal, "reset-signal",
     "Signals count from arming on, and reset is done before it.", "Move the step into an actor."},
    {Code::unused_param, "unused-parameter",
     "The board chooses it, the user may set it, and nothing follows from it.",
     "Use it as {name}, or take it out."},
    {Code::no_source, "no-source", "Others cannot judge whether the job tests what it says.",
     "Name the thread, the commit or the report: source = \"..\"."},
    {Code::no_steps, "no-steps", "The actor ends at once and does nothing.",
     "Give it steps, or take it out."},
    {Code::needs_unsafe, "needs-unsafe",
     "The guard cannot see what this does, or it may wedge the machine; without --unsafe the "
     "job is refused.",
     "Keep it only if there is no other way, and run it on a board that has nothing to lose."},
    {Code::risk, "risk",
     "The user is told that the job leaves the machine as it was, and it does not.",
     "Write risk = \"taint\", or \"reboot\" if it may wedge the machine."},
});

// A message quotes what a file holds; on a terminal and in a log it stays one
// line of letters.
std::string printable(const std::string& text) {
    constexpr char kDigits[] = "0123456789abcdef";
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x20 && byte != 0x7f) {
            out += c;
            continue;
        }
        out += "\\x";
        out += kDigits[byte >> 4];
        out += kDigits[byte & 0xf];
    }
    return out;
}

constexpr std::size_t kWidth = 90;

bool continues_letter(char c) {
    return (static_cast<unsigned char>(c) & 0xc0U) == 0x80U;
}

// The byte of a line at a column, which counts letters from 1.
std::size_t byte_at(const std::string& line, unsigned column) {
    std::size_t at = 0;
    for (unsigned seen = 1; seen < column && at < line.size(); ++seen) {
        ++at;
        while (at < line.size() && continues_letter(line[at]))
            ++at;
    }
    return at;
}

bool ends_word(char c) {
    return c == ' ' || c == '\t' || c == '"' || c == '\'' || c == ',' || c == ']' || c == '=' ||
           c == '#';
}

// Blanks up to the place, tabs kept so that the mark stands below its word.
std::string mark(const std::string& line, unsigned column) {
    const std::size_t begin = byte_at(line, column);
    std::string out;
    for (std::size_t i = 0; i < begin; ++i)
        if (!continues_letter(line[i]))
            out += line[i] == '\t' ? '\t' : ' ';
    out += '^';
    for (std::size_t i = begin + 1; i < line.size() && !ends_word(line[i]); ++i)
        if (!continues_letter(line[i]))
            out += '~';
    return out;
}

// Words in lines of at most kWidth letters, each line after 'lead'.
std::string wrapped(std::string_view text, const std::string& lead, const std::string& indent) {
    std::string out, line = lead;
    while (!text.empty()) {
        const auto end = std::min(text.find(' '), text.size());
        const auto word = text.substr(0, end);
        if (line.size() + 1 + word.size() > kWidth && line != indent) {
            out += line + "\n";
            line = indent;
        } else if (line != indent && !line.ends_with(' ')) {
            line += ' ';
        }
        line += word;
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return out + line + "\n";
}

} // namespace

std::span<const CodeRow> code_rows() {
    return kRows;
}

const CodeRow& row_of(Code code) {
    return kRows.at(static_cast<std::size_t>(code));
}

std::optional<Code> code_from(std::string_view name) {
    for (const auto& row : code_rows())
        if (row.name == name)
            return row.code;
    return std::nullopt;
}

std::vector<std::string> code_names() {
    std::vector<std::string> out;
    for (const auto& row : code_rows())
        out.emplace_back(row.name);
    return out;
}

std::string to_text(const Diagnostic& diagnostic) {
    const char* level = diagnostic.level == Diagnostic::Level::error ? "error" : "warning";
    return shown(diagnostic.where) + ": " + level + ": " + diagnostic.message;
}

void add_error(Code code, Diagnostics& diagnostics, Place where, const std::string& message) {
    diagnostics.push_back({Diagnostic::Level::error, std::move(where), printable(message), code});
}

void add_warning(Code code, Diagnostics& diagnostics, Place where, const std::string& message) {
    diagnostics.push_back({Diagnostic::Level::warning, std::move(where), printable(message), code});
}

bool has_errors(const Diagnostics& diagnostics) {
    return std::any_of(diagnostics.begin(), diagnostics.end(), [](const Diagnostic& diagnostic) {
        return diagnostic.level == Diagnostic::Level::error;
    });
}

void sort(Diagnostics& diagnostics) {
    const auto key = [](const Diagnostic& d) { return std::tie(d.where.line, d.where.column); };
    std::stable_sort(diagnostics.begin(), diagnostics.end(),
                     [&](const auto& a, const auto& b) { return key(a) < key(b); });
    const auto same = [](const auto& a, const auto& b) {
        return a.where == b.where && a.message == b.message;
    };
    diagnostics.erase(std::unique(diagnostics.begin(), diagnostics.end(), same), diagnostics.end());
}

std::string line_at(const std::string& text, const Place& where) {
    std::size_t begin = 0;
    for (unsigned line = 1; line < where.line; ++line) {
        begin = text.find('\n', begin);
        if (begin == std::string::npos)
            return "";
        ++begin;
    }
    std::string line = text.substr(begin, std::min(text.find('\n', begin), text.size()) - begin);
    if (line.ends_with('\r'))
        line.pop_back();
    std::replace_if(
        line.begin(), line.end(),
        [](unsigned char c) { return (c < 0x20 && c != '\t') || c == 0x7f; }, ' ');
    return line;
}

std::string explained(const Diagnostic& diagnostic, const std::string& text) {
    const auto& row = row_of(diagnostic.code);
    std::string out = to_text(diagnostic) + " [" + std::string(row.name) + "]\n";
    const std::string line = line_at(text, diagnostic.where);
    if (!line.empty()) {
        std::string number = std::to_string(diagnostic.where.line);
        number.insert(0, number.size() < 5 ? 5 - number.size() : 0, ' ');
        out += number + " | " + line + "\n" + std::string(number.size(), ' ') + " | " +
               mark(line, diagnostic.where.column) + "\n";
    }
    return out + wrapped(row.why, "  why: ", "       ") + wrapped(row.remedy, "  do:  ", "       ");
}

std::string code_text(Code code) {
    const auto& row = row_of(code);
    return std::string(row.name) + "\n" + wrapped(row.why, "  why: ", "       ") +
           wrapped(row.remedy, "  do:  ", "       ");
}

} // namespace dmarace::job
