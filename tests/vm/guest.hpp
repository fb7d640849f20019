// SPDX-License-Identifier: GPL-2.0-or-later
// One run of dmarace-vm: what it printed, its exit code, and its directory; and on what
// the tests run.
#pragma once

#include "vm/bisect/matrix.hpp"
#include "vm/kernels/cache.hpp"

#include <nlohmann/json.hpp>

#include <filesystem>
#include <ostream>
#include <string>
#include <vector>

namespace dmarace::vm {

inline void PrintTo(const MatrixCell& cell, std::ostream* out) {
    *out << cell.kernel << " on " << cell.board;
}

} // namespace dmarace::vm

namespace dmarace::test {

inline const std::vector<std::string> kDmarace{"orchestrator/dmarace"};

class Guest {
public:
    Guest() = default;
    ~Guest();
    Guest(const Guest&) = delete;
    Guest& operator=(const Guest&) = delete;

    // dmarace-vm run --board BOARD --kernel KERNEL --out .. -- WORDS
    // Programs are files below build/ARCH, or absolute paths: a board with a disk
    // runs scripts too.
    int run(const std::string& board, const std::string& kernel,
            const std::vector<std::string>& words, const std::string& program = "",
            const std::vector<std::string>& also = {});
    // For all boots together, as --timeout takes it.
    void set_timeout(const std::string& timeout) { timeout_ = timeout; }
    // A file beside the run's directory; its path.
    std::string make_file(const std::string& name, const std::string& text) const;
    // The same with a job of jobs.toml, or the path of one of jobs/.
    std::string job(const std::string& name) const;
    // The run's result.json; an empty object when there is none.
    nlohmann::json result() const;
    // The same of one job of several.
    nlohmann::json result(const std::string& job) const;
    nlohmann::json vm() const;
    // Both streams of the guest's command, and dmarace-vm's own.
    const std::string& output() const { return output_; }
    std::string console() const;
    std::string file(const std::string& name) const;

private:
    vm::TemporaryDirectory kept_ = *vm::TemporaryDirectory::make(); // where a test failed
    std::filesystem::path dir_ = kept_.path();
    std::string output_, timeout_ = "12m";
};

// Kinds of the failures of one device, sorted, each once.
std::vector<std::string> kinds(const nlohmann::json& result, const std::string& driver);

// Neither the program inside nor the kernel complained.
void expect_well(const Guest& guest);

// Where vm/matrix.toml has this part among the default tests.
std::vector<vm::MatrixCell> cells_of(const std::string& part);

} // namespace dmarace::test
