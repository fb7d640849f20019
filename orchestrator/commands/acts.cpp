// SPDX-License-Identifier: GPL-2.0-or-later
#include "commands/acts.hpp"

#include "base/text.hpp"
#include "commands/commands.hpp"
#include "job/load.hpp"

namespace dmarace::commands {

search::ActBoard act_board(const campaign::Survey& survey, const std::string& client) {
    search::ActBoard out{survey.iommu_module, {}, ""};
    for (const auto& item : survey.devices) {
        out.devices.push_back({item.device.full_name(), item.driver_module, item.behind_iommu});
        if (!client.empty() && (item.device.full_name() == client || item.device.name == client))
            out.client = item.device.full_name();
    }
    return out;
}

Result<AskedActs> asked_acts(const std::vector<std::string>& words, const search::ActBoard& board) {
    const auto is_job = [](const std::string& word) {
        return word.find(' ') == std::string::npos && job::job_path(word).has_value();
    };
    if (words.size() == 1 && is_job(words.front())) {
        TRY_AS(const auto job, load_job(words.front(), true));
        TRY_AS(auto set, search::acts_of(job));
        return AskedActs{std::move(set), texts_of(job.actors, &job::Actor::name)};
    }
    if (words.size() != 2 && words.size() != 3)
        return fail(Fault::usage, "give two or three ACTs, or one JOB (--help lists the acts)");
    std::vector<search::Act> acts;
    for (const auto& word : words) {
        TRY_AS(auto act, search::parse_act(word, board));
        acts.push_back(std::move(act));
    }
    TRY_AS(auto set, search::common_start(acts, board));
    return AskedActs{std::move(set), words};
}

} // namespace dmarace::commands
