// SPDX-License-Identifier: GPL-2.0-or-later
// Whole files, and what of them is on the disk when a machine dies.
#pragma once

#include "base/error.hpp"

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <string_view>

namespace dmarace {

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

// How much of a file of lines is whole ones: up to its last '\n'.
std::size_t whole_lines(std::string_view text);

} // namespace dmarace
