// SPDX-License-Identifier: GPL-2.0-or-later
// What the cases of the module's own test need: a control device to talk to, tasks
// that can be held, functions that know what is in every register, and a way to say
// what failed. Each case throws on failure.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace kmod_test {

struct Event {
    std::string verb;
    std::map<std::string, std::string> words;
    std::string text;
    std::string get(const std::string& key) const;
    long long number(const std::string& key) const;
};

class Control {
public:
    Control();
    // Gives it these rules, and arms.
    Control(std::initializer_list<std::string> rules);
    ~Control();
    Control(const Control&) = delete;
    Control& operator=(const Control&) = delete;

    // errno of the write, 0 for success. A newline is added.
    int send(const std::string& line);
    int send_raw(const std::string& bytes);
    // Sends and requires success; Skipped where this kernel lacks the function of a rule.
    void must(const std::string& line);
    // Reads until an event of this verb whose words match, or fails the test.
    Event await(const std::string& verb, const std::map<std::string, std::string>& words = {},
                int timeout_ms = 3000);
    // What the module says of itself.
    Event status();
    // Disarms; what was counted of a rule.
    Event disarm(const std::string& rule);
    // All events that are there now.
    std::vector<Event> drain();
    void close_now();

private:
    bool fill(int timeout_ms);
    int fd_ = -1;
    std::string buffer_;
    std::vector<Event> queue_;
};

// Renews the lease twice a second until it is destroyed; for cases that a slow
// machine, or a kernel that checks everything, may take long for.
std::jthread keep_lease(Control& control);

// Writes text to a file; errno of the write.
int write_file(const std::string& path, const std::string& text);

// A child process that runs f and exits with its value.
pid_t spawn(const std::function<int()>& f);
// Its exit value, 128 + signal, or -1 if it is still there after the timeout.
int reap(pid_t pid, int timeout_ms = 5000);

int load_module(const std::string& path, const std::string& parameters = "");
int unload_module(const std::string& name);
// Takes dmarace.ko out and in again.
void reload(const std::string& parameters = "");
void wait_for_device();
std::uint64_t now_ms();
void sleep_ms(int ms);

bool has_symbol(const std::string& name);

// Before 5.14 really_probe() gives 1 for a success and keeps its drivers' errors to
// itself; __driver_probe_device() came with the change (204db60c8357, ef6dcbdd8eb2).
bool probe_errors_are_kept();

// A write that always fails, and the function of the kernel that it comes to: what
// is written to `type` of some group, or, where that file is read-only (before
// 5.11), to drivers_probe of a bus.
struct Door {
    std::string point; // the function
    std::string file;
    int error = 0;      // errno of the write
    std::string group;  // the group's number; "" for a function without one
    std::string writer; // the function of kernfs that calls it
    // The beginning of a rule on it.
    std::string rule() const;
    int knock() const { return write_file(file, "bogus"); }
};
const Door& door();
pid_t knock_in_child();

// A device that can be unbound and bound: the board's clock where it has one,
// else a PCI device that is no bridge.
struct Bindable {
    std::string bus, name, driver;
    std::string device() const { return bus + "/" + name; }
    // The point of its bus's dma_configure, which some buses share.
    std::string configure() const;
    int unbind() const; // errno
    int bind() const;   // errno
    void rebind() const;
};
const Bindable& bindable();

// A case that this kernel cannot have; what() says why.
struct Skipped : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct Case {
    std::string name;
    void (*run)();
};

enum class Part { rules, blocked, control, detours, owners, parser };

// The cases of a part, in the order in which its file has them.
std::vector<Case>& cases(Part part);

// Defines a case: CASE(part, function, "its name") { .. }
#define CASE(part, function, name)                                                                 \
    void function();                                                                               \
    [[maybe_unused]] const bool function##_known =                                                 \
        (cases(Part::part).push_back({name, function}), true);                                     \
    void function()

// Where dmarace.ko is, for those that load it themselves.
extern std::string module_path;

// dmarace_test.ko, loaded before and unloaded after whatever happens.
class TestModule {
public:
    TestModule();
    ~TestModule();
    TestModule(const TestModule&) = delete;
    TestModule& operator=(const TestModule&) = delete;

    static std::string path();
    static std::string parameter(const std::string& name);
    // Lets it do one thing; errno of the write.
    static int run(const std::string& word);
    // The beginnings of rules on its functions.
    static constexpr const char* leaf = "rule point=dmarace_test:dmarace_test_leaf unsafe=1 ";
    static std::string inside();
};

void expect(bool condition, const std::string& what);
void expect_equal(long long got, long long want, const std::string& what);

} // namespace kmod_test
