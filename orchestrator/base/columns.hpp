// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>
#include <vector>

namespace dmarace {

// Text in columns.
class Columns {
public:
    explicit Columns(std::vector<std::string> heads);
    // One row, as long as the heads; cells are made printable.
    void add(std::vector<std::string> row);
    // The table, each line after indent, columns two spaces apart, without
    // those that hold nothing and have no head.
    std::string text(const std::string& indent) const;

private:
    std::vector<std::vector<std::string>> rows_;
};

} // namespace dmarace
