// SPDX-License-Identifier: GPL-2.0-or-later
#include "board/boot_files.hpp"

#include "board/program.hpp"

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include <sys/utsname.h>

#include <fstream>
#include <iterator>

namespace dmarace::board {

namespace fs = std::filesystem;

namespace {

constexpr const char* kModprobe = "etc/modprobe.d/dmarace-boot.conf";
constexpr const char* kWords = "var/lib/dmarace/reboot.json";
constexpr const char* kUnit = "dmarace-reboot.service";
constexpr const char* kWants = "etc/systemd/system/multi-user.target.wants/dmarace-reboot.service";
constexpr const char* kUnitPlaces[] = {"usr/local/lib/systemd/system", "usr/lib/systemd/system",
                                       "lib/systemd/system", "etc/systemd/system"};
constexpr std::size_t kParameterMax = 1024; // kernel/params.c, param_set_charp()

std::string release() {
    utsname host{};
    ::uname(&host);
    return host.release;
}

} // namespace

Result<std::string> modprobe_text(const BootRules& rules) {
    std::string line;
    for (const auto& rule : rules.rules)
        line += (line.empty() ? "" : "; ") + rule;
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

BootFiles::BootFiles() : BootFiles("/", run_program) {}

fs::path BootFiles::at(const char* path) const {
    return root_ / path;
}

Status BootFiles::write(const char* path, const std::string& text) const {
    std::error_code ec;
    fs::create_directories(at(path).parent_path(), ec);
    std::ofstream file(at(path), std::ios::binary | std::ios::trunc);
    file << text;
    file.close();
    if (!file)
        return fail_errno("cannot write " + at(path).string());
    return {};
}

Status BootFiles::make_initramfs() const {
    const auto tools = at("usr/sbin/update-initramfs"), dracut = at("usr/bin/dracut");
    std::error_code ec;
    std::vector<std::string> command;
    if (fs::exists(tools, ec))
        command = {tools.string(), "-u", "-k", release()};
    else if (fs::exists(dracut, ec))
        command = {dracut.string(), "--force", "--kver", release()};
    else
        return fail(Fault::untestable, "neither update-initramfs nor dracut is here, so nothing "
                                       "can be loaded before the board's drivers; install one");
    const auto code = run_(command);
    if (!code)
        return std::unexpected(code.error());
    if (*code != 0)
        return fail(Fault::environment, command.front() + " ended with " + std::to_string(*code));
    return {};
}

Status BootFiles::arm(const BootRules& rules, const std::vector<std::string>& words,
                      bool enable) const {
    const auto text = modprobe_text(rules);
    if (!text)
        return std::unexpected(text.error());
    if (auto put = write(kWords, nlohmann::json(words).dump() + "\n"); !put)
        return put;
    if (auto put = write(kModprobe, *text); !put)
        return put;
    std::error_code ec;
    for (const auto* place : kUnitPlaces)
        if (enable && fs::exists(at(place) / kUnit, ec)) {
            fs::create_directories(at(kWants).parent_path(), ec);
            fs::remove(at(kWants), ec);
            fs::create_symlink(fs::path("/") / place / kUnit, at(kWants), ec);
            break;
        }
    if (enable && !fs::is_symlink(fs::symlink_status(at(kWants), ec)))
        return fail(Fault::untestable,
                    std::string(kUnit) + " is not installed, so nobody would go on after the boot; "
                                         "with --fresh always you do that, by --resume");
    auto made = make_initramfs();
    ::sync();
    return made;
}

Status BootFiles::disarm() const {
    if (!armed())
        return {};
    std::error_code ec;
    fs::remove(at(kWants), ec);
    fs::remove(at(kModprobe), ec);
    auto made = make_initramfs();
    // Last, so that a stop before it is seen by the next call.
    if (made)
        fs::remove(at(kWords), ec);
    ::sync();
    return made;
}

bool BootFiles::armed() const {
    std::error_code ec;
    return fs::exists(at(kWords), ec) || fs::exists(at(kModprobe), ec);
}

Result<std::vector<std::string>> BootFiles::words() const {
    std::ifstream file(at(kWords));
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const auto parsed = nlohmann::json::parse(text, nullptr, false);
    std::vector<std::string> out;
    if (parsed.is_array())
        for (const auto& word : parsed)
            if (word.is_string())
                out.push_back(word.get<std::string>());
    if (out.empty())
        return fail(Fault::usage, "no run waits for a boot here (" + at(kWords).string() +
                                      "); give a JOB to begin one");
    return out;
}

Status boot_machine() {
    std::error_code ec;
    const bool systemd = fs::exists("/run/systemd/system", ec);
    const auto code = run_program(systemd ? std::vector<std::string>{"/bin/systemctl", "reboot"}
                                          : std::vector<std::string>{"/sbin/reboot"});
    if (!code)
        return std::unexpected(code.error());
    if (*code != 0)
        return fail(Fault::environment,
                    "the machine does not boot again: reboot ended with " + std::to_string(*code));
    return {};
}

} // namespace dmarace::board
