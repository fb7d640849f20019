// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/files.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <fstream>

namespace dmarace {

namespace fs = std::filesystem;

Mapped::Mapped(std::size_t size, int protection, int flags, int fd)
    : at_(::mmap(nullptr, size, protection, flags, fd, 0)), size_(size) {
    if (at_ == MAP_FAILED)
        at_ = nullptr;
}

Result<Mapped> Mapped::open(const fs::path& file) {
    const UniqueFd in(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat status {};
    if (!in || fstat(in.get(), &status) != 0)
        return fail_errno(file.string());
    if (status.st_size == 0)
        return Mapped(); // mmap() takes no empty file
    Mapped bytes(static_cast<std::size_t>(status.st_size), PROT_READ, MAP_PRIVATE | MAP_POPULATE,
                 in.get());
    if (!bytes)
        return fail_errno(file.string());
    return bytes;
}

Mapped::~Mapped() {
    if (at_)
        ::munmap(at_, size_);
}

Result<std::string> read_all(int fd, const std::string& what) {
    struct stat status {};
    if (::fstat(fd, &status) != 0)
        return fail_errno(what);
    // One byte more, to see the end; what says that it is empty may still have text.
    std::size_t room = std::max<std::size_t>(status.st_size + 1, 4096), had = 0;
    std::string text;
    for (ssize_t got = 1; got > 0; room *= 2) {
        text.resize_and_overwrite(room, [&](char* bytes, std::size_t) {
            while (had < room &&
                   (got = TEMP_FAILURE_RETRY(::read(fd, bytes + had, room - had))) > 0)
                had += static_cast<std::size_t>(got);
            return had;
        });
        if (got < 0)
            return fail_errno(what);
    }
    return text;
}

Result<std::string> read_text(const fs::path& file) {
    const UniqueFd in(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    return in ? read_all(in.get(), file.string()) : fail_errno(file.string());
}

Status write_text(const fs::path& file, std::string_view text) {
    std::ofstream out(file, std::ios::binary | std::ios::trunc);
    out << text;
    out.close();
    if (!out)
        return fail_errno(file.string());
    return {};
}

Status write_all(int fd, std::string_view text, const std::string& shown) {
    while (!text.empty()) {
        const auto put = TEMP_FAILURE_RETRY(::write(fd, text.data(), text.size()));
        if (put < 0)
            return fail_errno("cannot write " + shown);
        text.remove_prefix(static_cast<std::size_t>(put));
    }
    return {};
}

Status replace_file_at(int directory, const std::string& name, const std::string& temporary,
                       std::string_view text, const std::string& shown, mode_t mode) {
    {
        const UniqueFd fd(::openat(directory, temporary.c_str(),
                                   O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode));
        if (!fd)
            return fail_errno("cannot write " + shown);
        auto put = write_all(fd.get(), text, shown);
        if (put && ::fsync(fd.get()) < 0)
            put = fail_errno("cannot make " + shown + " durable");
        if (!put) {
            ::unlinkat(directory, temporary.c_str(), 0);
            return put;
        }
    }
    if (::renameat(directory, temporary.c_str(), directory, name.c_str()) < 0)
        return fail_errno("cannot write " + shown);
    // Some file systems cannot; the name follows when they can.
    ::fsync(directory);
    return {};
}

Status replace_file(const fs::path& file, std::string_view text, mode_t mode) {
    const auto parent = file.has_parent_path() ? file.parent_path() : fs::path(".");
    const UniqueFd directory(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory)
        return fail_errno("cannot write " + file.string());
    const auto name = file.filename().string();
    return replace_file_at(directory.get(), name, name + ".new", text, file.string(), mode);
}

fs::path own_tree() {
    std::error_code ec;
    const auto program = fs::read_symlink("/proc/self/exe", ec);
    return ec ? fs::path("/") : program.parent_path().parent_path();
}

std::size_t whole_lines(std::string_view text) {
    const auto last = text.rfind('\n');
    return last == std::string_view::npos ? 0 : last + 1;
}

} // namespace dmarace
