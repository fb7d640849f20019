// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/duration.hpp"
#include "board/kernel.hpp"
#include "board/task.hpp"
#include "fake_tree.hpp"
#include "results.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>

#include <sys/socket.h>

#include <csignal>

namespace dmarace::board {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using testing::ElementsAre;

TEST(KernelLog, reads_level_time_text_and_a_device_of_a_bus) {
    const auto record = parse_kernel_record("4,1234,56789,-;late IOMMU probe\n");
    EXPECT_EQ(record.level, 4);
    EXPECT_EQ(record.ts, 56789U);
    EXPECT_EQ(record.text, "late IOMMU probe");
    EXPECT_EQ(record.device, "");
    EXPECT_EQ(record.seq, 1234U);
    EXPECT_FALSE(record.user);
    EXPECT_EQ(parse_kernel_record("14,1,2,-;x\n").level, 6) << "the facility is not the level";
    EXPECT_TRUE(parse_kernel_record("14,1,2,-;x\n").user) << "not the kernel's facility";
    const auto added = parse_kernel_record(
        "6,1,2,-;Adding to iommu group 1\n SUBSYSTEM=pci\n DEVICE=+pci:0000:00:02.0\n");
    EXPECT_EQ(added.text, "Adding to iommu group 1");
    EXPECT_EQ(added.device, "pci/0000:00:02.0");
    EXPECT_EQ(parse_kernel_record("6,1,2,-;x\n DEVICE=b8:0\n").device, "") << "a node";
}

TEST(KernelLog, torn_records_do_no_harm) {
    for (const char* text : {"", ";", "4", "4,1", "4,1,2;", "\n DEVICE=", "4,1,2,-;x\n DEVICE=+"})
        EXPECT_EQ(parse_kernel_record(text).device, "") << text;
}

// Each write is a record.
struct FakeLog {
    FakeLog() {
        int ends[2] = {-1, -1};
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends), 0);
        written = UniqueFd(ends[0]);
        read = UniqueFd(ends[1]);
    }
    void say(const std::string& record) const {
        EXPECT_EQ(::write(written.get(), record.data(), record.size()),
                  static_cast<ssize_t>(record.size()));
    }
    UniqueFd written, read;
};

TEST(KernelLog, a_gap_has_its_place_and_what_was_read_stays) {
    FakeLog fake;
    auto log = KernelLog::of(std::move(fake.read));
    fake.say("4,7,100,-;one\n");
    fake.say("4,12,200,-;two\n");
    const auto records = got(log.read_new());
    ASSERT_EQ(records.size(), 3U);
    EXPECT_EQ(records[0].text, "one");
    EXPECT_EQ(records[1].lost, 4U);
    EXPECT_EQ(records[1].seq, 8U);
    EXPECT_EQ(records[2].text, "two");
    EXPECT_EQ(records[2].lost, 0U);
    fake.say("4,13,300,-;three\n");
    EXPECT_EQ(got(log.read_new()).size(), 1U) << "and no gap";
}

// A storm of which nothing is read by who asks for it: the socket takes a few hundred.
TEST(KernelLog, is_read_while_it_is_written) {
    constexpr unsigned kRecords = 5000;
    FakeLog fake;
    ASSERT_EQ(::fcntl(fake.written.get(), F_SETFL, 0), 0);
    auto log = KernelLog::of(std::move(fake.read));
    for (unsigned i = 0; i < kRecords; ++i)
        fake.say("6," + std::to_string(i) + ",1,-;bind storm " + std::string(300, '.') + "\n");
    EXPECT_EQ(got(log.read_new()).size(), kRecords);
}

TEST(KernelLog, a_mark_tells_the_clock_of_the_log) {
    FakeLog fake;
    auto log = KernelLog::of(std::move(fake.read));
    const auto before = static_cast<std::int64_t>(monotonic_now() / 1000);
    ASSERT_TRUE(log.mark("run=r iter=1 begin"));
    const auto after = static_cast<std::int64_t>(monotonic_now() / 1000);
    std::array<char, 64> mark{};
    const auto size = ::read(fake.written.get(), mark.data(), mark.size());
    EXPECT_EQ(std::string(mark.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0))),
              "<6>dmarace: run=r iter=1 begin\n")
        << "without its end nobody may read it before the next record is written";
    fake.say("4,1,0,-;dmarace: run=r iter=1 begin\n"); // the kernel's own words are no mark
    fake.say("12,2,5,-;dmarace: run=r iter=1 begin\n");
    fake.say("4,3,1005,-;later\n");
    const auto records = got(log.read_new());
    ASSERT_EQ(records.size(), 3U);
    EXPECT_GE(log.clock_shift() + 5, before);
    EXPECT_LE(log.clock_shift() + 5, after);
    EXPECT_EQ(static_cast<std::int64_t>(records[2].ts), log.clock_shift() + 1005);
}

