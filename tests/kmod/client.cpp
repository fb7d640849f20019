// SPDX-License-Identifier: GPL-2.0-or-later
#include "client.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <sys/syscall.h>
#include <sys/wait.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <stdexcept>
#include <thread>
#include <utility>

namespace kmod_test {

std::string module_path;

std::string Event::get(const std::string& key) const {
    const auto found = words.find(key);
    return found == words.end() ? "" : found->second;
}

long long Event::number(const std::string& key) const {
    return std::strtoll(get(key).c_str(), nullptr, 0);
}

namespace {

Event to_event(const std::string& line) {
    Event event{.verb = line.substr(0, line.find(' ')), .words = {}, .text = line};
    std::size_t at = event.verb.size();
    while (at < line.size()) {
        const auto equals = line.find('=', ++at);
        if (equals == std::string::npos)
            break;
        const bool quoted = line[equals + 1] == '"';
        const auto start = equals + 1 + (quoted ? 1 : 0);
        auto end = line.find(quoted ? '"' : ' ', start);
        end = end == std::string::npos ? line.size() : end;
        event.words[line.substr(at, equals - at)] = line.substr(start, end - start);
        at = end + (quoted ? 1 : 0);
    }
    return event;
}

bool matches(const Event& event, const std::string& verb,
             const std::map<std::string, std::string>& words) {
    if (event.verb != verb)
        return false;
    for (const auto& [key, value] : words)
        if (event.get(key) != value)
            return false;
    return true;
}

} // namespace

Control::Control() : fd_(::open("/dev/dmarace", O_RDWR | O_CLOEXEC | O_NONBLOCK)) {
    if (fd_ < 0)
        throw std::runtime_error(std::string("/dev/dmarace: ") + std::strerror(errno));
}

Control::Control(std::initializer_list<std::string> rules) : Control() {
    for (const auto& rule : rules)
        must(rule);
    must("arm iter=1 seed=1");
}

Control::~Control() { close_now(); }

void Control::close_now() {
    if (fd_ >= 0)
        ::close(fd_);
    fd_ = -1;
}

int Control::send_raw(const std::string& bytes) {
    const auto done = ::write(fd_, bytes.data(), bytes.size());
    return done < 0 ? errno : 0;
}

int Control::send(const std::string& line) { return send_raw(line + "\n"); }

namespace {

// "no symbol NAME" of a refusal, where the kernel's own list has none either: its compiler
// has inlined that function, or its source has another. A name that is there must be found.
void skip_what_is_missing(const Event& reply) {
    const std::string words = "no symbol ", reason = reply.get("reason");
    const auto at = reason.find(words);
    const auto name = at == std::string::npos ? "" : reason.substr(at + words.size());
    if (!name.empty() && !has_symbol(name))
        throw Skipped("this kernel has no function " + name);
}

} // namespace

void Control::must(const std::string& line) {
    const int error = send(line);
    if (error == 0)
        return;
    std::string reason;
    for (const auto& event : drain())
        if (event.verb == "reply") {
            skip_what_is_missing(event);
            reason = event.text;
        }
    throw std::runtime_error("'" + line + "': " + std::strerror(error) + ": " + reason);
}

bool Control::fill(int timeout_ms) {
    pollfd waiting{.fd = fd_, .events = POLLIN, .revents = 0};
    if (::poll(&waiting, 1, timeout_ms) <= 0)
        return false;
    char chunk[8192];
    const auto got = ::read(fd_, chunk, sizeof(chunk));
    if (got <= 0)
        return false;
    if (chunk[got - 1] != '\n')
        throw std::runtime_error("read() returned half a line");
    buffer_.assign(chunk, static_cast<std::size_t>(got));
    std::size_t start = 0;
    for (auto end = buffer_.find('\n'); end != std::string::npos; end = buffer_.find('\n', start)) {
        queue_.push_back(to_event(buffer_.substr(start, end - start)));
        start = end + 1;
    }
    return true;
}

Event Control::await(const std::string& verb, const std::map<std::string, std::string>& words,
                     int timeout_ms) {
    const auto until = now_ms() + static_cast<std::uint64_t>(timeout_ms);
    std::string seen;
    for (;;) {
        while (!queue_.empty()) {
            const Event event = queue_.front();
            queue_.erase(queue_.begin());
            if (matches(event, verb, words))
                return event;
            seen += "\n    " + event.text;
        }
        const auto now = now_ms();
        if (now >= until || (!fill(static_cast<int>(until - now)) && now_ms() >= until))
            break;
    }
    std::string wanted = verb;
    for (const auto& [key, value] : words)
        wanted += " " + key + "=" + value;
    throw std::runtime_error("no '" + wanted + "' came, but:" + seen);
}

Event Control::status() {
    must("status");
    return await("reply", {{"re", "status"}});
}

Event Control::disarm(const std::string& rule) {
    must("disarm");
    return await("count", {{"rule", rule}});
}

std::vector<Event> Control::drain() {
    while (fill(0)) {
    }
    return std::exchange(queue_, {});
}

std::jthread keep_lease(Control& control) {
    return std::jthread([&control](const std::stop_token& stop) {
        for (; !stop.stop_requested(); sleep_ms(500))
            control.send("lease");
    });
}

int write_file(const std::string& path, const std::string& text) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    const auto done = ::write(fd, text.data(), text.size());
    const int error = done < 0 ? errno : 0;
    ::close(fd);
    return error;
}

pid_t spawn(const std::function<int()>& f) {
    std::fflush(nullptr);
    const pid_t pid = ::fork();
    if (pid == 0) {
        // A copy of the control descriptor would keep its owner alive.
        ::syscall(SYS_close_range, 3U, ~0U, 0U);
        ::_exit(f());
    }
    return pid;
}

