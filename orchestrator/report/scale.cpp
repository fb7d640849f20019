// SPDX-License-Identifier: GPL-2.0-or-later
#include "report/scale.hpp"

#include <algorithm>
#include <cmath>

namespace dmarace::report {

Scale::Scale(const verdict::Timeline& timeline, double width)
    : began_(timeline.began), ended_(std::max(timeline.ended, timeline.began + 1)), width_(width) {
    std::vector<std::uint64_t> moments{began_, ended_};
    for (const auto& span : timeline.spans) {
        moments.push_back(span.began);
        moments.push_back(span.ended);
    }
    for (const auto& mark : timeline.marks)
        moments.push_back(mark.ts);
    std::ranges::sort(moments);
    std::vector<Cut> gaps;
    for (std::size_t i = 1; i < moments.size(); ++i)
        if (moments[i] > moments[i - 1])
            gaps.push_back({moments[i - 1], moments[i], 0});
    std::ranges::sort(gaps, {}, [](const Cut& gap) { return gap.from - gap.to; });
    constexpr std::size_t kMost = 3;
    for (auto rest = ended_ - began_; const auto& gap : gaps) {
        const auto length = gap.to - gap.from;
        rest -= length;
        if (cuts_.size() == kMost || length <= 2 * rest || rest == 0)
            break;
        cuts_.push_back(gap);
    }
    auto rest = ended_ - began_;
    for (const auto& cut : cuts_)
        rest -= cut.to - cut.from;
    for (auto& cut : cuts_)
        cut.shown = rest / 4;
    std::ranges::sort(cuts_, {}, &Cut::from);
}

std::uint64_t Scale::shown_until(std::uint64_t ts) const {
    ts = std::clamp(ts, began_, ended_);
    auto out = ts - began_;
    for (const auto& cut : cuts_)
        if (ts > cut.from) {
            const auto passed = std::min(ts, cut.to) - cut.from;
            const auto length = cut.to - cut.from;
            out -= passed;
            out += static_cast<std::uint64_t>(static_cast<double>(cut.shown) *
                                              static_cast<double>(passed) /
                                              static_cast<double>(length));
        }
    return out;
}

double Scale::at(std::uint64_t ts) const {
    return width_ * static_cast<double>(shown_until(ts)) / static_cast<double>(shown_until(ended_));
}

std::vector<std::uint64_t> Scale::ticks(unsigned count) const {
    const auto rough = static_cast<double>(shown_until(ended_)) / count;
    double step = std::pow(10, std::floor(std::log10(rough)));
    for (const double times : {1.0, 2.0, 5.0, 10.0})
        if (const auto round = std::pow(10, std::floor(std::log10(rough))) * times;
            round >= rough) {
            step = round;
            break;
        }
    std::vector<std::uint64_t> out{began_};
    const auto far = width_ / (count * 2);
    for (double ns = step; ns < static_cast<double>(ended_ - began_) && out.size() < count * 4UL;
         ns += step) {
        const auto ts = began_ + static_cast<std::uint64_t>(ns);
        const auto cut = std::ranges::find_if(
            cuts_, [&](const Cut& one) { return ts > one.from && ts < one.to; });
        if (cut != cuts_.end()) // none of a pause that is not shown whole
            ns = std::floor(static_cast<double>(cut->to - began_) / step) * step;
        else if (at(ts) - at(out.back()) >= far)
            out.push_back(ts);
    }
    return out;
}

} // namespace dmarace::report
