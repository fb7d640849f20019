// SPDX-License-Identifier: GPL-2.0-or-later
// This file is what the actors of a [type] table did, one small record each:
// some hundred thousand fit into an iteration. Plain data, so that an actor can
// write it into memory that it shares with the owner.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dmarace::verdict {

// What is written to and read from a group's type. none: nothing was read.
enum class TypeWord : std::uint8_t { none, dma, dma_fq, identity, automatic, other };

std::string_view to_text(TypeWord word);
TypeWord type_word_from(std::string_view text);

// One thing that an actor did. Times are CLOCK_MONOTONIC in ns. ended is 0
// while it goes on; read is when the read-back of a write had returned.
struct TypeAct {
    static constexpr std::uint8_t kNoDevice = 255; // it is about the whole group
    enum class What : std::uint8_t { look, write, unbind, bind, remove, rescan, sriov, read };
    std::uint64_t began = 0, ended = 0, read = 0;
    std::int32_t os_error = 0;
    std::uint16_t group = 0;         // index into TypeRun::groups
    std::uint8_t device = kNoDevice; // index into the group's devices
    What what = What::look;
    TypeWord asked = TypeWord::none; // of a write
    TypeWord after = TypeWord::none; // of a write and a look
    bool bound = false;              // of a look: a driver that owns the group was bound
    bool undo = false;               // puts back what was there before
};

// "write", "unbind" ..
std::string_view to_text(TypeAct::What what);

struct TypeActor {
    std::string name;
    bool writes = false;
    std::vector<TypeAct> acts;
};

struct TypeGroup {
    std::int64_t number = 0; // when the run began
    std::vector<std::string> devices;
};

// All of it, in one iteration.
struct TypeRun {
    std::vector<TypeGroup> groups;
    std::vector<TypeActor> actors;
};

} // namespace dmarace::verdict
