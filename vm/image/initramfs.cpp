// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/image/initramfs.hpp"

#include "base/files.hpp"
#include "base/process.hpp"
#include "vm/image/guest/words.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <fmt/format.h>

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>

namespace dmarace::vm {
namespace fs = std::filesystem;
namespace {

struct FreeEntry {
    void operator()(archive_entry* entry) const { archive_entry_free(entry); }
};
using CpioEntry = std::unique_ptr<archive_entry, FreeEntry>;

} // namespace

void Archive::FreeWriter::operator()(::archive* handle) const { archive_write_free(handle); }

Result<Archive> Archive::create(const fs::path& file, Format format) {
    Archive made({archive_write_new(), FreeWriter()}, file.string());
    ::archive* const handle = made.handle_.get();
    const bool tar = format == Format::tar;
    if ((tar ? archive_write_set_format_ustar(handle)
             : archive_write_set_format_cpio_newc(handle)) != ARCHIVE_OK ||
        (tar ? archive_write_add_filter_gzip(handle) : archive_write_add_filter_none(handle)) !=
            ARCHIVE_OK ||
        // The same files make the same archive.
        (tar &&
         archive_write_set_filter_option(handle, "gzip", "timestamp", nullptr) != ARCHIVE_OK) ||
        archive_write_set_bytes_per_block(handle, 0) != ARCHIVE_OK || // as it comes
        archive_write_open_filename(handle, file.c_str()) != ARCHIVE_OK)
        return made.error("");
    return made;
}

std::unexpected<Error> Archive::error(const std::string& path) const {
    const char* why = archive_error_string(handle_.get());
    return fail(Fault::environment,
                name_ + (path.empty() ? "" : ": " + path) + ": " + (why ? why : "unknown error"));
}

void Archive::add(const std::string& path, unsigned type, unsigned mode, std::string_view bytes) {
    if (const auto slash = path.rfind('/'); slash != std::string::npos && slash != 0)
        directory(path.substr(0, slash));
    if (!status_ || !added_.insert(path).second)
        return;
    const CpioEntry entry(archive_entry_new());
    archive_entry_set_pathname(entry.get(), path.c_str());
    archive_entry_set_filetype(entry.get(), type);
    archive_entry_set_perm(entry.get(), static_cast<mode_t>(mode));
    archive_entry_set_size(entry.get(), static_cast<la_int64_t>(bytes.size()));
    if (type == AE_IFCHR)
        archive_entry_set_rdev(entry.get(), makedev(5, 1));
    if (archive_write_header(handle_.get(), entry.get()) != ARCHIVE_OK ||
        (!bytes.empty() && archive_write_data(handle_.get(), bytes.data(), bytes.size()) !=
                               static_cast<la_ssize_t>(bytes.size())))
        status_ = error(path);
}

void Archive::directory(const std::string& path) { add(path, AE_IFDIR, 0755, {}); }

void Archive::file(const std::string& path, std::string_view bytes, bool executable) {
    add(path, AE_IFREG, executable ? 0755 : 0644, bytes);
}

void Archive::copy(const std::string& path, const fs::path& host, bool executable) {
    if (const auto bytes = Mapped::open(host); bytes)
        file(path, bytes->text(), executable);
    else if (status_)
        status_ = std::unexpected(bytes.error());
}

void Archive::tree(const fs::path& inside, const fs::path& directory) {
    std::error_code error;
    for (const auto& entry : fs::recursive_directory_iterator(directory, error))
        if (entry.is_regular_file())
            copy((inside / entry.path().lexically_relative(directory)).string(), entry.path());
}

void Archive::console() { add("dev/console", AE_IFCHR, 0600, {}); }

Status Archive::close() {
    if (status_ && archive_write_close(handle_.get()) != ARCHIVE_OK)
        return error("");
    return status_;
}

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

} // namespace

