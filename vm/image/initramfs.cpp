// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/image/initramfs.hpp"

#include "base/process.hpp"
#include "vm/image/archive.hpp"
#include "vm/image/guest/words.hpp"
#include "vm/kernels/cache.hpp"
#include "vm/kernels/elf.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace dmarace::vm {
namespace fs = std::filesystem;
namespace {

constexpr const char* kPrograms = "usr/bin/";
constexpr const char* kJobs = "usr/share/dmarace/jobs";

// Where Debian keeps libraries of the architecture.
fs::path find_library(const std::string& name, const Architecture& architecture) {
    for (const char* directory : {"/lib/{}", "/usr/lib/{}", "/usr/{}/lib"}) {
        const fs::path file =
            fs::path(fmt::format(fmt::runtime(directory), architecture.triplet)) / name;
        if (fs::exists(file))
            return file;
    }
    return {};
}

Status add_file(Archive& archive, const std::string& inside, const fs::path& host,
                bool executable) {
    const auto bytes = Mapped::open(host);
    if (!bytes)
        return std::unexpected(bytes.error());
    return archive.file(inside, bytes->text(), executable);
}

std::string place_of(const fs::path& program) {
    return kPrograms + program.filename().string();
}

Status add_programs(Archive& archive, const Contents& contents) {
    std::map<std::string, fs::path> files{{place_of(contents.program), contents.program}};
    for (const auto& program : contents.also)
        files.emplace(place_of(program), program);
    for (const auto& [ignored, program] : std::map(files)) {
        const auto libraries = find_libraries(program, *contents.board->architecture);
        if (!libraries)
            return std::unexpected(libraries.error());
        files.insert(libraries->begin(), libraries->end());
    }
    for (const auto& [inside, host] : files)
        if (auto added = add_file(archive, inside, host, true); !added)
            return added;
    return {};
}

Status add_jobs(Archive& archive, const fs::path& jobs) {
    std::error_code error;
    for (const auto& entry : fs::recursive_directory_iterator(jobs, error)) {
        if (!entry.is_regular_file())
            continue;
        const fs::path inside = fs::path(kJobs) / entry.path().lexically_relative(jobs);
        if (auto added = add_file(archive, inside.string(), entry.path(), false); !added)
            return added;
    }
    return archive.directory(kJobs);
}

// "PATH" or "PATH PARAMETERS".
std::string line_of(const Contents& contents, const std::string& inside, const std::string& name) {
    const auto parameters = contents.board->parameters.find(name);
    const bool none = parameters == contents.board->parameters.end();
    return fmt::format("/lib/modules/{}/{}{}{}\n", contents.kernel->release, inside,
                       none ? "" : " ", none ? "" : parameters->second);
}

// In loading order.
std::string lines_of(const Contents& contents, const std::vector<std::string>& names) {
    std::string text;
    for (const std::string& name : names)
        text += line_of(contents, contents.kernel->modules.at(name).inside.string(), name);
    return text;
}

// Those of our own modules that the board loads: after all others.
std::string lines_of_ours(const Contents& contents) {
    std::string text;
    for (const std::string& name : contents.board->load)
        for (const fs::path& module : contents.modules)
            if (module_of_file(module.filename().string()) == module_name(name))
                text += line_of(contents, "updates/" + module.filename().string(), name);
    return text;
}

std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words)
        text.append(word).push_back('\0');
    return text;
}

// Writes one module into the tree that depmod reads.
Status stage(const fs::path& file, const std::string& bytes) {
    std::error_code error;
    fs::create_directories(file.parent_path(), error);
    return write_text(file, bytes);
}

Status stage_modules(const Contents& contents, const std::vector<std::string>& names,
                     const fs::path& tree) {
    const Kernel& kernel = *contents.kernel;
    for (const std::string& name : names) {
        const auto bytes = read_module(kernel.modules.at(name));
        if (!bytes)
            return std::unexpected(bytes.error());
        if (auto staged = stage(tree / kernel.modules.at(name).inside, *bytes); !staged)
            return staged;
    }
    for (const fs::path& module : contents.modules) {
        const auto bytes = read_text(module);
        if (!bytes)
            return std::unexpected(bytes.error());
        if (auto staged = stage(tree / "updates" / module.filename(), *bytes); !staged)
            return staged;
    }
    std::string builtin;
    for (const std::string& name : kernel.builtin)
        builtin += "kernel/" + name + ".ko\n";
    return stage(tree / "modules.builtin", builtin);
}

Status stage_all(const Contents& contents, const std::vector<std::string>& names,
                 const fs::path& directory) {
    const fs::path below = fs::path("lib/modules") / contents.kernel->release;
    if (auto staged = stage_modules(contents, names, directory / below); !staged)
        return staged;
    const auto depmod = run_checked({.argv = {"depmod", "-b", directory, contents.kernel->release}},
                                    "module dependencies");
    return depmod ? Status{} : Status(std::unexpected(depmod.error()));
}

Status add_modules(Archive& archive, const Contents& contents,
                   const std::vector<std::string>& names, const fs::path& scratch) {
    if (auto staged = stage_all(contents, names, scratch); !staged)
        return staged;
    for (const auto& entry : fs::recursive_directory_iterator(scratch)) {
        if (!entry.is_regular_file())
            continue;
        const std::string inside = entry.path().lexically_relative(scratch).string();
        if (auto added = add_file(archive, inside, entry.path(), false); !added)
            return added;
    }
    return {};
}

