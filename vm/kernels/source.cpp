// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/kernels/source.hpp"

#include "base/process.hpp"
#include "base/text.hpp"
#include "vm/kernels/say.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <thread>

namespace dmarace::vm {
namespace fs = std::filesystem;

namespace {

// The value of "NAME = value" among a Makefile's first lines.
std::string value_of(std::string_view makefile, const std::string& name) {
    for (const std::string& line : split(makefile.substr(0, 1024), '\n')) {
        if (!line.starts_with(name + " ="))
            continue;
        const auto at = line.find_first_not_of(' ', name.size() + 2);
        return at == std::string::npos ? "" : line.substr(at);
    }
    return {};
}

// Below arch/.
fs::path arch_of(const Architecture& architecture) {
    return *std::next(fs::path(architecture.image).begin());
}

bool built_in_place(const fs::path& directory) {
    bool generated = false;
    for (const Architecture& one : architectures())
        generated |= fs::exists(directory / "arch" / arch_of(one) / "include/generated");
    return generated || fs::exists(directory / ".config") ||
           fs::exists(directory / "include/config");
}

} // namespace

std::string version_of(std::string_view makefile) {
    const std::string major = value_of(makefile, "VERSION"),
                      minor = value_of(makefile, "PATCHLEVEL"),
                      patch = value_of(makefile, "SUBLEVEL");
    if (major.empty() || minor.empty() || patch.empty())
        return {};
    return fmt::format("{}.{}.{}{}", major, minor, patch, value_of(makefile, "EXTRAVERSION"));
}

bool is_source_tree(const fs::path& directory) {
    return fs::exists(directory / "Kconfig") && fs::exists(directory / "Kbuild") &&
           fs::is_directory(directory / "arch");
}

Result<SourceTree> open_source_tree(const fs::path& given, const Architecture& architecture) {
    std::error_code error;
    const fs::path directory = fs::canonical(given, error);
    if (error)
        return fail(Fault::usage, given.string() + ": " + error.message());
    const std::string version =
        is_source_tree(directory) ? version_of(read_text(directory / "Makefile").value_or("")) : "";
    if (version.empty())
        return fail(Fault::usage,
                    fmt::format("{} is no kernel source: it takes a git tree, or what `dmarace-vm "
                                "kernel source debian:6.12` unpacks",
                                directory.string()));
    const fs::path arch = "arch" / arch_of(architecture);
    if (!fs::exists(directory / arch / "Kconfig"))
        return fail(Fault::usage,
                    fmt::format("{} (Linux {}) has no {}: the kernel is to be for {}",
                                directory.string(), version, arch.string(), architecture.name));
    if (built_in_place(directory))
        return fail(Fault::usage,
                    fmt::format("{} was built in place, which kbuild does not mix with builds "
                                "elsewhere: run `make ARCH={} mrproper` there, or take another "
                                "worktree (git worktree add)",
                                directory.string(), architecture.kbuild));
    return SourceTree{directory, version};
}

std::string headers_key(const SourceTree& tree, const Architecture& architecture) {
    std::vector<fs::path> files;
    std::error_code error;
    for (const fs::path& place : {fs::path("include"), "arch" / arch_of(architecture) / "include"})
        for (const auto& entry : fs::recursive_directory_iterator(tree.directory / place, error))
            if (entry.is_regular_file(error))
                files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    Key key;
    for (const fs::path& file : files)
        key.add(file.lexically_relative(tree.directory).string()).add(read_text(file).value_or(""));
    return key.text();
}

namespace {

constexpr const char* kBase = "base.config";
constexpr std::string_view kOff = "n";

struct OptionLine {
    std::string option, value; // value "n" when it is off
};

// "CONFIG_X=y" or "# CONFIG_X is not set"; nothing for any other line.
std::optional<OptionLine> read_setting(const std::string& line) {
    constexpr std::string_view kStart = "CONFIG_", kUnset = " is not set";
    const bool comment = line.starts_with("# ");
    const std::string text = comment ? line.substr(2) : line;
    if (!text.starts_with(kStart))
        return std::nullopt;
    if (comment)
        return text.ends_with(kUnset)
                   ? std::optional(
                         OptionLine{text.substr(0, text.size() - kUnset.size()), std::string(kOff)})
                   : std::nullopt;
    const auto equals = text.find('=');
    if (equals == std::string::npos)
        return std::nullopt;
    return OptionLine{text.substr(0, equals), text.substr(equals + 1)};
}

std::vector<OptionLine> read_settings(std::string_view text) {
    std::vector<OptionLine> settings;
    for (const std::string& line : split(text, '\n'))
        if (auto setting = read_setting(line))
            settings.push_back(*std::move(setting));
    return settings;
}

// What stands before the first "[NAME]", and what after those of the names.
std::vector<std::string> sections(const std::string& text, const std::vector<std::string>& names) {
    std::vector<std::string> found{text.substr(0, text.find("\n["))};
    for (const std::string& name : names)
        if (const auto at = text.find("\n[" + name + "]\n"); at != std::string::npos)
            found.push_back(text.substr(at, text.find("\n[", at + 1) - at));
    return found;
}

std::string to_line(const OptionLine& setting) {
    return setting.value == kOff ? fmt::format("# {} is not set", setting.option)
                                 : fmt::format("{}={}", setting.option, setting.value);
}

} // namespace

Result<std::vector<std::string>> choose_variants(const std::vector<std::string>& asked,
                                                 const std::vector<std::string>& known) {
    std::set<std::string> names;
    for (const std::string& words : asked)
        for (const std::string& name : split(words, ',')) {
            if (std::find(known.begin(), known.end(), name) == known.end())
                return fail(Fault::usage,
                            fmt::format("no kernel variant '{}'{}", name, hint(name, known)));
            names.insert(name);
        }
    return std::vector<std::string>(names.begin(), names.end());
}

std::string merge_fragments(const std::vector<std::string>& texts) {
    std::vector<std::string> order;
    std::map<std::string, OptionLine> last;
    for (const std::string& text : texts)
        for (const OptionLine& setting : read_settings(text))
            if (last.insert_or_assign(setting.option, setting).second)
                order.push_back(setting.option);
    std::string merged;
    for (const std::string& option : order)
        merged += to_line(last.at(option)) + "\n";
    return merged;
}

std::vector<std::string> unmet_options(std::string_view fragment, std::string_view config) {
    std::map<std::string, std::string> have;
    for (OptionLine& setting : read_settings(config))
        have.insert_or_assign(std::move(setting.option), std::move(setting.value));
    std::vector<std::string> unmet;
    for (const OptionLine& setting : read_settings(fragment)) {
        const auto found = have.find(setting.option);
        if ((found == have.end() ? kOff : std::string_view(found->second)) != setting.value)
            unmet.push_back(to_line(setting));
    }
    return unmet;
}

std::vector<std::string> variant_names(const fs::path& configs) {
    std::vector<std::string> names;
    for (const std::string& line : split(read_text(configs / kBase).value_or(""), '\n'))
        if (line.starts_with('[') && !find_architecture(line.substr(1, line.size() - 2)))
            names.push_back(line.substr(1, line.size() - 2));
    return names;
}

Result<std::string> read_fragments(const fs::path& configs,
                                   const std::vector<std::string>& variants,
                                   const std::vector<fs::path>& own) {
    std::vector<fs::path> files{configs / kBase};
    files.insert(files.end(), own.begin(), own.end());
    std::vector<std::string> texts;
    for (const fs::path& file : files) {
        auto text = read_text(file);
        if (!text)
            return fail(Fault::usage, "kernel options: " + text.error().message);
        if (texts.empty())
            texts = sections(*text, variants);
        else
            texts.push_back(*std::move(text));
    }
    return merge_fragments(texts);
}

std::string only_on(std::string_view fragment) {
    std::string text;
    for (const OptionLine& setting : read_settings(fragment))
        if (setting.value != kOff)
            text += to_line(setting) + "\n";
    return text;
}

std::string llvm_program(const std::string& llvm, const std::string& name) {
    if (llvm.ends_with('/'))
        return llvm + name;
    return llvm.starts_with('-') ? name + llvm : name;
}

namespace {

// Make's LLVM= of 1, 19 or a directory.
Result<std::string> llvm_of(const std::string& word) {
    if (word.empty() || word == "1" || word.ends_with('/'))
        return word;
    if (word.find_first_not_of("0123456789") == std::string::npos)
        return "-" + word;
    return fail(Fault::usage, fmt::format("LLVM={}: it is 1, 19 for clang-19, or a directory that "
                                          "ends in /",
                                          word));
}

} // namespace

Result<KernelOptions> choose_options(const fs::path& configs, const KernelWish& wish) {
    constexpr const char* kOfClang = "gki";
    TRY_AS(auto variants, choose_variants(wish.variants, variant_names(configs)));
    if (wish.llvm.empty() && std::ranges::count(variants, kOfClang) > 0)
        return fail(Fault::usage,
                    fmt::format("the variant {} is what clang and lld make: say LLVM=1, or "
                                "LLVM=-19 for clang-19",
                                kOfClang));
    TRY_AS(const auto llvm, llvm_of(wish.llvm));
    auto sections = variants;
    sections.emplace_back(wish.architecture->name);
    TRY_AS(auto fragment,
           read_fragments(configs, sections, {wish.configs.begin(), wish.configs.end()}));
    if (!wish.defconfig.empty())
        fragment = only_on(fragment);
    return KernelOptions{variants, fragment, wish.jobs, wish.defconfig, llvm, wish.architecture};
}

std::string step_of(std::string_view line) {
    if (line.size() < 4 || !line.starts_with("  ") || line[2] < 'A' || line[2] > 'Z')
        return {};
    const auto at = line.find_last_of(' ');
    return std::string(line.substr(at + 1));
}

std::string BuildLog::text() {
    std::ifstream in(file_, std::ios::binary);
    in.seekg(static_cast<std::streamoff>(offset_));
    std::string line;
    while (std::getline(in, line) && !in.eof()) { // the last line may still grow
        offset_ += line.size() + 1;
        if (std::string step = step_of(line); !step.empty()) {
            ++steps_;
            last_ = std::move(step);
        }
    }
    return steps_ == 0 ? "" : fmt::format("({}: {})", steps_, last_);
}

std::string host_trouble(std::string_view log) {
    for (const std::string_view sign :
         {"No space left on device", "Cannot allocate memory", "virtual memory exhausted",
          "Killed signal terminated program", "Read-only file system", "Disk quota exceeded"}) {
        const auto at = log.find(sign);
        if (at == std::string_view::npos)
            continue;
        const auto start = log.rfind('\n', at) + 1; // npos + 1 is 0
        return std::string(log.substr(start, log.find('\n', at) - start));
    }
    return {};
}

std::string errors_in(const std::string& log) {
    constexpr std::array kSigns{"error:", "ERROR:", "Error ", "*** "};
    std::string text;
    unsigned shown = 0;
    for (const std::string& line : split(log, '\n'))
        if (std::ranges::any_of(kSigns, [&](auto sign) { return line.contains(sign); }) &&
            ++shown <= 5)
            text += "\n  " + line;
    return text;
}

namespace {

constexpr std::uint64_t kMegabytes = 1500; // the largest build directory, all variants on
constexpr const char* kFragment = "dmarace.config";

std::string cross_prefix(const Architecture& architecture) {
    return host_architecture() == &architecture ? "" : std::string(architecture.triplet) + "-";
}

// What it says of itself.
Result<std::string> compiler(const KernelOptions& options) {
    const bool clang = !options.llvm.empty();
    const std::string name =
        clang ? llvm_program(options.llvm, "clang") : cross_prefix(*options.architecture) + "gcc";
    std::vector<std::string> programs{"make", "flex", "bison", "bc", "pahole", name};
    if (clang)
        for (const char* program : {"ld.lld", "llvm-nm", "llvm-ar", "llvm-objcopy"})
            programs.push_back(llvm_program(options.llvm, program));
    for (const std::string& program : programs)
        if (!fs::exists(program) && find_program(program).empty())
            return fail(Fault::environment,
                        fmt::format("building a kernel takes {}, which is not installed; {}",
                                    program,
                                    clang ? "clang, lld and llvm of one version have it "
                                            "(apt-get install clang-19 lld-19 llvm-19, "
                                            "LLVM=-19)"
                                          : "scripts/setup.sh installs it"));
    return run_checked({.argv = {name, clang ? "--version" : "-dumpfullversion"},
                        .environment = {{"LC_ALL", "C"}}},
                       "the compiler's version");
}

// The same source gives the same Image, whoever builds it and when; and a git
// commit does not change the release, which would rebuild every module.
Command make_command(const SourceTree& tree, const KernelOptions& options, const fs::path& entry,
                     const char* log) {
    return {.argv = {"make", "-C", tree.directory, "O=" + entry.string(),
                     "ARCH=" + std::string(options.architecture->kbuild),
                     options.llvm.empty() ? "CROSS_COMPILE=" + cross_prefix(*options.architecture)
                                          : "LLVM=" + options.llvm},
            .environment = {{"LC_ALL", "C"},
                            {"LOCALVERSION", ""},
                            {"KBUILD_BUILD_USER", "dmarace"},
                            {"KBUILD_BUILD_HOST", "dmarace-vm"},
                            {"KBUILD_BUILD_VERSION", "1"},
                            {"KBUILD_BUILD_TIMESTAMP", "1970-01-01"}},
            .log = entry / log};
}

// What a make that ended so tells.
Status judge(int status, const SourceTree& tree, const fs::path& log) {
    if (InterruptCount::count() > 0)
        return std::unexpected(
            Error{Fault::environment, "interrupted; what was built so far is kept", EINTR});
    if (status == 0)
        return {};
    const std::string text = read_text(log).value_or("");
    if (const std::string why = host_trouble(text); !why.empty())
        return fail(Fault::environment,
                    fmt::format("the build of {} was stopped by this host: {}; the log is {}",
                                tree.directory.string(), why, log.string()));
    return fail(Fault::untestable,
                fmt::format("{} (Linux {}) does not build; the log is {}{}",
                            tree.directory.string(), tree.version, log.string(), errors_in(text)));
}

// A file of that name, or one of the tree's own.
Result<std::string> read_defconfig(const SourceTree& tree, const KernelOptions& options) {
    const fs::path arch = tree.directory / "arch" / arch_of(*options.architecture) / "configs";
    for (const fs::path& file : {fs::path(options.defconfig), arch / options.defconfig})
        if (fs::is_regular_file(file))
            return read_text(file);
    return fail(Fault::usage, fmt::format("--defconfig {}: neither a file nor one of {}",
                                          options.defconfig, arch.string()));
}

// Always from the fragment: a configuration carried on from commit to commit
// would depend on the way there.
Status configure(const SourceTree& tree, const KernelOptions& options, const fs::path& entry) {
    TRY(write_text(entry / kFragment, options.fragment));
    Command command = make_command(tree, options, entry, "configure.log");
    if (options.defconfig.empty()) {
        command.argv.push_back("KCONFIG_ALLCONFIG=" + (entry / kFragment).string());
        command.argv.emplace_back("allnoconfig");
    } else {
        TRY_AS(const auto start, read_defconfig(tree, options));
        TRY(write_text(entry / ".config", merge_fragments({start, options.fragment})));
        command.argv.emplace_back("olddefconfig");
    }
    std::error_code error;
    fs::remove(command.log, error);
    TRY_AS(const auto status, run_showing(command, "configuring Linux " + tree.version));
    TRY(judge(status, tree, command.log));
    const auto unmet = unmet_options(options.fragment, read_text(entry / ".config").value_or(""));
    if (!unmet.empty())
        say("Linux {} has other names or conditions for: {}", tree.version, fmt::join(unmet, ", "));
    return {};
}

Status compile(const SourceTree& tree, const KernelOptions& options, const fs::path& entry) {
    Command command = make_command(tree, options, entry, "build.log");
    const unsigned jobs =
        options.jobs ? options.jobs : std::max(1U, std::thread::hardware_concurrency());
    command.argv.insert(command.argv.end(),
                        {fmt::format("-j{}", jobs),
                         fs::path(options.architecture->image).filename().string(), "modules"});
    std::error_code error;
    fs::remove(command.log, error);
    BuildLog progress(command.log);
    TRY_AS(const auto status,
           run_showing(command, "building Linux " + tree.version, [&] { return progress.text(); }));
    return judge(status, tree, command.log);
}

} // namespace

std::string build_name(const SourceTree& tree, const KernelOptions& options,
                       const std::string& compiler_version) {
    Key key;
    key.add(tree.directory.string()).add(options.fragment).add(compiler_version);
    if (!options.defconfig.empty())
        key.add(options.defconfig).add(read_text(options.defconfig).value_or(""));
    std::string name = tree.directory.filename().string();
    if (options.architecture != &arm64())
        name += "-" + std::string(options.architecture->name);
    for (const std::string& variant : options.variants)
        name += "-" + variant;
    return name + "-" + key.text();
}

Result<fs::path> build_kernel(const Cache& cache, const SourceTree& tree,
                              const KernelOptions& options) {
    TRY_AS(const auto version, compiler(options));
    fs::path entry = cache.path("builds") / build_name(tree, options, version);
    TRY_AS(const auto lock, cache.lock_entry(entry, tree.directory.string()));
    const InterruptCount interrupts; // not while we wait for another build
    if (!cache.complete(entry))
        TRY(cache.need_space(kMegabytes, "a kernel build"));
    std::error_code error;
    fs::create_directories(entry, error);
    TRY(configure(tree, options, entry));
    TRY(compile(tree, options, entry));
    TRY(write_text(entry / kHeadersKey, headers_key(tree, *options.architecture)));
    TRY(cache.mark_complete(entry));
    return entry;
}

} // namespace dmarace::vm
