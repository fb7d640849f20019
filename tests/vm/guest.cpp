// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest.hpp"

#include "base/process.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <set>

namespace dmarace::test {

namespace fs = std::filesystem;

namespace {

std::string read_file(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

nlohmann::json read_json(const fs::path& path) {
    auto parsed = nlohmann::json::parse(read_file(path), nullptr, false);
    return parsed.is_discarded() ? nlohmann::json::object() : parsed;
}

int run_logged(const std::vector<std::string>& words, const fs::path& log) {
    std::error_code ec;
    fs::remove(log, ec);
    const auto ran = run_to_end({.argv = words, .log = log});
    return ran && ran->status < 128 ? ran->status : -1;
}

} // namespace

Guest::Guest() {
    std::string name = (fs::temp_directory_path() / "dmarace-vm-test-XXXXXX").string();
    dir_ = ::mkdtemp(name.data());
}

Guest::~Guest() {
    if (::testing::Test::HasFailure()) {
        std::cerr << "kept: " << dir_ << "\n" << output_;
        return;
    }
    std::error_code ec;
    fs::remove_all(dir_, ec);
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
                                     program.empty() ? "orchestrator/commands/dmarace" : program};
    for (const auto& name : also) {
        command.emplace_back("--also");
        command.push_back(name);
    }
    command.emplace_back("--");
    command.insert(command.end(), words.begin(), words.end());
    const auto log = dir_ / "output";
    const int code = run_logged(command, log);
    output_ = read_file(log);
    return code;
}

std::string Guest::make_file(const std::string& name, const std::string& text) const {
    const auto path = dir_ / name;
    std::ofstream(path, std::ios::binary) << text;
    return path.string();
}

nlohmann::json Guest::result() const {
    return read_json(dir_ / "run" / "result.json");
}
nlohmann::json Guest::result(const std::string& job) const {
    return read_json(dir_ / "run" / job / "result.json");
}
nlohmann::json Guest::vm() const {
    return read_json(dir_ / "run" / "vm.json");
}
std::string Guest::console() const {
    return file("console.log");
}
std::string Guest::file(const std::string& name) const {
    return read_file(dir_ / "run" / name);
}

std::vector<std::string> kinds(const nlohmann::json& result, const std::string& driver) {
    std::set<std::string> found;
    for (const auto& failure : result.value("failures", nlohmann::json::array()))
        if (failure.value("driver", "") == driver)
            found.insert(failure.value("kind", ""));
    return {found.begin(), found.end()};
}

} // namespace dmarace::test
