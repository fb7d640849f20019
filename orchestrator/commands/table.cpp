// SPDX-License-Identifier: GPL-2.0-or-later
// What the table of commands says of itself: help, man pages, words for shells to complete.
#include "base/help.hpp"
#include "base/text.hpp"
#include "board/devices.hpp"
#include "board/kernel.hpp"
#include "commands/commands.hpp"
#include "commands/machine.hpp"
#include "kmod/dmarace_abi.h"
#include "search/acts.hpp"

#include <algorithm>
#include <iostream>
#include <sstream>

namespace dmarace::commands {

namespace {

// What a command says to --help.
std::string help_of(const CommandRow& row) {
    std::ostringstream said;
    auto* const terminal = std::cout.rdbuf(said.rdbuf());
    row.run({"--help"});
    std::cout.rdbuf(terminal);
    return said.str();
}

const CommandRow* find(const std::string& name) {
    const auto row = std::ranges::find(table(), name, &CommandRow::name);
    return row == table().end() ? nullptr : &*row;
}

std::vector<std::string> devices() {
    std::vector<std::string> out;
    for (const auto& device : board::Devices().all())
        out.push_back(device.full_name());
    return out;
}

std::vector<std::string> groups() {
    std::vector<std::string> out;
    for (const auto& group : board::Devices().groups())
        out.push_back(std::to_string(group.number));
    return out;
}

// NAME= of the parameters of the jobs that were given, with the values that this board has.
std::vector<std::string> settings(const Words& given) {
    std::vector<std::string> out;
    for (const auto& word : given) {
        const auto checked = word.starts_with("-") ? Result<job::CheckedJob>(fail(Fault::usage, ""))
                                                   : job::check_job(word);
        if (!checked || !checked->job)
            continue;
        for (const auto& param : checked->job->params) {
            using job::ParamType;
            const bool names_device =
                param.type == ParamType::device || param.type == ParamType::devices;
            std::vector<std::string> values;
            if (given.back().starts_with(param.name + "="))
                values = names_device                     ? devices()
                         : param.type == ParamType::group ? groups()
                                                          : values;
            out.push_back(param.name + "=");
            for (const auto& value : values)
                out.push_back(param.name + "=" + value);
        }
    }
    return out;
}

std::vector<std::string> words_of(const CommandRow& row, const Words& given) {
    switch (row.words) {
    case CommandWords::none:
        return {};
    case CommandWords::jobs:
        return job::library_jobs();
    case CommandWords::acts: {
        auto out = texts_of(search::act_rows(), &search::ActRow::name);
        std::ranges::move(job::library_jobs(), std::back_inserter(out));
        return out;
    }
    case CommandWords::devices:
        return devices();
    case CommandWords::listings:
        return listings();
    case CommandWords::queue:
        return given.size() == 2 ? std::vector<std::string>{"add", "cancel", "continue", "list"}
                                 : job::library_jobs();
    }
    return {};
}

// Nothing where the shell had better offer files.
std::vector<std::string> values_of(const std::string& option, const Words& given) {
    if (option == "--set")
        return settings(given);
    if (option == "--device" || option == "--i-know")
        return devices();
    return {};
}

} // namespace

std::string main_help() {
    std::ostringstream out;
    out << "dmarace makes the races of Linux IOMMU probing happen on purpose on this machine, and\n"
           "says whether each device's DMA still goes where it must.\n\n"
           "usage: dmarace COMMAND [OPTION..] [WORD..]\n\n";
    for (const auto& command : table()) {
        std::string name(command.name);
        name.resize(9, ' ');
        out << "  " << name << command.summary << "\n";
    }
    out << "\nStart with 'dmarace check'. 'dmarace help COMMAND' tells more, 'dmarace run JOB "
           "--help'\nshows a job's own parameters, 'dmarace --version' also the kernel and the "
           "module's ABI.\n"
           "Exit: 0 pass, 1 fail, crash or hang, 2 usage or bad job, 3 environment, 4 skipped,\n"
           "5 inconclusive, 124 timeout, 130 interrupted.\n";
    return out.str();
}

int run_help(const Words& words) {
    const bool man = !words.empty() && words[0] == "--man";
    const Words names(words.begin() + (man ? 1 : 0), words.end());
    if (names.size() > 1)
        return report_error("help", Error{Fault::usage, "give one COMMAND, or none"});
    const auto* row = names.empty() ? nullptr : find(names[0]);
    if (!names.empty() && row == nullptr)
        return unknown_command(names[0]);
    const auto help = row == nullptr ? main_help() : help_of(*row);
    if (!man)
        return print(help);
    ManPage page{"dmarace", 8, "make the races of Linux IOMMU probing happen on purpose", help, ""};
    if (row != nullptr) {
        page.name += "-" + std::string(row->name);
        page.summary = row->summary;
    }
    page.see = row == nullptr ? "" : "dmarace(8), ";
    for (const auto& other : table())
        if (row == nullptr)
            page.see += "dmarace-" + std::string(other.name) + "(8), ";
    page.see += "dmarace-vm(1)";
    return print(to_text(page));
}

int run_complete(const Words& given) {
    if (given.size() < 2) {
        auto names = texts_of(table(), &CommandRow::name);
        names.emplace_back("help");
        return print(completions(given, "  --help\n  --version\n", names));
    }
    if (given[0] == "help")
        return print(completions(given, "", texts_of(table(), &CommandRow::name)));
    const auto* row = find(given[0]);
    if (row == nullptr)
        return 0;
    const auto help = help_of(*row);
    const auto options = options_in(help);
    const auto before = std::ranges::find(options, given[given.size() - 2], &HelpOption::name);
    const bool is_value = before != options.end() && before->takes_value;
    return print(completions(given, is_value ? "" : help,
                             is_value ? values_of(before->name, given) : words_of(*row, given)));
}

int unknown_command(const std::string& word) {
    std::cerr << "dmarace: no command '" << word << "'"
              << did_you_mean(word, texts_of(table(), &CommandRow::name)) << " (dmarace --help)\n";
    return kExitUsage;
}

int run_version() {
    const auto host = this_host(board::Modules());
    return print("dmarace " DMARACE_VERSION ", module ABI " + std::to_string(DMARACE_ABI) +
                 ", kernel " + host.release + " (" + host.machine + ")" +
                 (host.module_release.empty() ? ", no module for it\n" : "\n"));
}

} // namespace dmarace::commands
