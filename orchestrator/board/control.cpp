// SPDX-License-Identifier: GPL-2.0-or-later
#include "board/control.hpp"

#include "kmod/dmarace_abi.h"

#include <fcntl.h>
#include <poll.h>

#include <algorithm>
#include <array>

namespace dmarace::board {

namespace {

constexpr auto kReplyLimit = std::chrono::seconds(5);

class DeviceControl final : public Control {
public:
    explicit DeviceControl(UniqueFd fd) : fd_(std::move(fd)) {}

    Result<Line> request(Line line) override {
        const std::string id = std::to_string(++last_id_);
        const std::string asked = to_text(line);
        line.add(DMARACE_K_ID, id);
        const std::string text = to_text(line) + "\n";
        const auto put = ::write(fd_.get(), text.data(), text.size());
        const int write_error = put < 0 ? errno : 0;
        const auto deadline = std::chrono::steady_clock::now() + kReplyLimit;
        for (;;) {
            TRY(read_some());
            if (auto reply = find_reply(id)) {
                if (reply->get(DMARACE_K_OK) == "1")
                    return *std::move(reply);
                return std::unexpected(Error{Fault::environment,
                                             "'" + asked + "': " + reply->get(DMARACE_K_REASON),
                                             error_number(reply->get(DMARACE_K_ERR))});
            }
            const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
                deadline - std::chrono::steady_clock::now());
            if (write_error != 0 || left.count() <= 0)
                return fail_errno("'" + asked + "' to " + DMARACE_DEV_PATH,
                                  write_error != 0 ? write_error : ETIMEDOUT);
            pollfd waiting{fd_.get(), POLLIN, 0};
            ::poll(&waiting, 1, static_cast<int>(left.count()));
        }
    }

    Result<std::vector<Line>> take() override {
        TRY(read_some());
        std::vector<Line> taken(std::make_move_iterator(lines_.begin()),
                                std::make_move_iterator(lines_.end()));
        lines_.clear();
        return taken;
    }

    int descriptor() const override { return fd_.get(); }
    void forget() override { fd_.reset(); }

private:
    Status read_some() {
        std::array<char, 16384> buffer{};
        for (;;) {
            const auto got = ::read(fd_.get(), buffer.data(), buffer.size());
            if (got < 0 && errno == EINTR)
                continue;
            if (got < 0 && errno == EAGAIN)
                return {};
            if (got <= 0)
                return fail_errno(std::string("cannot read ") + DMARACE_DEV_PATH,
                                  got < 0 ? errno : EIO);
            partial_.append(buffer.data(), static_cast<std::size_t>(got));
            std::size_t start = 0;
            for (auto end = partial_.find('\n'); end != std::string::npos;
                 end = partial_.find('\n', start)) {
                auto line = parse_line(std::string_view(partial_).substr(start, end - start));
                if (!line)
                    return std::unexpected(std::move(line.error())
                                               .within("the module wrote '" +
                                                       partial_.substr(start, end - start) + "'"));
                lines_.push_back(*std::move(line));
                start = end + 1;
            }
            partial_.erase(0, start);
        }
    }

    std::optional<Line> find_reply(const std::string& id) {
        const auto it = std::ranges::find_if(lines_, [&](const Line& line) {
            return line.verb == DMARACE_E_REPLY && line.get(DMARACE_K_RE) == id;
        });
        if (it == lines_.end())
            return std::nullopt;
        Line reply = std::move(*it);
        lines_.erase(it);
        return reply;
    }

    UniqueFd fd_;
    std::uint64_t last_id_ = 0;
    std::string partial_;
    std::deque<Line> lines_;
};

} // namespace

int error_number(std::string_view name) {
#define X(error)                                                                                   \
    if (name == #error)                                                                            \
        return error;
    DMARACE_ERRORS(X)
#undef X
    return EINVAL;
}

Result<std::unique_ptr<Control>> open_control() {
    UniqueFd fd(::open(DMARACE_DEV_PATH, O_RDWR | O_NONBLOCK | O_CLOEXEC));
    if (!fd && errno == ENOENT)
        return fail(Fault::environment,
                    std::string(DMARACE_DEV_PATH) +
                        " is not there: the module dmarace is not loaded (modprobe dmarace)");
    if (!fd && (errno == EPERM || errno == EACCES))
        return fail(Fault::environment, std::string(DMARACE_DEV_PATH) + " is for root only");
    if (!fd)
        return fail_errno(std::string("cannot open ") + DMARACE_DEV_PATH);
    auto control = std::make_unique<DeviceControl>(std::move(fd));
    TRY_AS(const auto abi, control->request(Line{DMARACE_V_ABI, {}}));
    if (abi.number(DMARACE_K_ABI) != DMARACE_ABI)
        return fail(Fault::environment, "the loaded module speaks ABI " + abi.get(DMARACE_K_ABI) +
                                            ", this program ABI " + std::to_string(DMARACE_ABI) +
                                            "; build both from one source");
    return control;
}

Result<std::vector<Line>> ask_audit(Control& control, const std::string& device, bool map,
                                    std::vector<Line>* others) {
    Line request{DMARACE_V_AUDIT, {}};
    if (!device.empty())
        request.add("dev", device);
    if (!map)
        request.add("map", "0");
    TRY_AS(const auto reply, control.request(request));
    TRY_AS(auto lines, control.take());
    std::vector<Line> audits;
    for (auto& line : lines) {
        if (line.verb == DMARACE_E_AUDIT && line.get(DMARACE_K_AT) == DMARACE_AT_DEMAND)
            audits.push_back(std::move(line));
        else if (others)
            others->push_back(std::move(line));
    }
    return audits;
}

std::vector<std::string> behind_iommu(const std::vector<Line>& audits) {
    std::vector<std::string> names;
    for (const auto& audit : audits)
        if (audit.get(DMARACE_K_DEV).starts_with("pci/") &&
            (audit.get(DMARACE_K_FW) == "1" || audit.find(DMARACE_K_GROUP)))
            names.push_back(audit.get(DMARACE_K_DEV));
    return names;
}

} // namespace dmarace::board
