// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/bisect/matrix.hpp"

#include "base/files.hpp"
#include "base/toml.hpp"
#include "catalogue/failures.hpp"
#include "vm/campaign/run.hpp"
#include "vm/kernels/say.hpp"

#include <algorithm>
#include <array>

namespace dmarace::vm {
namespace {

bool has(const std::vector<std::string>& words, std::string_view word) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

MatrixPart read_part(BriefTable table) {
    table.only({"name", "summary", "program", "command", "quiet", "expect"});
    MatrixPart part{table.must("name"),
                    table.must("summary"),
                    "",
                    values_of(table.list("command")),
                    false,
                    values_of(table.list("expect"))};
    if (const auto* quiet = table.node("quiet"))
        part.quiet = quiet->value_or(false);
    if (const auto program = table.text("program"))
        part.program = program->value;
    if (part.command.empty())
        table.error(table.where(), "'command' is missing");
    return part;
}

MatrixCell read_cell(BriefTable table, const Matrix& matrix) {
    table.only({"kernel", "board", "parts", "ci", "note", "expect"});
    MatrixCell cell{table.must("kernel"),
                    table.must("board"),
                    values_of(table.list("parts")),
                    values_of(table.list("ci")),
                    "",
                    values_of(table.list("expect"))};
    if (const auto note = table.text("note"))
        cell.note = note->value;
    for (const std::string& part : cell.parts)
        if (!matrix.part(part))
            table.error(table.where(), fmt::format("no part '{}'", part));
    for (const std::string& part : cell.ci)
        if (!has(cell.parts, part))
            table.error(table.where(), fmt::format("'{}' is in ci and not in parts", part));
    return cell;
}

// "quiet*, module": a star for those among the default tests.
std::string parts_of(const MatrixCell& cell) {
    std::vector<std::string> words;
    for (const std::string& part : cell.parts)
        words.push_back(part + (has(cell.ci, part) ? "*" : ""));
    return fmt::format("{}", fmt::join(words, ", "));
}

std::string_view last_line(std::string_view text) {
    const auto end = text.find_last_not_of('\n');
    if (end == std::string_view::npos)
        return {};
    text = text.substr(0, end + 1);
    return text.substr(text.rfind('\n') + 1);
}

// What a board said that is not well; "" for nothing.
std::string_view complaint(std::string_view console) {
    while (!console.empty()) {
        const auto line = console.substr(0, console.find('\n'));
        if (const auto* sign = catalogue::console_sign(line); sign && sign->is_failure())
            return line;
        console.remove_prefix(std::min(line.size() + 1, console.size()));
    }
    return {};
}

} // namespace

const MatrixPart* Matrix::part(std::string_view name) const { return named(parts, name); }

Result<Matrix> parse_matrix(std::string_view text, const std::string& file) {
    const auto root = parse_toml(text, file);
    if (!root)
        return fail(Fault::usage, shown(root.error().where) + ": " + root.error().message);
    std::string first_error;
    BriefTable top(*root, file, first_error);
    Matrix matrix;
    top.only({"part", "cell"});
    for (const toml::table* table : top.tables("part"))
        matrix.parts.push_back(read_part(top.below(*table)));
    for (const toml::table* table : top.tables("cell"))
        matrix.cells.push_back(read_cell(top.below(*table), matrix));
    if (!first_error.empty())
        return fail(Fault::usage, first_error);
    return matrix;
}

Result<Matrix> read_matrix(const std::filesystem::path& file) {
    TRY_AS(const auto text, read_text(file));
    return parse_matrix(text, file.string());
}

std::vector<std::string> expected(const MatrixPart& part, const MatrixCell& cell) {
    auto words = part.expect;
    if (part.name == kQuiet)
        words.insert(words.end(), cell.expect.begin(), cell.expect.end());
    return words;
}

std::vector<MatrixCell> select_cells(const Matrix& matrix, std::string_view kernel,
                                     std::string_view board) {
    std::vector<MatrixCell> cells;
    for (const MatrixCell& cell : matrix.cells)
        if ((kernel.empty() || cell.kernel == kernel) && (board.empty() || cell.board == board))
            cells.push_back(cell);
    return cells;
}

std::string support_table(const Matrix& matrix) {
    std::string text = "| kernel | board | parts | remarks |\n|---|---|---|---|\n";
    for (const MatrixCell& cell : matrix.cells)
        text += fmt::format("| `{}` | `{}` | {} | {} |\n", cell.kernel, cell.board, parts_of(cell),
                            cell.note);
    text += "\n| part | is |\n|---|---|\n";
    for (const MatrixPart& part : matrix.parts)
        text += fmt::format("| {} | {} |\n", part.name, part.summary);
    return text;
}

PartResult judge(const MatrixPart& part, const MatrixCell& cell, const PartLeft& left) {
    if (left.status == kExitUntestable)
        return {PartEnd::skipped, std::string(last_line(left.output))};
    if (left.status != 0)
        return {PartEnd::failed, fmt::format("exit {}: {}", left.status, last_line(left.output))};
    for (const std::string& word : expected(part, cell))
        if (left.output.find(word) == std::string_view::npos)
            return {PartEnd::failed, fmt::format("nothing says '{}'", word)};
    if (const auto said = complaint(left.console); part.quiet && !said.empty())
        return {PartEnd::failed, fmt::format("console: {}", said)};
    return {PartEnd::passed, ""};
}

int exit_code(std::span<const PartResult> outcomes) {
    const auto has = [&](PartEnd came) {
        return std::ranges::any_of(outcomes, [&](const auto& one) { return one.came == came; });
    };
    if (has(PartEnd::failed))
        return 1;
    return has(PartEnd::passed) ? 0 : kExitUntestable; // nothing that ran nothing is green
}

std::string_view to_text(PartEnd came) {
    constexpr std::array<std::string_view, 3> words{"pass", "fail", "skip"};
    return words[static_cast<std::size_t>(came)];
}

} // namespace dmarace::vm
