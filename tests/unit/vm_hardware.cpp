// SPDX-License-Identifier: GPL-2.0-or-later
// A board on a desk that is this machine: its console is a script, ssh another one.
#include "base/files.hpp"
#include "base/text.hpp"
#include "fake_tree.hpp"
#include "results.hpp"
#include "vm/board/hardware_board.hpp"
#include "vm/campaign/campaign.hpp"
#include "vm/image/guest/frames.hpp"
#include "vm/image/kit.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cstdlib>
#include <future>
#include <thread>

namespace {

using namespace dmarace::vm;
using namespace dmarace;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(VmWords, are_split_as_a_shell_does_and_no_more) {
    EXPECT_THAT(got(split_words(" picocom  -b 115200\n/dev/ttyUSB0 ")),
                ElementsAre("picocom", "-b", "115200", "/dev/ttyUSB0"));
    EXPECT_THAT(got(split_words(R"(a 'b "c" $d' "e \"f\"" \ g '' h*)")),
                ElementsAre("a", "b \"c\" $d", "e \"f\"", " g", "", "h*"));
    EXPECT_THAT(got(split_words("")), IsEmpty());
    EXPECT_TRUE(refused(split_words("a 'b"), Fault::usage, "no end"));
}

TEST(VmWords, of_deploy_know_what_they_stand_for) {
    EXPECT_THAT(got(deploy_words({"cp", "{kernel}", "x-{release}.{y"},
                                 {{"kernel", "/k"}, {"release", "7"}})),
                ElementsAre("cp", "/k", "x-7.{y"));
    EXPECT_TRUE(refused(deploy_words({"{kernal}"}, {{"kernel", "/k"}}), Fault::usage, "{kernel}"));
}

Result<Board> hardware(const std::string& lines) {
    return parse_board("name = \"desk\"\nsummary = \"s\"\n[hardware]\n" + lines, "b.toml");
}

TEST(VmHardwareFile, says_how_the_board_is_reached) {
    const auto board = got(hardware("console = \"picocom /dev/x\"\nssh = [\"-p\", \"22 2\", "
                                    "\"root@b\"]\nsilence = \"20s\"\npower_cycle = \"cycle\"\n"
                                    "arch = \"amd64\"\n"));
    ASSERT_TRUE(board.hardware);
    EXPECT_THAT(board.hardware->console, ElementsAre("picocom", "/dev/x"));
    EXPECT_THAT(board.hardware->ssh, ElementsAre("-p", "22 2", "root@b"));
    EXPECT_EQ(board.hardware->silence, std::chrono::seconds(20));
    EXPECT_EQ(board.architecture->name, "amd64");
}

TEST(VmHardwareFile, that_is_wrong_is_refused_with_the_reason) {
    EXPECT_TRUE(refused(hardware(""), Fault::usage, "neither is there"));
    EXPECT_TRUE(refused(hardware("console = \"a 'b\""), Fault::usage, "b.toml:4", "no end"));
    EXPECT_TRUE(refused(hardware("ssh = \"b\"\npower_on = \"x\""), Fault::usage, "go together"));
    EXPECT_TRUE(refused(hardware("ssh = \"b\"\nplace = \"/tmp/$x\""), Fault::usage, "place"));
    EXPECT_TRUE(refused(hardware("ssh = \"b\"\nconsol = \"x\""), Fault::usage, "console"));
}

TEST(VmMirror, takes_each_part_once_and_in_order) {
    const test::FakeTree tree;
    MirrorWriter mirror(tree.root());
    const auto line = [](std::uint64_t number, const char* name, std::uint64_t at,
                         const char* bytes) {
        return guest::to_line({number, name, at, bytes});
    };
    EXPECT_EQ(mirror.take(line(1, "a/journal", 0, "one\n")), "got 1\n");
    EXPECT_EQ(mirror.take(line(3, "a/journal", 8, "three\n")), "got 1\n"); // the second was lost
    EXPECT_EQ(mirror.take(line(2, "a/journal", 4, "two\n")), "got 2\n");
    EXPECT_EQ(mirror.take(line(2, "a/journal", 4, "two\n")), "got 2\n"); // sent again
    EXPECT_EQ(tree.text("a/journal"), "one\ntwo\n");
    EXPECT_EQ(mirror.take(line(3, "a/journal", 0, "new\n")), "got 3\n"); // replaced
    EXPECT_EQ(tree.text("a/journal"), "new\n");
    EXPECT_EQ(mirror.take(line(4, "../outside", 0, "x")), "got 4\n");
    EXPECT_FALSE(std::filesystem::exists(tree.root().parent_path() / "outside"));
    std::string garbled = line(5, "b", 0, "bytes");
    garbled.insert(garbled.size() - 16, "[   1.0] pci: x");
    EXPECT_EQ(mirror.take(garbled), std::nullopt);
    EXPECT_EQ(mirror.take("[  12.5] login: " + line(5, "b", 0, "")), "got 5\n");
    EXPECT_EQ(mirror.take("login: "), std::nullopt);
}

TEST(VmMirror, carries_any_bytes) {
    std::string all;
    for (int i = 0; i < 256; ++i) {
        all += static_cast<char>(i);
        const auto part = guest::read_part(guest::to_line({7, "n", 3, all}));
        ASSERT_TRUE(part);
        EXPECT_EQ(part->bytes, all);
    }
}

TEST(VmIdentity, tells_the_kernel_that_was_deployed_from_any_other) {
    const auto identity = read_identity("release 6.12\nmachine aarch64\nkernel aa\nboot b-1\n"
                                        "stamp s1\nmodule nvme cc\n");
    EXPECT_EQ(identity.boot, "b-1");
    EXPECT_EQ(identity.modules.at("nvme"), "cc");
    const auto other = [&](std::set<std::string> ids, std::string stamp) {
        return is_other_kernel(
            identity,
            {.agent = {}, .kit = {}, .kernel_ids = std::move(ids), .stamp = std::move(stamp)});
    };
    EXPECT_FALSE(other({}, ""));
    EXPECT_FALSE(other({"vdso", "aa"}, "s1"));
    EXPECT_THAT(other({"ab"}, "").value_or(""), HasSubstr("build id aa"));
    EXPECT_THAT(other({"aa"}, "s2").value_or(""), HasSubstr("another deployment"));
    const HardwareKit blind{.agent = {}, .kit = {}, .release = "6.12.1"};
    EXPECT_THAT(is_other_kernel(identity, blind).value_or(""), HasSubstr("6.12.1 was deployed"));
}

std::string note_of(const std::string& id) {
    return std::string("\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0", 16) + id;
}

TEST(VmIdentity, of_a_kernel_without_ids_is_its_release_and_that_is_not_enough_for_all) {
    test::FakeTree tree;
    tree.file("Image", "packed").dir("scratch").dir("jobs").file("agent", "");
    Kernel kernel;
    kernel.release = "6.12.1";
    kernel.image = tree.root() / "Image";
    Board board;
    board.hardware = Hardware{};
    board.hardware->deploy = {"cp", "{kernel}", "/tftp"};
    board.hardware->dmarace = "/usr/bin/dmarace";
    RunSetup setup;
    setup.contents.kernel = &kernel;
    setup.contents.board = &board;
    setup.board = &board;
    setup.contents.init = tree.root() / "agent";
    setup.contents.jobs = tree.root() / "jobs";
    setup.scratch = tree.root() / "scratch";
    EXPECT_EQ(got(make_kit(setup)).release, "6.12.1");
    setup.exact = true;
    EXPECT_TRUE(refused(make_kit(setup), Fault::usage, "no build id", "vmlinux"));
    kernel.build = tree.root() / "build";
    tree.file("build/vmlinux", note_of(std::string(20, '\x1f')));
    EXPECT_FALSE(got(make_kit(setup)).kernel_ids.empty());
}

TEST(VmIdentity, of_an_image_are_its_notes) {
    EXPECT_THAT(build_ids("x" + note_of(std::string(20, '\x1f')) + "y"),
                ElementsAre("1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f"));
    EXPECT_THAT(build_ids("no note"), IsEmpty());
}

TEST(VmConsoleText, keeps_its_positions_when_old_text_is_dropped) {
    const test::FakeTree tree;
    ConsoleText console(tree.root() / "log", 100);
    console.add(std::string(59, 'a') + "\n");
    const std::size_t session = console.end();
    console.add(std::string(49, 'b') + "\n"); // the first half goes
    EXPECT_LE(console.text().size(), 100U);
    console.add("U-Boot SPL\n");
    EXPECT_THAT(std::string(console.since(session)), HasSubstr("b\nU-Boot SPL\n"));
    EXPECT_THAT(std::string(console.since(session)), testing::Not(HasSubstr("a")));
    console.begin();
    EXPECT_EQ(console.text(), "");
    EXPECT_EQ(console.since(session), "");
    EXPECT_EQ(console.since(console.end()), "");
    const std::size_t next = console.end();
    console.add("login\n");
    EXPECT_EQ(console.since(next), "login\n");
    EXPECT_EQ(tree.text("log").size(), 60U + 50 + 11 + 6);
}

class VmDesk : public testing::Test {
protected:
    VmDesk() {
        std::error_code error;
        agent_ = std::filesystem::read_symlink("/proc/self/exe", error).parent_path() /
                 ("../vm/dmarace-vm-init-" + std::string(host_architecture()->name));
        // Whatever the options, it is this machine: the last word is for its shell. But it has
        // another boot id if a test says so, and is never told to boot again.
        tree_.file("bin/ssh", "#!/bin/sh\nfor word; do :; done\ncd " + tree_.root().string() +
                                  "\n[ ! -e down ] || { cat down >&2; exit 255; }\ncase $word in\n"
                                  "*sysrq-trigger*) [ ! -e reboot ] || . ./reboot; exit ;;\n"
                                  "*/boot_id) [ ! -e boot ] || exec cat boot ;;\nesac\n"
                                  "exec /bin/sh -c \"$word\"\n");
        std::filesystem::permissions(tree_.root() / "bin/ssh", std::filesystem::perms::owner_all);
        path_ = std::getenv("PATH");
        setenv("PATH", ((tree_.root() / "bin").string() + ":" + path_).c_str(), 1);
        tree_.dir("out").dir("scratch");
        board_.architecture = host_architecture();
        board_.hardware = Hardware{};
        board_.hardware->place = (tree_.root() / "place").string();
        board_.hardware->boot_timeout = std::chrono::seconds(20);
        board_.hardware->power_cycle = {"true"};
        kit_.agent = agent_;
        kit_.key = "k";
    }
    ~VmDesk() override { setenv("PATH", path_.c_str(), 1); }

    void SetUp() override {
        if (!std::filesystem::exists(agent_))
            GTEST_SKIP() << agent_ << " is not built";
    }

    // A script that is the board's console.
    void console(const std::string& script) {
        board_.hardware->console = {"/bin/sh", "-c", script};
    }

    BootOutcome boot(const std::string& script,
                     std::chrono::seconds silence = std::chrono::seconds(20)) {
        if (!machine_) {
            kit_.kit = tree_.root() / "kit.tgz";
            auto writing = got(Archive::create(kit_.kit, Archive::Format::tar));
            writing.file("jobs/j", "x");
            EXPECT_TRUE(writing.close());
            machine_.emplace(board_, kit_, tree_.root() / "out", tree_.root() / "scratch");
        }
        Boot start;
        start.files[guest::kModules] = modules_;
        start.files[guest::kArgv] = std::string("/bin/sh\0-c\0", 11) + script + '\0';
        start.files[guest::kEnviron] = std::string("PATH=/usr/bin:/bin\0", 19);
        const UniqueFd null(open("/dev/null", O_WRONLY));
        return got(
            run_boot(*machine_, start, {.beat = silence, .out = null.get(), .err = null.get()}));
    }

    // What the program writes into its run's directory.
    std::string run_file(const std::string& name) const {
        return board_.hardware->place + "/out/" + name;
    }

    test::FakeTree tree_;
    Board board_;
    HardwareKit kit_;
    std::filesystem::path agent_;
    std::string path_, modules_;
    std::optional<HardwareBoard> machine_;
};

constexpr const char *kBootA = "aaaaaaaa-0000-4000-8000-000000000000",
                     *kBootB = "bbbbbbbb-0000-4000-8000-000000000000";

constexpr const char* kLogin =
    "echo 'U-Boot SPL'; stty sane; while [ -z \"$user\" ]; do printf 'login: '; read user; done; "
    "printf 'Password: '; read word; "
    "[ \"$user\" = root ] && [ \"$word\" = 'p w' ] && "
    // In colours, and asking where the cursor is, as busybox does.
    "PS1=$(printf '\\033[32m# \\033[m\\033[6n') exec sh -i";

TEST_F(VmDesk, is_reached_by_ssh_and_shows_what_is_written_there) {
    board_.hardware->ssh = {"me"};
    const auto ended = boot("echo hello; echo one >" + run_file("journal.jsonl") +
                            "; sleep 0.2; "
                            "echo two >>" +
                            run_file("journal.jsonl") + "; exit 3");
    EXPECT_EQ(ended.end, BootEnd::ended) << ended.detail;
    EXPECT_EQ(ended.status, 3);
    EXPECT_EQ(tree_.text("out/journal.jsonl"), "one\ntwo\n");
    EXPECT_EQ(tree_.text("out/.vm/stdout"), "hello\n");
    EXPECT_EQ(tree_.text("place/kit/jobs/j"), "x");
}

TEST_F(VmDesk, is_reached_over_its_console_alone) {
    console(kLogin);
    board_.hardware->login = "root";
    board_.hardware->password = "p w";
    const auto ended =
        boot("echo hello; head -c 5000 /dev/zero >" + run_file("zeros") + "; exit 4");
    EXPECT_EQ(ended.end, BootEnd::ended) << ended.detail;
    EXPECT_EQ(ended.status, 4);
    EXPECT_EQ(tree_.text("out/.vm/stdout"), "hello\n");
    EXPECT_EQ(tree_.text("out/zeros").size(), 5000U);
    EXPECT_THAT(tree_.text("out/console.log"),
                AllOf(HasSubstr("U-Boot SPL"), testing::Not(HasSubstr("#dmarace "))));
}

TEST_F(VmDesk, that_takes_files_slowly_gets_them_once_more_and_not_again_and_again) {
    console("(until agent=$(pgrep -f '" + board_.hardware->place +
            "/[a]gent --receive'); do sleep 0.1; done; kill -STOP $agent; sleep 8; "
            "kill -CONT $agent) & " +
            kLogin);
    board_.hardware->login = "root";
    board_.hardware->password = "p w";
    EXPECT_EQ(boot("exit 4").status, 4);
    std::size_t answers = 0, last = 0;
    for (const std::string& line : lines_in(tree_.text("out/console.log")))
        if (const auto words = words_in(line); words.size() == 2 && words[0] == guest::kGot) {
            ++answers;
            last = std::max<std::size_t>(last, std::strtoul(words[1].c_str(), nullptr, 10));
        }
    EXPECT_LE(answers, last + 1 + 4);
}

// The program's board says that on its console and is never heard of again.
std::string says(const test::FakeTree& tree, const std::string& text) {
    return "while [ ! -e " + (tree.root() / "out/begun").string() +
           " ]; do sleep 0.1; done; "
           "sleep 0.2; echo '" +
           text + "'; sleep 60";
}

// The agent there stops once it was heard of.
std::string freezes(const test::FakeTree& tree) {
    return "until [ -s " + (tree.root() / "out" / guest::kChannel / guest::kBeat).string() +
           " ]; do sleep 0.1; done; kill -STOP $PPID; sleep 50";
}

TEST_F(VmDesk, that_panics_is_not_waited_for) {
    console(says(tree_, "[ 1.0] Kernel panic - not syncing: x"));
    board_.hardware->ssh = {"me"};
    const auto ended = boot("touch " + run_file("begun") + "; sleep 50");
    EXPECT_EQ(ended.end, BootEnd::panic);
    EXPECT_EQ(ended.detail, "Kernel panic - not syncing: x");
}

TEST_F(VmDesk, that_is_reset_without_a_word_has_died) {
    console(says(tree_, "U-Boot SPL 2024.01"));
    board_.hardware->ssh = {"me"};
    const auto ended = boot("touch " + run_file("begun") + "; sleep 50");
    EXPECT_EQ(ended.end, BootEnd::died);
    EXPECT_THAT(ended.detail, HasSubstr("reset itself"));
}

TEST_F(VmDesk, that_stops_beating_hangs) {
    console(says(tree_, "the last word"));
    board_.hardware->ssh = {"me"};
    const auto ended =
        boot("touch " + run_file("begun") + "; " + freezes(tree_), std::chrono::seconds(2));
    EXPECT_EQ(ended.end, BootEnd::hang) << ended.detail;
}

TEST_F(VmDesk, that_is_silent_in_the_same_boot_hangs_and_is_not_lost) {
    board_.hardware->ssh = {"me"};
    board_.hardware->silence = std::chrono::seconds(1);
    const auto ended = boot(freezes(tree_), std::chrono::seconds(4));
    EXPECT_EQ(ended.end, BootEnd::hang) << ended.detail;
}

TEST_F(VmDesk, that_boots_again_for_longer_than_a_silence_has_died) {
    board_.hardware->ssh = {"me"};
    board_.hardware->silence = std::chrono::seconds(2);
    tree_.file("boot", kBootA);
    const auto ended = boot(fmt::format("cd {}; echo {} >boot; touch down; (sleep 6; rm down) & "
                                        "{}",
                                        tree_.root().string(), kBootB, freezes(tree_)),
                            std::chrono::seconds(2));
    EXPECT_EQ(ended.end, BootEnd::died) << ended.detail;
}

// After its power its console is silent for a while, and so it is after a reset.
TEST_F(VmDesk, whose_console_shows_a_boot_late_has_the_time_for_it_and_then_hangs) {
    const std::string root = tree_.root().string();
    board_.hardware->ssh = {"me"};
    board_.hardware->silence = std::chrono::seconds(2);
    board_.hardware->boot_timeout = std::chrono::seconds(60);
    board_.hardware->power_cycle = {
        "sh", "-c",
        fmt::format("cd {}; touch down; (sleep 2; echo U-Boot SPL >>serial; sleep 2; cat "
                    "/proc/sys/kernel/random/uuid >boot; rm down) "
                    ">/dev/null 2>&1 &",
                    root)};
    kit_.deploy = {"true"};
    tree_.file("serial", "");
    console("tail -f " + root + "/serial");
    const auto died =
        boot(fmt::format("cd {}; touch down; (sleep 5; echo U-Boot SPL >>serial) & {}", root,
                         freezes(tree_)),
             std::chrono::seconds(2));
    EXPECT_EQ(died.end, BootEnd::died) << died.detail;
    const auto begun = std::chrono::steady_clock::now();
    const auto hangs = boot("touch " + root + "/down; " + freezes(tree_), std::chrono::seconds(2));
    EXPECT_EQ(hangs.end, BootEnd::hang) << hangs.detail;
    EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(40));
}

TEST_F(VmDesk, whose_console_never_shows_a_boot_has_all_the_time_it_may_take) {
    board_.hardware->ssh = {"me"};
    board_.hardware->silence = std::chrono::seconds(2);
    tree_.file("boot", kBootA);
    console("sleep 60");
    const auto ended = boot(fmt::format("cd {}; echo {} >boot; touch down; (sleep 6; rm down) & {}",
                                        tree_.root().string(), kBootB, freezes(tree_)),
                            std::chrono::seconds(2));
    EXPECT_EQ(ended.end, BootEnd::died) << ended.detail;
}

TEST_F(VmDesk, whose_console_asks_again_who_is_there_was_reset_or_lost_its_agent) {
    board_.hardware->login = "root";
    board_.hardware->password = "p w";
    tree_.file("boot", kBootA)
        .file("env", fmt::format("cat() {{ case $1 in */boot_id) command cat {}"
                                 "/boot ;; *) command cat \"$@\" ;; esac; }}\n",
                                 tree_.root().string()));
    console("export ENV=" + (tree_.root() / "env").string() + "; " + kLogin);
    const std::string gone = "until [ -s " +
                             (tree_.root() / "out" / guest::kChannel / guest::kBeat).string() +
                             " ]; do sleep 0.1; done; kill -9 $PPID";
    const auto lost = boot(gone);
    EXPECT_EQ(lost.end, BootEnd::lost) << lost.detail;
    machine_.reset();
    const auto died =
        boot(fmt::format("echo {} >{}/boot; {}", kBootB, tree_.root().string(), gone));
    EXPECT_EQ(died.end, BootEnd::died) << died.detail;
}

TEST_F(VmDesk, that_answers_again_in_the_same_boot_has_not_booted) {
    board_.hardware->ssh = {"me"};
    board_.hardware->power_cycle.clear();
    board_.hardware->boot_timeout = std::chrono::seconds(2);
    tree_.file("boot", kBootA);
    EXPECT_EQ(boot("exit 3").end, BootEnd::ended);
    for (const char* id : {kBootA, "", "[   12.5] usb 1-1: new device"}) {
        tree_.file("boot", id).file("down", "").file("place/out/old", "");
        const auto back = std::async(std::launch::async, [&] {
            std::this_thread::sleep_for(std::chrono::milliseconds(300));
            std::filesystem::remove(tree_.root() / "down");
        });
        const auto ended = boot("exit 3");
        EXPECT_EQ(ended.end, BootEnd::hang) << id;
        EXPECT_EQ(ended.detail.ends_with("the boot before"), id == kBootA) << ended.detail;
        EXPECT_TRUE(std::filesystem::exists(tree_.root() / "place/out/old")) << id;
    }
}

TEST_F(VmDesk, that_was_told_to_boot_and_is_reset_later_has_died) {
    board_.hardware->ssh = {"me"};
    board_.hardware->power_cycle.clear();
    tree_.file("serial", "").file("boot", kBootA);
    tree_.file("reboot", fmt::format("(sleep 0.5; echo 'reboot: Restarting system' >>serial; "
                                     "sleep 0.5; echo {} >boot) >/dev/null 2>&1 &",
                                     kBootB));
    console("tail -f " + (tree_.root() / "serial").string());
    EXPECT_EQ(boot("exit 3").end, BootEnd::ended);
    const auto ended =
        boot("echo U-Boot SPL >>" + (tree_.root() / "serial").string() + "; sleep 50");
    EXPECT_EQ(ended.end, BootEnd::died) << ended.detail;
    EXPECT_THAT(tree_.text("out/console.log"), HasSubstr("Restarting"));
}

TEST_F(VmDesk, that_was_switched_on_is_told_by_all_that_its_boot_said) {
    board_.hardware->ssh = {"me"};
    kit_.deploy = {"true"};
    tree_.file("serial", "");
    const std::string root = tree_.root().string();
    board_.hardware->power_cycle = {
        "sh", "-c",
        fmt::format("cd {}; touch down; (sleep 0.5; echo 'BUG: early' >>serial; sleep 0.5; rm "
                    "down) >/dev/null 2>&1 &",
                    root)};
    console("tail -f " + root + "/serial");
    const auto ended = boot("echo U-Boot SPL >>" + root + "/serial; sleep 50");
    EXPECT_EQ(ended.end, BootEnd::died) << ended.detail;
    EXPECT_THAT(ended.evidence, Contains(HasSubstr("BUG: early")));
}

TEST_F(VmDesk, whose_agent_cannot_start_says_so_over_its_console_too) {
    console(kLogin);
    board_.hardware->login = "root";
    board_.hardware->password = "p w";
    modules_ = "/no/such.ko\n";
    const auto ended = boot("true", std::chrono::seconds(4));
    EXPECT_EQ(ended.end, BootEnd::no_start);
    EXPECT_THAT(ended.detail, HasSubstr("/no/such.ko"));
}

TEST_F(VmDesk, that_never_answers_does_not_boot_and_its_power_was_cycled) {
    console("sleep 60");
    board_.hardware->login = "root";
    board_.hardware->boot_timeout = std::chrono::seconds(1);
    board_.hardware->power_cycle = {"touch", (tree_.root() / "cycled").string()};
    kit_.deploy = {"touch", (tree_.root() / "deployed").string()};
    const auto ended = boot("true");
    EXPECT_EQ(ended.end, BootEnd::hang);
    EXPECT_THAT(ended.detail, HasSubstr("no shell within 1 s"));
    EXPECT_TRUE(std::filesystem::exists(tree_.root() / "cycled"));
    EXPECT_TRUE(std::filesystem::exists(tree_.root() / "deployed"));
}

TEST_F(VmDesk, that_ssh_does_not_let_in_says_why) {
    board_.hardware->ssh = {"me"};
    board_.hardware->boot_timeout = std::chrono::seconds(1);
    tree_.file("down", "root@b: Permission denied (publickey).\nmore\n");
    const auto ended = boot("true");
    EXPECT_EQ(ended.end, BootEnd::hang);
    EXPECT_THAT(ended.detail, testing::EndsWith(": root@b: Permission denied (publickey)."));
}

TEST_F(VmDesk, that_runs_another_kernel_is_not_judged) {
    board_.hardware->ssh = {"me"};
    kit_.kernel_ids = {"00"};
    const auto ended = boot("touch " + run_file("begun"));
    EXPECT_EQ(ended.end, BootEnd::other_kernel);
    EXPECT_FALSE(std::filesystem::exists(tree_.root() / "out/begun"));
}

} // namespace
