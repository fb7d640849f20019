// SPDX-License-Identifier: GPL-2.0-or-later
// unexpected-errno: writes to iommu_groups/N/type against type_table.cpp, each
// in all the states that its group may have been in while it ran.
#include "catalogue/log_signs.hpp"
#include "verdict/checks.hpp"
#include "verdict/type_history.hpp"
#include "verdict/type_table.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>

namespace dmarace::verdict {

namespace {

constexpr std::array kWords{TypeWord::none,     TypeWord::dma,       TypeWord::dma_fq,
                            TypeWord::identity, TypeWord::automatic, TypeWord::other};

// What holds for a group all through the iteration.
struct GroupFacts {
    bool managed = false; // a driver with driver_managed_dma was bound to a member
    bool several_succeeded = false;
    std::size_t devices = 1;
    std::map<TypeWord, unsigned> refused; // EINVAL for a change to this word
    std::map<TypeWord, bool> went_through;
};

class Types {
public:
    Types(const Facts& facts, Findings& findings)
        : facts_(facts), findings_(findings), history_(facts) {}

    void run() {
        log_refuses_ = log_refuses();
        gather();
        for (const auto& write : history_.writes())
            judge(write);
        time_writers();
    }

private:
    bool log_refuses() const {
        return std::ranges::any_of(facts_.observed.log, [](const LogLine& line) {
            return !hinted(catalogue::LogHint::type_refused, line.text).empty();
        });
    }

    bool member_managed(std::int64_t group) const {
        for (const auto& [device, samples] : facts_.devices)
            for (const auto& sample : samples)
                if (sample.audit.group == group && sample.driven() &&
                    sample.audit.managed.value_or(false))
                    return true;
        return false;
    }

    void gather() {
        groups_.resize(history_.groups().size());
        for (std::size_t i = 0; i < groups_.size(); ++i) {
            groups_[i].managed = member_managed(history_.groups()[i].number);
            groups_[i].devices = std::max<std::size_t>(history_.groups()[i].devices.size(), 1);
        }
        for (const auto& write : history_.writes()) {
            auto& group = groups_[write.group];
            if (write.step != nullptr)
                group.devices = std::max<std::size_t>(group.devices, write.step->group_devices);
            if (write.os_error == 0 && write.asked != TypeWord::other && group.devices > 1)
                several_succeeded_ = true;
            if (history_.before(write) == set_of(write.asked))
                continue;
            if (write.os_error == 0)
                group.went_through[write.asked] = true;
            else if (write.os_error == EINVAL)
                ++group.refused[write.asked];
        }
    }

    // The first row that allows the result in one of the possible states.
    const TypeRow* explain(const HistoryWrite& write, TypeSet before,
                           TypeHistory::Bound bound) const {
        const auto& group = groups_[write.group];
        const auto refused = group.refused.find(write.asked);
        TypeWrite tried;
        tried.asked = write.asked;
        tried.os_error = write.os_error;
        tried.managed = group.managed || (write.step != nullptr && !write.bound);
        tried.removing = history_.removing(write);
        tried.removed = history_.removed(write);
        tried.resetting = history_.resetting(write);
        tried.group_refuses = group.devices != 1 && !several_succeeded_;
        tried.word_refused =
            log_refuses_ || (!group.went_through.contains(write.asked) &&
                             refused != group.refused.end() && refused->second > 1);
        for (const bool is_bound : {false, true})
            for (const auto word : kWords) {
                if ((before & set_of(word)) == 0 || (is_bound ? !bound.maybe : !bound.maybe_not))
                    continue;
                tried.before = word;
                tried.bound = is_bound;
                if (const auto* row = allowed_result(tried))
                    return row;
            }
        return nullptr;
    }

    bool read_back_allowed(const HistoryWrite& write) const {
        if (write.after == TypeWord::none)
            return write.step != nullptr || write.os_error == ENOENT || history_.removing(write);
        return (history_.after(write) & set_of(write.after)) != 0 || history_.removing(write);
    }

