// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest.hpp"

#include "base/files.hpp"
#include "base/process.hpp"

#include <gmock/gmock.h>
#include <toml++/toml.h>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <sstream>
#include <stdexcept>

namespace dmarace::test {

namespace fs = std::filesystem;

namespace {

nlohmann::json read_json(const fs::path& path) {
    auto parsed = nlohmann::json::parse(read_text(path).value_or(""), nullptr, false);
    return parsed.is_discarded() ? nlohmann::json::object() : parsed;
}

// The table of that name in a list of jobs.toml; nullptr when there is none.
const toml::table* find_row(const toml::table& all, const char* list, const std::string& name) {
    for (const auto& row : *all[list].as_array())
        if (row.as_table()->at("name").value_or("") == name)
            return row.as_table();
    return nullptr;
}

// A job's own tables, from a control's row.
toml::table full_job(const toml::table& row) {
    toml::table job{{"source", "docs/simulated-iommu.md"},
                    {"risk", "taint"},
                    {"iterations", 1},
                    {"expect", toml::table{{"dma", "as-type"}}}};
    for (const char* key : {"name", "summary", "risk", "iterations", "params", "expect"})
        if (const auto* value = row.get(key))
            job.insert_or_assign(key, *value);
    if (const auto sim = row["sim"].value<std::string>())
        job.insert("reset",
                   toml::table{{"steps", toml::array{"rmmod dmarace_sim",
                                                     "insmod dmarace_sim " + *sim, "settle"}}});
    if (const auto* reset = row.get("reset"))
        job.insert("reset", toml::table{{"steps", *reset->as_array()}});
    job.insert("actor",
               toml::array{toml::table{{"name", "client"}, {"steps", *row["steps"].as_array()}}});
    return job;
}

std::string job_text(const std::string& name) {
    static const toml::table all = toml::parse_file(DMARACE_TEST_DIR "/jobs.toml");
    const toml::table* control = find_row(all, "control", name);
    const toml::table* written = control ? control : find_row(all, "job", name);
    if (!written)
        throw std::runtime_error("jobs.toml has no job " + name);
    toml::table job = control ? full_job(*control) : *written;
    job.insert("source", "tests/vm"); // unless it has one
    std::ostringstream text;
    text << job << "\n";
    return text.str();
}

} // namespace

Guest::~Guest() {
    if (::testing::Test::HasFailure())
        std::cerr << "kept: " << kept_.keep() << "\n" << output_;
}

int Guest::run(const std::string& board, const std::string& kernel,
               const std::vector<std::string>& words, const std::string& program,
               const std::vector<std::string>& also) {
    const auto run_dir = dir_ / "run";
    std::vector<std::string> command{DMARACE_VM_PROGRAM,
                                     "run",
                                     "--board",
                                     board,
                                     "--kernel",
                                     kernel,
                                     "--timeout",
                                     timeout_,
                                     "--out",
                                     run_dir.string(),
                                     "--program",
                                     program.empty() ? kDmarace.front() : program};
    for (const auto& name : also) {
        command.emplace_back("--also");
        command.push_back(name);
    }
    command.emplace_back("--");
    command.insert(command.end(), words.begin(), words.end());
    const auto log = dir_ / "output";
    std::error_code ec;
    fs::remove(log, ec);
    const auto ran = run_to_end({.argv = command, .log = log});
    output_ = read_text(log).value_or("");
    return ran && ran->status < 128 ? ran->status : -1;
}

std::string Guest::make_file(const std::string& name, const std::string& text) const {
    const auto path = dir_ / name;
    EXPECT_TRUE(write_text(path, text));
    return path.string();
}

std::string Guest::job(const std::string& name) const {
    const auto kept = fs::path(DMARACE_TEST_DIR "/jobs") / (name + ".toml");
    return fs::exists(kept) ? kept.string() : make_file(name + ".toml", job_text(name));
}

nlohmann::json Guest::result() const { return read_json(dir_ / "run" / "result.json"); }
nlohmann::json Guest::result(const std::string& job) const {
    return read_json(dir_ / "run" / job / "result.json");
}
nlohmann::json Guest::vm() const { return read_json(dir_ / "run" / "vm.json"); }
std::string Guest::console() const { return file("console.log"); }
std::string Guest::file(const std::string& name) const {
    return read_text(dir_ / "run" / name).value_or("");
}

std::vector<std::string> kinds(const nlohmann::json& result, const std::string& driver) {
    std::set<std::string> found;
    for (const auto& failure : result.value("failures", nlohmann::json::array()))
        if (failure.value("driver", "") == driver)
            found.insert(failure.value("kind", ""));
    return {found.begin(), found.end()};
}

void expect_well(const Guest& guest) {
    using testing::HasSubstr;
    using testing::Not;
    EXPECT_THAT(guest.output(), Not(HasSubstr("not ok")));
    for (const char* bad : {"WARNING:", "BUG:", "Oops", "Unable to handle"})
        EXPECT_THAT(guest.console(), Not(HasSubstr(bad)));
}

std::vector<vm::MatrixCell> cells_of(const std::string& part) {
    const auto matrix = vm::read_matrix(DMARACE_SOURCE_DIR "/vm/matrix.toml");
    if (!matrix)
        throw std::runtime_error(matrix.error().message);
    std::vector<vm::MatrixCell> cells;
    for (const auto& cell : matrix->cells)
        if (std::ranges::count(cell.ci, part) > 0)
            cells.push_back(cell);
    return cells;
}

} // namespace dmarace::test
