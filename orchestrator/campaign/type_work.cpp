// SPDX-License-Identifier: GPL-2.0-or-later
#include "campaign/type_work.hpp"

#include "board/control.hpp"

#include <algorithm>

namespace dmarace::campaign {

namespace {

using verdict::TypeWord;

// The facts of every device before the first write: what a bound one has to
// keep. By the first writer alone.
void audit_first(StepContext& context, const job::TypeWork& work) {
    if (work.kind != job::TypeWork::Kind::write || work.number != 1 || context.channel == nullptr)
        return;
    auto control = board::open_control();
    if (!control)
        return;
    for (const auto index : work.mine)
        for (const auto& device : work.groups->at(index).devices)
            if (const auto audits = board::ask_audit(**control, device.name, true))
                for (const auto& audit : *audits)
                    (void)context.channel->send(audit);
}

// Drivers that are to stay are not taken away for this; the run's end does it.
void put_back(const job::TypeWork& work, TypeHands& hands) {
    for (unsigned index = 0; index < work.groups->size(); ++index) {
        const auto type = verdict::type_word_from(hands.group(index).type);
        const bool known = type != TypeWord::none && type != TypeWord::other;
        const bool differs = known && hands.type_of(index) != type;
        const bool keeps = work.driver == job::TypeDriver::keep && work.alone;
        if (differs && !(keeps && hands.bound(index))) {
            hands.unbind(index, true);
            hands.write(index, type, true);
        }
        if (!keeps)
            hands.bind(index, true);
    }
}

} // namespace

std::uint64_t Draw::below(std::uint64_t limit) {
    state_ += 0x9e3779b97f4a7c15U;
    auto mixed = state_;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9U;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebU;
    return limit == 0 ? 0 : (mixed ^ (mixed >> 31)) % limit;
}

void do_type_work(StepContext& context, const job::TypeWork& work, verdict::StepResult& result) {
    auto* log = context.types == nullptr ? nullptr : context.types->log(context.actor_index);
    if (log == nullptr) {
        result.os_error = EINVAL;
        result.detail = "a [type] table's actor has no memory to write to";
        return;
    }
    auto& memory = *context.types;
    TypeHands hands(context, work, *log);
    audit_first(context, work);
    hands.look();
    memory.wait_for_all();
    if (work.kind == job::TypeWork::Kind::write) {
        write_types(context, work, hands);
        memory.writer_done();
    } else {
        work_beside(context, work, hands);
    }
    if (memory.last_out())
        put_back(work, hands);
    result.detail = std::to_string(log->size()) + " things done";
    if (hands.out_of_room())
        result.detail += ", and no room to record more";
}

} // namespace dmarace::campaign
