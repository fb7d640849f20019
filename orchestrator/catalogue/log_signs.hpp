// SPDX-License-Identifier: GPL-2.0-or-later
// The lines of a kernel log that mean something: for the verdict of an iteration, for
// the end of a board's boot and for the matrix's view of a console.
#pragma once

#include "catalogue/failures.hpp"

#include <string_view>

namespace dmarace::catalogue {

struct LogSign {
    enum class Effect {
        overlooked, // the tool's own, or what loading its module prints
        noted,      // legal, but worth a sentence
        warned,     // a failure after which the machine goes on
        broke,      // a failure that a machine may end with: an oops, a BUG(), a stall
    };
    Effect effect;
    FailureKind kind;      // of a failure
    std::string_view text; // as a word of its own
    std::string_view also; // somewhere in the line, "" for nothing more
    bool at_start;         // the line begins with text

    bool is_failure() const { return effect == Effect::warned || effect == Effect::broke; }
    // The message of a WARN() stands beside this line.
    bool has_message_beside() const;
};

// The first row that matches, or null. line is a message without its stamp.
const LogSign* log_sign(std::string_view line);
// The same for a line of a console, where the stamp stands before the message.
const LogSign* console_sign(std::string_view line);

// Words that are no failure, and tell something to one reader.
enum class LogHint {
    late_probe,    // the core found that it groups a device in its driver's bind
    probe_timeout, // a client was told to do without its IOMMU
    queue_failed,  // a flush queue could not be made
    type_refused,  // the device, or its driver, does not take the type
    panic,
    restart, // the machine boots again because it was told to
};

// The last place in the text that holds such words, from them to the end of their line;
// "" if none does.
std::string_view hinted(LogHint hint, std::string_view text);

// Whether text holds word with no letter, digit or part of a name around it.
bool holds_word(std::string_view text, std::string_view word);

} // namespace dmarace::catalogue