// Whoever opens the log first and reads its signals later gets them all the same.
TEST(KernelLog, leaves_signals_to_the_main_thread) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe(ends.data()), 0);
    const UniqueFd write(ends[1]);
    const auto log = KernelLog::of(UniqueFd(ends[0]));
    sigset_t term, before;
    ::sigemptyset(&term);
    ::sigaddset(&term, SIGTERM);
    ::pthread_sigmask(SIG_BLOCK, &term, &before);
    ::kill(::getpid(), SIGTERM);
    const timespec soon{1, 0};
    EXPECT_EQ(::sigtimedwait(&term, nullptr, &soon), SIGTERM);
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

constexpr auto kMark = "run=r iter=2 begin";

struct Kept {
    const char* name;
    std::vector<std::pair<std::string, std::string>> files;
    std::vector<std::string> lines;
};

const Kept kKept[] = {
    {"a ramoops record",
     {{"sys/fs/pstore/dmesg-ramoops-0",
       "Panic#1 Part1\n<6>[ 1] dmarace: run=r iter=1 begin\n<6>[ 2] early\n"
       "<6>[ 3] dmarace: run=r iter=2 begin\n<4>[ 4] sysrq: crash\n<0>[ 5] panic\n"}},
     {"<4>[ 4] sysrq: crash", "<0>[ 5] panic"}},
    {"parts, put together oldest first",
     {{"sys/fs/pstore/dmesg-efi-1", "Oops#1 Part1\n<0>[ 5] end\n"},
      {"sys/fs/pstore/dmesg-efi-2", "Oops#1 Part2\n<4>[ 4] middle\n"},
      {"sys/fs/pstore/dmesg-efi-3", std::string("Oops#1 Part3\n<6>[ 3] dmarace: ") + kMark}},
     {"<4>[ 4] middle", "<0>[ 5] end"}},
    {"the archive of systemd-pstore",
     {{"var/lib/systemd/pstore/1/0/dmesg.txt",
       std::string("[ 3] dmarace: ") + kMark + "\n[ 4] end\n"}},
     {"[ 4] end"}},
    {"another run's, which are nobody's",
     {{"sys/fs/pstore/dmesg-ramoops-0", "dmarace: run=other iter=2 begin\nend\n"}},
     {}},
    {"none", {}, {}},
};

TEST(LastWords, of_what_a_dead_machine_has_kept) {
    for (const auto& kept : kKept) {
        test::FakeTree tree;
        for (const auto& [path, text] : kept.files)
            tree.file(path, text);
        EXPECT_EQ(after_mark(last_words(tree.files()), kMark, 60), kept.lines) << kept.name;
    }
    EXPECT_THAT(after_mark({std::string(kMark) + "\na\nb\nc\n"}, kMark, 2), ElementsAre("b", "c"));
}

TEST(LastWords, are_kept_where_pstore_has_a_backend) {
    EXPECT_FALSE(keeps_last_words(test::FakeTree().files()));
    for (const auto& [backend, keeps] : {std::pair{"ramoops\n", true}, {"(null)\n", false}})
        EXPECT_EQ(
            keeps_last_words(
                test::FakeTree().file("sys/module/pstore/parameters/backend", backend).files()),
            keeps)
            << backend;
}

constexpr milliseconds kLimit{10000};

void nothing() {}

Result<ForkedChild> waiting_child() {
    return ForkedChild::start("test", nothing,
                              [](Channel& channel) { return channel.receive(kLimit) ? 0 : 1; });
}

TEST(Files, an_attribute_is_read_to_its_end_and_a_link_of_a_bus_is_followed) {
    test::FakeTree tree;
    for (const std::size_t size : {0U, 1U, 4095U, 4096U, 9000U}) {
        const auto name = "sys/bus/x/" + std::to_string(size);
        tree.file(name, std::string(size, 'a') + "\n\n");
        EXPECT_EQ(got(tree.files().read("/" + name)).size(), size);
    }
    tree.dir("sys/devices/platform/a").dir("sys/bus/x/devices");
    std::filesystem::create_symlink("../../../devices/platform/a",
                                    tree.root() / "sys/bus/x/devices/a");
    EXPECT_EQ(tree.files().real_path("/sys/bus/x/devices/a"), "/sys/devices/platform/a");
    EXPECT_EQ(tree.files().real_path("/sys/bus/x/devices/gone"), "");
}

