// SPDX-License-Identifier: GPL-2.0-or-later
// Job files that are wrong, and the exact lines that say so.
#include "job_support.hpp"

namespace dmarace::job {
namespace {

// Where a text stands in a job that is right but for it.
std::string whole(const std::string& text) { return text; }

std::string plain(const std::string& text) { return kPlain + text; }

std::string steps(const std::string& text) { return kPlain + actor_of("a", text); }

std::string head(const std::string& text) { return kPlain + text + actor_of("a", "\"walk\""); }

std::string tail(const std::string& text) { return kPlain + actor_of("a", "\"walk\"") + text; }

std::string rule(const std::string& text) {
    return tail("[[rule]]\npoint = \"probe_iommu_group\"\n" + text);
}

std::string param(const std::string& text) { return tail("[params]\n" + text); }

struct BadText {
    const char* name; // of the case
    std::string (*around)(const std::string&);
    const char* text;
    const char* lines; // "LINE:COLUMN: error: MESSAGE"
};

class BadJob : public testing::TestWithParam<BadText> {};

TEST_P(BadJob, SaysWhereAndWhatAndTheNearestWord) {
    EXPECT_EQ(joined(complaints(GetParam().around(GetParam().text)), "\n"), GetParam().lines);
}

std::string case_name(const testing::TestParamInfo<BadText>& tested) { return tested.param.name; }

const BadText kHead[] = {
    {"empty", whole, "",
     "1:1: error: the job has no 'name'\n"
     "1:1: error: the job has no 'summary'\n"
     "1:1: error: the job does nothing: it has no [[actor]] and no [type]"},
    {"unknown_key", head, "sumary = \"x\"\n",
     "3:1: error: unknown key 'sumary' in the job; did you mean 'summary'?"},
    {"unknown_key_far_off", head, "colour = \"x\"\n",
     "3:1: error: unknown key 'colour' in the job"},
    {"unknown_table", tail, "[resets]\nsteps = []\n",
     "6:2: error: unknown key 'resets' in the job; did you mean 'reset'?"},
    {"name_not_a_string", whole, "name = 3\nsummary = \"s\"\n[type]\n",
     "1:8: error: 'name' in the job is a string, not a whole number"},
    {"name_empty", whole, "name = \"\"\nsummary = \"s\"\n[type]\n",
     "1:9: error: 'name' in the job is empty"},
    {"name_with_a_slash", whole, "name = \"a/b\"\nsummary = \"s\"\n[type]\n",
     "1:9: error: 'a/b' is no name for a job; use letters, digits, '-' and '_'"},
    {"risk", head, "risk = \"reeboot\"\n",
     "3:9: error: 'reeboot' is no risk; did you mean 'reboot'?; it is none, taint or reboot"},
    {"need", head, "needs = [\"iommu-modul\"]\n",
     "3:11: error: unknown need 'iommu-modul'; did you mean 'iommu-module'?"},
    {"need_not_text", head, "needs = [3]\n",
     "3:10: error: 'needs' in the job is a list of strings, not a whole number"},
    {"iterations_zero", head, "iterations = 0\n",
     "3:14: error: 'iterations' in the job is 0; it goes from 1 to 1000000"},
    {"iterations_text", head, "iterations = \"9\"\n",
     "3:14: error: 'iterations' in the job is a whole number, not a string"},
    {"summary_of_two_lines", whole, "name = \"j\"\nsummary = \"a\\nb\"\n[type]\n",
     "2:12: error: 'summary' in the job is one line"},
    {"control_characters_in_messages", head, "needs = [\"cli\\n\\u001b[1mt\"]\n",
     "3:11: error: unknown need 'cli\\n\\x1b[1mt'"},
    {"does_nothing", plain, "",
     "1:9: error: the job does nothing: it has no [[actor]] and no [type]"},
    {"everything_at_once", whole, "nam = \"j\"\nsummary = 1\nrisk = \"x\"\n[[actor]]\nstep = []\n",
     "1:1: error: the job has no 'name'\n"
     "1:1: error: unknown key 'nam' in the job; did you mean 'name'?\n"
     "2:11: error: 'summary' in the job is a string, not a whole number\n"
     "3:9: error: 'x' is no risk; it is none, taint or reboot\n"
     "4:1: error: [[actor]] has no 'name'\n"
     "4:1: error: [[actor]] has no 'steps'\n"
     "5:1: error: unknown key 'step' in [[actor]]; did you mean 'steps'?"},
};

const BadText kActors[] = {
    {"unknown_key", tail, "stepz = []\n",
     "6:1: error: unknown key 'stepz' in [[actor]]; did you mean 'steps'?"},
    {"one_table_only", plain, "[actor]\nname = \"a\"\n",
     "1:9: error: the job does nothing: it has no [[actor]] and no [type]\n"
     "3:1: error: 'actor' in the job is a list of tables, [[actor]], not a table"},
    {"two_of_a_name", tail, "[[actor]]\nname = \"a\"\nsteps = []\n",
     "7:9: error: two actors are named 'a'; the first is in line 4"},
    {"name_with_a_colon", plain, "[[actor]]\nname = \"a:b\"\nsteps = []\n",
     "4:9: error: 'a:b' is no name for an actor; use letters, digits, '-' and '_'"},
    {"steps_not_a_list", plain, "[[actor]]\nname = \"a\"\nsteps = \"walk\"\n",
     "5:9: error: 'steps' in [[actor]] is a list of steps"},
    {"writer_beside_type", tail, "[[actor]]\nname = \"writer\"\nsteps = []\n[type]\n",
     "7:9: error: [type] makes the actor 'writer'; name this one otherwise"},
};

const BadText kSteps[] = {
    {"unknown_verb", steps, "\"walk\", \"bnid pci/a\"",
     "5:19: error: unknown step 'bnid'; did you mean 'bind'?"},
    {"later_word", steps, "\"type 3 DMA-QF\"",
     "5:18: error: 'DMA-QF' is no type of a group; did you mean 'DMA-FQ'?"},
    {"after_try", steps, "\"try type 3 DMA-QF\"",
     "5:22: error: 'DMA-QF' is no type of a group; did you mean 'DMA-FQ'?"},
    {"literal_string", steps, "'type 3 DMA-QF'",
     "5:18: error: 'DMA-QF' is no type of a group; did you mean 'DMA-FQ'?"},
    {"missing_word", steps, "\"sleep\"", "5:11: error: 'TIME' is missing; usage: sleep TIME"},
    {"two_lines", steps, "\"write /sys/x 'a\\nb'\"", "5:11: error: a step is one line"},
    {"no_unit", steps, "\"sleep 5\"", "5:17: error: '5' has no unit; use ns, us, ms, s, m, h or d"},
    {"several_lines", plain, "[[actor]]\nname = \"a\"\nsteps = [\n  \"walk\",\n  \"slep 1s\",\n]\n",
     "7:4: error: unknown step 'slep'; did you mean 'sleep'?"},
    {"a_number", steps, "3",
     "5:10: error: a step is a string, or a table { repeat = 3, steps = [..] }"},
    {"undefined_parameter", steps, "\"bind {clinet}\"",
     "5:16: error: undefined parameter {clinet}"},
    {"open_brace", steps, "\"wait x{\"", "5:17: error: '{' begins a parameter: write {name}"},
    {"unknown_actor", steps, "\"wait done:b\"", "5:21: error: unknown actor 'b'"},
    {"unknown_actor_near", tail, "[[actor]]\nname = \"walker\"\nsteps = [\"wait step:wlaker:1\"]\n",
     "8:21: error: unknown actor 'wlaker'; did you mean 'walker'?"},
    {"in_reset", tail, "[reset]\nsteps = [\"rmod x\"]\n",
     "7:11: error: unknown step 'rmod'; did you mean 'rmmod'?"},
    {"unknown_key_in_reset", tail, "[reset]\nstep = []\n",
     "7:1: error: unknown key 'step' in [reset]; did you mean 'steps'?"},
    {"repeat_word", steps, "\"repeat 3\"",
     "5:11: error: a repeat is written as a table: { repeat = N, steps = [..] }"},
    {"repeat_zero", steps, "{ repeat = 0, steps = [] }",
     "5:21: error: '0' is no count; repeat goes from 1 to 10000"},
    {"repeat_until_nothing", steps, "{ repeat = \"until\", steps = [] }",
     "5:22: error: 'SIGNAL' is missing; usage: repeat until SIGNAL [TIME]"},
    {"repeat_until_bad_signal", steps, "{ repeat = \"until dne:a\", steps = [] }",
     "5:28: error: unknown kind of signal 'dne:'; did you mean 'done'?"},
    {"repeat_until_bad_time", steps, "{ repeat = \"until go 5\", steps = [] }",
     "5:31: error: '5' has no unit; use ns, us, ms, s, m, h or d"},
    {"repeat_until_unknown_actor", steps, "{ repeat = \"until done:b\", steps = [] }",
     "5:33: error: unknown actor 'b'"},
    {"repeat_without_steps", steps, "{ repeat = 2 }",
     "5:10: error: a repeat is written as a table: { repeat = 3, steps = [..] }"},
    {"repeat_unknown_key", steps, "{ repeet = 2, steps = [] }",
     "5:10: error: a repeat is written as a table: { repeat = 3, steps = [..] }\n"
     "5:12: error: unknown key 'repeet' in a repeat; did you mean 'repeat'?"},
    {"repeat_inner", steps, "{ repeat = 2, steps = [\"wlk\"] }",
     "5:34: error: unknown step 'wlk'; did you mean 'walk'?"},
};

const BadText kParams[] = {
    {"not_a_table", param, "c = \"x\"\n",
     "7:1: error: parameter 'c' is a table: { type = \"device\", .. }"},
    {"no_type", param, "c = { pick = \"any\" }\n", "7:5: error: parameter 'c' has no 'type'"},
    {"type", param, "c = { type = \"devise\" }\n",
     "7:15: error: 'devise' is no type of a parameter; did you mean 'device'?"},
    {"pick", param, "c = { type = \"device\", pick = \"unusd\" }\n",
     "7:32: error: unknown pick 'unusd'; did you mean 'unused'?"},
    {"pick_driver_of", param, "c = { type = \"module\", pick = \"driver-of\" }\n",
     "7:32: error: driver-of names a parameter: driver-of {client}"},
    {"pick_sibling_of", param, "c = { type = \"device\", pick = \"sibling-of d\" }\n",
     "7:32: error: sibling-of names a parameter: sibling-of {client}"},
    {"pick_driver_of_undefined", param, "c = { type = \"module\", pick = \"driver-of {d}\" }\n",
     "7:1: error: parameter 'c' picks by an undefined {d}"},
    {"pick_driver_of_no_device", param,
     "c = { type = \"module\", pick = \"driver-of {d}\" }\nd = { type = \"text\", default = \"\" "
     "}\n",
     "7:1: error: parameter 'c' picks by {d}, which is no device"},
    {"behind", param, "c = { type = \"device\", behind = \"smmu\" }\n",
     "7:34: error: 'smmu' is nothing a device can be behind; it is iommu or two-iommus"},
    {"bus", param, "c = { type = \"device\", bus = \"plattform\" }\n",
     "7:31: error: 'plattform' is no bus that can have an IOMMU; did you mean 'platform'?"},
    {"unknown_key", param, "c = { type = \"device\", defualt = \"x\" }\n",
     "7:24: error: unknown key 'defualt' in parameter 'c'; did you mean 'default'?"},
    {"default_duration", param, "c = { type = \"duration\", default = \"5\" }\n",
     "7:37: error: '5' has no unit; use ns, us, ms, s, m, h or d"},
    {"default_number", param, "c = { type = \"number\", default = \"five\" }\n",
     "7:35: error: 'five' is no whole number"},
    {"default_list", param, "c = { type = \"device\", default = [\"a\"] }\n",
     "7:34: error: the default of a device is one value, not a list"},
    {"name", param, "\"a b\" = { type = \"text\" }\n",
     "7:1: error: 'a b' is no name for a parameter"},
    {"wrong_type_in_step", plain,
     "[params]\nc = { type = \"device\" }\n[[actor]]\nname = \"a\"\nsteps = [\"insmod {c}\"]\n",
     "7:18: error: {c} is a parameter of type device; 'insmod' wants MODULE here"},
    {"near_in_step", plain,
     "[params]\nclient = { type = \"device\" }\n[[actor]]\nname = \"a\"\nsteps = [\"bind "
     "{clinet}\"]\n",
     "7:16: error: undefined parameter {clinet}; did you mean 'client'?"},
    {"two_lists", plain,
     "[params]\nc = { type = \"devices\" }\nd = { type = \"modules\" }\n[[actor]]\nname = "
     "\"a\"\nsteps = [\"bind {c} {d}\"]\n",
     "8:20: error: {c} and {d} are both lists; use one of them"},
};

const BadText kRules[] = {
    {"exit_in_the_middle_of_a_function", tail,
     "[[rule]]\npoint = \"iommu_setup_dma_ops.rmw\"\non = \"exit\"\ndelay = \"1ms\"\n",
     "7:10: error: 'iommu_setup_dma_ops.rmw' is inside a function: on = \"exit\" and 'return' need "
     "one that begins a function"},
    {"no_point", tail, "[[rule]]\nsignal = \"x\"\n", "6:1: error: [[rule]] has no 'point'"},
    {"unknown_point", tail, "[[rule]]\npoint = \"probe_iomu_group\"\nsignal = \"x\"\n",
     "7:10: error: unknown point 'probe_iomu_group'; did you mean 'probe_iommu_group'?"},
    {"unknown_point_in_a_list", tail,
     "[[rule]]\npoint = [\"probe_iommu_group\", \"of_iomu_configure\"]\nsignal = \"x\"\n",
     "7:32: error: unknown point 'of_iomu_configure'; did you mean 'of_iommu_configure'?"},
    {"unknown_key", rule, "signal = \"x\"\nwaitfor = \"done:a\"\n",
     "9:1: error: unknown key 'waitfor' in [[rule]]; did you mean 'wait_for'?"},
    {"does_nothing", rule, "actor = \"a\"\n",
     "6:1: error: the rule does nothing; give it delay, signal, wait_for or return"},
    {"on", rule, "on = \"entry\"\nsignal = \"x\"\n",
     "8:7: error: 'entry' is neither enter nor exit; did you mean 'enter'?"},
    {"ret_on_enter", rule, "ret = -19\nsignal = \"x\"\n",
     "8:7: error: 'ret' asks what the function returned; it needs on = \"exit\""},
    {"nth_zero", rule, "nth = 0\nsignal = \"x\"\n",
     "8:7: error: 'nth' in [[rule]] is 0; it goes from 1 to 1000000000"},
    {"probability", rule, "probability = 101\nsignal = \"x\"\n",
     "8:15: error: 'probability' in [[rule]] is 101; it goes from 1 to 100"},
    {"optional_text", rule, "optional = \"yes\"\nsignal = \"x\"\n",
     "8:12: error: 'optional' in [[rule]] is true or false, not a string"},
    {"group_text", rule, "group = \"three\"\nsignal = \"x\"\n",
     "8:10: error: 'three' is no number of a group"},
    {"arg_without_unsafe", rule, "arg = 0\nsignal = \"x\"\n",
     "8:7: error: 'arg' is only for unsafe = true; points know theirs"},
    {"delay_number", rule, "delay = 5\n",
     "6:1: error: the rule does nothing; give it delay, signal, wait_for or return\n"
     "8:9: error: 'delay' in [[rule]] has no unit; write it as a string: \"5ms\""},
    {"delay_unit", rule, "delay = \"5msec\"\nsignal = \"x\"\n",
     "8:10: error: '5msec': unknown unit 'msec'; use ns, us, ms, s, m, h or d"},
    {"delay_range", rule, "delay = \"5ms..1ms\"\nsignal = \"x\"\n",
     "8:10: error: '5ms..1ms' ends before it begins"},
    {"delay_long", rule, "delay = \"0s..11s\"\n", "8:10: error: a delay lasts 10s at most"},
    {"timeout_alone", rule, "timeout = \"1s\"\nsignal = \"x\"\n",
     "8:12: error: 'timeout' without 'wait_for'"},
    {"blocked_alone", rule, "blocked = \"fail\"\nsignal = \"x\"\n",
     "8:12: error: 'blocked' without 'wait_for'"},
    {"blocked_word", rule, "wait_for = \"done:a\"\nblocked = \"bad\"\n",
     "9:12: error: 'blocked' is \"pass\" or \"fail\""},
    {"timeout_long", rule, "wait_for = \"done:a\"\ntimeout = \"11s\"\n",
     "9:12: error: a hold ends after 10s at most; the module refuses longer ones"},
    {"timeout_zero", rule, "wait_for = \"done:a\"\ntimeout = \"0s\"\n",
     "9:12: error: a hold of no time holds nothing"},
    {"timeout_number", rule, "wait_for = \"done:a\"\ntimeout = 2\n",
     "9:11: error: 'timeout' in [[rule]] has no unit; write it as a string: \"2ms\""},
    {"signal_builtin", rule, "signal = \"done:a\"\n",
     "8:11: error: 'done:a' is no name for a signal; built-in signals are raised by the machine"},
    {"signal_empty", rule, "signal = \"\"\n",
     "6:1: error: the rule does nothing; give it delay, signal, wait_for or return\n"
     "8:11: error: 'signal' in [[rule]] is empty"},
    {"wait_for_prefix", rule, "wait_for = \"bond:pci/a\"\n",
     "8:13: error: unknown kind of signal 'bond:'; did you mean 'bound'?"},
    {"wait_for_actor", rule, "wait_for = [\"done:a\", \"blocked:b\"]\n",
     "8:32: error: unknown actor 'b'"},
    {"wait_for_many", rule, "wait_for = [\"a\", \"b\", \"c\", \"d\", \"e\"]\n",
     "8:12: error: a rule waits for at most 4 signals"},
    {"actor", tail,
     "[[actor]]\nname = \"walk\"\nsteps = []\n[[rule]]\npoint = \"probe_iommu_group\"\nsignal = "
     "\"x\"\nactor = \"walks\"\n",
     "12:10: error: unknown actor 'walks'; did you mean 'walk'?"},
    {"undefined_parameter", rule, "dev = \"{client}\"\nsignal = \"x\"\n",
     "8:8: error: undefined parameter {client}"},
    {"two_of_a_name", rule,
     "name = \"r\"\nsignal = \"x\"\n[[rule]]\nname = \"r\"\npoint = \"of_iommu_configure\"\nsignal "
     "= \"y\"\n",
     "11:9: error: two rules are named 'r'"},
    {"name", rule, "name = \"a b\"\nsignal = \"x\"\n",
     "8:9: error: 'a b' is no name for a rule; use letters, digits, '-' and '_'"},
    {"newline", rule, "task = \"a\\nb\"\nsignal = \"x\"\n",
     "8:9: error: 'task' in [[rule]] is one line"},
};

const BadText kOthers[] = {
    {"type_of_group", tail, "[type]\ntypes = [\"DMA\", \"ident\"]\n",
     "7:18: error: 'ident' is no type of a group"},
    {"type_groups", tail, "[type]\ngroups = \"some\"\n",
     "7:11: error: 'some' names no groups; write all, a {param} or a number"},
    {"type_order", tail, "[type]\norder = \"pair\"\n",
     "7:10: error: 'pair' is no order; did you mean 'pairs'?; it is pairs or sequence or random"},
    {"type_driver", tail, "[type]\ndriver = \"unbind\"\n",
     "7:11: error: 'unbind' is no driver; did you mean 'rebind'?; it is rebind or keep or live"},
    {"type_size", tail, "[type]\nsize = \"2-4\"\n",
     "7:9: error: '2-4' is no number of devices; write 1, 2.. or 2..4"},
    {"type_sequence_and_types", tail, "[type]\ntypes = [\"DMA\"]\nsequence = [\"identity\"]\n",
     "8:14: error: [type] has 'types' or 'sequence', not both"},
    {"type_sequence_word", tail, "[type]\nsequence = [\"DMA\", \"DMAFQ\"]\n",
     "7:21: error: 'DMAFQ' is no type of a group; did you mean 'DMA-FQ'?"},
    {"type_sequence_order", tail, "[type]\nsequence = [\"DMA\"]\norder = \"random\"\ncount = 1\n",
     "8:10: error: a 'sequence' is gone through as it stands; for order = \"random\" write "
     "'types'"},
    {"type_random_without_end", tail, "[type]\norder = \"random\"\n",
     "6:1: error: order = \"random\" has no end of its own: give 'count' or 'duration'"},
    {"type_count", tail, "[type]\ncount = 0\n",
     "7:9: error: 'count' in [type] is 0; it goes from 1 to 200000"},
    {"type_duration", tail, "[type]\nduration = \"10\"\n",
     "7:13: error: '10' has no unit; use ns, us, ms, s, m, h or d"},
    {"type_writers", tail, "[type]\nwriters = 9\n",
     "7:11: error: 'writers' in [type] is 9; it goes from 1 to 8"},
    {"type_share", tail, "[type]\nshare = \"splt\"\n",
     "7:10: error: 'splt' is no share; did you mean 'split'?; it is same or split"},
    {"type_beside", tail, "[type]\nbeside = [\"bind\", \"unbind\"]\n",
     "7:20: error: 'unbind' is nothing that goes on beside writes; did you mean 'bind'?; it is "
     "bind or remove or sriov or reserved-regions"},
    {"type_beside_twice", tail, "[type]\nbeside = [\"bind\", \"bind\"]\n",
     "7:20: error: 'bind' is there twice"},
    {"rule_group_of_a_device", tail,
     "[params]\nclient = { type = \"device\" }\n"
     "[[rule]]\npoint = \"probe_iommu_group\"\ngroup = \"{client}\"\ndelay = \"1ms\"\n",
     "10:10: error: {client} is a parameter of type device; a rule's group is a number, or a "
     "parameter of type group"},
    {"type_queue_beside_remove", tail, "[type]\nbeside = \"remove\"\n",
     "7:11: error: writing DMA-FQ while a group's last device is removed is a NULL dereference "
     "since 6.5: write risk = \"reboot\", or leave DMA-FQ out"},
    {"type_step_size", tail, "[[actor]]\nname = \"b\"\nsteps = [\"type size x DMA\"]\n",
     "8:21: error: 'x' is no number of devices; write 1, 2.. or 2..4"},
    {"type_actor_name", tail,
     "[[actor]]\nname = \"binder\"\nsteps = []\n[type]\nbeside = \"bind\"\n",
     "7:9: error: [type] makes the actor 'binder'; name this one otherwise"},
    {"type_unknown_key", tail, "[type]\ngroup = 3\n",
     "7:1: error: unknown key 'group' in [type]; did you mean 'groups'?"},
    {"type_undefined_parameter", tail, "[type]\ngroups = \"{g}\"\n",
     "6:1: error: undefined parameter {g}"},
    {"expect_dma", tail, "[expect]\ndma = \"translate\"\n",
     "7:8: error: 'translate' is nothing that DMA can be expected as; did you mean 'translated'?; "
     "it is translated, as-type or baseline"},
    {"expect_unknown_key", tail, "[expect]\ndevice = \"x\"\n",
     "7:1: error: unknown key 'device' in [expect]; did you mean 'devices'?"},
    {"allow_kind", head, "allow = [{ kind = \"dma-drect\", reason = \"r\" }]\n",
     "3:20: error: unknown kind of failure 'dma-drect'; did you mean 'dma-direct'?"},
    {"allow_no_reason", head, "allow = [{ kind = \"hang\" }]\n",
     "3:10: error: allow has no 'reason'"},
};

INSTANTIATE_TEST_SUITE_P(Head, BadJob, testing::ValuesIn(kHead), case_name);
INSTANTIATE_TEST_SUITE_P(Actors, BadJob, testing::ValuesIn(kActors), case_name);
INSTANTIATE_TEST_SUITE_P(Steps, BadJob, testing::ValuesIn(kSteps), case_name);
INSTANTIATE_TEST_SUITE_P(Params, BadJob, testing::ValuesIn(kParams), case_name);
INSTANTIATE_TEST_SUITE_P(Rules, BadJob, testing::ValuesIn(kRules), case_name);
INSTANTIATE_TEST_SUITE_P(Others, BadJob, testing::ValuesIn(kOthers), case_name);

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
    const auto lines = complaints(steps(text));
    ASSERT_FALSE(lines.empty());
    EXPECT_NE(lines[0].find("repeats are nested too deep"), std::string::npos) << lines[0];
}

TEST(Limits, OfRulesAndActors) {
    std::string actors, rules;
    for (int i = 0; i < 33; ++i)
        actors += actor_of("x" + std::to_string(i), "");
    EXPECT_THAT(complaints(tail(actors)),
                testing::ElementsAre(testing::HasSubstr("a job has at most 32 actors")));
    for (int i = 0; i < 129; ++i)
        rules += "[[rule]]\npoint = \"probe_iommu_group\"\nsignal = \"x\"\n";
    EXPECT_THAT(complaints(tail(rules)),
                testing::ElementsAre(testing::HasSubstr("a job has at most 128 rules")));
}

} // namespace
} // namespace dmarace::job
