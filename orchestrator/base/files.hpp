// SPDX-License-Identifier: GPL-2.0-or-later
// File descriptors that close themselves, whole files, and what of them is on the disk when a
// machine dies.
#pragma once

#include "base/error.hpp"

#include <unistd.h>

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

namespace dmarace {

class UniqueFd {
public:
    UniqueFd() = default;
    explicit UniqueFd(int fd) : fd_(fd) {}
    UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    UniqueFd& operator=(UniqueFd&& other) noexcept {
        if (this != &other)
            reset(std::exchange(other.fd_, -1));
        return *this;
    }
    ~UniqueFd() { reset(); }

    int get() const { return fd_; }
    explicit operator bool() const { return fd_ >= 0; }
    void reset(int fd = -1) {
        if (fd_ >= 0)
            ::close(fd_);
        fd_ = fd;
    }

private:
    int fd_ = -1;
};

// Pages, unmapped with their owner; none where mapping failed, with its errno.
class Mapped {
public:
    Mapped() = default;
    Mapped(std::size_t size, int protection, int flags, int fd = -1);
    // A regular file, to be looked at; who truncates it meanwhile ends this program with SIGBUS.
    static Result<Mapped> open(const std::filesystem::path& file);
    Mapped(Mapped&& other) noexcept
        : at_(std::exchange(other.at_, nullptr)), size_(std::exchange(other.size_, 0)) {}
    Mapped& operator=(Mapped&& other) noexcept {
        std::swap(at_, other.at_);
        std::swap(size_, other.size_);
        return *this;
    }
    ~Mapped();

    explicit operator bool() const { return at_ != nullptr; }
    template <class T>
    T* as() const {
        return static_cast<T*>(at_);
    }
    std::string_view text() const { return {as<const char>(), size_}; }

private:
    void* at_ = nullptr;
    std::size_t size_ = 0;
};

// All that an open file still has, however little it says that it holds; an error begins with
// 'what'.
Result<std::string> read_all(int fd, const std::string& what);
// A missing file is an error that names it.
Result<std::string> read_text(const std::filesystem::path& file);
// Not durable: for what can be made again.
Status write_text(const std::filesystem::path& file, std::string_view text);

// All of the text, whatever part of it a write() takes. shown: the file's name.
Status write_all(int fd, std::string_view text, const std::string& shown);

// Replaces a file, durably: the old one or the new one is there, never half of it.
Status replace_file(const std::filesystem::path& file, std::string_view text, mode_t mode = 0644);
// The same in an open directory. temporary: the name it has until it is whole, which
// no link may have.
Status replace_file_at(int directory, const std::string& name, const std::string& temporary,
                       std::string_view text, const std::string& shown, mode_t mode);

// The folder above that of this program (of its loader, where that was called by name): what
// came with it lies there, installed, unpacked or built.
std::filesystem::path own_tree();

// How much of a file of lines is whole ones: up to its last '\n'.
std::size_t whole_lines(std::string_view text);

} // namespace dmarace
