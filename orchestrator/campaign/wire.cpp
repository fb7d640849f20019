// SPDX-License-Identifier: GPL-2.0-or-later
#include "campaign/wire.hpp"

#include <sstream>

namespace dmarace::campaign::wire {

namespace {

std::uint64_t unsigned_of(const Line& line, std::string_view key) {
    return static_cast<std::uint64_t>(line.number(key).value_or(0));
}

} // namespace

Line to_line(const verdict::StepResult& step) {
    Line line{std::string(kDone), {}};
    line.add("actor", step.actor)
        .add("index", std::to_string(step.index))
        .add("verb", std::string(to_text(step.verb)))
        .add("text", step.text)
        .add("device", step.device)
        .add("errno", std::to_string(step.os_error))
        .add("detail", step.detail)
        .add("began", std::to_string(step.began))
        .add("ended", std::to_string(step.ended));
    if (const auto& type = step.type) {
        line.add("group", std::to_string(type->group))
            .add("before", std::string(to_text(type->act.before)))
            .add("asked", type->word)
            .add("after", std::string(to_text(type->act.after)))
            .add("members", std::to_string(type->devices));
        if (type->act.bound != types::BoundSeen::unknown)
            line.add("group_bound", type->act.bound == types::BoundSeen::yes ? "1" : "0");
    }
    return line;
}

verdict::StepResult to_step(const Line& line) {
    verdict::StepResult step;
    step.actor = line.get("actor");
    step.index = static_cast<unsigned>(unsigned_of(line, "index"));
    step.verb = catalogue::verb_from(line.get("verb")).value_or(step.verb);
    step.text = line.get("text");
    step.device = line.get("device");
    step.os_error = static_cast<int>(line.number("errno").value_or(0));
    step.detail = line.get("detail");
    step.began = unsigned_of(line, "began");
    step.ended = unsigned_of(line, "ended");
    if (const auto group = line.number("group")) {
        types::TypeStep type{.group = *group,
                             .devices = static_cast<unsigned>(unsigned_of(line, "members")),
                             .word = line.get("asked")};
        type.act.what = types::TypeAct::What::write;
        type.act.asked = types::type_word_from(type.word);
        type.act.before = types::type_word_from(line.get("before"));
        type.act.after = types::type_word_from(line.get("after"));
        if (const auto bound = line.find("group_bound"))
            type.act.bound = *bound == "1" ? types::BoundSeen::yes : types::BoundSeen::no;
        step.type = std::move(type);
    }
    return step;
}

Line to_line(const types::TypeGroup& group) {
    std::string devices;
    for (const auto& device : group.devices)
        devices += (devices.empty() ? "" : " ") + device;
    Line line{std::string(kGroup), {}};
    return line.add("group", std::to_string(group.number))
        .add("type", group.type)
        .add("devices", devices);
}

types::TypeGroup to_group(const Line& line) {
    types::TypeGroup group;
    group.number = line.number("group").value_or(-1);
    group.type = line.get("type");
    std::istringstream devices(line.get("devices"));
    for (std::string device; devices >> device;)
        group.devices.push_back(device);
    return group;
}

} // namespace dmarace::campaign::wire
