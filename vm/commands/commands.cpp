// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/commands/commands.hpp"

#include "vm/kernels/say.hpp"

#include <algorithm>
#include <iostream>
#include <sstream>

namespace dmarace::vm {
namespace {

constexpr const Subcommand* kSubcommands[] = {&kRun,    &kBoards, &kKernels, &kMatrix, &kKernel,
                                              &kBisect, &kBuild,  &kRoot,    &kExport};

} // namespace

std::span<const Subcommand* const> subcommands() { return kSubcommands; }

const Subcommand* find_subcommand(const std::string& name) {
    const auto found = std::ranges::find(kSubcommands, name, &Subcommand::name);
    return found == std::end(kSubcommands) ? nullptr : *found;
}

int exit_code(const Error& error) {
    // EINTR: the user's ctrl-c.
    return error.os_error == EINTR ? kExitInterrupted : exit_code_of(error.fault);
}

po::options_description common_options() {
    po::options_description options("Options of every subcommand");
    options.add_options()("help,h", "show this help")(
        "cache", po::value<std::string>()->default_value("")->value_name("DIR"),
        "where kernels and builds are kept [$DMARACE_CACHE; for root /var/cache/dmarace, else "
        "~/.cache/dmarace]")(
        "source", po::value<std::string>()->default_value("")->value_name("DIR"),
        "the dmarace project directory (module source, jobs, boards) [the one this program was "
        "built from]");
    return options;
}

void add_accel(po::options_description& options) {
    options.add_options()("accel", po::value<std::string>()->default_value("auto")->value_name("A"),
                          "what carries the board: kvm, tcg, or kvm where it runs guests (auto)");
}

void add_kernel_source(po::options_description& options) {
    options.add_options()("defconfig",
                          po::value<std::string>()->default_value("")->value_name("FILE"),
                          "start from these options (a file, or a name as gki_defconfig), and not "
                          "from all off; what boards need is set on top")(
        "llvm", po::value<std::string>()->default_value("")->value_name("V"),
        "build with clang and lld (or LLVM=V, as for make): 1, 19 for clang-19, or a directory "
        "DIR/");
}

namespace {

// Texts say dmarace-vm; who called dmarace-board reads that.
std::string in_our_name(std::string text) {
    constexpr std::string_view kName = "dmarace-vm";
    for (std::size_t at = 0; (at = text.find(kName, at)) != std::string::npos;
         at += program_name().size())
        text.replace(at, kName.size(), program_name());
    return text;
}

} // namespace

std::string help_text(const Subcommand& subcommand) {
    std::ostringstream out;
    out << in_our_name(subcommand.help) << "\n" << subcommand.options();
    return out.str();
}

Result<std::optional<CommandLine>> parse_line(const Subcommand& subcommand,
                                              const Arguments& arguments) {
    using Takes = Subcommand::Takes;
    const auto behind =
        subcommand.takes == Takes::command ? std::ranges::find(arguments, "--") : arguments.end();
    const auto options = subcommand.options();
    Arguments own(arguments.begin(), behind);
    // As make is told: LLVM=1, LLVM=-19.
    if (options.find_nothrow("llvm", false))
        for (std::string& word : own)
            if (word.starts_with("LLVM="))
                word.replace(0, word.starts_with("LLVM=-") ? 6 : 5, "--llvm=");
    TRY_AS(auto parsed,
           parse_words(own, options,
                       {.before = "unknown option '",
                        .after = "'",
                        .nearest = hint,
                        .no_words = subcommand.takes == Takes::words
                                        ? ""
                                        : "too many words; a dmarace command goes after \"--\""}));
    if (parsed.has("help")) {
        std::cout << help_text(subcommand) << std::flush;
        return std::nullopt;
    }
    CommandLine line{std::move(parsed), {}};
    if (behind != arguments.end())
        line.behind.assign(behind + 1, arguments.end());
    return line;
}

int run_subcommand(const Subcommand& subcommand, const Arguments& arguments) {
    const auto line = parse_line(subcommand, arguments);
    if (line && !*line)
        return 0;
    const auto code = line ? subcommand.run(**line) : Result<int>(std::unexpected(line.error()));
    if (code)
        return *code;
    say("{}", code.error().message);
    return subcommand.code(code.error());
}

} // namespace dmarace::vm
