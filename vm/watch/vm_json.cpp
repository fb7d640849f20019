// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/watch/vm_json.hpp"

#include <nlohmann/json.hpp>

namespace dmarace::vm {
namespace {

using Json = nlohmann::ordered_json;
constexpr int kSchema = 1;

Json to_json(const BootRecord& record) {
    Json json{{"outcome", to_text(record.outcome.end)}, {"seconds", record.seconds}};
    if (record.outcome.end == End::ended)
        json.update({{"status", record.outcome.status},
                     {"program_seconds", record.outcome.program_seconds}});
    if (!record.outcome.detail.empty())
        json["detail"] = record.outcome.detail;
    if (!record.outcome.evidence.empty())
        json["evidence"] = record.outcome.evidence;
    if (record.lost_iteration)
        json["lost_iteration"] = *record.lost_iteration;
    return json;
}

} // namespace

std::string vm_json(const Setup& setup, const Course& course, const std::string& qemu_version,
                    double seconds) {
    const Kernel& kernel = *setup.contents.kernel;
    Json boots = Json::array();
    for (const BootRecord& record : course.boots)
        boots.push_back(to_json(record));
    const Json json{{"schema", kSchema},
                    {"board", setup.board->name},
                    {"kernel",
                     {{"name", kernel.name},
                      {"release", kernel.release},
                      {"version", kernel.version},
                      {"source", kernel.source}}},
                    {"command", setup.command},
                    {"qemu", qemu_version},
                    {"accel", setup.accel.kvm ? "kvm" : "tcg"},
                    {"boots", boots},
                    {"seconds", seconds},
                    {"exit", course.exit}};
    // A console may hold bytes that are no UTF-8.
    return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

} // namespace dmarace::vm
