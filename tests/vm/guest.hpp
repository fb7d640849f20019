// SPDX-License-Identifier: GPL-2.0-or-later
// One run of dmarace-vm: what it printed, its exit code, and its directory.
#pragma once

#include <nlohmann/json.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace dmarace::test {

class Guest {
public:
    Guest();
    ~Guest();
    Guest(const Guest&) = delete;
    Guest& operator=(const Guest&) = delete;

    // dmarace-vm run --board BOARD --kernel KERNEL --out .. -- WORDS
    // Programs are files below the folder of the arm64 build, or absolute paths:
    // a board with a disk runs scripts too.
    int run(const std::string& board, const std::string& kernel,
            const std::vector<std::string>& words, const std::string& program = "",
            const std::vector<std::string>& also = {}, const std::string& timeout = "12m");
    // A file beside the run's directory; its path.
    std::string make_file(const std::string& name, const std::string& text) const;
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
    std::filesystem::path dir_;
    std::string output_;
};

// Kinds of the failures of one device, sorted, each once.
std::vector<std::string> kinds(const nlohmann::json& result, const std::string& driver);

} // namespace dmarace::test
