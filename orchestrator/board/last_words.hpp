// SPDX-License-Identifier: GPL-2.0-or-later
// This file finds what the kernel said before the machine went down: pstore
// (ramoops, EFI, ERST), or what systemd-pstore has made of it.
#pragma once

#include "board/files.hpp"

#include <string>
#include <vector>

namespace dmarace::board {

// The text of every record that is there, those of one dump put together in
// the order of time. Nothing is removed.
std::vector<std::string> last_words(const Files& files);

// The lines after the last one that holds 'mark', at most 'most' of them, from
// the end; empty when no text holds it.
std::vector<std::string> after_mark(const std::vector<std::string>& texts, const std::string& mark,
                                    std::size_t most);

} // namespace dmarace::board
