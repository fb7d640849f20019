// SPDX-License-Identifier: GPL-2.0-or-later
// Job files that are wrong, and the exact lines that say so.
#include "job/load.hpp"

#include <gmock/gmock.h>

#include <sstream>

namespace dmarace::job {
namespace {

struct Bad {
    const char* name; // of the case
    std::string text;
    std::vector<std::string> lines; // "LINE:COLUMN: error: MESSAGE"
};

std::vector<std::string> complaints(const std::string& text) {
    std::vector<std::string> out;
    const auto job = load(text, "f");
    if (!job)
        for (const auto& diagnostic : job.error())
            out.push_back(to_text(diagnostic).substr(2));
    return out;
}

class BadJob : public testing::TestWithParam<Bad> {};

TEST_P(BadJob, SaysWhereAndWhatAndTheNearestWord) {
    std::vector<std::string> wanted;
    for (const auto& line : GetParam().lines)
        wanted.push_back(line);
    EXPECT_THAT(complaints(GetParam().text), testing::ElementsAreArray(wanted));
}

std::string case_name(const testing::TestParamInfo<Bad>& tested) {
    return tested.param.name;
}

// A job that is right but for what is put in.
std::string job(const std::string& head, const std::string& rest) {
    return "name = \"j\"\nsummary = \"s\"\n" + head +
           "[[actor]]\nname = \"a\"\nsteps = [\"walk\"]\n" + rest;
}

std::string with_steps(const std::string& steps) {
    return "name = \"j\"\nsummary = \"s\"\n[[actor]]\nname = \"a\"\nsteps = [" + steps + "]\n";
}

std::string with_rule(const std::string& rule) {
    return job("", "[[rule]]\npoint = \"probe_iommu_group\"\n" + rule);
}

std::string with_param(const std::string& param) {
    return job("", "[params]\n" + param);
}

INSTANTIATE_TEST_SUITE_P(
    Inside, BadJob,
    testing::Values(Bad{"exit_in_the_middle_of_a_function",
                        job("", "[[rule]]\npoint = \"iommu_setup_dma_ops.rmw\"\non = \"exit\"\n"
                                "delay = \"1ms\"\n"),
                        {"7:10: error: 'iommu_setup_dma_ops.rmw' is inside a function: on = "
                         "\"exit\" and 'return' need one that begins a function"}}),
    case_name);

INSTANTIATE_TEST_SUITE_P(
    Head, BadJob,
    testing::Values(
        Bad{"empty",
            "",
            {"1:1: error: the job has no 'name'", "1:1: error: the job has no 'summary'",
             "1:1: error: the job does nothing: it has no [[actor]] and no [type]"}},
        Bad{"unknown_key",
            job("sumary = \"x\"\n", ""),
            {"3:1: error: unknown key 'sumary' in the job; did you mean 'summary'?"}},
        Bad{"unknown_key_far_off",
            job("colour = \"x\"\n", ""),
            {"3:1: error: unknown key 'colour' in the job"}},
        Bad{"unknown_table",
            job("", "[resets]\nsteps = []\n"),
            {"6:2: error: unknown key 'resets' in the job; did you mean 'reset'?"}},
        Bad{"name_not_a_string",
            "name = 3\nsummary = \"s\"\n[type]\n",
            {"1:8: error: 'name' in the job is a string, not a whole number"}},
        Bad{"name_empty",
            "name = \"\"\nsummary = \"s\"\n[type]\n",
            {"1:9: error: 'name' in the job is empty"}},
        Bad{"name_with_a_slash",
            "name = \"a/b\"\nsummary = \"s\"\n[type]\n",
            {"1:9: error: 'a/b' is no name for a job; use letters, digits, '-' and '_'"}},
        Bad{"risk",
            job("risk = \"reeboot\"\n", ""),
            {"3:9: error: 'reeboot' is no risk; did you mean 'reboot'?; it is none, taint or "
             "reboot"}},
        Bad{"need",
            job("needs = [\"iommu-modul\"]\n", ""),
            {"3:11: error: unknown need 'iommu-modul'; did you mean 'iommu-module'?"}},
        Bad{"need_not_text",
            job("needs = [3]\n", ""),
            {"3:10: error: 'needs' in the job is a list of strings, not a whole number"}},
        Bad{"iterations_zero",
            job("iterations = 0\n", ""),
            {"3:14: error: 'iterations' in the job is 0; it goes from 1 to 1000000"}},
        Bad{"iterations_text",
            job("iterations = \"9\"\n", ""),
            {"3:14: error: 'iterations' in the job is a whole number, not a string"}},
        Bad{"summary_of_two_lines",
            "name = \"j\"\nsummary = \"a\\nb\"\n[type]\n",
            {"2:12: error: 'summary' in the job is one line"}},
        Bad{"control_characters_in_messages",
            job("needs = [\"cli\\n\\u001b[1mt\"]\n", ""),
            {"3:11: error: unknown need 'cli\\x0a\\x1b[1mt'"}},
        Bad{"does_nothing",
            "name = \"j\"\nsummary = \"s\"\n",
            {"1:9: error: the job does nothing: it has no [[actor]] and no [type]"}},
        Bad{"everything_at_once",
            "nam = \"j\"\nsummary = 1\nrisk = \"x\"\n[[actor]]\nstep = []\n",
            {"1:1: error: the job has no 'name'",
             "1:1: error: unknown key 'nam' in the job; did you mean 'name'?",
             "2:11: error: 'summary' in the job is a string, not a whole number",
             "3:9: error: 'x' is no risk; it is none, taint or reboot",
             "4:1: error: [[actor]] has no 'name'", "4:1: error: [[actor]] has no 'steps'",
             "5:1: error: unknown key 'step' in [[actor]]; did you mean 'steps'?"}}),
    case_name);

INSTANTIATE_TEST_SUITE_P(
    Actors, BadJob,
    testing::Values(
        Bad{"unknown_key",
            job("", "stepz = []\n"),
            {"6:1: error: unknown key 'stepz' in [[actor]]; did you mean 'steps'?"}},
        Bad{"one_table_only",
            "name = \"j\"\nsummary = \"s\"\n[actor]\nname = \"a\"\n",
            {"1:9: error: the job does nothing: it has no [[actor]] and no [type]",
             "3:1: error: 'actor' in the job is a list of tables, [[actor]], not a table"}},
        Bad{"two_of_a_name",
            job("", "[[actor]]\nname = \"a\"\nsteps = []\n"),
            {"7:9: error: two actors are named 'a'; the first is in line 4"}},
        Bad{"name_with_a_colon",
            "name = \"j\"\nsummary = \"s\"\n[[actor]]\nname = \"a:b\"\nsteps = []\n",
            {"4:9: error: 'a:b' is no name for an actor; use letters, digits, '-' and '_'"}},
        Bad{"steps_not_a_list",
            "name = \"j\"\nsummary = \"s\"\n[[actor]]\nname = \"a\"\nsteps = \"walk\"\n",
            {"5:9: error: 'steps' in [[actor]] is a list of steps"}},
        Bad{"writer_beside_type",
            job("", "[[actor]]\nname = \"writer\"\nsteps = []\n[type]\n"),
            {"7:9: error: [type] makes the actor 'writer'; name this one otherwise"}}),
    case_name);

INSTANTIATE_TEST_SUITE_P(
    Steps, BadJob,
    testing::Values(
        Bad{"unknown_verb",
            with_steps("\"walk\", \"bnid pci/a\""),
            {"5:19: error: unknown step 'bnid'; did you mean 'bind'?"}},
        Bad{"later_word",
            with_steps("\"type 3 DMA-QF\""),
            {"5:18: error: 'DMA-QF' is no type of a group; did you mean 'DMA-FQ'?"}},
        Bad{"after_try",
            with_steps("\"try type 3 DMA-QF\""),
            {"5:22: error: 'DMA-QF' is no type of a group; did you mean 'DMA-FQ'?"}},
        Bad{"literal_string",
            with_steps("'type 3 DMA-QF'"),
            {"5:18: error: 'DMA-QF' is no type of a group; did you mean 'DMA-FQ'?"}},
        Bad{"missing_word",
            with_steps("\"sleep\""),
            {"5:11: error: 'TIME' is missing; usage: sleep TIME"}},
        Bad{"two_lines",
            with_steps("\"write /sys/x 'a\\nb'\""),
            {"5:11: error: a step is one line"}},
        Bad{"no_unit",
            with_steps("\"sleep 5\""),
            {"5:17: error: '5' has no unit; use ns, us, ms, s, m or h"}},
        Bad{"several_lines",
            "name = \"j\"\nsummary = \"s\"\n[[actor]]\nname = \"a\"\nsteps = [\n  \"walk\",\n"
            "  \"slep 1s\",\n]\n",
            {"7:4: error: unknown step 'slep'; did you mean 'sleep'?"}},
        Bad{"a_number",
            with_steps("3"),
            {"5:10: error: a step is a string, or a table { repeat = 3, steps = [..] }"}},
        Bad{"undefined_parameter",
            with_steps("\"bind {clinet}\""),
            {"5:16: error: undefined parameter {clinet}"}},
        Bad{"open_brace",
            with_steps("\"wait x{\""),
            {"5:17: error: '{' begins a parameter: write {name}"}},
        Bad{"unknown_actor", with_steps("\"wait done:b\""), {"5:21: error: unknown actor 'b'"}},
        Bad{"unknown_actor_near",
            job("", "[[actor]]\nname = \"walker\"\nsteps = [\"wait step:wlaker:1\"]\n"),
            {"8:21: error: unknown actor 'wlaker'; did you mean 'walker'?"}},
        Bad{"in_reset",
            job("", "[reset]\nsteps = [\"rmod x\"]\n"),
            {"7:11: error: unknown step 'rmod'; did you mean 'rmmod'?"}},
        Bad{"unknown_key_in_reset",
            job("", "[reset]\nstep = []\n"),
            {"7:1: error: unknown key 'step' in [reset]; did you mean 'steps'?"}},
        Bad{"repeat_word",
            with_steps("\"repeat 3\""),
            {"5:11: error: a repeat is written as a table: { repeat = N, steps = [..] }"}},
        Bad{"repeat_zero",
            with_steps("{ repeat = 0, steps = [] }"),
            {"5:21: error: '0' is no count; repeat goes from 1 to 10000"}},
        Bad{"repeat_without_steps",
            with_steps("{ repeat = 2 }"),
            {"5:10: error: a repeat is written as a table: { repeat = 3, steps = [..] }"}},
        Bad{"repeat_unknown_key",
            with_steps("{ repeet = 2, steps = [] }"),
            {"5:10: error: a repeat is written as a table: { repeat = 3, steps = [..] }",
             "5:12: error: unknown key 'repeet' in a repeat; did you mean 'repeat'?"}},
        Bad{"repeat_inner",
            with_steps("{ repeat = 2, steps = [\"wlk\"] }"),
            {"5:34: error: unknown step 'wlk'; did you mean 'walk'?"}}),
    case_name);

INSTANTIATE_TEST_SUITE_P(
    Params, BadJob,
    testing::Values(
        Bad{"not_a_table",
            with_param("c = \"x\"\n"),
            {"7:1: error: parameter 'c' is a table: { type = \"device\", .. }"}},
        Bad{"no_type",
            with_param("c = { pick = \"any\" }\n"),
            {"7:5: error: parameter 'c' has no 'type'"}},
        Bad{"type",
            with_param("c = { type = \"devise\" }\n"),
            {"7:15: error: 'devise' is no type of a parameter; did you mean 'device'?"}},
        Bad{"pick",
            with_param("c = { type = \"device\", pick = \"unusd\" }\n"),
            {"7:32: error: unknown pick 'unusd'; did you mean 'unused'?"}},
        Bad{"pick_driver_of",
            with_param("c = { type = \"module\", pick = \"driver-of\" }\n"),
            {"7:32: error: driver-of names a parameter: driver-of {client}"}},
        Bad{"pick_sibling_of",
            with_param("c = { type = \"device\", pick = \"sibling-of d\" }\n"),
            {"7:32: error: sibling-of names a parameter: sibling-of {client}"}},
        Bad{"pick_driver_of_undefined",
            with_param("c = { type = \"module\", pick = \"driver-of {d}\" }\n"),
            {"7:1: error: parameter 'c' picks by an undefined {d}"}},
        Bad{"pick_driver_of_no_device",
            with_param("c = { type = \"module\", pick = \"driver-of {d}\" }\nd = { type = "
                       "\"text\", default = \"\" }\n"),
            {"7:1: error: parameter 'c' picks by {d}, which is no device"}},
        Bad{"behind",
            with_param("c = { type = \"device\", behind = \"smmu\" }\n"),
            {"7:34: error: 'smmu' is nothing a device can be behind; it is iommu or two-iommus"}},
        Bad{"bus",
            with_param("c = { type = \"device\", bus = \"plattform\" }\n"),
            {"7:31: error: 'plattform' is no bus that can have an IOMMU; did you mean "
             "'platform'?"}},
        Bad{"unknown_key",
            with_param("c = { type = \"device\", defualt = \"x\" }\n"),
            {"7:24: error: unknown key 'defualt' in parameter 'c'; did you mean 'default'?"}},
        Bad{"default_duration",
            with_param("c = { type = \"duration\", default = \"5\" }\n"),
            {"7:37: error: '5' has no unit; use ns, us, ms, s, m or h"}},
        Bad{"default_number",
            with_param("c = { type = \"number\", default = \"five\" }\n"),
            {"7:35: error: 'five' is no whole number"}},
        Bad{"default_list",
            with_param("c = { type = \"device\", default = [\"a\"] }\n"),
            {"7:34: error: the default of a device is one value, not a list"}},
        Bad{"name",
            with_param("\"a b\" = { type = \"text\" }\n"),
            {"7:1: error: 'a b' is no name for a parameter"}},
        Bad{"wrong_type_in_step",
            "name = \"j\"\nsummary = \"s\"\n[params]\nc = { type = \"device\" }\n[[actor]]\nname = "
            "\"a\"\nsteps = [\"insmod {c}\"]\n",
            {"7:18: error: {c} is a parameter of type device; 'insmod' wants MODULE here"}},
        Bad{"near_in_step",
            "name = \"j\"\nsummary = \"s\"\n[params]\nclient = { type = \"device\" "
            "}\n[[actor]]\nname = \"a\"\nsteps = [\"bind {clinet}\"]\n",
            {"7:16: error: undefined parameter {clinet}; did you mean 'client'?"}},
        Bad{"two_lists",
            "name = \"j\"\nsummary = \"s\"\n[params]\nc = { type = \"devices\" }\nd = { type = "
            "\"modules\" }\n[[actor]]\nname = \"a\"\nsteps = [\"bind {c} {d}\"]\n",
            {"8:20: error: {c} and {d} are both lists; use one of them"}}),
    case_name);

INSTANTIATE_TEST_SUITE_P(
    Rules, BadJob,
    testing::Values(
        Bad{"no_point",
            job("", "[[rule]]\nsignal = \"x\"\n"),
            {"6:1: error: [[rule]] has no 'point'"}},
        Bad{"unknown_point",
            job("", "[[rule]]\npoint = \"probe_iomu_group\"\nsignal = \"x\"\n"),
            {"7:10: error: unknown point 'probe_iomu_group'; did you mean 'probe_iommu_group'?"}},
        Bad{"unknown_point_in_a_list",
            job("", "[[rule]]\npoint = [\"probe_iommu_group\", \"of_iomu_configure\"]\nsignal = "
                    "\"x\"\n"),
            {"7:32: error: unknown point 'of_iomu_configure'; did you mean 'of_iommu_configure'?"}},
        Bad{"unknown_key",
            with_rule("signal = \"x\"\nwaitfor = \"done:a\"\n"),
            {"9:1: error: unknown key 'waitfor' in [[rule]]; did you mean 'wait_for'?"}},
        Bad{"does_nothing",
            with_rule("actor = \"a\"\n"),
            {"6:1: error: the rule does nothing; give it delay, signal, wait_for or return"}},
        Bad{"on",
            with_rule("on = \"entry\"\nsignal = \"x\"\n"),
            {"8:7: error: 'entry' is neither enter nor exit; did you mean 'enter'?"}},
        Bad{"ret_on_enter",
            with_rule("ret = -19\nsignal = \"x\"\n"),
            {"8:7: error: 'ret' asks what the function returned; it needs on = \"exit\""}},
        Bad{"nth_zero",
            with_rule("nth = 0\nsignal = \"x\"\n"),
            {"8:7: error: 'nth' in [[rule]] is 0; it goes from 1 to 1000000000"}},
        Bad{"probability",
            with_rule("probability = 101\nsignal = \"x\"\n"),
            {"8:15: error: 'probability' in [[rule]] is 101; it goes from 1 to 100"}},
        Bad{"optional_text",
            with_rule("optional = \"yes\"\nsignal = \"x\"\n"),
            {"8:12: error: 'optional' in [[rule]] is true or false, not a string"}},
        Bad{"group_text",
            with_rule("group = \"three\"\nsignal = \"x\"\n"),
            {"8:10: error: 'three' is no number of a group"}},
        Bad{"arg_without_unsafe",
            with_rule("arg = 0\nsignal = \"x\"\n"),
            {"8:7: error: 'arg' is only for unsafe = true; points know theirs"}},
        Bad{"delay_number",
            with_rule("delay = 5\n"),
            {"6:1: error: the rule does nothing; give it delay, signal, wait_for or return",
             "8:9: error: 'delay' in [[rule]] has no unit; write it as a string: \"5ms\""}},
        Bad{"delay_unit",
            with_rule("delay = \"5msec\"\nsignal = \"x\"\n"),
            {"8:10: error: '5msec': unknown unit 'msec'; use ns, us, ms, s, m or h"}},
        Bad{"delay_range",
            with_rule("delay = \"5ms..1ms\"\nsignal = \"x\"\n"),
            {"8:10: error: '5ms..1ms' ends before it begins"}},
        Bad{"delay_long",
            with_rule("delay = \"0s..11s\"\n"),
            {"8:10: error: a delay lasts 10s at most"}},
        Bad{"timeout_alone",
            with_rule("timeout = \"1s\"\nsignal = \"x\"\n"),
            {"8:12: error: 'timeout' without 'wait_for'"}},
        Bad{"timeout_long",
            with_rule("wait_for = \"done:a\"\ntimeout = \"11s\"\n"),
            {"9:12: error: a hold ends after 10s at most; the module refuses longer ones"}},
        Bad{"timeout_zero",
            with_rule("wait_for = \"done:a\"\ntimeout = \"0s\"\n"),
            {"9:12: error: a hold of no time holds nothing"}},
        Bad{"timeout_number",
            with_rule("wait_for = \"done:a\"\ntimeout = 2\n"),
            {"9:11: error: 'timeout' in [[rule]] has no unit; write it as a string: \"2ms\""}},
        Bad{"signal_builtin",
            with_rule("signal = \"done:a\"\n"),
            {"8:11: error: 'done:a' is no name for a signal; built-in signals are raised by the "
             "machine"}},
        Bad{"signal_empty",
            with_rule("signal = \"\"\n"),
            {"6:1: error: the rule does nothing; give it delay, signal, wait_for or return",
             "8:11: error: 'signal' in [[rule]] is empty"}},
        Bad{"wait_for_prefix",
            with_rule("wait_for = \"bond:pci/a\"\n"),
            {"8:13: error: unknown kind of signal 'bond:'; did you mean 'bound'?"}},
        Bad{"wait_for_actor",
            with_rule("wait_for = [\"done:a\", \"blocked:b\"]\n"),
            {"8:32: error: unknown actor 'b'"}},
        Bad{"wait_for_many",
            with_rule("wait_for = [\"a\", \"b\", \"c\", \"d\", \"e\"]\n"),
            {"8:12: error: a rule waits for at most 4 signals"}},
        Bad{"actor",
            job("",
                "[[actor]]\nname = \"walk\"\nsteps = []\n[[rule]]\npoint = \"probe_iommu_group\"\n"
                "signal = \"x\"\nactor = \"walks\"\n"),
            {"12:10: error: unknown actor 'walks'; did you mean 'walk'?"}},
        Bad{"undefined_parameter",
            with_rule("dev = \"{client}\"\nsignal = \"x\"\n"),
            {"8:8: error: undefined parameter {client}"}},
        Bad{"two_of_a_name",
            with_rule("name = \"r\"\nsignal = \"x\"\n[[rule]]\nname = \"r\"\n"
                      "point = \"of_iommu_configure\"\nsignal = \"y\"\n"),
            {"11:9: error: two rules are named 'r'"}},
        Bad{"name",
            with_rule("name = \"a b\"\nsignal = \"x\"\n"),
            {"8:9: error: 'a b' is no name for a rule; use letters, digits, '-' and '_'"}},
        Bad{"newline",
            with_rule("task = \"a\\nb\"\nsignal = \"x\"\n"),
            {"8:9: error: 'task' in [[rule]] is one line"}}),
    case_name);

INSTANTIATE_TEST_SUITE_P(
    Others, BadJob,
    testing::Values(
        Bad{"type_of_group",
            job("", "[type]\ntypes = [\"DMA\", \"ident\"]\n"),
            {"7:18: error: 'ident' is no type of a group"}},
        Bad{"type_groups",
            job("", "[type]\ngroups = \"some\"\n"),
            {"7:11: error: 'some' names no groups; write all, a {param} or a number"}},
        Bad{"type_order",
            job("", "[type]\norder = \"pair\"\n"),
            {"7:10: error: 'pair' is no order; did you mean 'pairs'?; it is pairs or sequence or "
             "random"}},
        Bad{"type_driver",
            job("", "[type]\ndriver = \"unbind\"\n"),
            {"7:11: error: 'unbind' is no driver; did you mean 'rebind'?; it is rebind or keep or "
             "live"}},
        Bad{"type_size",
            job("", "[type]\nsize = \"2-4\"\n"),
            {"7:9: error: '2-4' is no number of devices; write 1, 2.. or 2..4"}},
        Bad{"type_sequence_and_types",
            job("", "[type]\ntypes = [\"DMA\"]\nsequence = [\"identity\"]\n"),
            {"8:14: error: [type] has 'types' or 'sequence', not both"}},
        Bad{"type_sequence_word",
            job("", "[type]\nsequence = [\"DMA\", \"DMAFQ\"]\n"),
            {"7:21: error: 'DMAFQ' is no type of a group; did you mean 'DMA-FQ'?"}},
        Bad{"type_sequence_order",
            job("", "[type]\nsequence = [\"DMA\"]\norder = \"random\"\ncount = 1\n"),
            {"8:10: error: a 'sequence' is gone through as it stands; for order = \"random\" write "
             "'types'"}},
        Bad{"type_random_without_end",
            job("", "[type]\norder = \"random\"\n"),
            {"6:1: error: order = \"random\" has no end of its own: give 'count' or 'duration'"}},
        Bad{"type_count",
            job("", "[type]\ncount = 0\n"),
            {"7:9: error: 'count' in [type] is 0; it goes from 1 to 200000"}},
        Bad{"type_duration",
            job("", "[type]\nduration = \"10\"\n"),
            {"7:13: error: '10' has no unit; use ns, us, ms, s, m or h"}},
        Bad{"type_writers",
            job("", "[type]\nwriters = 9\n"),
            {"7:11: error: 'writers' in [type] is 9; it goes from 1 to 8"}},
        Bad{"type_share",
            job("", "[type]\nshare = \"splt\"\n"),
            {"7:10: error: 'splt' is no share; did you mean 'split'?; it is same or split"}},
        Bad{"type_beside",
            job("", "[type]\nbeside = [\"bind\", \"unbind\"]\n"),
            {"7:20: error: 'unbind' is nothing that goes on beside writes; did you mean 'bind'?; "
             "it is "
             "bind or remove or sriov or reserved-regions"}},
        Bad{"type_beside_twice",
            job("", "[type]\nbeside = [\"bind\", \"bind\"]\n"),
            {"7:20: error: 'bind' is there twice"}},
        Bad{"type_queue_beside_remove",
            job("", "[type]\nbeside = \"remove\"\n"),
            {"7:11: error: writing DMA-FQ while a group's last device is removed is a NULL "
             "dereference since 6.5: write risk = \"reboot\", or leave DMA-FQ out"}},
        Bad{"type_step_size",
            job("", "[[actor]]\nname = \"b\"\nsteps = [\"type size x DMA\"]\n"),
            {"8:21: error: 'x' is no number of devices; write 1, 2.. or 2..4"}},
        Bad{"type_actor_name",
            job("", "[[actor]]\nname = \"binder\"\nsteps = []\n[type]\nbeside = \"bind\"\n"),
            {"7:9: error: [type] makes the actor 'binder'; name this one otherwise"}},
        Bad{"type_unknown_key",
            job("", "[type]\ngroup = 3\n"),
            {"7:1: error: unknown key 'group' in [type]; did you mean 'groups'?"}},
        Bad{"type_undefined_parameter",
            job("", "[type]\ngroups = \"{g}\"\n"),
            {"6:1: error: undefined parameter {g}"}},
        Bad{"expect_dma",
            job("", "[expect]\ndma = \"translate\"\n"),
            {"7:8: error: 'translate' is nothing that DMA can be expected as; did you mean "
             "'translated'?; it is translated, as-type or baseline"}},
        Bad{"expect_unknown_key",
            job("", "[expect]\ndevice = \"x\"\n"),
            {"7:1: error: unknown key 'device' in [expect]; did you mean 'devices'?"}},
        Bad{"allow_kind",
            job("allow = [{ kind = \"dma-drect\", reason = \"r\" }]\n", ""),
            {"3:20: error: unknown kind of failure 'dma-drect'; did you mean 'dma-direct'?"}},
        Bad{"allow_no_reason",
            job("allow = [{ kind = \"hang\" }]\n", ""),
            {"3:10: error: allow has no 'reason'"}}),
    case_name);

TEST(BadToml, SaysWhere) {
    for (const auto& [text, place] :
         {std::pair{"name = \"j\nsummary = \"s\"\n", "1:"},
          std::pair{"name = \"a\"\nname = \"b\"\n", "2:"},
          std::pair{"name = \"a\"\n\n[[actor]\n", "3:"}, std::pair{"a = \"\xff\"\n", "1:"}}) {
        const auto lines = complaints(text);
        ASSERT_EQ(lines.size(), 1U) << text;
        EXPECT_TRUE(lines[0].starts_with(place)) << lines[0];
        EXPECT_EQ(lines[0].find('\n'), std::string::npos) << lines[0];
    }
}

TEST(BadToml, NestingHasAnEnd) {
    std::string text = "\"walk\"";
    for (int i = 0; i < 10; ++i)
        text = "{ repeat = 1, steps = [" + text + "] }";
    const auto lines = complaints(with_steps(text));
    ASSERT_FALSE(lines.empty());
    EXPECT_NE(lines[0].find("repeats are nested too deep"), std::string::npos) << lines[0];
}

TEST(Limits, OfRulesAndActors) {
    std::string actors, rules;
    for (int i = 0; i < 33; ++i)
        actors += "[[actor]]\nname = \"x" + std::to_string(i) + "\"\nsteps = []\n";
    EXPECT_THAT(complaints(job("", actors)),
                testing::ElementsAre(testing::HasSubstr("a job has at most 32 actors")));
    for (int i = 0; i < 129; ++i)
        rules += "[[rule]]\npoint = \"probe_iommu_group\"\nsignal = \"x\"\n";
    EXPECT_THAT(complaints(job("", rules)),
                testing::ElementsAre(testing::HasSubstr("a job has at most 128 rules")));
}

} // namespace
} // namespace dmarace::job