// All that the board may need, and of it the part that init loads.
struct ModuleSelection {
    std::vector<std::string> all, transport, load;
};

Result<ModuleSelection> select_modules(const Kernel& kernel, const GuestSpec& board) {
    std::vector<std::string> wanted{std::string(board.architecture->wire_module), "9pnet_virtio",
                                    "9p"};
    const auto transport = closure(kernel.modules, wanted);
    const auto load = closure(kernel.modules, board.load);
    wanted.insert(wanted.end(), board.load.begin(), board.load.end());
    wanted.insert(wanted.end(), board.offer.begin(), board.offer.end());
    for (const Need& need : board.needs)
        wanted.push_back(need.module);
    const auto all = closure(kernel.modules, wanted);
    if (!transport || !load || !all)
        return std::unexpected(!transport ? transport.error() : !load ? load.error() : all.error());
    return ModuleSelection{*all, *transport, *load};
}

Status add_all(Archive& archive, const Contents& contents, const Launch& launch,
               const fs::path& scratch) {
    const auto modules = select_modules(*contents.kernel, *contents.board);
    if (!modules)
        return std::unexpected(modules.error());
    std::map<std::string, std::string> files{
        {guest::kTransport, lines_of(contents, modules->transport)},
        {guest::kModules, lines_of(contents, modules->load) + lines_of_ours(contents)},
        {guest::kDevice, contents.board->data ? contents.board->data->device + "\n" : ""}};
    files.merge(launch_files(contents, launch));
    if (auto added = archive.console(); !added)
        return added;
    for (const char* directory : {"proc", "sys", "dev", "run", "tmp"})
        if (auto added = archive.directory(directory); !added)
            return added;
    for (const auto& [name, text] : files)
        if (auto added = archive.file(fmt::format("{}/{}", guest::kEtc + 1, name), text); !added)
            return added;
    if (auto added = add_file(archive, "init", contents.init, true); !added)
        return added;
    if (auto added = add_programs(archive, contents); !added)
        return added;
    if (auto added = add_jobs(archive, contents.jobs); !added)
        return added;
    for (const auto& [inside, host] : contents.given)
        if (auto added = add_file(archive, inside.substr(1), host, false); !added)
            return added;
    return add_modules(archive, contents, modules->all, scratch);
}

} // namespace

std::map<std::string, std::string> launch_files(const Contents& contents, const Launch& launch) {
    std::vector<std::string> argv{"/" + place_of(contents.program)};
    argv.insert(argv.end(), launch.arguments.begin(), launch.arguments.end());
    std::vector<std::string> environment;
    for (const auto& [key, value] : launch.environment)
        environment.push_back(key + "=" + value);
    return {{guest::kArgv, joined(argv)}, {guest::kEnviron, joined(environment)}};
}

Status pack(const Contents& contents, const Launch& launch, const fs::path& file,
            const fs::path& scratch) {
    auto archive = Archive::create(file);
    if (!archive)
        return std::unexpected(archive.error());
    if (auto added = add_all(*archive, contents, launch, scratch); !added)
        return std::unexpected(Error(added.error()).within("initramfs"));
    return archive->close();
}

Result<std::vector<std::string>> board_modules(const Contents& contents) {
    auto modules = select_modules(*contents.kernel, *contents.board);
    if (!modules)
        return std::unexpected(modules.error());
    return std::move(modules->all);
}

Status stage_tree(const Contents& contents, const fs::path& directory) {
    const auto names = board_modules(contents);
    if (!names)
        return std::unexpected(names.error());
    return stage_all(contents, *names, directory);
}

Result<std::map<std::string, fs::path>> find_libraries(const fs::path& program,
                                                       const Architecture& architecture) {
    std::map<std::string, fs::path> found;
    std::vector<fs::path> open{program};
    while (!open.empty()) {
        const fs::path file = open.back();
        open.pop_back();
        const auto bytes = Mapped::open(file);
        if (!bytes)
            return std::unexpected(bytes.error());
        const auto linkage = read_linkage(bytes->text(), architecture);
        if (!linkage)
            return std::unexpected(Error(linkage.error()).within(file.string()));
        std::vector<std::pair<std::string, std::string>> wanted; // name, inside
        for (const std::string& name : linkage->needed)
            wanted.emplace_back(name, fmt::format("lib/{}/{}", architecture.triplet, name));
        if (!linkage->interpreter.empty())
            wanted.emplace_back(fs::path(linkage->interpreter).filename().string(),
                                linkage->interpreter.substr(1));
        for (const auto& [name, inside] : wanted) {
            if (found.contains(inside))
                continue;
            const fs::path library = find_library(name, architecture);
            if (library.empty())
                return fail(Fault::environment,
                            fmt::format("{} needs {} for {}, which is not installed; "
                                        "scripts/setup.sh installs it",
                                        file.string(), name, architecture.name));
            found[inside] = library;
            open.push_back(library);
        }
    }
    return found;
}

} // namespace dmarace::vm
