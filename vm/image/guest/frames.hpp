// SPDX-License-Identifier: GPL-2.0-or-later
// How a part of a file travels from a board to the host: as one line of printable letters,
// since a serial console may be all there is, and the kernel writes on that too. And the agent
// on the board that sends them.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>

namespace dmarace::guest {

struct FilePart {
    std::uint64_t number = 0; // of the line; the host tells up to which one it has them
    std::string name;         // below the directory that is mirrored; no spaces
    std::uint64_t offset = 0; // the file ends there, and goes on with these bytes
    std::string bytes;
};

inline constexpr std::string_view kFrame = "#dmarace ";
// What the host says to the agent.
inline constexpr const char *kGot = "got", *kStop = "interrupt";
// The name of the part that is the answer to --identify.
inline constexpr const char* kIdentity = ".identity";

inline std::uint32_t crc32(std::string_view bytes) {
    std::uint32_t crc = ~0U;
    for (const char letter : bytes) {
        crc ^= static_cast<unsigned char>(letter);
        for (int bit = 0; bit < 8; ++bit)
            crc = (crc >> 1) ^ ((crc & 1U) != 0 ? 0xedb88320U : 0U);
    }
    return ~crc;
}

inline constexpr std::string_view kLetters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

inline std::string to_base64(std::string_view bytes) {
    std::string text;
    for (std::size_t at = 0; at < bytes.size(); at += 3) {
        std::uint32_t three = 0;
        for (std::size_t i = at; i < at + 3; ++i)
            three = (three << 8) | (i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0U);
        for (unsigned i = 0; i < 4; ++i)
            text += at + i > bytes.size() ? '=' : kLetters[(three >> (18 - 6 * i)) & 63U];
    }
    return text;
}

inline std::optional<std::string> from_base64(std::string_view text) {
    std::string bytes;
    std::uint32_t held = 0;
    unsigned bits = 0;
    while (text.ends_with('='))
        text.remove_suffix(1);
    for (const char letter : text) {
        const auto value = kLetters.find(letter);
        if (value == std::string_view::npos)
            return std::nullopt;
        held = (held << 6) | static_cast<std::uint32_t>(value);
        bits += 6;
        if (bits >= 8)
            bytes += static_cast<char>((held >> (bits -= 8)) & 255U);
    }
    return bytes;
}

// Ends in '\n'.
inline std::string to_line(const FilePart& part) {
    const std::string body = std::to_string(part.number) + " " + part.name + " " +
                             std::to_string(part.offset) + " :" + to_base64(part.bytes);
    return std::string(kFrame) + body + " " + std::to_string(crc32(body)) + "\n";
}

// Nothing when it is none, or was garbled on its way. What stands before it is left alone.
inline std::optional<FilePart> read_part(std::string_view line) {
    const auto at = line.rfind(kFrame);
    const auto space = line.rfind(' ');
    if (at == std::string_view::npos || space < at + kFrame.size())
        return std::nullopt;
    const std::string_view body = line.substr(at + kFrame.size(), space - at - kFrame.size());
    std::string_view sum = line.substr(space + 1);
    while (sum.ends_with('\r') || sum.ends_with('\n'))
        sum.remove_suffix(1);
    if (sum != std::to_string(crc32(body)))
        return std::nullopt;
    std::istringstream words{std::string(body)};
    FilePart part;
    std::string text;
    if (!(words >> part.number >> part.name >> part.offset >> text) || !text.starts_with(':'))
        return std::nullopt;
    auto bytes = from_base64(std::string_view(text).substr(1));
    if (!bytes)
        return std::nullopt;
    part.bytes = std::move(*bytes);
    return part;
}

// The agent (agent.cpp). Sends what is written below the directory to stdout until the child
// has ended and the host has it all. The exit code is 0 then, and 1 when the host went away.
// witness: -1, or our end of the pair that the program got.
int mirror(const std::string& directory, pid_t child, int witness);

// One line with all that tells which kernel runs, and since which boot.
int identify();

// Parts of one file, as lines on stdin, into it; each is answered as the host answers ours.
int receive(const std::string& file);

} // namespace dmarace::guest