Result<std::map<std::string, fs::path>> find_libraries(const fs::path& program,
                                                       const Architecture& architecture) {
    std::map<std::string, fs::path> found;
    std::vector<fs::path> open{program};
    while (!open.empty()) {
        const fs::path file = open.back();
        open.pop_back();
        TRY_AS(const auto bytes, Mapped::open(file));
        const auto linkage = read_linkage(bytes.text(), architecture);
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

namespace {

std::string place_of(const fs::path& program) { return kPrograms + program.filename().string(); }

Status add_programs(Archive& archive, const Contents& contents) {
    std::map<std::string, fs::path> files{{place_of(contents.program), contents.program}};
    for (const auto& program : contents.also)
        files.emplace(place_of(program), program);
    for (const auto& [ignored, program] : std::map(files)) {
        TRY_AS(const auto libraries, find_libraries(program, *contents.board->architecture));
        files.insert(libraries.begin(), libraries.end());
    }
    for (const auto& [inside, host] : files)
        archive.copy(inside, host, true);
    return {};
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

// What a run loads itself where it is not there.
constexpr const char* kOurModule = "dmarace";

// Those of our own modules that the board loads: after all others. A guest that is kept has
// loaded what each of its lives would load first.
std::string lines_of_ours(const Contents& contents, bool warm) {
    std::string text;
    auto names = contents.board->load;
    if (warm && std::ranges::find(names, kOurModule) == names.end())
        names.emplace_back(kOurModule);
    for (const std::string& name : names)
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
        TRY_AS(const auto bytes, read_module(kernel.modules.at(name)));
        TRY(stage(tree / kernel.modules.at(name).inside, bytes));
    }
    for (const fs::path& module : contents.modules) {
        TRY_AS(const auto bytes, read_text(module));
        TRY(stage(tree / "updates" / module.filename(), bytes));
    }
    std::string builtin;
    for (const std::string& name : kernel.builtin)
        builtin += "kernel/" + name + ".ko\n";
    return stage(tree / "modules.builtin", builtin);
}

Status stage_all(const Contents& contents, const std::vector<std::string>& names,
                 const fs::path& directory) {
    const fs::path below = fs::path("lib/modules") / contents.kernel->release;
    TRY(stage_modules(contents, names, directory / below));
    TRY(run_checked({.argv = {"depmod", "-b", directory, contents.kernel->release}},
                    "module dependencies"));
    return {};
}

// All that the board may need, and of it the part that init loads.
struct ModuleSelection {
    std::vector<std::string> all, transport, load;
};

Result<ModuleSelection> select_modules(const Kernel& kernel, const GuestSpec& board) {
    std::vector<std::string> wanted{std::string(board.architecture->wire_module), "9pnet_virtio",
                                    "9p"};
    TRY_AS(auto transport, closure(kernel.modules, wanted));
    TRY_AS(auto load, closure(kernel.modules, board.load));
    wanted.insert(wanted.end(), board.load.begin(), board.load.end());
    wanted.insert(wanted.end(), board.offer.begin(), board.offer.end());
    for (const Need& need : board.needs)
        wanted.push_back(need.module);
    TRY_AS(auto all, closure(kernel.modules, wanted));
    return ModuleSelection{std::move(all), std::move(transport), std::move(load)};
}

Status add_all(Archive& archive, const Contents& contents, const Launch& launch,
               const fs::path& scratch) {
    TRY_AS(const auto modules, select_modules(*contents.kernel, *contents.board));
    std::map<std::string, std::string> files{
        {guest::kTransport, lines_of(contents, modules.transport)},
        {guest::kModules, lines_of(contents, modules.load) + lines_of_ours(contents, launch.warm)},
        {guest::kDevice, contents.board->data ? contents.board->data->device + "\n" : ""}};
    files.merge(launch_files(contents, launch));
    if (launch.warm)
        files[guest::kWarm] = "";
    if (launch.standing)
        files[guest::kStanding] = "";
    archive.console();
    for (const char* directory : {"proc", "sys", "dev", "run", "tmp", kJobs})
        archive.directory(directory);
    for (const auto& [name, text] : files)
        archive.file(fmt::format("{}/{}", guest::kEtc + 1, name), text);
    archive.copy("init", contents.init, true);
    TRY(add_programs(archive, contents));
    archive.tree(kJobs, contents.jobs);
    for (const auto& [inside, host] : contents.given)
        archive.copy(inside.substr(1), host);
    TRY(stage_all(contents, modules.all, scratch));
    archive.tree("", scratch);
    return archive.status();
}

} // namespace

std::map<std::string, std::string> launch_files(const Contents& contents, const Launch& launch) {
    std::vector<std::string> argv = contents.start;
    if (argv.empty())
        argv.push_back("/" + place_of(contents.program));
    argv.insert(argv.end(), launch.arguments.begin(), launch.arguments.end());
    std::vector<std::string> environment;
    for (const auto& [key, value] : launch.environment)
        environment.push_back(key + "=" + value);
    return {{guest::kArgv, joined(argv)}, {guest::kEnviron, joined(environment)}};
}

Status pack(const Contents& contents, const Launch& launch, const fs::path& file,
            const fs::path& scratch) {
    TRY_AS(auto archive, Archive::create(file));
    if (auto added = add_all(archive, contents, launch, scratch); !added)
        return std::unexpected(Error(added.error()).within("initramfs"));
    return archive.close();
}

Result<std::vector<std::string>> board_modules(const Contents& contents) {
    TRY_AS(auto modules, select_modules(*contents.kernel, *contents.board));
    return std::move(modules.all);
}

Status stage_tree(const Contents& contents, const fs::path& directory) {
    TRY_AS(const auto names, board_modules(contents));
    return stage_all(contents, names, directory);
}

Status stage_named(const Contents& contents, const std::vector<std::string>& names,
                   const fs::path& directory) {
    const ModuleIndex& index = contents.kernel->modules;
    std::vector<std::string> wanted = names;
    if (names.empty())
        for (const auto& [name, ignored] : index)
            wanted.push_back(name);
    TRY_AS(const auto all, closure(index, wanted));
    return stage_all(contents, all, directory);
}

} // namespace dmarace::vm
