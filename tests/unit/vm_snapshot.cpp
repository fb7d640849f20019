// SPDX-License-Identifier: GPL-2.0-or-later
// A guest that is kept, and begun again: what QEMU is told, and what is left when it cannot be.
#include "base/files.hpp"
#include "fake_tree.hpp"
#include "results.hpp"
#include "vm/board/qemu.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include <limits>
#include <thread>

namespace {

using namespace dmarace;
using namespace dmarace::vm;
using testing::ElementsAre;
using testing::HasSubstr;
namespace fs = std::filesystem;

TEST(VmSnapshot, WhatTheMonitorSays) {
    struct Row {
        const char* line;
        const char* answer; // "": not the one that is waited for
        const char* error;
    };
    for (const Row& row :
         {Row{R"({"QMP": {"version": {}}})", "", ""},
          {R"({"return": {}})", "", ""},
          {R"({"event": "STOP"})", "", ""},
          {R"({"return": {}, "id": 2})", "", ""},
          {R"({"return": {"running": true}, "id": 3})", R"({"running":true})", ""},
          {R"({"id": 3, "error": {"class": "GenericError", "desc": "nvme"}})", "", "nvme"},
          {"{", "", ""}}) {
        const auto answer = monitor_answer(row.line, 3);
        ASSERT_EQ(answer.has_value(), *row.answer != 0 || *row.error != 0) << row.line;
        if (!answer)
            continue;
        if (*row.error == 0)
            EXPECT_EQ(got(*answer), row.answer);
        else
            EXPECT_TRUE(refused(*answer, Fault::environment, row.error));
    }
}

TEST(VmSnapshot, ALifeIsToldTheTimeAndEntropy) {
    const std::chrono::system_clock::time_point when(std::chrono::seconds(1'700'000'000));
    EXPECT_EQ(life_text(when, std::string("\x01\xff", 2)), "1700000000000000000\n01ff\n");
}

// QEMU's monitor, played: what it was told, in order.
class PlayedMonitor {
public:
    PlayedMonitor(int fd, std::string migration, fs::path state)
        : fd_(dup(fd)), migration_(std::move(migration)), state_(std::move(state)),
          thread_([this] { play(); }) {}
    std::vector<std::string> told() {
        thread_.join(); // once the other end is closed
        return told_;
    }

private:
    void play() {
        std::string text;
        for (char letter = 0; read(fd_.get(), &letter, 1) == 1;) {
            text += letter;
            if (letter != '\n')
                continue;
            const auto json = nlohmann::json::parse(text);
            text.clear();
            const auto command = json.value("execute", "");
            if (command == "migrate")
                (void)write_text(state_, "some of it");
            if (!command.starts_with("query") && command != "qmp_capabilities")
                told_.push_back(command);
            const std::string answer =
                fmt::format(R"({{"return":{},"id":{}}})"
                            "\n",
                            command == "query-migrate" ? migration_ : R"({"status":"running"})",
                            json.value("id", 0));
            (void)!write(fd_.get(), answer.data(), answer.size());
        }
    }

    UniqueFd fd_;
    std::string migration_;
    fs::path state_;
    std::vector<std::string> told_;
    std::thread thread_;
};

constexpr const char* kStandsThere = "[    1.0] a driver\ndmarace-init: ready to begin\n";

TEST(VmSnapshot, AGuestThatCannotBeKeptLeavesNothingAndBegins) {
    struct Row {
        const char* migration;
        std::uintmax_t room;
        const char* why; // "": it is kept
    };
    for (const Row& row :
         {Row{R"({"status":"completed"})", 0, ""},
          {R"({"status":"failed","error-desc":"an nvme"})", 0, "an nvme"},
          {R"({"status":"active"})", std::numeric_limits<std::uintmax_t>::max(), "would fill"}}) {
        test::FakeTree scratch;
        std::optional<WarmGuest> guest(std::in_place, scratch.root(), row.room);
        PlayedMonitor monitor(got(guest->connect()), row.migration, scratch.root() / "snapshot");
        guest->connected();
        guest->look("[    1.0] a driver\n", scratch.root());
        EXPECT_EQ(guest->at(), WarmGuest::At::boots);
        guest->look(kStandsThere, scratch.root());
        EXPECT_EQ(guest->at(), WarmGuest::At::begins);
        EXPECT_TRUE(fs::exists(scratch.root() / guest::kLife));
        const bool kept = *row.why == 0;
        EXPECT_EQ(guest->kept(), kept);
        EXPECT_EQ(fs::exists(scratch.root() / "snapshot"), kept) << row.migration;
        EXPECT_THAT(guest->why_none(), HasSubstr(row.why));
        guest.reset();
        std::vector<std::string> told{"stop", "migrate-set-parameters", "migrate", "cont"};
        if (!kept)
            told.insert(told.end() - 1, "migrate_cancel");
        EXPECT_EQ(monitor.told(), told);
    }
}

// What was given up may stop it behind our back.
TEST(VmSnapshot, AGuestThatHasNotBegunIsToldAgainToGoOn) {
    test::FakeTree scratch;
    std::optional<WarmGuest> guest(std::in_place, scratch.root(), 0);
    PlayedMonitor monitor(got(guest->connect()), R"({"status":"failed"})",
                          scratch.root() / "snapshot");
    guest->connected();
    guest->look(kStandsThere, scratch.root());
    std::this_thread::sleep_for(std::chrono::milliseconds(600));
    guest->look(kStandsThere, scratch.root());
    guest.reset();
    EXPECT_THAT(monitor.told(), ElementsAre("stop", "migrate-set-parameters", "migrate",
                                            "migrate_cancel", "cont", "cont"));
}

// One that dies before its program is there has cost nothing yet.
TEST(VmSnapshot, ALifeIsLostUntilItsProgramIsThere) {
    test::FakeTree scratch;
    std::optional<WarmGuest> guest(std::in_place, scratch.root(), 0);
    const std::string completed = R"({"status":"completed"})";
    PlayedMonitor first(got(guest->connect()), completed, scratch.root() / "snapshot");
    guest->connected();
    guest->look(kStandsThere, scratch.root());
    EXPECT_FALSE(guest->lost(true, scratch.root())); // a boot: whoever watches it judges
    PlayedMonitor second(got(guest->connect()), completed, scratch.root() / "snapshot");
    guest->connected();
    EXPECT_TRUE(guest->lost(true, scratch.root()));
    EXPECT_FALSE(guest->lost(false, scratch.root()));
    guest->look("", scratch.root());
    EXPECT_EQ(guest->at(), WarmGuest::At::begins);
    EXPECT_TRUE(guest->lost(true, scratch.root()));
    EXPECT_FALSE(guest->lost(false, scratch.root()));
    EXPECT_TRUE(write_text(scratch.root() / guest::kBeat, "0\n"));
    EXPECT_FALSE(guest->lost(true, scratch.root()));
    guest->look("", scratch.root());
    EXPECT_EQ(guest->at(), WarmGuest::At::runs);
    guest.reset();
    EXPECT_THAT(second.told(), ElementsAre("cont"));
    first.told();
}

TEST(VmSnapshot, WhatSpeaksAgainstItIsSaidOnce) {
    test::FakeTree scratch;
    WarmGuest snapshot(scratch.root());
    EXPECT_EQ(snapshot.why_none(), "");
    snapshot.give_up("an nvme");
    EXPECT_EQ(snapshot.why_none(), "an nvme");
    EXPECT_EQ(snapshot.why_none(), "");
    EXPECT_FALSE(snapshot.kept());
}

// QEMU would not start where its console's socket has no name.
TEST(VmSnapshot, NoGuestIsKeptWhereNoSocketCanBe) {
    EXPECT_EQ(WarmGuest::why_not("/tmp/dmarace-vm-aBcDeF"), "");
    EXPECT_EQ(WarmGuest::why_not("/" + std::string(98, 'x')), "");
    EXPECT_THAT(WarmGuest::why_not("/" + std::string(99, 'x')), HasSubstr("too long"));
}

} // namespace
