// SPDX-License-Identifier: GPL-2.0-or-later
// `dmarace-vm bisect` on git trees that look like kernels as far as the build goes.
#include "base/process.hpp"
#include "vm/bisect/state.hpp"
#include "vm/commands/commands.hpp"
#include "vm_temporary.hpp"

#include <gmock/gmock.h>

#include <algorithm>

namespace {

using namespace dmarace;
using namespace dmarace::vm;
using ::testing::HasSubstr;

constexpr const char* kVersion = "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 1\nEXTRAVERSION =\n";

class VmBisect : public ::testing::Test {
protected:
    void SetUp() override {
        for (const char* program : {"git", "make", "flex", "bison", "bc", "aarch64-linux-gnu-gcc"})
            if (find_program(program).empty())
                GTEST_SKIP() << program << " is not installed";
        for (const char* file : {"Kbuild", "Kconfig", "arch/arm64/Kconfig", "include/linux/x.h"})
            tree_.write(file, "");
        git({"init", "-q"});
    }

    // A commit whose configuration works and whose build does this. Its id.
    std::string commit(const std::string& recipe) {
        tree_.write("Makefile", std::string(kVersion) + "allnoconfig:\n\ttouch $(O)/.config\n" +
                                    "Image: modules\n\nmodules:\n\techo built >> $(O)/builds\n\t" +
                                    recipe + "\n");
        git({"add", "-A"});
        git({"-c", "user.name=x", "-c", "user.email=x@x", "commit", "-q", "-m", "a subject"});
        std::string id = git({"rev-parse", "HEAD"});
        id.pop_back();
        return id;
    }

    std::string git(const std::vector<std::string>& words) {
        Command command{.argv = {"git", "-C", tree_.path()}};
        command.argv.insert(command.argv.end(), words.begin(), words.end());
        const auto output = run_checked(command, "git");
        EXPECT_TRUE(output) << output.error().message;
        return output.value_or("");
    }

    int bisect(const Arguments& more = {}) {
        Arguments words{"--job",    "late-probe",      "--board", "virtio-iommu",
                        "--tree",   tree_.path(),      "--cache", cache_.path(),
                        "--source", DMARACE_SOURCE_DIR};
        words.insert(words.end(), more.begin(), more.end());
        return *bisect_command(words);
    }

    // As a call that was killed while it measured the known-bad kernel leaves it.
    void measurement_was_cut(const std::string& return_to) {
        State cut;
        cut.return_to = return_to;
        ASSERT_TRUE(save_state(tree_ / ".git/dmarace-bisect.json", cut));
    }

    State state() const { return *load_state(tree_ / ".git/dmarace-bisect.json"); }

    // How often make was asked for a kernel, in all build directories.
    std::size_t builds() const {
        std::string text;
        std::error_code error;
        for (const auto& entry : std::filesystem::directory_iterator(cache_ / "builds", error))
            text += read_text(entry.path() / "builds").value_or("");
        return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
    }

    TemporaryTree tree_, cache_;
};

TEST_F(VmBisect, ATreeThatDoesNotBuildIsSkippedAndNotBuiltAgain) {
    const auto id = commit("@echo 'a.c:1:1: error: no'; exit 1");
    EXPECT_EQ(bisect({"--failure-rate", "0.5"}), 125);
    ASSERT_EQ(state().steps.size(), 1U);
    EXPECT_EQ(state().steps[0].commit, id);
    EXPECT_EQ(state().steps[0].subject, "a subject");
    EXPECT_EQ(state().steps[0].answer, Answer::skip);
    EXPECT_THAT(state().steps[0].why, HasSubstr("a.c:1:1: error: no"));
    EXPECT_EQ(builds(), 1U);
    EXPECT_EQ(bisect({"--failure-rate", "0.5"}), 125);
    EXPECT_EQ(builds(), 1U);
    EXPECT_EQ(bisect({"--failure-rate", "0.5", "--again"}), 125);
    EXPECT_EQ(builds(), 2U);
}

TEST_F(VmBisect, AFullDiskIsNoAnswer) {
    commit("@echo 'as: a.o: No space left on device'; exit 1");
    EXPECT_EQ(bisect({"--failure-rate", "0.5"}), 128);
    EXPECT_TRUE(state().steps.empty());
}

TEST_F(VmBisect, AKernelWithoutWhatTheBoardNeedsIsSkipped) {
    commit("@mkdir -p $(O)/arch/arm64/boot $(O)/include/config; cd $(O); touch "
           "arch/arm64/boot/Image Module.symvers modules.order; echo 6.12.1 > "
           "include/config/kernel.release");
    EXPECT_EQ(bisect({"--failure-rate", "0.5"}), 125);
    EXPECT_THAT(state().steps[0].why, HasSubstr("CONFIG_VIRTIO_IOMMU"));
}

TEST_F(VmBisect, ChangesAreJudgedButNotRemembered) {
    commit("@exit 1");
    tree_.write("Kconfig", "changed\n");
    EXPECT_EQ(bisect({"--failure-rate", "0.5"}), 125);
    EXPECT_TRUE(state().steps.empty());
}

TEST_F(VmBisect, WithoutARateOrABadEndItSaysWhatToDo) {
    commit("@exit 1");
    EXPECT_EQ(bisect(), 128);
    EXPECT_EQ(builds(), 0U);
}

TEST_F(VmBisect, AMeasurementComesBackToTheCommitItLeft) {
    const auto good = commit("@exit 1");
    const auto bad = commit("@exit 2");
    git({"update-ref", "refs/bisect/bad", bad});
    git({"checkout", "-q", "--detach", good});
    EXPECT_EQ(bisect(), 128); // the known-bad kernel does not build: no rate
    EXPECT_EQ(builds(), 1U);
    EXPECT_EQ(git({"rev-parse", "HEAD"}), good + "\n");
    EXPECT_EQ(state().return_to, "");
}

TEST_F(VmBisect, AMeasurementThatWasKilledIsUndoneByTheNextCall) {
    const auto good = commit("@exit 1");
    const auto bad = commit("@exit 2");
    measurement_was_cut(good);
    EXPECT_EQ(git({"rev-parse", "HEAD"}), bad + "\n");
    git({"update-ref", "refs/bisect/bad", bad});
    EXPECT_EQ(bisect({"--failure-rate", "0.5"}), 125);
    EXPECT_EQ(git({"rev-parse", "HEAD"}), good + "\n");
    EXPECT_EQ(state().steps.at(0).commit, good);
}

TEST_F(VmBisect, WhoeverHasMovedSinceIsLeftThere) {
    const auto good = commit("@exit 1");
    const auto other = commit("@exit 2");
    measurement_was_cut(good);
    EXPECT_EQ(bisect({"--failure-rate", "0.5"}), 125);
    EXPECT_EQ(git({"rev-parse", "HEAD"}), other + "\n");
    EXPECT_EQ(state().steps.at(0).commit, other);
}

TEST_F(VmBisect, AnotherQuestionIsRefusedAndTheStateLeft) {
    commit("@exit 1");
    EXPECT_EQ(bisect({"--failure-rate", "0.5"}), 125);
    const auto before = tree_.read(".git/dmarace-bisect.json");
    EXPECT_EQ(bisect({"--failure-rate", "0.5", "--append", "iommu.strict=0"}), 128);
    EXPECT_EQ(tree_.read(".git/dmarace-bisect.json"), before);
}

} // namespace
