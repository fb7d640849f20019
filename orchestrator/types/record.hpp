// SPDX-License-Identifier: GPL-2.0-or-later
// What was written to the types of IOMMU groups, and what was seen meanwhile: one small
// record for each thing done. `type` steps and the actors of a [type] table make the same
// ones; some hundred thousand fit into an iteration. Plain data.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dmarace::types {

// What is written to a group's type, and what is read from it. none: nothing was read;
// other: no word of the kernel's.
enum class TypeWord : std::uint8_t {
    none,
    dma,
    dma_fq,
    identity,
    automatic,
    unmanaged,
    blocked,
    unknown,
    other,
};
inline constexpr unsigned kTypeWords = 9;

std::string_view to_text(TypeWord word);
TypeWord type_word_from(std::string_view text);
// DMA, DMA-FQ, identity and auto: what may be asked for.
bool may_be_written(TypeWord word);

enum class BoundSeen : std::uint8_t { unknown, no, yes };

// One thing that an actor did. Times are CLOCK_MONOTONIC in ns. ended is 0 while it goes
// on; read is when the read-back of a write had returned. Trivial: an actor writes it into
// memory that it shares with the owner.
struct TypeAct {
    static constexpr std::uint8_t kNoDevice = 255; // it is about the whole group
    enum class What : std::uint8_t { look, write, unbind, bind, remove, rescan, sriov, read };
    std::uint64_t began = 0, ended = 0, read = 0;
    std::int32_t os_error = 0;
    std::uint16_t group = 0;         // index into TypeRecord::groups
    std::uint8_t device = kNoDevice; // index into the group's devices
    What what = What::look;
    TypeWord asked = TypeWord::none;      // of a write
    TypeWord before = TypeWord::none;     // of a write, as far as its actor knew
    TypeWord after = TypeWord::none;      // of a write and a look
    BoundSeen bound = BoundSeen::unknown; // was a driver bound that owns the group?
    bool undo = false;                    // restores what was there before
};

// "write", "unbind" ..
std::string_view to_text(TypeAct::What what);
std::optional<TypeAct::What> type_act_from(std::string_view text);

// The record of a `type` step. The step itself has its times and its errno.
struct TypeStep {
    std::int64_t group = 0;
    unsigned devices = 0; // in the group
    std::string word;     // as it stood in the step
    TypeAct act{};
};

struct TypeActor {
    std::string name;
    bool writes = false;
    std::vector<TypeAct> acts;
};

// A group as sysfs had it at some time.
struct TypeGroup {
    std::int64_t number = 0;
    std::string type{};
    std::vector<std::string> devices{}; // BUS/NAME
};

// What the actors of a [type] table did in one iteration.
struct TypeRecord {
    std::vector<TypeGroup> groups;
    std::vector<TypeActor> actors;
};

// Binds, removals and the like of one actor that failed alike.
struct FailedAct {
    std::string actor;
    TypeAct::What what = TypeAct::What::bind;
    std::string device; // "" for what is about all
    int os_error = 0;
    std::uint64_t count = 0;
};

// Writes that had the same result in the same state.
struct TypeCell {
    std::string before; // the type it had; "?" when several were possible
    std::string asked;
    std::string bound;  // yes, no; "?" when both were possible
    std::string result; // "ok" or the errno's name
    std::string after;  // as read back, "" if it was not
    std::string why;    // the rule that allows the answer; "" when nothing explains it
    std::uint64_t count = 0;
    std::string reads{};    // why it reads back what it does, "" if it was not told
    bool read_lost = false; // .. and nothing explains that
    bool either = false;    // the opposite answer would be explained as well

    bool explained() const { return !why.empty() && !read_lost; }
};

// All writes of one iteration, or of a run.
struct TypeTally {
    std::vector<TypeCell> cells; // sorted
    std::uint64_t writes = 0;    // of the writers of a [type] table ..
    double seconds = 0;          // .. from the first to the last, read back

    void add(const TypeCell& cell);
    void add(const TypeTally& other);
    std::uint64_t explained() const;
    std::uint64_t unexplained() const;
    std::uint64_t either() const;
};

} // namespace dmarace::types