TEST(Uevents, another_program_may_act_on_them) {
    const std::string head = "sk               Eth Pid        Groups   Rmem\n";
    const std::string own = "0 15 " + std::to_string(::getpid()) + " 00000001 0\n";
    struct Row {
        std::string sockets, helper;
        bool acts;
    };
    const std::vector<Row> rows{{"", "", false},
                                {own, "", false},
                                {own + "0 15 0 00000000 0\n", "", false},
                                {own + "0 15 811 00000002 0\n", "", false}, // hears udev alone
                                {own + "0 0 811 00000001 0\n", "", false},  // of routes
                                {own + "0 15 811 00000001 0\n", "", true},
                                {own + "0 15 811 ffffffff 0\n", "", true},
                                {own, "/sbin/hotplug", true}};
    for (const auto& row : rows) {
        test::FakeTree tree;
        tree.file("proc/net/netlink", head + row.sockets)
            .file("sys/kernel/uevent_helper", row.helper + "\n");
        EXPECT_EQ(somebody_acts_on_uevents(tree.files()), row.acts) << row.sockets << row.helper;
    }
}

TEST(ForkedChild, lines_go_both_ways_and_the_end_is_seen) {
    auto child = ForkedChild::start("test", nothing, [](Channel& channel) {
        const auto asked = channel.receive(kLimit);
        if (!asked)
            return 1;
        return channel.send(Line{"answer", {{"to", asked->get("id")}}}) ? 7 : 1;
    });
    ASSERT_TRUE(child);
    ASSERT_TRUE(child->channel().send(Line{"ask", {{"id", "a b\"c"}}}));
    EXPECT_EQ(got(child->channel().receive(kLimit)).get("to"), "a b\"c");
    EXPECT_EQ(child->wait(kLimit), 7);
}

TEST(ForkedChild, receive_gives_up_at_its_limit) {
    auto child = got(waiting_child());
    EXPECT_FALSE(child.channel().receive(milliseconds(10)));
    EXPECT_FALSE(child.ended());
}

TEST(ForkedChild, a_killed_child_shows_the_signal) {
    auto child = got(waiting_child());
    child.kill(SIGKILL);
    EXPECT_EQ(child.wait(kLimit), 128 + SIGKILL);
}

TEST(ForkedChild, dropping_it_ends_it) {
    const pid_t pid = got(waiting_child()).pid();
    EXPECT_EQ(::kill(pid, 0), -1);
}

struct Case {
    const char* name;
    char state;
    const char* stack;
    bool on_lock;
};

constexpr Case kCases[] = {
    {"mutex", 'D', "[<0>] __mutex_lock.constprop.0+0x9c/0x7d0\n[<0>] iommu_probe_device+0x20",
     true},
    {"device lock through mutex_lock", 'D',
     "[<0>] mutex_lock+0x5c/0x70\n[<0>] device_driver_attach", true},
    {"rwsem", 'D', "[<0>] rwsem_down_write_slowpath+0x1a4/0x690", true},
    {"a lock whose own functions the kernel leaves out", 'D',
     "[<0>] of_iommu_configure+0x60/0x1e8\n[<0>] of_dma_configure_id+0x1b8", true},
    {"the same in a part that the compiler split off", 'D',
     "[<0>] __iommu_probe_device.part.0+0x60/0x1e8", true},
    {"a taker of a lock that is not where the task sleeps", 'D',
     "[<0>] blk_execute_rq+0x60\n[<0>] device_driver_attach+0x20", false},
    {"a release that the bus notifier has inlined", 'D',
     "[<0>] iommu_bus_notifier+0x54/0x178\n[<0>] notifier_call_chain+0xa4", true},
    {"another function with that beginning", 'D', "[<0>] device_attach_slowly+0x1", false},
    {"a lock inside a call that we detoured", 'D',
     "[<0>] iommu_group_store_type+0x1\n[<0>] dmarace_trampoline+0x0 [dmarace]", true},
    {"a hold of ours whose scheduler functions are left out", 'D',
     "[<0>] hold_wait+0x30 [dmarace]\n[<0>] iommu_probe_device+0x0", false},
    {"not asleep", 'R', "[<0>] __mutex_lock.constprop.0+0x9c/0x7d0", false},
    {"a driver that sleeps", 'D', "[<0>] msleep+0x30/0x50\n[<0>] e1000_probe+0x20", false},
    {"a hold of ours", 'D', "[<0>] dmarace_hold+0x30 [dmarace]\n[<0>] mutex_lock+0x5c", false},
    {"a lock far up the chain", 'D',
     "[<0>] a+0x1\n[<0>] b+0x1\n[<0>] c+0x1\n[<0>] d+0x1\n[<0>] e+0x1\n[<0>] f+0x1\n"
     "[<0>] mutex_lock+0x1",
     false},
    {"a name that only ends alike", 'D', "[<0>] my_mutex_lock+0x1", false},
    {"nothing readable", 'D', "", false},
};

