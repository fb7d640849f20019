// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/matrix/matrix.hpp"

#include "vm/board/reader.hpp"
#include "vm/kernels/cache.hpp"
#include "vm/kernels/say.hpp"

#include <algorithm>

namespace dmarace::vm {
namespace {

bool has(const std::vector<std::string>& words, std::string_view word) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

Part read_part(Reader& reader, const toml::table& table) {
    reader.only(table, {"name", "summary", "program", "command", "quiet", "expect"});
    Part part{reader.text(table, "name"),
              reader.text(table, "summary"),
              "",
              reader.list(table, "command"),
              table["quiet"].value_or(false),
              reader.list(table, "expect")};
    if (table.contains("program"))
        part.program = reader.text(table, "program");
    if (part.command.empty())
        reader.wrong(table, "'command' is missing");
    return part;
}

Cell read_cell(Reader& reader, const toml::table& table, const Matrix& matrix) {
    reader.only(table, {"kernel", "board", "parts", "ci", "note", "expect"});
    Cell cell{reader.text(table, "kernel"),
              reader.text(table, "board"),
              reader.list(table, "parts"),
              reader.list(table, "ci"),
              "",
              reader.list(table, "expect")};
    if (table.contains("note"))
        cell.note = reader.text(table, "note");
    for (const std::string& part : cell.parts)
        if (!matrix.part(part))
            reader.wrong(table, fmt::format("no part '{}'", part));
    for (const std::string& part : cell.ci)
        if (!has(cell.parts, part))
            reader.wrong(table, fmt::format("'{}' is in ci and not in parts", part));
    return cell;
}

// "quiet*, module": a star for those among the default tests.
std::string parts_of(const Cell& cell) {
    std::vector<std::string> words;
    for (const std::string& part : cell.parts)
        words.push_back(part + (has(cell.ci, part) ? "*" : ""));
    return fmt::format("{}", fmt::join(words, ", "));
}

} // namespace

const Part* Matrix::part(std::string_view name) const {
    const auto found = std::find_if(parts.begin(), parts.end(),
                                    [&](const Part& part) { return part.name == name; });
    return found == parts.end() ? nullptr : &*found;
}

Result<Matrix> parse_matrix(std::string_view text, const std::string& file) {
    const auto root = parse_toml(text, file);
    if (!root)
        return std::unexpected(root.error());
    Reader reader(file);
    Matrix matrix;
    reader.only(*root, {"part", "cell"});
    for (const toml::table* table : reader.tables(*root, "part"))
        matrix.parts.push_back(read_part(reader, *table));
    for (const toml::table* table : reader.tables(*root, "cell"))
        matrix.cells.push_back(read_cell(reader, *table, matrix));
    if (!reader.first_error().empty())
        return fail(Fault::usage, reader.first_error());
    return matrix;
}

Result<Matrix> read_matrix(const std::filesystem::path& file) {
    const auto text = read_text(file);
    if (!text)
        return std::unexpected(text.error());
    return parse_matrix(*text, file.string());
}

std::vector<std::string> expected(const Part& part, const Cell& cell) {
    auto words = part.expect;
    if (part.name == kQuiet)
        words.insert(words.end(), cell.expect.begin(), cell.expect.end());
    return words;
}

std::vector<Cell> select_cells(const Matrix& matrix, std::string_view kernel,
                               std::string_view board) {
    std::vector<Cell> cells;
    for (const Cell& cell : matrix.cells)
        if ((kernel.empty() || cell.kernel == kernel) && (board.empty() || cell.board == board))
            cells.push_back(cell);
    return cells;
}

std::string support_table(const Matrix& matrix) {
    std::string text = "| kernel | board | parts | remarks |\n|---|---|---|---|\n";
    for (const Cell& cell : matrix.cells)
        text += fmt::format("| `{}` | `{}` | {} | {} |\n", cell.kernel, cell.board, parts_of(cell),
                            cell.note);
    text += "\n| part | is |\n|---|---|\n";
    for (const Part& part : matrix.parts)
        text += fmt::format("| {} | {} |\n", part.name, part.summary);
    return text;
}

} // namespace dmarace::vm
