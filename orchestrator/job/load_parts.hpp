// SPDX-License-Identifier: GPL-2.0-or-later
// The parts of load(): a function for each kind of table in a job file. Inside this room
// only.
#pragma once

#include "base/toml.hpp"
#include "job/job.hpp"

namespace dmarace::job {

// One table of a job file; what is wrong in it goes to the diagnostics.
class Section final : public TomlTable {
public:
    Section(const toml::table& table, std::string shown, const std::string& file,
            Diagnostics& diagnostics)
        : TomlTable(table, std::move(shown), file), diagnostics_(diagnostics) {}
    // A table in the same file.
    Section(const toml::table& table, std::string shown, Section& other)
        : Section(table, std::move(shown), other.file(), other.diagnostics_) {}

    Diagnostics& diagnostics() { return diagnostics_; }
    using TomlTable::error;
    void error(Code code, Place where, const std::string& message) {
        add_error(code, diagnostics_, std::move(where), message);
    }
    // An error when the text is there and cannot name this: "an actor".
    void check_name(const Text& text, const std::string& what);

private:
    void wrong(TomlFault fault, Place where, const std::string& message) override;

    Diagnostics& diagnostics_;
};

// All [[rule]] tables: one rule for each of their points, each with a name of its own.
void load_rules(Section& top, Job& job);

// The [type] table, if there is one; the head and the actors are there already.
void load_type_storm(Section& top, Job& job);

// The [trigger] table, if there is one.
void load_trigger(Section& top, Job& job);

// What the parts say about each other: {param} that is not there, actors that
// nobody defined, words whose parameter has another type.
void check_references(const Job& job, Diagnostics& diagnostics);

} // namespace dmarace::job
