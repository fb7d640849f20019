// SPDX-License-Identifier: GPL-2.0-or-later
// Which pairs of acts a board has.
#include "base/text.hpp"
#include "explore/sweep.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <numeric>

namespace dmarace::explore {

namespace {

// Of a device that has no IOMMU, on any bus.
constexpr std::array<std::string_view, 3> kOfAny{"bind", "unbind", "probe"};
constexpr std::array<std::string_view, 3> kOfNone{"iommu", "iommu-unbind", "walk"};
// Of the second one in a group.
constexpr std::array<std::string_view, 4> kOfSibling{"bind", "unbind", "remove", "rescan"};
constexpr const char* kSibling = "@sibling";

// Every row with its usual word, and the type that is left.
std::vector<std::string> all_acts() {
    std::vector<std::string> out;
    for (const auto& row : search::act_rows()) {
        const auto name = std::string(row.name);
        out.push_back(row.word.empty() ? name : name + ":" + std::string(row.word));
    }
    out.emplace_back("type:identity");
    return out;
}

bool is_of_sibling(const std::string& act) { return act.ends_with(kSibling); }

class PairList {
public:
    // All sets of so many, in order, that 'fits' lets pass.
    template <class Fits>
    void add(const std::string& device, bool says_device, const std::vector<std::string>& acts,
             std::size_t size, Fits fits) {
        std::vector<std::size_t> at(size);
        std::iota(at.begin(), at.end(), 0U);
        while (acts.size() >= size) {
            SweepPair pair{"", device, {}};
            for (const auto i : at)
                pair.acts.push_back(acts[i]);
            if (fits(pair.acts))
                name(std::move(pair), says_device);
            auto turn = size;
            while (turn > 0 && at[turn - 1] == acts.size() - size + turn - 1)
                --turn;
            if (turn == 0)
                return;
            ++at[turn - 1];
            for (auto i = turn; i < size; ++i)
                at[i] = at[i - 1] + 1;
        }
    }
    std::vector<SweepPair> take() { return std::move(out_); }

private:
    void name(SweepPair pair, bool says_device) {
        const auto base = file_name(joined(pair.acts, "-vs-")) +
                          (says_device ? "-on-" + file_name(pair.device) : "");
        const auto taken = names_[base]++;
        pair.id = base + (taken == 0 ? "" : "-" + std::to_string(taken + 1));
        out_.push_back(std::move(pair));
    }

    std::vector<SweepPair> out_;
    std::map<std::string, unsigned> names_;
};

} // namespace

std::string file_name(std::string text) {
    for (auto& letter : text)
        if (std::isalnum(static_cast<unsigned char>(letter)) == 0)
            letter = '-';
    return text;
}

std::vector<SweepPair> sweep_pairs(const SweepBoard& board, const std::vector<std::string>& acts,
                                   bool triples) {
    PairList out;
    const std::size_t size = triples ? 3 : 2;
    const auto all = [](const auto&) { return true; };
    const auto siblings = [](const auto& set) { return std::ranges::count_if(set, is_of_sibling); };
    if (!acts.empty()) {
        const bool shared = siblings(acts) > 0 && !board.shared.empty();
        out.add(board.board.client.empty() && shared ? board.shared : board.client, false, acts,
                size, all);
        return out.take();
    }
    const auto every = all_acts();
    out.add(board.client, false, every, size, all);
    if (!board.shared.empty()) {
        auto two = every;
        for (const auto name : kOfSibling)
            two.push_back(std::string(name) + kSibling);
        out.add(board.shared, true, two, size, [&](const auto& set) { return siblings(set) == 1; });
    }
    for (const auto& device : board.others) {
        std::vector<std::string> few(kOfNone.begin(), kOfNone.end());
        few.insert(few.end(), kOfAny.begin(), kOfAny.end());
        out.add(device, true, few, size, [](const auto& set) {
            return std::ranges::any_of(set, [](const auto& act) {
                return std::ranges::find(kOfAny, act) != kOfAny.end();
            });
        });
    }
    return out.take();
}

} // namespace dmarace::explore
