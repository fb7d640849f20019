// SPDX-License-Identifier: GPL-2.0-or-later
// How much longer dmarace-vm takes, from the kernel's image to the verdict, than
// the bare boot of the same kernel on the same board and the job itself:
// boot_ratio DMARACE_VM BOARDS BUSYBOX KERNEL BOARD JOB ROUNDS. Prints a line a round,
// then the median of the ratios; exit code 1 when it is above 1.25.
#include "base/process.hpp"
#include "catalogue/failures.hpp"
#include "vm/board/qemu.hpp"
#include "vm/image/initramfs.hpp"
#include "vm/kernels/cache.hpp"
#include "vm/kernels/kernel.hpp"
#include "vm/measuring.hpp"

#include <nlohmann/json.hpp>

namespace {

using namespace dmarace;
using namespace dmarace::vm;
namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr double kMost = 1.25;

struct RatioQuestion {
    fs::path program, busybox;
    Board board;
    Kernel kernel;
    std::string job;
};

// All that a bare boot does is to switch itself off.
Status pack_busybox(const fs::path& busybox, const fs::path& file) {
    TRY_AS(const auto bytes, read_text(busybox));
    TRY_AS(auto archive, Archive::create(file));
    archive.console();
    archive.file("bin/busybox", bytes, true);
    archive.file("init", "#!/bin/busybox sh\n/bin/busybox poweroff -f\n", true);
    return archive.close();
}

Result<double> bare_boot(const RatioQuestion& question, const fs::path& scratch) {
    const fs::path initramfs = scratch / "busybox.cpio", console = scratch / "console";
    TRY(pack_busybox(question.busybox, initramfs));
    TRY(make_disks(question.board, scratch));
    const Command command{
        .argv = qemu_arguments(question.board,
                               {.image = question.kernel.image,
                                .initramfs = initramfs,
                                .console = console,
                                .share = scratch,
                                .disks = scratch,
                                .kvm = try_kvm(*question.board.architecture).has_value()})};
    const auto start = Clock::now();
    TRY(run_checked(command, "the bare boot"));
    const double seconds = seconds_since(start);
    if (!hinted(catalogue::LogHint::panic, read_text(console).value_or("")).empty())
        return fail(Fault::environment, "the bare boot panicked; see " + console.string());
    return seconds;
}

struct WholeRun {
    double seconds = 0, job = 0;
};

Result<WholeRun> whole_run(const RatioQuestion& question, const fs::path& out) {
    const Command command{.argv = {question.program, "run", "--board", question.board.name,
                                   "--kernel", question.kernel.name, "--out", out, "--", "run",
                                   question.job, "--iterations", "1"}};
    const auto start = Clock::now();
    TRY_AS(const auto finished, run_to_end(command));
    const double seconds = seconds_since(start);
    if (finished.status != 0 && finished.status != 1)
        return fail(Fault::environment, "the job was not run to a verdict: " + finished.errors);
    const auto text = read_text(out / "vm.json");
    if (!text)
        return fail(Fault::environment, finished.errors);
    const auto json = nlohmann::json::parse(*text, nullptr, false);
    if (json.is_discarded() || json["boots"].size() != 1 || json["boots"][0]["outcome"] != "ended")
        return fail(Fault::environment, "the run did not come to its end: " + finished.errors);
    return WholeRun{seconds, json["boots"][0]["program_seconds"]};
}

Result<double> one_round(const RatioQuestion& question) {
    TRY_AS(const auto scratch, TemporaryDirectory::make());
    TRY_AS(const auto bare, bare_boot(question, scratch.path()));
    TRY_AS(const auto whole, whole_run(question, scratch.path() / "run"));
    const double ratio = whole.seconds / (bare + whole.job);
    fmt::print("bare boot {:.2f} s, job {:.2f} s, image to verdict {:.2f} s: {:.3f}\n", bare,
               whole.job, whole.seconds, ratio);
    std::fflush(stdout);
    return ratio;
}

Result<int> measure(const std::vector<std::string>& words) {
    TRY_AS(const auto board, find_board(words[4], words[1]));
    TRY_AS(const auto kernel, open_kernel(words[3]));
    const RatioQuestion question{words[0], words[2], board, kernel, words[5]};
    std::vector<double> ratios;
    for (int round = 0; round < std::stoi(words[6]); ++round) {
        TRY_AS(const auto ratio, one_round(question));
        ratios.push_back(ratio);
    }
    fmt::print("{} on {}, {}: median of {} {:.3f}, at most {}\n", question.job, board.name,
               kernel.release, ratios.size(), median(ratios), kMost);
    return median(ratios) <= kMost ? 0 : 1;
}

} // namespace

int main(int argc, char** argv) { return measure_words(argc, argv, 7, measure); }
