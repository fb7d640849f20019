// SPDX-License-Identifier: GPL-2.0-or-later
// Types written beside binds and removals, on a kernel that is made up: what it answered is
// explained, and what it never answered is found.
#include "base/draw.hpp"
#include "verdict_support.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <set>

namespace dmarace::verdict::testing {

namespace {

using types::TypeAct;
using types::TypeWord;

constexpr std::uint64_t kUs = 1'000, kMs = 1'000'000;

struct OracleCase {
    const char* name;
    bool early; // one device to a group, and it says why
    std::size_t devices;
    bool removes; // or binds only
};

// A group, two writers, and one who binds or removes its devices. Everything takes effect in
// order of time; each act is recorded with a begin before its effect and an end after it.
class MadeUpKernel {
public:
    MadeUpKernel(const OracleCase& with, unsigned seed) : case_(with), draw_(seed) {
        auto& record = scene_.observed.types;
        record.groups = {{3, "DMA", {}}};
        record.actors = {{"writer", true, {}}, {"writer2", true, {}}, {"other", false, {}}};
        for (std::size_t i = 0; i < with.devices; ++i) {
            record.groups[0].devices.push_back("pci/0000:00:0" + std::to_string(6 + i) + ".0");
            members_.insert(i);
            auto& look = act(0, TypeAct::What::look, i, 1, 2);
            look.bound = types::BoundSeen::no;
        }
        act(0, TypeAct::What::look, TypeAct::kNoDevice, 3, 4).after = type_;
        for (std::size_t writer = 0; writer < 2; ++writer)
            write(writer, 6'000 * kMs);
        beside(6'000 * kMs);
        for (auto& [ts, effect] : effects_)
            effect(ts);
    }

    Scene& scene() { return scene_; }
    std::vector<TypeAct*> writes() {
        std::vector<TypeAct*> out;
        for (std::size_t writer = 0; writer < 2; ++writer)
            for (auto& act : scene_.observed.types.actors[writer].acts)
                if (act.what == TypeAct::What::write)
                    out.push_back(&act);
        return out;
    }
    std::uint64_t upto(std::uint64_t most) { return 1 + draw_.below(most); }

private:
    static constexpr std::size_t kWrites = 400;

    TypeAct& act(std::size_t actor, TypeAct::What what, std::size_t device, std::uint64_t began,
                 std::uint64_t ended) {
        auto& acts = scene_.observed.types.actors[actor].acts;
        acts.reserve(8 * kWrites);
        TypeAct out;
        out.what = what;
        out.device = static_cast<std::uint8_t>(device);
        out.began = began;
        out.ended = ended;
        return acts.emplace_back(out);
    }
    void at(std::uint64_t ts, std::function<void(std::uint64_t)> effect) {
        effects_.emplace(ts, std::move(effect));
    }
    void bus(const char* what, std::size_t device, std::uint64_t ts) {
        scene_.bus(what, scene_.observed.types.groups[0].devices[device], ts);
    }
    // Ten lines of one place in five seconds.
    void say(const char* text, std::uint64_t ts) {
        auto& [since, count] = said_[text];
        if (count == 0 || ts > since + 5'000 * kMs) {
            since = ts;
            count = 0;
        }
        if (++count <= 10)
            scene_.observed.log.push_back({ts / 1'000, 4, text, ""});
    }

    int change(TypeWord asked, std::uint64_t ts) {
        if (members_.empty())
            return ENODEV;
        const bool live = asked == TypeWord::dma_fq && type_ == TypeWord::dma;
        if (case_.early && members_.size() != 1)
            return say("Cannot change default domain: Group has more than one device", ts), EINVAL;
        if (!bound_.empty() && !live)
            return case_.early ? (say("Device is still bound to driver", ts), EBUSY) : EPERM;
        type_ = asked == TypeWord::automatic ? TypeWord::dma : asked;
        return 0;
    }

    void write(std::size_t writer, std::uint64_t from) {
        constexpr std::array kTypes{TypeWord::dma, TypeWord::dma_fq, TypeWord::identity,
                                    TypeWord::automatic};
        for (std::size_t i = 0; i < kWrites; ++i) {
            from += upto(400 * kUs);
            auto& one = act(writer, TypeAct::What::write, TypeAct::kNoDevice, from, 0);
            one.asked = kTypes[upto(4) - 1];
            at(from += upto(3 * kUs),
               [&](std::uint64_t ts) { one.os_error = change(one.asked, ts); });
            one.ended = from += upto(3 * kUs);
            at(from += upto(3 * kUs),
               [&](std::uint64_t) { one.after = members_.empty() ? TypeWord::none : type_; });
            one.read = from += upto(3 * kUs);
        }
        ends_ = std::max(ends_, from);
    }

    void beside(std::uint64_t from) {
        while (from < ends_)
            for (std::size_t device = 0; device < case_.devices; ++device)
                for (const auto what :
                     {TypeAct::What::bind, TypeAct::What::unbind, TypeAct::What::bind, last(),
                      first(), TypeAct::What::unbind})
                    from = once(device, what, from + upto(4 * kMs));
    }
    TypeAct::What last() const {
        return case_.removes ? TypeAct::What::remove : TypeAct::What::unbind;
    }
    TypeAct::What first() const {
        return case_.removes ? TypeAct::What::rescan : TypeAct::What::bind;
    }

    // A bind takes the group's DMA before its first event, an unbind gives it up between its
    // two; a removed device has left when the event comes, and one that came is in. An early
    // kernel owns the device's lock from the first to the second: no write is decided there.
    std::uint64_t once(std::size_t device, TypeAct::What what, std::uint64_t from) {
        using enum TypeAct::What;
        const auto begin = from;
        const auto after = [&] { return from += upto(5 * kUs); };
        const auto inside = [&] { return case_.early ? ++from : after(); };
        if (what == rescan) {
            at(after(), [=, this](std::uint64_t) { join(device); });
            at(after(), [=, this](auto ts) { bus("added", device, ts); });
        }
        if (what == bind || what == rescan) {
            if (!case_.early)
                at(after(), [=, this](std::uint64_t) { bound_.insert(device); });
            at(after(), [=, this](auto ts) { bus("binding", device, ts); });
            at(inside(), [=, this](std::uint64_t) { bound_.insert(device); });
            at(inside(), [=, this](auto ts) { bus("bound", device, ts); });
        } else {
            at(after(), [=, this](auto ts) { bus("unbinding", device, ts); });
            at(inside(), [=, this](std::uint64_t) { bound_.erase(device); });
            at(inside(), [=, this](auto ts) { bus("unbound", device, ts); });
        }
        if (what == remove) {
            at(after(), [=, this](std::uint64_t) { leave(device); });
            at(after(), [=, this](auto ts) { bus("removed", device, ts); });
        }
        act(2, what, what == rescan ? TypeAct::kNoDevice : device, begin, after());
        return from;
    }
    void leave(std::size_t device) { members_.erase(device); }
    void join(std::size_t device) {
        if (members_.empty())
            type_ = TypeWord::dma;
        members_.insert(device);
    }

    OracleCase case_;
    Draw draw_;
    Scene scene_;
    std::multimap<std::uint64_t, std::function<void(std::uint64_t)>> effects_;
    std::map<std::string, std::pair<std::uint64_t, unsigned>> said_;
    std::set<std::size_t> members_, bound_;
    TypeWord type_ = TypeWord::dma;
    std::uint64_t ends_ = 0;
};

class VerdictOracle : public ::testing::TestWithParam<OracleCase> {};

TEST_P(VerdictOracle, ExplainsWhatHappened) {
    for (unsigned seed = 1; seed <= 3; ++seed) {
        const auto judged = MadeUpKernel(GetParam(), seed).scene().judged();
        EXPECT_EQ(judged.types.unexplained(), 0U)
            << judged.failures.front().detail << " of seed " << seed;
        EXPECT_LE(judged.types.either() * 20, judged.types.writes) << "more than 5 %";
    }
}

// An oracle that accepts everything would pass the test above.
TEST_P(VerdictOracle, FindsFalsifiedAnswers) {
    MadeUpKernel kernel(GetParam(), 7);
    constexpr std::array kAnswers{0, EPERM, EBUSY, EINVAL, ENODEV, ENOMEM};
    unsigned found = 0;
    for (unsigned number = 0; number < 100; ++number) {
        const auto writes = kernel.writes();
        auto& write = *writes[kernel.upto(writes.size()) - 1];
        const auto real = write.os_error;
        while (write.os_error == real)
            write.os_error = kAnswers[kernel.upto(kAnswers.size()) - 1];
        found += kernel.scene().judged().types.unexplained() > 0 ? 1U : 0U;
        write.os_error = real;
    }
    EXPECT_GE(found, 90U) << "of 100";
}

const OracleCase kOracles[] = {
    {"EarlyBound", true, 1, false}, {"EarlyBoundPairs", true, 2, false},
    {"EarlyGoing", true, 1, true},  {"EarlyGoingPairs", true, 2, true},
    {"LateBound", false, 1, false}, {"LateBoundPairs", false, 2, false},
    {"LateGoing", false, 1, true},  {"LateGoingPairs", false, 2, true},
};

INSTANTIATE_TEST_SUITE_P(Kernels, VerdictOracle, ::testing::ValuesIn(kOracles),
                         [](const auto& with) { return std::string(with.param.name); });

} // namespace

} // namespace dmarace::verdict::testing
