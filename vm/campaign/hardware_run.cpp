// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/files.hpp"
#include "vm/board/hardware_board.hpp"
#include "vm/campaign/campaign.hpp"
#include "vm/image/guest/words.hpp"
#include "vm/image/kit.hpp"
#include "vm/kernels/cache.hpp"
#include "vm/kernels/say.hpp"

#include <algorithm>

namespace dmarace::vm {
namespace fs = std::filesystem;
namespace {

std::string kit_there(const Hardware& board) { return board.place + "/kit"; }

bool asks_for(const Words& words, std::string_view name) {
    return std::ranges::any_of(
        words, [&](const std::string& word) { return word.find(name) != std::string::npos; });
}

// The ids in the image; where it is compressed, those of the program it was made from.
std::set<std::string> ids_of(const Kernel& kernel) {
    for (const fs::path& file : {kernel.image, kernel.build / "vmlinux"})
        if (const auto bytes = Mapped::open(file))
            if (auto ids = build_ids(bytes->text()); !ids.empty())
                return ids;
    return {};
}

// The tree of modules, with a stamp that no other deployment has.
Result<std::string> stage_stamped(const Contents& contents, const Words& names,
                                  const fs::path& tree) {
    TRY(stage_named(contents, names, tree));
    Key key;
    TRY_AS(const auto image, Mapped::open(contents.kernel->image));
    key.add(image.text());
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator(tree))
        if (entry.is_regular_file())
            files.push_back(entry.path());
    std::ranges::sort(files);
    for (const fs::path& file : files)
        key.add(read_text(file).value_or(""));
    TRY(write_text(tree / "lib/modules" / contents.kernel->release / guest::kStamp,
                   key.text() + "\n"));
    return key.text();
}

Status prepare_deploy(const RunSetup& setup, HardwareKit& kit) {
    const Kernel& kernel = *setup.contents.kernel;
    const Hardware& board = *setup.board->hardware;
    if (kernel.image.empty())
        return {};
    const fs::path modules = setup.scratch / "modules";
    if (asks_for(board.deploy, "{modules}")) {
        TRY_AS(kit.stamp, stage_stamped(setup.contents, board.deploy_modules, modules));
    }
    kit.kernel_ids = ids_of(kernel);
    kit.release = kernel.release;
    // Of a stamp it is known that the modules are there, not that the kernel is.
    const std::string blind = fmt::format(
        "{}: no build id is found in {} or in a vmlinux of its build, so another kernel of "
        "release {} on the board is not told from it",
        kernel.name, kernel.image.filename().string(), kernel.release);
    if (kit.kernel_ids.empty() && setup.exact)
        return fail(Fault::usage, blind);
    if (kit.kernel_ids.empty() && kit.stamp.empty())
        say("{}: let 'deploy' take {{modules}}", blind);
    TRY_AS(kit.deploy, deploy_words(board.deploy, {{"kernel", kernel.image.string()},
                                                   {"modules", modules.string()},
                                                   {"release", kernel.release},
                                                   {"build", kernel.build.string()}}));
    return {};
}

// Each on a line, for the agent; a deployed tree has them where dmarace finds them.
std::string inserts_of(const RunSetup& setup, const HardwareKit& kit) {
    std::string text;
    for (const fs::path& module : setup.contents.modules)
        if (kit.stamp.empty() && module.filename() == kOurModule)
            text += fmt::format("{}/{}/{}\n", kit_there(*setup.board->hardware), kKitModules,
                                module.filename().string());
    return text;
}

} // namespace

std::string jobs_there(const Hardware& board) { return kit_there(board) + "/" + kKitJobs; }
std::string given_there(const Hardware& board) { return kit_there(board) + "/" + kKitGiven; }

Result<HardwareKit> make_kit(RunSetup& setup) {
    const Hardware& board = *setup.board->hardware;
    HardwareKit kit{.agent = setup.contents.init, .kit = setup.scratch / "kit.tgz"};
    if (!board.dmarace.empty())
        setup.contents.start = {board.dmarace};
    TRY(pack_kit(setup.contents, kit.kit));
    if (board.dmarace.empty()) {
        TRY_AS(setup.contents.start, kit_start(setup.contents, kit_there(board)));
    }
    Key key;
    for (const fs::path& file : {kit.agent, kit.kit}) {
        TRY_AS(const auto bytes, read_text(file));
        key.add(bytes);
    }
    kit.key = key.text();
    TRY(prepare_deploy(setup, kit));
    setup.inserts = inserts_of(setup, kit);
    return kit;
}

} // namespace dmarace::vm