int reap(pid_t pid, int timeout_ms) {
    const auto until = now_ms() + static_cast<std::uint64_t>(timeout_ms);
    int status = 0;
    while (::waitpid(pid, &status, WNOHANG) == 0) {
        if (now_ms() > until)
            return -1;
        sleep_ms(1);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int load_module(const std::string& path, const std::string& parameters) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    const auto done = ::syscall(SYS_finit_module, fd, parameters.c_str(), 0);
    const int error = done < 0 ? errno : 0;
    ::close(fd);
    return error;
}

int unload_module(const std::string& name) {
    return ::syscall(SYS_delete_module, name.c_str(), O_NONBLOCK) < 0 ? errno : 0;
}

void reload(const std::string& parameters) {
    expect_equal(unload_module("dmarace"), 0, "rmmod");
    expect_equal(load_module(module_path, parameters), 0, "insmod");
}

void wait_for_device() {
    for (int i = 0; i < 200 && ::access("/dev/dmarace", F_OK) != 0; i++)
        sleep_ms(5);
}

std::uint64_t now_ms() {
    using namespace std::chrono;
    return static_cast<std::uint64_t>(
        duration_cast<milliseconds>(steady_clock::now().time_since_epoch()).count());
}

void sleep_ms(int ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }

bool has_symbol(const std::string& name) {
    static const auto names = [] {
        std::set<std::string> all;
        std::ifstream in("/proc/kallsyms");
        for (std::string address, kind, symbol, rest; in >> address >> kind >> symbol;) {
            // As clang's thin LTO names static functions: the module finds them without it.
            all.insert(symbol.substr(0, symbol.find(".llvm.")));
            std::getline(in, rest);
        }
        return all;
    }();
    return names.contains(name);
}

bool probe_errors_are_kept() { return !has_symbol("__driver_probe_device"); }

namespace {

Door find_door() {
    const std::string writer =
        has_symbol("kernfs_fop_write_iter") ? "kernfs_fop_write_iter" : "kernfs_fop_write";
    if (!has_symbol("iommu_group_store_type"))
        return {.point = "drivers_probe_store",
                .file = "/sys/bus/platform/drivers_probe",
                .error = ENODEV,
                .group = "",
                .writer = writer};
    std::error_code error;
    for (const auto& group : std::filesystem::directory_iterator("/sys/kernel/iommu_groups", error))
        return {.point = "iommu_group_store_type",
                .file = group.path() / "type",
                .error = EINVAL,
                .group = group.path().filename(),
                .writer = writer};
    throw std::runtime_error("this board has no IOMMU group");
}

Bindable find_bindable() {
    namespace fs = std::filesystem;
    const Bindable clock{.bus = "amba", .name = "9010000.pl031", .driver = "rtc-pl031"};
    std::error_code error;
    if (fs::exists("/sys/bus/amba/drivers/" + clock.driver + "/" + clock.name, error))
        return clock;
    for (const auto& entry : fs::directory_iterator("/sys/bus/pci/devices", error)) {
        std::ifstream in(entry.path() / "class");
        std::string kind;
        in >> kind;
        const auto driver = fs::read_symlink(entry.path() / "driver", error);
        if (!error && !kind.starts_with("0x06"))
            return {.bus = "pci", .name = entry.path().filename(), .driver = driver.filename()};
    }
    throw std::runtime_error("no device to unbind and bind: neither a pl031 nor a bound PCI one");
}

} // namespace

std::string Door::rule() const {
    return "rule point=" + point + (group.empty() ? " unsafe=1" : "");
}

const Door& door() {
    static const Door found = find_door();
    return found;
}

pid_t knock_in_child() {
    return spawn([] { return door().knock(); });
}

std::string Bindable::configure() const {
    const std::string own = bus + "_dma_configure";
    return has_symbol(own) ? own : "platform_dma_configure";
}

int Bindable::unbind() const {
    return write_file("/sys/bus/" + bus + "/drivers/" + driver + "/unbind", name);
}

int Bindable::bind() const {
    return write_file("/sys/bus/" + bus + "/drivers/" + driver + "/bind", name);
}

void Bindable::rebind() const {
    expect_equal(unbind(), 0, "unbind");
    expect_equal(bind(), 0, "bind");
}

const Bindable& bindable() {
    static const Bindable found = find_bindable();
    return found;
}

std::vector<Case>& cases(Part part) {
    static std::map<Part, std::vector<Case>> all;
    return all[part];
}

std::string TestModule::path() {
    return module_path.substr(0, module_path.rfind('/') + 1) + "dmarace_test.ko";
}

TestModule::TestModule() { expect_equal(load_module(path()), 0, "insmod " + path()); }

TestModule::~TestModule() { unload_module("dmarace_test"); }

std::string TestModule::parameter(const std::string& name) {
    std::ifstream in("/sys/module/dmarace_test/parameters/" + name);
    std::string text;
    std::getline(in, text);
    return text;
}

int TestModule::run(const std::string& word) {
    return write_file("/sys/module/dmarace_test/parameters/run", word);
}

std::string TestModule::inside() {
    return "rule point=dmarace_test:dmarace_test_inside+" + parameter("offset") + " unsafe=1 ";
}

void expect(bool condition, const std::string& what) {
    if (!condition)
        throw std::runtime_error(what);
}

void expect_equal(long long got, long long want, const std::string& what) {
    if (got != want)
        throw std::runtime_error(what + ": " + std::to_string(got) + ", not " +
                                 std::to_string(want));
}

} // namespace kmod_test
