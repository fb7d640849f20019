// SPDX-License-Identifier: GPL-2.0-or-later
#include "catalogue/verbs.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <iterator>

namespace dmarace::catalogue {

namespace {

using namespace effect;
using namespace kept;
using enum LockKind;
using enum LockUse::Of;
using enum LockUse::When;

constexpr bool held = true;

constexpr VerbRow kRows[] = {
#define DMARACE_VERB(id, ...) {Verb::id, __VA_ARGS__},
#include "catalogue/verbs.def"
#undef DMARACE_VERB
};

} // namespace

std::span<const LockUse> VerbForm::locks() const {
    const auto end = std::ranges::find(lock_uses, std::string_view{}, &LockUse::function);
    return {std::begin(lock_uses), end};
}

std::span<const VerbForm> VerbRow::forms() const {
    const auto end = std::ranges::find(all_forms, std::string_view{}, &VerbForm::usage);
    return {std::begin(all_forms), end};
}

std::span<const VerbRow> verb_rows() { return kRows; }

const VerbRow& row_of(Verb verb) { return kRows[static_cast<std::size_t>(verb)]; }

std::string_view to_text(Verb verb) { return row_of(verb).name; }

std::optional<Verb> verb_from(std::string_view text) {
    return enum_from<Verb>(kRows, text, &VerbRow::name);
}

std::vector<std::string> verb_names() { return texts_of(kRows, &VerbRow::name); }

bool does(Verb verb, Effects any) { return row_of(verb).does(any); }

} // namespace dmarace::catalogue
