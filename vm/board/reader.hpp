// SPDX-License-Identifier: GPL-2.0-or-later
// Tables of a TOML file that people write: the first thing wrong is told, with file, line
// and column.
#pragma once

#include "base/error.hpp"

#include <toml++/toml.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace dmarace::vm {

// Fault::usage with the place, when the text is no TOML.
Result<toml::table> parse_toml(std::string_view text, const std::string& file);

class BoardReader {
public:
    explicit BoardReader(std::string file) : file_(std::move(file)) {}

    // Only these keys may be there.
    void only(const toml::table& table, const std::vector<std::string>& keys);
    // Must be there.
    std::string text(const toml::table& table, std::string_view key);
    unsigned number(const toml::table& table, std::string_view key, std::int64_t most);
    // False when it is not there.
    bool flag(const toml::table& table, std::string_view key);
    const toml::table& table(const toml::table& parent, std::string_view key);
    // Empty when it is not there.
    std::vector<std::string> list(const toml::table& table, std::string_view key);
    // Each [[KEY]]; none when there is none.
    std::vector<const toml::table*> tables(const toml::table& parent, std::string_view key);

    void wrong(const toml::node& node, const std::string& what);
    const std::string& first_error() const { return first_; }

private:
    std::string file_, first_;
};

} // namespace dmarace::vm
