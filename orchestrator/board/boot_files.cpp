// SPDX-License-Identifier: GPL-2.0-or-later
#include "board/boot_files.hpp"

#include "base/files.hpp"
#include "base/process.hpp"
#include "base/text.hpp"
#include "board/kernel.hpp"

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include <algorithm>
#include <array>

namespace dmarace::board {

namespace fs = std::filesystem;

namespace {

constexpr const char* kModprobe = "var/lib/dmarace/boot.conf";
constexpr const char* kWords = "var/lib/dmarace/reboot.json";
constexpr const char* kUnit = "dmarace-reboot.service";
constexpr const char* kWants = "etc/systemd/system/multi-user.target.wants/dmarace-reboot.service";
constexpr const char* kUnitPlaces[] = {"usr/local/lib/systemd/system", "usr/lib/systemd/system",
                                       "lib/systemd/system", "etc/systemd/system"};

// A tool that makes an initramfs, and where it takes dmarace's part from.
struct Tool {
    const char* program;
    std::array<const char*, 2> parts;
};
constexpr std::array kTools{
    Tool{"usr/sbin/update-initramfs",
         {"usr/share/initramfs-tools/hooks/dmarace", "etc/initramfs-tools/hooks/dmarace"}},
    Tool{"usr/bin/dracut",
         {"usr/lib/dracut/modules.d/90dmarace", "etc/dracut/modules.d/90dmarace"}}};
constexpr std::size_t kParameterMax = 1024; // kernel/params.c, param_set_charp()

// An initramfs that is being written, or a machine that goes down, waits for nobody:
// not for our end. What it says goes to our stderr.
Result<int> run_to_its_end(const std::vector<std::string>& words) {
    TRY_AS(auto program,
           start_command({.argv = words, .outlives_us = true}, STDERR_FILENO, STDERR_FILENO));
    return program.wait(-1).value_or(-1);
}

} // namespace

Result<std::string> modprobe_text(const BootRules& rules) {
    const auto line = joined(rules.rules, "; ");
    if (line.find('"') != std::string::npos)
        return fail(Fault::usage, "a rule with a quote in it cannot be given to modprobe: " + line);
    if (line.size() > kParameterMax)
        return fail(Fault::usage, "the rules are " + std::to_string(line.size()) +
                                      " characters long; a module parameter has room for " +
                                      std::to_string(kParameterMax));
    std::string text = "# run=" + rules.run_id +
                       "\n# Of 'dmarace run --reboot', which takes it away at its end; so does "
                       "'dmarace restore --reboot'.\noptions dmarace rules=\"" +
                       line + "\"\n";
    for (const auto& module : rules.after)
        text += "softdep " + module + " pre: dmarace\n";
    for (const auto& module : rules.async)
        text += "options " + module + " async_probe\n";
    return text;
}

BootFiles::BootFiles() : BootFiles("/", run_to_its_end) {}

fs::path BootFiles::at(const char* path) const { return root_ / path; }

Status BootFiles::write(const char* path, const std::string& text) const {
    std::error_code ec;
    fs::create_directories(at(path).parent_path(), ec);
    return replace_file(at(path), text);
}

Status BootFiles::remove(const char* path) const {
    std::error_code ec;
    fs::remove(at(path), ec);
    return ec ? fail_errno("cannot remove " + at(path).string(), ec.value()) : Status{};
}

Result<std::vector<std::string>> BootFiles::initramfs_command(const std::string& release) const {
    std::error_code ec;
    for (const auto& tool : kTools) {
        const auto program = at(tool.program);
        if (!fs::exists(program, ec))
            continue;
        if (std::ranges::none_of(tool.parts, [&](auto* part) { return fs::exists(at(part), ec); }))
            return fail(Fault::untestable, program.string() + " would find nothing of dmarace's (" +
                                               tool.parts[0] +
                                               "); install dmarace with "
                                               "-DCMAKE_INSTALL_PREFIX=/usr");
        return program.filename() == "dracut"
                   ? std::vector<std::string>{program.string(), "--force", "--kver", release}
                   : std::vector<std::string>{program.string(), "-u", "-k", release};
    }
    return fail(Fault::untestable, "neither update-initramfs nor dracut is here, so nothing can be "
                                   "loaded before the board's drivers; install one");
}

Status BootFiles::make_initramfs(const std::string& release) const {
    TRY_AS(const auto command, initramfs_command(release));
    TRY_AS(const auto code, run_(command));
    if (code != 0)
        return fail(Fault::environment, command.front() + " ended with " + std::to_string(code));
    return {};
}

Result<fs::path> BootFiles::unit() const {
    std::error_code ec;
    for (const auto* place : kUnitPlaces)
        if (fs::exists(at(place) / kUnit, ec))
            return fs::path("/") / place / kUnit;
    return fail(Fault::untestable,
                std::string(kUnit) +
                    " is not installed, so nobody would go on after the boot; with "
                    "--fresh always you do that, by --resume");
}

Status BootFiles::arm(const BootRules& rules, const std::vector<std::string>& words,
                      bool enable) const {
    TRY_AS(const auto text, modprobe_text(rules));
    TRY(initramfs_command(kernel_release()));
    TRY_AS(const auto goes_on, enable ? unit() : Result<fs::path>());
    const nlohmann::json waiting{
        {"run_id", rules.run_id}, {"release", kernel_release()}, {"words", words}};
    TRY(write(kWords, waiting.dump() + "\n"));
    TRY(write(kModprobe, text));
    if (enable) {
        std::error_code ec;
        fs::create_directories(at(kWants).parent_path(), ec);
        fs::remove(at(kWants), ec);
        fs::create_symlink(goes_on, at(kWants), ec);
        if (ec)
            return fail_errno("cannot make " + at(kWants).string(), ec.value());
    }
    auto made = make_initramfs(kernel_release());
    ::sync();
    return made;
}

// The words and the unit go last, so that a stop before it is seen by the next
// call, and by the next boot.
Status BootFiles::disarm() const {
    if (!armed())
        return {};
    const auto left = waiting();
    TRY(remove(kModprobe));
    const auto kernel = left && !left->release.empty() ? left->release : kernel_release();
    // Without a tool nothing was ever put in.
    if (initramfs_command(kernel))
        TRY(make_initramfs(kernel));
    TRY(remove(kWants));
    auto gone = remove(kWords);
    ::sync();
    return gone;
}

bool BootFiles::armed() const {
    std::error_code ec;
    return fs::exists(at(kWords), ec) || fs::exists(at(kModprobe), ec);
}

std::optional<Waiting> BootFiles::waiting() const {
    const auto parsed = nlohmann::json::parse(read_text(at(kWords)).value_or(""), nullptr, false);
    // What somebody else has written there is nobody's run.
    try {
        Waiting out{parsed.value("run_id", ""), parsed.value("release", ""),
                    parsed.value("words", std::vector<std::string>())};
        return out.words.empty() ? std::nullopt : std::optional(std::move(out));
    } catch (const nlohmann::json::exception&) {
        return std::nullopt;
    }
}

Status boot_machine() {
    std::error_code ec;
    const bool systemd = fs::exists("/run/systemd/system", ec);
    TRY_AS(const auto code,
           run_to_its_end(systemd ? std::vector<std::string>{"/bin/systemctl", "reboot"}
                                  : std::vector<std::string>{"/sbin/reboot"}));
    if (code != 0)
        return fail(Fault::environment,
                    "the machine does not boot again: reboot ended with " + std::to_string(code));
    return {};
}

} // namespace dmarace::board
