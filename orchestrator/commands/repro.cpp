// SPDX-License-Identifier: GPL-2.0-or-later
// The subcommand 'dmarace repro'.
#include "repro/repro.hpp"

#include "base/duration.hpp"
#include "base/files.hpp"
#include "base/text.hpp"
#include "commands/commands.hpp"
#include "job/plan.hpp"
#include "run/files.hpp"

#include <algorithm>
#include <array>
#include <filesystem>

namespace dmarace::commands {

namespace {

namespace fs = std::filesystem;

constexpr const char* kAbout =
    "Writes what shows a job's race to somebody who has nothing of dmarace: for a kernel source\n"
    "tree a patch that puts sleeps where the job holds (repro.patch), a shell script that does "
    "the\n"
    "acts (repro.sh), and a mail that tells of it (mail.txt, at most 60 lines). No module is "
    "needed,\n"
    "and nothing of ours taints the kernel. The tree is only read. Then:\n"
    "  git -C TREE apply DIR/repro.patch, build, boot, and as root: sh repro.sh\n"
    "JOB is a file (findings/01/NAME.toml of a search), or one of the library. What a board would\n"
    "choose has to be said: --run takes it, times and call traces of a run, else --set.\n"
    "A sleep lasts four times as long as the run's hold, 1s at least; 2s without a run. A hold "
    "where\n"
    "nobody may sleep is refused, and so is a function that the tree does not have.\n";

// Where functions are that a bind, a walk or a removal comes by.
constexpr std::array kFolders{"drivers/iommu", "drivers/base", "drivers/of",  "drivers/pci",
                              "drivers/acpi",  "drivers/amba", "drivers/bus", "drivers/virtio",
                              "drivers/vfio",  "kernel/dma",   "drivers/net", "lib"};

Result<std::vector<fs::path>> sources_in(const fs::path& tree, const std::string& arch) {
    std::vector<fs::path> out;
    std::error_code error;
    const bool has =
        fs::exists(tree / "Kbuild", error) && fs::exists(tree / "drivers/iommu", error);
    if (error)
        return fail(Fault::environment, tree.string() + ": " + error.message());
    if (!has)
        return fail(Fault::usage, tree.string() + " is no source tree of a kernel (no Kbuild, or "
                                                  "no drivers/iommu)");
    std::vector<fs::path> folders(kFolders.begin(), kFolders.end());
    folders.push_back("arch/" + arch);
    for (const auto& folder : folders) {
        if (!fs::exists(tree / folder, error) && !error)
            continue; // another kernel has it elsewhere
        for (fs::recursive_directory_iterator at(tree / folder, error), end; !error && at != end;
             at.increment(error))
            if (at->path().extension() == ".c")
                out.push_back(at->path());
        if (error) // what lies behind it would be taken for not there
            return fail(Fault::environment, (tree / folder).string() + ": " + error.message());
    }
    std::ranges::sort(out);
    return out;
}

repro::Tree tree_of(const fs::path& tree, std::vector<fs::path> files) {
    return [tree, files = std::move(files)](
               const std::string& function) -> Result<std::vector<repro::SourceFile>> {
        std::vector<repro::SourceFile> out;
        for (const auto& file : files) {
            TRY_AS(auto text, read_text(file));
            if (!repro::definitions_of(text, function).empty())
                out.push_back({file.lexically_relative(tree).string(), std::move(text)});
        }
        return out;
    };
}

// "7.3.4", of the tree's Makefile.
std::string version_of(const fs::path& tree) {
    std::string out;
    const auto text = read_text(tree / "Makefile").value_or("");
    for (const std::string key : {"VERSION = ", "PATCHLEVEL = ", "SUBLEVEL = "})
        for (const auto& line : lines_in(text))
            if (line.starts_with(key)) {
                out += (out.empty() ? "Linux " : ".") + line.substr(key.size());
                break;
            }
    return out.empty() ? "this tree" : out;
}

std::string tree_name(std::string arch) {
    if (arch == "aarch64")
        return "arm64";
    return arch == "x86_64" ? "x86" : arch;
}

Result<job::Bindings> bindings_of(const Parsed& parsed, const job::Job& job,
                                  const std::optional<repro::SeenRun>& seen) {
    job::Bindings out;
    for (const auto& param : job.params)
        if (const auto found =
                seen ? seen->params.find(param.name) : job::Bindings::const_iterator{};
            seen && found != seen->params.end())
            out.insert(*found);
    for (const auto& text : parsed.texts("set")) {
        const auto equals = text.find('=');
        if (equals == std::string::npos)
            return fail(Fault::usage, "--set takes NAME=VALUE, not '" + text + "'");
        out[text.substr(0, equals)] = split(text.substr(equals + 1), ',');
    }
    const auto defaults = job::default_bindings(job);
    std::string missing;
    for (const auto& param : job.params)
        if (const auto usual = defaults.find(param.name);
            !out.contains(param.name) && (usual == defaults.end() || usual->second.empty()))
            missing += " --set " + param.name + "=VALUE";
    if (!missing.empty())
        return fail(Fault::usage, shown(job.where) + ": " + job.name + " needs" + missing +
                                      ", or --run DIR of a run that showed it");
    return out;
}

// Who has changed them would lose that.
Status nothing_in(const fs::path& out) {
    std::error_code error;
    for (const char* name : {repro::kPatch, repro::kScript, repro::kMail})
        if (fs::exists(out / name, error))
            return fail(Fault::usage, (out / name).string() + " is there already; move it away, or "
                                                              "give another --out");
    fs::create_directories(out, error);
    return error ? fail(Fault::environment, out.string() + ": " + error.message()) : Status();
}

Result<job::Job> the_job(const Parsed& parsed, const std::string& run) {
    if (parsed.words.size() == 1)
        return load_job(parsed.words.front(), true);
    if (parsed.words.empty() && !run.empty())
        return load_job((fs::path(run) / run::files::kJob).string(), true);
    return fail(Fault::usage, "give one JOB, or --run DIR alone");
}

Result<int> write_repro(const Parsed& parsed) {
    const auto run = parsed.text("run");
    if (!parsed.has("tree"))
        return fail(Fault::usage, "--tree says for which kernel sources the patch is");
    std::optional<repro::SeenRun> seen;
    if (!run.empty()) {
        TRY_AS(const auto recorded, read_recorded(run));
        auto found = repro::seen_in(recorded.run, recorded.iterations);
        if (!found)
            return std::unexpected(std::move(found.error()).within(run));
        seen = *std::move(found);
    }
    TRY_AS(const auto job, the_job(parsed, run));
    TRY(repro::can_script(job));
    std::optional<std::chrono::milliseconds> sleep;
    if (parsed.has("sleep")) {
        TRY_AS(const auto time, parse_duration(parsed.text("sleep")));
        sleep = std::chrono::ceil<std::chrono::milliseconds>(time);
    }
    TRY_AS(const auto bindings, bindings_of(parsed, job, seen));
    TRY_AS(const auto plan, job::make_plan(job, bindings, {}));
    TRY_AS(auto holds, repro::holds_of(job, plan, seen ? &*seen : nullptr, sleep));
    const fs::path tree(parsed.text("tree"));
    const auto arch = parsed.has("arch") ? parsed.text("arch") : seen ? seen->arch : "arm64";
    TRY_AS(auto files, sources_in(tree, tree_name(arch)));
    if (parsed.has("file"))
        files = {tree / parsed.text("file")};
    TRY_AS(const auto patch, repro::patch_of(holds, tree_of(tree, std::move(files))));
    TRY_AS(const auto script, repro::script_of(job, plan, holds));
    const auto mail = repro::mail_of(job, plan, holds, {version_of(tree), seen ? &*seen : nullptr});
    const fs::path out(parsed.has("out") ? parsed.text("out") : "repro-" + job.name);
    TRY(nothing_in(out));
    TRY(write_text(out / repro::kPatch, patch));
    TRY(write_text(out / repro::kScript, script));
    TRY(write_text(out / repro::kMail, mail));
    return print(out.string() + ": " + repro::kPatch + ", " + repro::kScript + ", " + repro::kMail +
                 "\n");
}

} // namespace

int run_repro(const Words& given) {
    po::options_description visible("Options");
    visible.add_options()("tree", po::value<std::string>(), "DIR with the kernel's source")(
        "run", po::value<std::string>(),
        "DIR of a run that showed it: devices, times, call traces; its job where no JOB is given")(
        "set", po::value<std::vector<std::string>>(),
        "NAME=VALUE of a parameter of the job; repeatable")("sleep", po::value<std::string>(),
                                                            "T that each hold takes (500ms, 3s)")(
        "file", po::value<std::string>(), "FILE of the tree that defines the functions")(
        "arch", po::value<std::string>(), "of the kernel: that of the run, else arm64")(
        "out", po::value<std::string>(),
        "DIR for the three files, which are never written over (default: repro-JOB, here)");
    return run_command("repro JOB --tree TREE  [OPTION..]", kAbout, visible, given, write_repro);
}

} // namespace dmarace::commands
