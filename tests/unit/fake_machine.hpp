// SPDX-License-Identifier: GPL-2.0-or-later
// A machine without a kernel: a tree of files, a control device that says ok to everything
// and remembers; nobody watches, and nobody interrupts.
#pragma once

#include "board/control.hpp"
#include "campaign/survey.hpp"
#include "fake_tree.hpp"

#include <map>
#include <string>
#include <vector>

namespace dmarace::test {

class FakeControl final : public board::Control {
public:
    Result<Line> request(Line line) override {
        verbs_.push_back(line.verb);
        requests_.push_back(line);
        if (const auto error = refusals_.find(line.verb); error != refusals_.end())
            return std::unexpected(refusals_.extract(error).mapped());
        if (line.verb == "actor")
            pids_[line.get("name")] = static_cast<int>(line.number("pid").value_or(0));
        if (line.verb == "signal") {
            raised_.push_back(line.get("name"));
            tell(line.get("name"));
            if (const auto more = echoes_.find(line.get("name")); more != echoes_.end())
                tell(more->second);
        }
        return Line{"reply", {{"ok", "1"}}};
    }
    Result<std::vector<Line>> take() override { return std::exchange(lines_, {}); }
    int descriptor() const override { return -1; }
    void forget() override {}

    // A line that the module has told.
    void told(Line line) { lines_.push_back(std::move(line)); }
    // When 'name' is raised the fake raises 'more' too.
    void echo_signal(const std::string& name, const std::string& more) { echoes_[name] = more; }
    // The next request of this verb is refused, once.
    void refuse(const std::string& verb, Error error) { refusals_[verb] = std::move(error); }
    // The process that was introduced as that actor, 0 if none was.
    int pid_of(const std::string& actor) const {
        const auto found = pids_.find(actor);
        return found == pids_.end() ? 0 : found->second;
    }
    const std::vector<std::string>& raised() const { return raised_; }
    const std::vector<std::string>& verbs() const { return verbs_; }
    const std::vector<Line>& requests() const { return requests_; }

private:
    void tell(const std::string& name) { lines_.push_back(Line{"signal", {{"name", name}}}); }

    std::vector<std::string> verbs_, raised_;
    std::map<std::string, std::string> echoes_;
    std::map<std::string, Error> refusals_;
    std::map<std::string, int> pids_;
    std::vector<Line> lines_, requests_;
};

struct Quiet : campaign::RunProgress {
    void iteration(unsigned, unsigned) override {}
    void doing(const std::string& what) override { done.push_back(what); }
    void judged(unsigned, const std::string&, const std::string&) override {}
    void note(const std::string&) override {}

    std::vector<std::string> done;
};

struct NoInterrupts final : campaign::RunInterrupts {
    int descriptor() const override { return -1; }
    unsigned count() override { return 0; }
};

// A device behind the IOMMU, bound to a driver that is the module of the same name.
inline campaign::SurveyedDevice surveyed(const std::string& bus, const std::string& name,
                                         const std::string& driver = "") {
    campaign::SurveyedDevice out;
    out.device.bus = bus;
    out.device.name = name;
    out.device.driver = out.driver = out.driver_module = driver;
    out.behind_iommu = true;
    return out;
}

struct FakeMachine {
    FakeTree tree_;
    FakeControl control_;
    board::KernelLog log_ = board::KernelLog::none();
    Quiet progress_;
    NoInterrupts quiet_;

    campaign::Machine machine() {
        return {board::Devices(tree_.files()), board::Modules(), log_, control_, {}};
    }
};

} // namespace dmarace::test