TEST(TaskState, knows_a_sleeper_on_a_lock) {
    for (const auto& item : kCases) {
        TaskState state;
        state.state = item.state;
        state.stack = item.stack;
        EXPECT_EQ(state.on_lock(), item.on_lock) << item.name;
    }
}

TEST(TaskState, reads_proc_even_with_spaces_in_the_name) {
    test::FakeTree tree;
    tree.file("proc/7/stat", "7 (kworker/u4:1 (x) y) D 2 0 0\n")
        .file("proc/7/status", "Name:\tx\nvoluntary_ctxt_switches:\t41\n")
        .file("proc/7/stack", "[<0>] msleep+0x1\n");
    const auto state = task_state(tree.files(), 7);
    EXPECT_EQ(state.state, 'D');
    EXPECT_EQ(state.switches, 41U);
    EXPECT_EQ(state.stack, "[<0>] msleep+0x1");
}

TEST(TaskState, a_task_that_is_gone_is_unknown) {
    test::FakeTree tree;
    EXPECT_EQ(task_state(tree.files(), 7).state, '?');
}

TaskState asleep_on(const char* stack, std::uint64_t switches) {
    TaskState state;
    state.state = 'D';
    state.switches = switches;
    state.stack = stack;
    return state;
}

const auto kLock = asleep_on("[<0>] __mutex_lock+0x1\n[<0>] iommu_probe_device+0x20", 5);
constexpr auto kLong = BlockedWatch::kBlockedFor;

TEST(BlockedWatch, tells_once_after_long_enough_on_one_lock) {
    BlockedWatch watch;
    const auto start = Clock::now();
    EXPECT_FALSE(watch.look(kLock, start));
    EXPECT_FALSE(watch.look(kLock, start + kLong / 2));
    EXPECT_TRUE(watch.look(kLock, start + kLong));
    EXPECT_FALSE(watch.look(kLock, start + 2 * kLong));
    EXPECT_NE(watch.stack().find("iommu_probe_device"), std::string::npos);
}

TEST(BlockedWatch, a_context_switch_running_in_between_and_a_new_step_start_anew) {
    const auto start = Clock::now();
    auto moved = kLock;
    moved.switches = 6;
    BlockedWatch switched, ran, stepped;
    for (auto* watch : {&switched, &ran, &stepped})
        EXPECT_FALSE(watch->look(kLock, start));
    EXPECT_FALSE(switched.look(moved, start + kLong));
    EXPECT_TRUE(switched.look(moved, start + 2 * kLong));
    EXPECT_FALSE(ran.look(TaskState{}, start + kLong / 2));
    EXPECT_FALSE(ran.look(kLock, start + kLong));
    stepped.forget();
    EXPECT_FALSE(stepped.look(kLock, start + kLong));
    EXPECT_TRUE(stepped.look(kLock, start + 2 * kLong));
}

TEST(BlockedWatch, what_the_module_knows_is_not_told_again_before_the_lock_is_left) {
    BlockedWatch watch;
    const auto start = Clock::now();
    watch.know();
    EXPECT_FALSE(watch.look(kLock, start));
    EXPECT_FALSE(watch.look(kLock, start + 2 * kLong));
    EXPECT_FALSE(watch.look(TaskState{}, start + 2 * kLong));
    EXPECT_FALSE(watch.look(kLock, start + 3 * kLong));
    EXPECT_TRUE(watch.look(kLock, start + 4 * kLong));
}

} // namespace
} // namespace dmarace::board
