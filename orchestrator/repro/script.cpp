// SPDX-License-Identifier: GPL-2.0-or-later
// The acts of a job as POSIX sh for a guest that has a shell, kmod and a /proc, and nothing of
// ours.
#include "base/text.hpp"
#include "job/words.hpp"
#include "kmod/dmarace_abi.h"
#include "repro/repro.hpp"

#include <algorithm>
#include <chrono>
#include <set>

namespace dmarace::repro {

namespace {

using job::Step;
using job::Verb;

constexpr std::string_view kBegin = R"sh(set -u
say() { echo "repro: $*"; }
die() { say "$*" >&2; exit 2; }

# What the kernel said in this round.
said() { dmesg | sed -n "/repro: round $round begins/,\$p"; }

# wait_for NAME SECONDS: for a line that the patch prints, or for what another act tells.
wait_for() {
    left=$(($2 * 10))
    while [ $left -gt 0 ]; do
        if [ -e "$dir/$1" ] || said | grep -q "repro: $1: "; then return 0; fi
        sleep 0.1
        left=$((left - 1))
    done
    say "$1 did not come in $2 s"
    return 1
}
tell() { : >"$dir/$1"; }
settle() { udevadm settle 2>/dev/null; sleep 1; }

# put VALUE FILE
put() { echo "$1" >"$2"; }
at() { echo "/sys/bus/$1/devices/$2"; }
is_bound() { [ -e "$(at "$1" "$2")/driver" ]; }
# remember BUS DEVICE: its driver, for when it is bound again
remember() {
    if ! is_bound "$1" "$2"; then
        modprobe -q "$(cat "$(at "$1" "$2")/modalias")" 2>/dev/null
        put "$2" "/sys/bus/$1/drivers_probe" 2>/dev/null
    fi
    if is_bound "$1" "$2"; then
        basename "$(readlink "$(at "$1" "$2")/driver")" >"/tmp/repro.driver.$2"
    fi
    [ -e "/tmp/repro.driver.$2" ] || die "no driver for $2"
}
bind() { put "$2" "/sys/bus/$1/drivers/${3:-$(cat "/tmp/repro.driver.$2")}/bind"; }
unbind() { ! is_bound "$1" "$2" || put "$2" "$(at "$1" "$2")/driver/unbind"; }
remove() { put 1 "$(at "$1" "$2")/remove"; }
# remove_grouped DEVICE..: these too, whose group may have been lost
remove_grouped() {
    for device in /sys/bus/pci/devices/*; do
        [ ! -e "$device/iommu_group" ] || put 1 "$device/remove"
    done
    for device; do
        [ ! -e "$(at pci "$device")" ] || remove pci "$device"
    done
}
unload() { [ ! -e "/sys/module/$1" ] || rmmod "$1"; }
# A device that goes is not to be found any more while its group still is.
remember_group() { readlink -f "$(at "$1" "$2")/iommu_group" >"$dir/group.$2" || :; }
set_type() { put "$3" "$(cat "$dir/group.$2" || echo "$(at "$1" "$2")/iommu_group")/type"; }
expect_bound() { is_bound "$1" "$2" || die "$2 is not bound"; }
expect_unbound() { ! is_bound "$1" "$2" || die "$2 is bound"; }
expect_deferred() { expect_unbound "$@"; }
expect_gone() { [ ! -e "$(at "$1" "$2")" ] || die "$2 is there"; }
expect_ungrouped() { [ ! -e "$(at "$1" "$2")/iommu_group" ] || die "$2 has a group"; }

)sh";

// Of a started actor, and what came of the round.
constexpr std::string_view kEnd = R"sh(
# start NAME MARK: the patch knows a task by its oom_score_adj.
start() {
    (
        export dir round
        echo "$2" >/proc/self/oom_score_adj
        exec sh "$0" --actor "$1"
    ) &
    actors="$actors $1:$!"
}
is_alive() { [ -e "/proc/$1" ] && ! grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null; }

# The words of an oops, a warning, a corrupted list, a stall.
signs='Oops|BUG:|Unable to handle|Internal error|WARNING:|refcount_t:|list_(add|del) corruption'
signs="$signs|KASAN|KFENCE|blocked for more than|rcu.*stall|something fishy"
shown='' lost=''
judge() { said | grep -E "$signs" >"$dir/signs" && show "$(head -n 1 "$dir/signs")"; }
actor_again() { (begin) || :; }
# await: until all that were started have ended
await() {
    left=$((limit * 10)) dying=
    for actor in $actors; do
        while is_alive "${actor#*:}" && [ $left -gt 0 ]; do
            sleep 0.1
            left=$((left - 1))
            # Who waits for one that the kernel killed waits for ever.
            if [ -z "$dying" ] && [ $((left % 10)) = 0 ] && said | grep -qE 'Internal error|BUG:'; then
                dying=1 left=30
            fi
        done
        if is_alive "${actor#*:}"; then
            show "${actor%:*} hangs: $(tr '\n' ' ' <"/proc/${actor#*:}/stack" 2>/dev/null)"
        elif [ ! -e "$dir/done:${actor%:*}" ]; then
            lost="$lost ${actor%:*}"
        fi
    done
}
show() { say "SHOWN: $*"; shown=1; }

case ${1:-} in
--actor)
    "actor_$2"
    tell "done:$2"
    exit 0
    ;;
esac
[ "$(id -u)" = 0 ] || die "this is for root, on a machine that may crash"
round=$$ dir=/tmp/repro.$$ actors=
mkdir "$dir" || exit 2
trap 'rm -rf "$dir"' EXIT
begin
put "repro: round $round begins" /dev/kmsg
start_all

await
settle
judge
look
# What was done to a list or a reference may show when it is taken apart.
if [ -z "$shown" ]; then
    actors=
    start again 0
    await
    judge
fi
reached='' missed=''
for line in $lines; do
    if said | grep -q "repro: $line: "; then reached=1; else missed="$missed $line"; fi
done
# What goes wrong before anybody was there is something else.
if [ -z "$reached" ] || { [ -z "$shown" ] && [ -n "$missed" ]; }; then
    say "NOT REACHED: nobody came by:$missed; is this kernel patched?"
    exit 3
fi
[ -z "$shown" ] || exit 1
[ -z "$lost" ] || die "of no use: ended before its time:$lost"
say "not shown"
exit 0
)sh";

constexpr std::string_view kGrouped = "remove_grouped";

std::unexpected<Error> refuse(const Step& step, const std::string& why) {
    return fail(Fault::untestable, shown(step.where) + ": '" + step.text + "': " + why);
}

std::string quoted(const std::string& word) {
    const bool plain = word.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                              "0123456789_-.:/=") == std::string::npos;
    if (plain && !word.empty())
        return word;
    std::string out = "'";
    for (const char c : word)
        out += c == '\'' ? "'\\''" : std::string(1, c);
    return out + "'";
}

// "BUS NAME"; PCI where no bus is named.
std::string bus_and_name(const std::string& device) {
    const auto slash = device.find('/');
    return slash == std::string::npos
               ? "pci " + device
               : device.substr(0, slash) + " " + quoted(device.substr(slash + 1));
}

std::string seconds(const std::string& time) {
    const auto value = parse_duration(time);
    return std::to_string(
        std::chrono::ceil<std::chrono::seconds>(value ? *value : Nanoseconds{10'000'000'000})
            .count());
}

std::string argument(const Step& step, std::size_t at) {
    return at < step.args.size() ? step.args[at] : "";
}

Result<std::string> wait_text(const Step& step) {
    const auto signal = job::parse_signal(step.args.at(0));
    if (!signal.own() && signal.prefix != DMARACE_S_DONE && signal.prefix != DMARACE_S_STEP)
        return refuse(step, "a shell cannot see that signal; wait for one of a rule, or for done:");
    return "wait_for " + quoted(step.args.at(0)) + " " +
           seconds(step.args.size() > 1 ? step.args[1] : "10s");
}

std::string type_text(const Step& step) {
    const auto& whose = step.args.at(0);
    if (is_digits(whose))
        return "put " + quoted(step.args.back()) + " /sys/kernel/iommu_groups/" + whose + "/type";
    return "set_type " + bus_and_name(whose) + " " + quoted(step.args.back());
}

std::string insert_text(const Step& step) {
    std::string out = "modprobe " + quoted(step.args.at(0));
    for (std::size_t i = 1; i < step.args.size(); ++i)
        out += " " + (step.args[i] == "async" ? "async_probe" : quoted(step.args[i]));
    return out;
}

std::string bind_text(const Step& step) {
    return "bind " + bus_and_name(step.args.at(0)) +
           (step.args.size() > 1 ? " " + quoted(step.args[1]) : "");
}

std::string remove_text(const Step& step) {
    if (step.args.size() > 1)
        return std::string(kGrouped);
    return "remove " + bus_and_name(step.args.at(0));
}

std::string autoprobe_text(const Step& step) {
    return std::string("put ") + (step.args.at(0) == "on" ? "1" : "0") + " /sys/bus/" +
           (step.args.size() > 1 ? step.args[1] : "pci") + "/drivers_autoprobe";
}

std::string probe_text(const Step& step) {
    const auto words = bus_and_name(step.args.at(0));
    return "put " + words.substr(words.find(' ') + 1) + " /sys/bus/" +
           words.substr(0, words.find(' ')) + "/drivers_probe";
}

std::string device_file(const Step& step, const std::string& value, const std::string& file) {
    return "put " + quoted(value) + " \"$(at " + bus_and_name(step.args.at(0)) + ")/" + file + "\"";
}

std::string expect_text(const Step& step) {
    return step.args.size() == 2 ? "expect_" + step.args[0] + " " + bus_and_name(step.args[1]) : "";
}

struct ShellRow {
    Verb verb;
    std::string (*text)(const Step&);
};

// What a shell can do; "" for a step that only looks.
constexpr ShellRow kShell[]{
    {Verb::insmod, insert_text},
    {Verb::rmmod, [](const Step& step) { return "unload " + quoted(argument(step, 0)); }},
    {Verb::bind, bind_text},
    {Verb::unbind, [](const Step& step) { return "unbind " + bus_and_name(argument(step, 0)); }},
    {Verb::override_driver,
     [](const Step& step) {
         const auto driver = argument(step, 1);
         return device_file(step, driver == "none" ? "" : driver, "driver_override");
     }},
    {Verb::autoprobe, autoprobe_text},
    {Verb::probe, probe_text},
    {Verb::remove, remove_text},
    {Verb::rescan, [](const Step&) { return std::string("put 1 /sys/bus/pci/rescan"); }},
    {Verb::sriov,
     [](const Step& step) { return device_file(step, argument(step, 1), "sriov_numvfs"); }},
    {Verb::reset, [](const Step& step) { return device_file(step, "1", "reset"); }},
    {Verb::type, type_text},
    {Verb::write,
     [](const Step& step) {
         return "put " + quoted(argument(step, 1)) + " " + quoted(argument(step, 0));
     }},
    {Verb::read,
     [](const Step& step) { return "cat " + quoted(argument(step, 0)) + " >/dev/null"; }},
    {Verb::signal, [](const Step& step) { return "tell " + quoted(argument(step, 0)); }},
    {Verb::settle, [](const Step&) { return std::string("settle"); }},
    {Verb::sleep, [](const Step& step) { return "sleep " + seconds(argument(step, 0)); }},
    {Verb::expect, expect_text},
    {Verb::audit, [](const Step&) { return std::string(); }},
};

Result<std::string> text_of(const Step& step) {
    if (step.verb == Verb::wait)
        return wait_text(step);
    if (step.verb == Verb::walk)
        return refuse(step, "a walk on demand is made by a module of dmarace; take a job whose "
                            "IOMMU's driver is inserted");
    const auto row = std::ranges::find(kShell, step.verb, &ShellRow::verb);
    if (row == std::end(kShell))
        return refuse(step, "no shell can do that");
    return row->text(step);
}

// A shell function with the steps; step:ACTOR:N is told where somebody waits for it.
Result<std::string> function_of(const std::string& head, const std::vector<Step>& steps,
                                const std::string& actor) {
    std::string out = head + "() {\n";
    for (std::size_t i = 0; i < steps.size(); ++i) {
        TRY_AS(const auto text, text_of(steps[i]));
        if (!text.empty())
            out += "    " + text + "\n";
        if (!actor.empty() && text.starts_with("wait_for"))
            out.insert(out.size() - 1, " || return");
        if (!actor.empty())
            out += "    tell step:" + actor + ":" + std::to_string(i + 1) + "\n";
    }
    return out + "    :\n}\n";
}

// The devices that steps of these verbs name.
void add_named(const std::vector<Step>& steps, std::initializer_list<Verb> verbs,
               std::set<std::string>& out) {
    for (const auto& step : steps)
        if (std::ranges::find(verbs, step.verb) != verbs.end() && !is_digits(step.args.at(0)))
            out.insert(step.args[0]);
}

// Those that have an IOMMU: without a group their DMA goes round it.
std::set<std::string> behind_iommu(const job::Job& job, const job::Plan& plan) {
    std::set<std::string> out(plan.expect.devices.begin(), plan.expect.devices.end());
    for (const auto& param : job.params)
        for (std::size_t i = 0; !param.behind.empty() && i < job.actors.size(); ++i)
            for (std::size_t j = 0; j < job.actors[i].steps.size(); ++j)
                if (const auto& args = job.actors[i].steps[j].args;
                    !args.empty() && args.front() == "{" + param.name + "}" &&
                    i < plan.actors.size() && j < plan.actors[i].steps.size())
                    out.insert(plan.actors[i].steps[j].args.front());
    return out;
}

std::string look_text(const std::set<std::string>& devices) {
    std::string out =
        "# A fixed kernel may put a bind off; then it has to go right now.\nlook() {\n";
    for (const auto& device : devices) {
        const auto words = bus_and_name(device);
        out += "    [ ! -e \"$(at " + words + ")\" ] || is_bound " + words + " || bind " + words +
               " 2>/dev/null\n    ! is_bound " + words + " || [ -e \"$(at " + words +
               ")/iommu_group\" ] ||\n        show \"" + device +
               " is bound without a group: its DMA goes round its IOMMU\"\n";
    }
    return out + "    :\n}\n";
}

} // namespace

Status can_script(const job::Job& job) {
    if (job.at_boot)
        return fail(Fault::untestable, shown(job.where) + ": " + job.name +
                                           " acts at boot, and no script does before that");
    if (job.type_storm)
        return fail(Fault::untestable, shown(job.type_where) +
                                           ": a [type] table draws its writes while it runs, and "
                                           "no shell can do that");
    std::vector<Step> all = job.reset;
    for (const auto& actor : job.actors)
        all.insert(all.end(), actor.steps.begin(), actor.steps.end());
    for (const auto& step : all)
        TRY(text_of(step));
    return {};
}

Result<std::string> script_of(const job::Job& job, const job::Plan& plan,
                              const std::vector<Hold>& holds) {
    TRY(can_script(job));
    std::string out =
        "#!/bin/sh\n# Reproducer of: " + printable(job.summary) + "\n# For a kernel with " +
        kPatch +
        ", as root, on a machine that may crash; once a boot.\n"
        "# Exit: 1 shown, 0 not shown, 3 the place was not reached, 2 cannot begin.\n";
    out += kBegin;
    const auto gains_or_loses = {Verb::bind, Verb::unbind, Verb::probe};
    std::set<std::string> bound, typed, judged;
    std::string start = "start_all() {\n", before, after;
    add_named(plan.reset, gains_or_loses, bound);
    for (const auto& actor : plan.actors) {
        TRY_AS(const auto text, function_of("actor_" + actor.name, actor.steps, actor.name));
        out += text;
        start += "    start " + actor.name + " " + std::to_string(mark_of(plan, actor.name)) + "\n";
        add_named(actor.steps, gains_or_loses, bound);
        add_named(actor.steps, {Verb::type}, typed);
    }
    TRY_AS(auto reset, function_of("reset", plan.reset, ""));
    for (const auto& device : bound)
        before += "    remember " + bus_and_name(device) + "\n";
    for (const auto& device : typed)
        after += "    remember_group " + bus_and_name(device) + "\n";
    for (const auto& device : behind_iommu(job, plan)) {
        if (bound.contains(device))
            judged.insert(device);
        if (const auto at = reset.find(kGrouped); at != std::string::npos)
            reset.insert(at + kGrouped.size(), " " + quoted(device.substr(device.find('/') + 1)));
    }
    out += reset + "begin() {\n" + before + "    reset\n" + after + "}\n" + start + "}\n";
    out += look_text(judged);
    std::int64_t limit = 30;
    std::string lines;
    for (const auto& hold : holds) {
        lines += (lines.empty() ? "" : " ") + hold.says;
        limit += std::chrono::ceil<std::chrono::seconds>(hold.sleep).count();
    }
    return out + "limit=" + std::to_string(limit) + " lines='" + lines + "'\n" + std::string(kEnd);
}

} // namespace dmarace::repro
