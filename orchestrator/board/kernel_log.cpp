// SPDX-License-Identifier: GPL-2.0-or-later
#include "board/kernel_log.hpp"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <map>

namespace dmarace::board {

namespace {

std::uint64_t leading_number(std::string_view text) {
    std::uint64_t number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

// "+pci:0000:00:02.0" is a device of a bus; c, b and n forms name nodes.
std::string device_of(std::string_view value) {
    if (!value.starts_with('+'))
        return "";
    value.remove_prefix(1);
    const auto colon = value.find(':');
    if (colon == std::string_view::npos)
        return "";
    return std::string(value.substr(0, colon)) + "/" + std::string(value.substr(colon + 1));
}

constexpr std::array kPlaces{"/sys/fs/pstore", "/var/lib/systemd/pstore"};
constexpr int kDeepest = 3; // systemd-pstore: BOOT/DUMP/dmesg.txt

// "Panic#2 Part3": part 1 is the end of the log, the highest its beginning.
struct DumpPart {
    std::string dump;
    long number = 0;
    std::string text;
};

DumpPart part_of(const std::string& where, const std::string& text) {
    const auto first = text.substr(0, text.find('\n'));
    const auto at = first.find(" Part");
    if (at == std::string::npos || first.find('#') > at)
        return {where, 0, text};
    const auto directory = where.substr(0, where.rfind('/'));
    return {directory + " " + first.substr(0, at), std::strtol(first.c_str() + at + 5, nullptr, 10),
            text.substr(std::min(first.size() + 1, text.size()))};
}

void gather(const Files& files, const std::string& path, int depth, std::vector<DumpPart>& out) {
    for (const auto& name : files.list(path)) {
        const auto inner = path + "/" + name;
        if (auto text = files.read(inner))
            out.push_back(part_of(inner, *text));
        else if (depth < kDeepest)
            gather(files, inner, depth + 1, out);
    }
}

} // namespace

KernelRecord parse_kernel_record(std::string_view record) {
    KernelRecord out;
    const auto head_end = std::min(record.find(';'), record.size());
    const auto head = record.substr(0, head_end);
    out.level = static_cast<int>(leading_number(head) & 7);
    const auto first = head.find(',');
    const auto second = first == std::string_view::npos ? first : head.find(',', first + 1);
    if (second != std::string_view::npos)
        out.ts = leading_number(head.substr(second + 1));
    auto body = record.substr(std::min(head_end + 1, record.size()));
    const auto text_end = std::min(body.find('\n'), body.size());
    out.text = body.substr(0, text_end);
    const auto tag = body.find("\n DEVICE=");
    if (tag != std::string_view::npos) {
        const auto value = body.substr(tag + 9);
        out.device = device_of(value.substr(0, value.find('\n')));
    }
    return out;
}

Result<KernelLog> KernelLog::open(From from) {
    UniqueFd fd(::open("/dev/kmsg", O_RDWR | O_NONBLOCK | O_CLOEXEC));
    if (!fd)
        return fail_errno("cannot open /dev/kmsg");
    if (::lseek(fd.get(), 0, from == From::now ? SEEK_END : SEEK_SET) < 0)
        return fail_errno("cannot seek /dev/kmsg");
    return KernelLog(std::move(fd));
}

Status KernelLog::mark(const std::string& text) {
    const std::string record = "<6>dmarace: " + text;
    if (::write(fd_.get(), record.data(), record.size()) < 0)
        return fail_errno("cannot write /dev/kmsg");
    return {};
}

Result<std::vector<KernelRecord>> KernelLog::read_new() {
    std::vector<KernelRecord> records;
    std::array<char, 8192> buffer{};
    for (;;) {
        const auto got = ::read(fd_.get(), buffer.data(), buffer.size());
        if (got >= 0) {
            records.push_back(parse_kernel_record({buffer.data(), static_cast<std::size_t>(got)}));
            continue;
        }
        if (errno == EAGAIN)
            return records;
        if (errno == EINTR)
            continue;
        if (errno == EPIPE)
            return fail_errno("kernel log records were overwritten before they were read; boot "
                              "with a larger log_buf_len=",
                              EPIPE);
        return fail_errno("cannot read /dev/kmsg");
    }
}

std::vector<std::string> last_words(const Files& files) {
    std::vector<DumpPart> parts;
    for (const auto* place : kPlaces)
        gather(files, place, 1, parts);
    std::ranges::stable_sort(parts, std::greater<>(), &DumpPart::number);
    std::map<std::string, std::string> dumps;
    for (const auto& part : parts)
        dumps[part.dump] += part.text + "\n";
    std::vector<std::string> out;
    for (auto& [dump, text] : dumps)
        out.push_back(std::move(text));
    return out;
}

std::vector<std::string> after_mark(const std::vector<std::string>& texts, const std::string& mark,
                                    std::size_t most) {
    for (const auto& text : texts) {
        const auto at = text.rfind(mark);
        if (at == std::string::npos)
            continue;
        std::vector<std::string> lines;
        for (auto begin = text.find('\n', at); begin != std::string::npos;) {
            const auto end = text.find('\n', begin + 1);
            auto line = text.substr(begin + 1, end == std::string::npos ? end : end - begin - 1);
            if (!line.empty())
                lines.push_back(std::move(line));
            begin = end;
        }
        if (lines.size() > most)
            lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(most));
        return lines;
    }
    return {};
}

} // namespace dmarace::board
