// SPDX-License-Identifier: GPL-2.0-or-later
#include "queue/spool.hpp"

#include "base/files.hpp"
#include "base/text.hpp"
#include "base/toml.hpp"
#include "run/request.hpp"

#include <dirent.h>
#include <fcntl.h>

#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <sstream>
#include <string_view>

namespace dmarace::queue {

namespace {

constexpr std::size_t kNameMax = 120;

bool is_plain(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '+';
}

Result<std::vector<std::string>> read_args(const toml::table& table, const std::string& file) {
    std::vector<std::string> out;
    const auto* node = table.get("args");
    if (!node)
        return out;
    if (!node->is_array())
        return fail(Fault::usage, file + ": args is a list of texts");
    for (const auto& item : *node->as_array()) {
        const auto text = item.value<std::string>();
        if (!text)
            return fail(Fault::usage, file + ": args is a list of texts");
        if (run::is_of_starter(*text))
            return fail(Fault::usage, file + ": " + *text + " is given by the daemon itself");
        out.push_back(*text);
    }
    return out;
}

constexpr const char* kStopped = "stopped"; // beside the shelves
constexpr const char* kEnd = ".end";        // behind the name of an entry
constexpr off_t kEntryMax = 64 << 10;
constexpr int kDirectory = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

struct CloseDir {
    void operator()(DIR* dir) const { ::closedir(dir); }
};

std::size_t at(Shelf shelf) { return static_cast<std::size_t>(shelf); }

// Opened, and ours alone.
Result<UniqueFd> open_own(int parent, const std::string& name, const std::string& shown) {
    if (::mkdirat(parent, name.c_str(), 0700) < 0 && errno != EEXIST)
        return fail_errno("cannot make " + shown);
    UniqueFd fd(::openat(parent, name.c_str(), kDirectory));
    if (!fd)
        return fail_errno("cannot open " + shown + " as a directory of its own, without a link");
    struct stat info {};
    if (::fstat(fd.get(), &info) < 0)
        return fail_errno("cannot look at " + shown);
    if (info.st_uid != ::geteuid() || (info.st_mode & 077) != 0)
        return fail(Fault::environment, shown + " has to belong to the user that runs the queue, "
                                                "mode 0700 (chown root, chmod 700)");
    return fd;
}

} // namespace

Result<Entry> parse_entry(const std::string& text, const std::string& file) {
    const auto parsed = parse_toml(text, file);
    if (!parsed)
        return fail(Fault::usage, file + ":" + std::to_string(parsed.error().where.line) + ": " +
                                      parsed.error().message);
    const toml::table& table = *parsed;
    if (!table.contains("job"))
        return Entry{};
    for (const auto& [key, value] : table)
        if (key.str() != "job" && key.str() != "args" && key.str() != "trigger" &&
            key.str() != "event")
            return fail(Fault::usage, file + ": unknown key '" + std::string(key.str()) +
                                          "'; an entry has job and args");
    Entry out;
    out.job = table["job"].value_or(std::string());
    if (out.job.empty() || out.job.starts_with("-"))
        return fail(Fault::usage, file + ": job is the name or the path of a job");
    TRY_AS(auto args, read_args(table, file));
    out.args = std::move(args);
    out.trigger = table["trigger"].value_or(std::string());
    out.event = table["event"].value_or(std::string());
    return out;
}

std::string to_text(const Entry& entry) {
    toml::array args;
    for (const auto& arg : entry.args)
        args.push_back(arg);
    toml::table table{{"job", entry.job}, {"args", args}};
    if (!entry.trigger.empty()) {
        table.insert("trigger", entry.trigger);
        table.insert("event", entry.event);
    }
    std::ostringstream out;
    out << table << "\n";
    return out.str();
}

std::string entry_name(std::uint64_t stamp, const std::string& job) {
    std::string word;
    for (const char c : job.substr(job.rfind('/') + 1))
        word += is_plain(c) ? c : '-';
    if (word.ends_with("-toml"))
        word.resize(word.size() - 5);
    auto number = std::to_string(stamp);
    number.insert(0, 20 - std::min<std::size_t>(number.size(), 20), '0');
    return number + "-" + word.substr(0, kNameMax - 30) + ".toml";
}

std::string entry_name(const std::string& job) {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const auto stamp = std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
    return entry_name(static_cast<std::uint64_t>(stamp), job);
}

bool is_entry_name(const std::string& name) {
    return name.size() > 5 && name.size() <= kNameMax && name.ends_with(".toml") &&
           name.front() != '.' &&
           std::ranges::all_of(name, [](char c) { return is_plain(c) || c == '.'; });
}

std::string_view to_text(Shelf shelf) {
    constexpr std::string_view names[]{"new", "run", "done", "bad", "trigger"};
    return names[at(shelf)];
}

Result<Spool> Spool::open(const std::filesystem::path& path) {
    Spool out;
    out.path_ = path;
    std::error_code ec;
    std::filesystem::create_directories(path.parent_path(), ec);
    TRY_AS(auto root, open_own(AT_FDCWD, path.string(), path.string()));
    out.root_ = std::move(root);
    for (const auto shelf :
         {Shelf::fresh, Shelf::running, Shelf::done, Shelf::bad, Shelf::trigger}) {
        TRY_AS(auto fd,
               open_own(out.root_.get(), std::string(to_text(shelf)), out.path_of(shelf).string()));
        out.shelves_[at(shelf)] = std::move(fd);
    }
    return out;
}

std::vector<std::string> Spool::list(Shelf shelf) const { return names(shelf, is_entry_name); }

// One that begins with '.' is being written.
std::vector<std::string> Spool::odd_names() const {
    return names(Shelf::fresh, [](const std::string& name) {
        return !is_entry_name(name) && !name.starts_with('.');
    });
}

std::vector<std::string> Spool::names(Shelf shelf, bool (*fits)(const std::string& name)) const {
    std::vector<std::string> out;
    const int own = ::openat(shelves_[at(shelf)].get(), ".", kDirectory);
    const std::unique_ptr<DIR, CloseDir> dir(own < 0 ? nullptr : ::fdopendir(own));
    while (const auto* entry = dir ? ::readdir(dir.get()) : nullptr)
        if (fits(entry->d_name))
            out.emplace_back(entry->d_name);
    std::ranges::sort(out);
    return out;
}

Result<std::string> Spool::read(Shelf shelf, const std::string& name) const {
    const auto shown = path_of(shelf, name).string();
    const UniqueFd fd(::openat(shelves_[at(shelf)].get(), name.c_str(),
                               O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!fd)
        return fail(Fault::usage, shown + " cannot be read, or is a symbolic link");
    struct stat info {};
    if (::fstat(fd.get(), &info) < 0 || !S_ISREG(info.st_mode) || info.st_uid != ::geteuid())
        return fail(Fault::usage, shown + " is no file of the queue's own user");
    if (info.st_size > kEntryMax)
        return fail(Fault::usage, shown + " is larger than 64 KiB");
    std::string text(static_cast<std::size_t>(info.st_size), '\0');
    const auto got = ::read(fd.get(), text.data(), text.size());
    if (got < 0)
        return fail_errno("cannot read " + shown);
    text.resize(static_cast<std::size_t>(got));
    return text;
}

Result<Entry> Spool::entry(Shelf shelf, const std::string& name) const {
    const auto text = read(shelf, name);
    return text ? parse_entry(*text, name) : std::unexpected(text.error());
}

Status Spool::move(const std::string& name, Shelf from, Shelf to) const {
    if (::renameat(shelves_[at(from)].get(), name.c_str(), shelves_[at(to)].get(), name.c_str()) <
        0)
        return fail_errno("cannot move " + path_of(from, name).string() + " to " +
                          path_of(to).string());
    ::fsync(shelves_[at(to)].get());
    ::fsync(shelves_[at(from)].get());
    return {};
}

Status Spool::add(const std::string& name, const std::string& text) const {
    return replace_file_at(shelves_[at(Shelf::fresh)].get(), name, "." + name, text,
                           path_of(Shelf::fresh, name).string(), 0600);
}

Status Spool::remove(Shelf shelf, const std::string& name) const {
    if (::unlinkat(shelves_[at(shelf)].get(), name.c_str(), 0) < 0)
        return fail_errno("cannot remove " + path_of(shelf, name).string());
    return {};
}

Status Spool::put_end(const std::string& name, const EntryEnd& end) const {
    const toml::table table{{"verdict", end.verdict},
                            {"exit", end.exit},
                            {"seconds", end.seconds},
                            {"ended", end.ended}};
    std::ostringstream out;
    out << table << "\n";
    const auto file = name + kEnd;
    return replace_file_at(shelves_[at(Shelf::done)].get(), file, "." + file, out.str(),
                           path_of(Shelf::done, file).string(), 0600);
}

std::optional<EntryEnd> Spool::end_of(const std::string& name) const {
    const auto text = read(Shelf::done, name + kEnd);
    const auto parsed = parse_toml(text.value_or(""), name);
    if (!text || !parsed)
        return std::nullopt;
    return EntryEnd{.verdict = (*parsed)["verdict"].value_or(std::string()),
                    .exit = (*parsed)["exit"].value_or(0),
                    .seconds = (*parsed)["seconds"].value_or(std::int64_t{0}),
                    .ended = (*parsed)["ended"].value_or(std::string())};
}

Status Spool::stop(const std::string& why) const {
    return replace_file_at(root_.get(), kStopped, std::string(".") + kStopped, why + "\n",
                           (path_ / kStopped).string(), 0600);
}

std::string Spool::stopped() const { return first_line(read_text(path_ / kStopped).value_or("")); }

Status Spool::go_on() const {
    if (::unlinkat(root_.get(), kStopped, 0) < 0 && errno != ENOENT)
        return fail_errno("cannot remove " + (path_ / kStopped).string());
    return {};
}

std::filesystem::path Spool::path_of(Shelf shelf) const { return path_ / to_text(shelf); }

std::filesystem::path Spool::path_of(Shelf shelf, const std::string& name) const {
    return path_of(shelf) / name;
}

} // namespace dmarace::queue