    void judge(const HistoryWrite& write) {
        if (write.ended == kForever)
            return; // check_machine tells of what never returned
        auto before = history_.before(write);
        if (write.step != nullptr && write.before == TypeWord::none)
            before = set_of(TypeWord::none) | kThreeTypes;
        const auto bound = history_.bound(write);
        const auto* row = explain(write, before, bound);
        const bool good = row != nullptr && read_back_allowed(write);
        const auto group = std::to_string(history_.groups()[write.group].number);
        if (good && !row->note.empty())
            findings_.note("group " + group + ": " + std::string(row->note));
        const bool fell_back =
            write.os_error == 0 && write.asked == TypeWord::dma_fq && write.after == TypeWord::dma;
        if (good && fell_back && !history_.contended(write) &&
            (history_.before(write) & set_of(TypeWord::dma)) == 0)
            findings_.note("group " + group + ": fell back from DMA-FQ to DMA without a word");
        findings_.types().add(cell(write, before, bound, good ? row->what : ""));
        if (!good)
            fail(write, before, bound);
    }

    static std::string word_text(TypeSet set, const HistoryWrite& write) {
        if (write.step != nullptr)
            return write.step->type_before;
        for (const auto word : kWords)
            if (set == set_of(word))
                return std::string(to_text(word));
        return "?";
    }

    static std::string bound_text(TypeHistory::Bound bound) {
        return bound.maybe == bound.maybe_not ? "?" : bound.maybe ? "yes" : "no";
    }

    static std::string result_text(int os_error) {
        if (os_error == 0)
            return "ok";
        const char* name = ::strerrorname_np(os_error);
        return name != nullptr ? name : "errno " + std::to_string(os_error);
    }

    static TypeCell cell(const HistoryWrite& write, TypeSet before, TypeHistory::Bound bound,
                         std::string_view why) {
        const auto* step = write.step;
        return {.before = word_text(before, write),
                .asked = step ? step->type_asked : std::string(to_text(write.asked)),
                .bound = bound_text(bound),
                .result = result_text(write.os_error),
                .after = step ? step->type_after : std::string(to_text(write.after)),
                .why = std::string(why),
                .count = 1};
    }

    std::string describe(const HistoryWrite& write, TypeSet before,
                         TypeHistory::Bound bound) const {
        const auto known = cell(write, before, bound, "");
        std::string text = "write '" + known.asked + "' to group " +
                           std::to_string(history_.groups()[write.group].number);
        if (!known.before.empty() && known.before != "?")
            text += " of type " + known.before;
        if (known.bound != "?")
            text += known.bound == "yes" ? ", driver bound" : ", no driver bound";
        text += ": " + std::string(write.os_error == 0 ? "success" : std::strerror(write.os_error));
        if (!known.after.empty())
            text += ", reads back " + known.after;
        return text;
    }

    void fail(const HistoryWrite& write, TypeSet before, TypeHistory::Bound bound) {
        constexpr std::size_t kOthers = 3;
        const auto& devices = history_.groups()[write.group].devices;
        const auto device = devices.empty() ? std::string() : devices.front();
        const auto text = describe(write, before, bound);
        Failure failure{.kind = FailureKind::unexpected_errno,
                        .device = device,
                        .driver = facts_.driver_of(device),
                        .detail = text,
                        .evidence = {text}};
        if (unexpected_++ < kEvidenceMax)
            for (auto& other : history_.meanwhile(write, kOthers))
                failure.evidence.push_back(std::move(other));
        findings_.add(std::move(failure));
    }

    // How long the writers of a [type] table wrote, and how often.
    void time_writers() {
        std::uint64_t first = kForever, last = 0;
        for (const auto& actor : facts_.observed.types.actors)
            for (const auto& act : actor.acts) {
                if (act.what != TypeAct::What::write || act.undo || act.ended == 0)
                    continue;
                first = std::min(first, act.began);
                last = std::max({last, act.ended, act.read});
                ++findings_.types().writes;
            }
        if (last > first)
            findings_.types().seconds = static_cast<double>(last - first) * 1e-9;
    }

    const Facts& facts_;
    Findings& findings_;
    TypeHistory history_;
    std::vector<GroupFacts> groups_;
    bool several_succeeded_ = false, log_refuses_ = false;
    std::size_t unexpected_ = 0;
};

} // namespace

void check_types(const Facts& facts, Findings& findings) {
    Types(facts, findings).run();
}

} // namespace dmarace::verdict
