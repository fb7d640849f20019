// SPDX-License-Identifier: GPL-2.0-or-later
#include "fake_tree.hpp"
#include "results.hpp"
#include "vm/board/board.hpp"
#include "vm/board/qemu.hpp"
#include "vm/kernels/cache.hpp"
#include "vm_script_board.hpp"

#include <gmock/gmock.h>
#include <libfdt.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>

namespace {

using namespace dmarace::vm;
using namespace dmarace;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kGood = R"(name = "b"
summary = "s"
[machine]
machine = "virt"
cpu = "c"
smp = 2
memory = "1G"
devices = ["e1000e"]
[modules]
load = ["e1000e"]
offer = ["virtio_iommu"]
[[needs]]
option = "CONFIG_X"
module = "x"
)";

constexpr const char* kData = "[data]\ndisk = \"d\"\ndevice = \"/dev/vda\"\nsize = \"64M\"\n";

std::string replaced(std::string text, const std::string& what, const std::string& with) {
    return text.replace(text.find(what), what.size(), with);
}

Board parsed(const std::string& text) { return got(parse_board(text, "b.toml")); }

constexpr const char* kBoards = DMARACE_SOURCE_DIR "/vm/boards";

TEST(VmBoard, ReadsAllOfIt) {
    const auto board = parsed(kGood);
    EXPECT_EQ(board.name, "b");
    EXPECT_EQ(board.smp, 2U);
    EXPECT_THAT(board.devices, ElementsAre("e1000e"));
    EXPECT_THAT(board.offer, ElementsAre("virtio_iommu"));
    ASSERT_EQ(board.needs.size(), 1U);
    EXPECT_EQ(board.needs[0].option, "CONFIG_X");
    EXPECT_FALSE(board.needs[0].as_module);
    EXPECT_EQ(board.architecture->name, "arm64");
    EXPECT_FALSE(board.data);
    EXPECT_FALSE(board.keep_memory);
}

TEST(VmBoard, ReadsWhatNotEveryBoardHas) {
    EXPECT_TRUE(parsed(std::string(kGood) + "as = \"module\"\n").needs[0].as_module);
    EXPECT_EQ(parsed(replaced(kGood, "cpu =", "arch = \"amd64\"\ncpu =")).architecture->name,
              "amd64");
    EXPECT_EQ(parsed(kGood).allows, "");
    EXPECT_EQ(parsed(std::string(kGood) + "[[allow]]\n").allows, "b.toml");
    const auto data = got(parsed(std::string(kGood) + kData).data);
    EXPECT_EQ(data.device, "/dev/vda");
    EXPECT_TRUE(parsed(replaced(kGood, "smp", "keep_memory = true\nsmp")).keep_memory);
    const auto loads =
        parsed(replaced(kGood, "load = [\"e1000e\"]", "load = [\"e1000e\", \"ramoops a=1 b=2\"]"));
    EXPECT_THAT(loads.load, ElementsAre("e1000e", "ramoops"));
    EXPECT_EQ(loads.parameters.at("ramoops"), "a=1 b=2");
    EXPECT_FALSE(loads.parameters.contains("e1000e"));
    const auto wired = parsed(replaced(
        kGood, "devices", "firmware = \"/f.fd\"\ndisks = [\"d-0\"]\nnetdevs = [\"n\"]\ndevices"));
    EXPECT_EQ(wired.firmware, "/f.fd");
    EXPECT_THAT(wired.disks, ElementsAre("d-0"));
    EXPECT_THAT(wired.netdevs, ElementsAre("n"));
}

struct BoardMistake {
    const char *what, *with, *said;
};

// In a good board followed by its [data], or in a text of its own. A disk is no path and no
// second option.
TEST(VmBoard, MistakesAreToldWithTheirPlace) {
    for (const BoardMistake& row : {
             BoardMistake{"devices", "device", "b.toml:8:"},
             {"devices", "device", "'device'"},
             {"devices", "device", "devices"},
             {"cpu = \"c\"\n", "", "'cpu' is missing"},
             {"", "name = \"b\"\nsummary = \"s\"\n", "[machine]"},
             {"smp = 2", "smp = 0", "'smp'"},
             {"smp = 2", "smp = \"2\"", "'smp'"},
             {"[\"e1000e\"]", "\"e1000e\"", "'devices'"},
             {"[\"e1000e\"]", "[1]", "'devices'"},
             {"[[needs]]", "[needs]", "[[needs]]"},
             {"", "name = ", "b.toml:1:"},
             {"module = \"x\"\n", "module = \"x\"\nas = \"y\"\n", "'as'"},
             {"cpu =", "arch = \"mips\"\ncpu =", "b.toml:5:"},
             {"cpu =", "arch = \"mips\"\ncpu =", "arm64 or amd64"},
             {"size = \"64M\"\n", "", "'size' is missing"},
             {"\"d\"", "\"a/b\"", "disk 'a/b'"},
             {"device =", "divice =", "'divice'"},
             {"smp", "keep_memory = 1\nsmp", "'keep_memory' must be true or false"},
             {"devices", "disks = [\"../x\"]\ndevices", "disk '../x'"},
             {"devices", "disks = [\"a,b\"]\ndevices", "disk 'a,b'"},
             {"devices", "disks = [\"\"]\ndevices", "disk ''"},
         }) {
        SCOPED_TRACE(std::string(row.what) + " becomes " + row.with);
        const auto text = std::string(kGood) + kData;
        const auto wrong = *row.what == '\0' ? row.with : replaced(text, row.what, row.with);
        EXPECT_TRUE(refused(parse_board(wrong, "b.toml"), Fault::usage, row.said));
    }
}

// A peer is what makes a NIC's bytes checkable; a disk that keeps nothing is none.
TEST(VmBoard, TheIoBoardHasPairsOfNicsAndAFileForItsDisk) {
    const auto board = got(find_board("io", kBoards));
    for (const char* hub : {"hubid=0", "hubid=1"})
        EXPECT_EQ(std::count_if(board.netdevs.begin(), board.netdevs.end(),
                                [&](const auto& dev) { return dev.ends_with(hub); }),
                  2);
    EXPECT_FALSE(board.disks.empty());
    EXPECT_TRUE(board.blockdevs.empty());
}

TEST(VmBoard, EveryShippedBoardReadsAndIsNamedAsItsFile) {
    const auto names = board_names(kBoards);
    EXPECT_THAT(names, testing::IsSupersetOf({"io", "smmuv3", "smmuv3-module", "virtio-iommu"}));
    for (const std::string& name : names) {
        const auto board = got(find_board(name, kBoards));
        EXPECT_EQ(board.name, name);
        EXPECT_EQ(board.needs.empty(), name.starts_with("sim")) << name; // no IOMMU
    }
    EXPECT_TRUE(refused(find_board("smuv3", kBoards), Fault::usage, "'smmuv3'"));
}

TEST(VmBoard, AccelIsOneOfThreeWords) {
    EXPECT_EQ(got(accel_from("auto")), Accel::automatic);
    EXPECT_EQ(got(accel_from("kvm")), Accel::kvm);
    EXPECT_EQ(got(accel_from("tcg")), Accel::tcg);
    EXPECT_TRUE(refused(accel_from("hvf"), Fault::usage, "--accel hvf: it is auto, kvm or tcg"));
}

TEST(VmBoard, KvmRunsNoGuestOfAnotherArchitecture) {
    for (const Architecture& architecture : architectures())
        if (&architecture != host_architecture()) {
            EXPECT_TRUE(refused(try_kvm(architecture), Fault::environment, "another architecture"));
        }
}

// As udev would load it: clients whose driver comes first would only defer.
TEST(VmBoard, TheIommuDriverOfVirtioIommuIsLoadedBeforeItsClients) {
    const auto board = got(find_board("virtio-iommu", kBoards));
    const auto place = [&](const std::string& name) {
        return std::find(board.load.begin(), board.load.end(), name) - board.load.begin();
    };
    for (const char* client : {"e1000e", "nvme", "virtio_net"})
        EXPECT_LT(place("virtio_iommu"), place(client)) << client;
}

Board board() {
    Board made;
    made.machine = "virt,iommu=smmuv3";
    made.cpu = "cortex-a72";
    made.memory = "1G";
    made.smp = 2;
    made.append = {"deferred_probe_timeout=-1"};
    made.blockdevs = {"null-co,node-name=disk0"};
    made.devices = {"e1000e,addr=02.0", "nvme,drive=disk0,serial=s"};
    return made;
}

QemuFiles boot() {
    return {.image = "/k/Image",
            .initramfs = "/i",
            .console = "/o/console.log",
            .share = "/o",
            .disks = "/d"};
}

// The value that follows an option; all of them when it occurs more than once.
std::vector<std::string> values(const std::vector<std::string>& arguments,
                                const std::string& option) {
    std::vector<std::string> found;
    for (std::size_t i = 0; i + 1 < arguments.size(); ++i)
        if (arguments[i] == option)
            found.push_back(arguments[i + 1]);
    return found;
}

TEST(VmArguments, BoardBecomesMachineAndDevices) {
    const auto arguments = qemu_arguments(board(), boot());
    EXPECT_EQ(arguments.front(), "qemu-system-aarch64");
    EXPECT_THAT(values(arguments, "-machine"), ElementsAre("virt,iommu=smmuv3"));
    EXPECT_THAT(values(arguments, "-blockdev"), ElementsAre("null-co,node-name=disk0"));
    EXPECT_THAT(values(arguments, "-device"),
                ElementsAre("e1000e,addr=02.0", "nvme,drive=disk0,serial=s",
                            "virtio-9p-device,fsdev=out,mount_tag=out"));
}

// A cortex-a72 has no pages of 16k, and lets every branch and return address pass.
TEST(VmArguments, TheProcessorHasWhatTheKernelWasBuiltFor) {
    EXPECT_EQ(cpu_for(board(), "\nCONFIG_ARM64_4K_PAGES=y\n"), board().cpu);
    for (const char* option : {"ARM64_16K_PAGES", "ARM64_BTI_KERNEL"})
        EXPECT_EQ(cpu_for(board(), "\nCONFIG_" + std::string(option) + "=y\n"),
                  "max,pauth-impdef=on");
    auto pc = board();
    pc.architecture = *find_architecture("amd64");
    EXPECT_EQ(cpu_for(pc, "\nCONFIG_ARM64_16K_PAGES=y\n"), pc.cpu);
}

TEST(VmArguments, APcHasItsOwnQemuConsoleAndWire) {
    auto pc = board();
    pc.architecture = *find_architecture("amd64");
    const auto arguments = qemu_arguments(pc, boot());
    EXPECT_EQ(arguments.front(), "qemu-system-x86_64");
    EXPECT_THAT(values(arguments, "-append").front(), HasSubstr("console=ttyS0 "));
    // A device that names no bus would go to this one if it came before.
    const auto devices = values(arguments, "-device");
    EXPECT_THAT(devices.front(), "e1000e,addr=02.0");
    EXPECT_THAT(devices, Contains(HasSubstr("bypass_iommu=on")));
}

TEST(VmArguments, WhatOutlivesABootIsAFile) {
    auto with = board();
    auto where = boot();
    where.data = "/o/a,b.img";
    where.memory = "/s/memory";
    EXPECT_THAT(values(qemu_arguments(with, where), "-object"), IsEmpty());
    with.data = DataDisk{"data", "/dev/vda", "64M"};
    with.keep_memory = true;
    const auto arguments = qemu_arguments(with, where);
    EXPECT_THAT(values(arguments, "-machine"),
                ElementsAre("virt,iommu=smmuv3,memory-backend=memory"));
    EXPECT_THAT(values(arguments, "-object"),
                ElementsAre("memory-backend-file,id=memory,share=on,size=1G,mem-path=/s/memory"));
    EXPECT_THAT(values(arguments, "-blockdev"),
                Contains("file,node-name=data,filename=/o/a,,b.img"));
}

TEST(VmArguments, DisksAreFilesNicsGetTheirWiresAndFirmwareIsOnlyWhereTheBoardHasIt) {
    auto with = board();
    EXPECT_THAT(values(qemu_arguments(with, boot()), "-bios"), IsEmpty());
    with.firmware = "/f.fd";
    with.disks = {"kept"};
    with.netdevs = {"hubport,id=a,hubid=0"};
    const auto arguments = qemu_arguments(with, boot());
    EXPECT_THAT(values(arguments, "-bios"), ElementsAre("/f.fd"));
    EXPECT_THAT(values(arguments, "-blockdev"), Contains(AllOf(HasSubstr("file,node-name=kept,"),
                                                               HasSubstr("filename=/d/kept.img"))));
    EXPECT_THAT(values(arguments, "-netdev"), ElementsAre("hubport,id=a,hubid=0"));
}

TEST(VmArguments, EachBootGetsEmptyDisks) {
    test::FakeTree scratch;
    auto with = board();
    with.disks = {"kept"};
    ASSERT_TRUE(make_disks(with, scratch.root()));
    const auto file = scratch.root() / "kept.img";
    const auto size = std::filesystem::file_size(file);
    EXPECT_GE(size, 1U << 20);
    scratch.file("kept.img", "left over");
    ASSERT_TRUE(make_disks(with, scratch.root()));
    EXPECT_EQ(std::filesystem::file_size(file), size);
    EXPECT_EQ(std::ifstream(file).get(), 0);
}

// A panic ends QEMU, and commas in paths do not split options.
TEST(VmArguments, WhatABootAsksForBesides) {
    auto with = boot();
    with.append = "loglevel=8 foo";
    with.share = "/tmp/a,b";
    auto arguments = qemu_arguments(board(), with);
    EXPECT_THAT(arguments, Contains("-no-reboot"));
    EXPECT_THAT(values(arguments, "-append"),
                ElementsAre(AllOf(HasSubstr("panic=-1"),
                                  EndsWith(" deferred_probe_timeout=-1 loglevel=8 foo"))));
    EXPECT_THAT(values(arguments, "-fsdev"), Contains(HasSubstr("path=/tmp/a,,b")));
    EXPECT_THAT(values(arguments, "-cpu"), ElementsAre("cortex-a72"));
    EXPECT_THAT(values(arguments, "-accel"), ElementsAre("tcg,thread=multi"));
    with.kvm = true;
    arguments = qemu_arguments(board(), with);
    EXPECT_THAT(values(arguments, "-cpu"), ElementsAre("host"));
    EXPECT_THAT(values(arguments, "-accel"), ElementsAre("kvm"));
}

// What may be restored has a monitor, and a console that can be written to.
TEST(VmArguments, AGuestThatMayBeKeptCanBeTalkedTo) {
    test::FakeTree scratch;
    WarmGuest snapshot(scratch.root());
    auto with = boot();
    with.console_line = snapshot.console("/o/console.log");
    with.more = snapshot.arguments();
    const auto arguments = qemu_arguments(board(), with);
    EXPECT_THAT(values(arguments, "-chardev"),
                ElementsAre(AllOf(HasSubstr("id=console"), HasSubstr("logfile=/o/console.log"),
                                  HasSubstr("logappend=on")),
                            HasSubstr("id=monitor")));
    EXPECT_THAT(values(arguments, "-incoming"), IsEmpty()); // nothing is kept yet
}

// A root with one node.
std::string tree_with(const char* compatible) {
    std::string bytes(4096, '\0');
    fdt_create_empty_tree(bytes.data(), static_cast<int>(bytes.size()));
    const int node = fdt_add_subnode(bytes.data(), 0, "smmuv3@9050000");
    fdt_setprop(bytes.data(), node, "compatible", compatible,
                static_cast<int>(std::strlen(compatible)) + 1);
    fdt_setprop_u32(bytes.data(), node, "phandle", 0x8005);
    return bytes;
}

TEST(VmDeviceTree, ClientsNameTheSmmuAndAStreamOfTheirOwn) {
    EXPECT_TRUE(add_clients(tree_with("arm,smmu-v3"), 256)); // many fit
    const auto tree = got(add_clients(tree_with("arm,smmu-v3"), 2));
    for (const std::string name : {"/dmarace-client0", "/dmarace-client1"}) {
        const int node = fdt_path_offset(tree.data(), name.c_str());
        ASSERT_GE(node, 0) << name;
        EXPECT_EQ(fdt_node_check_compatible(tree.data(), node, "dmarace,sim-client"), 0);
        int bytes = 0;
        const void* iommus = fdt_getprop(tree.data(), node, "iommus", &bytes);
        ASSERT_EQ(bytes, 8);
        std::array<fdt32_t, 2> cells{};
        std::memcpy(cells.data(), iommus, sizeof(cells));
        EXPECT_EQ(fdt32_to_cpu(cells[0]), 0x8005U);
        EXPECT_EQ(fdt32_to_cpu(cells[1]), 0xe000U + (name.back() == '1' ? 1 : 0));
    }
}

TEST(VmDeviceTree, AMachineWithoutAnSmmuIsAnError) {
    EXPECT_TRUE(refused(add_clients(tree_with("arm,smmu-v2"), 1), "no arm,smmu-v3"));
    for (const auto& tree : {std::string(), std::string(100, 'x')})
        EXPECT_TRUE(refused(add_clients(tree, 1), "no device tree"));
}

// How a boot ends.
const std::string kPanicLog = "[ 1.0] booted\r\n"
                              "[ 2.0] Unable to handle kernel NULL pointer dereference\r\n"
                              "[ 2.1] Call trace:\r\n"
                              "[ 2.2] Kernel panic - not syncing: Oops: Fatal exception\r\n";

struct BootRow {
    BootTraces traces;
    BootEnd end;
    const char* detail = ""; // some of it
};

TEST(VmOutcome, EveryEndIsToldFromTheOthers) {
    const std::string reset = "[ 9.0] sysrq: Resetting\r\n",
                      restart = "[ 9.0] reboot: Restarting system\r\n";
    for (const BootRow& row : {
             // An exit code is an end whatever else happened.
             BootRow{{.exit = 5, .stopped = BootEnd::hang, .console = kPanicLog}, BootEnd::ended},
             // A board that was told to boot again did not die, but what panic=-1 makes of
             // a panic is still one.
             {{.beaten = true, .console = reset}, BootEnd::rebooted},
             {{.beaten = true, .console = restart}, BootEnd::rebooted},
             {{.beaten = true, .console = kPanicLog + restart}, BootEnd::panic},
             // A panic that hangs is a panic.
             {{.stopped = BootEnd::hang, .console = kPanicLog}, BootEnd::panic},
             {{.beaten = true, .console = kPanicLog},
              BootEnd::panic,
              "Kernel panic - not syncing: Oops: Fatal exception"},
             // Silence and lack of time are told apart.
             {{.stopped = BootEnd::hang, .beaten = true}, BootEnd::hang},
             {{.stopped = BootEnd::timeout, .beaten = true}, BootEnd::timeout},
             {{.stopped = BootEnd::interrupted, .beaten = true}, BootEnd::interrupted},
             // A guest that goes off is not a host that fails.
             {{.beaten = true, .console = "[ 1.0] booted\n"}, BootEnd::died},
             {{.status = 137, .beaten = true, .console = "[ 1.0] booted\n"},
              BootEnd::qemu_failed,
              "137"},
             // Init and QEMU say themselves why they cannot.
             {{.console = "[1.0] x\ndmarace-init: cannot start: CONFIG_9P_FS\n"},
              BootEnd::no_start,
              "CONFIG_9P_FS"},
             {{.stopped = BootEnd::hang, .console = "dmarace-init: cannot start: load a.ko\r\n"},
              BootEnd::no_start,
              "load a.ko"},
             {{.status = 1, .complaint = "qemu-system-aarch64: -device foo: no such device"},
              BootEnd::no_qemu,
              "-device foo"},
         }) {
        const auto outcome = classify(row.traces);
        EXPECT_EQ(to_text(outcome.end), to_text(row.end)) << row.traces.console;
        EXPECT_THAT(outcome.detail, HasSubstr(row.detail));
        EXPECT_EQ(outcome.status, row.traces.exit.value_or(0));
    }
}

TEST(VmOutcome, PanicBringsItsLinesAndTroubleIsBoundedAndFallsBackToTheLastLines) {
    const auto outcome = classify({.beaten = true, .console = kPanicLog});
    EXPECT_EQ(outcome.detail, "Kernel panic - not syncing: Oops: Fatal exception");
    EXPECT_THAT(outcome.evidence,
                ElementsAre("[ 2.0] Unable to handle kernel NULL pointer dereference",
                            HasSubstr("Call trace:"), HasSubstr("Kernel panic")));
    EXPECT_THAT(trouble("a\nb\nc\nd\n", 6), ElementsAre("c", "d"));
    EXPECT_THAT(trouble("", 6), IsEmpty());
    std::string log = "kernel BUG at x.c:1!\n";
    for (int i = 0; i < 100; ++i)
        log += "line\n";
    const auto lines = trouble(log, 10);
    EXPECT_EQ(lines.size(), 10U);
    EXPECT_EQ(lines[0], "kernel BUG at x.c:1!");
}

class GuestEnd : public testing::Test {
protected:
    TemporaryDirectory dir_ = *TemporaryDirectory::make();

    // A guest that tells its exit code, and switches itself off so many seconds later:
    // less than the 4 s that one with a disk gets.
    Result<BootOutcome> boot(bool keeps_disk, const std::string& later) {
        ScriptBoard machine(
            dir_.path(), {"echo '7 1.5' > .vm/exit && sleep " + later + " && echo off > switched"});
        return run_boot(machine, {}, {.keeps_disk = keeps_disk});
    }
    bool switched_itself_off() const { return std::filesystem::exists(dir_.path() / "switched"); }
};

TEST_F(GuestEnd, comes_with_the_exit_code_where_nothing_is_kept) {
    const auto outcome = got(boot(false, "3"));
    EXPECT_EQ(outcome.end, BootEnd::ended);
    EXPECT_EQ(outcome.status, 7);
    EXPECT_DOUBLE_EQ(outcome.program_seconds, 1.5);
    EXPECT_FALSE(switched_itself_off());
}

// Its kernel is not asked any more: what the program still gives back to it costs no time.
TEST_F(GuestEnd, comes_with_the_programs_last_word) {
    ScriptBoard machine(dir_.path(), {"printf 'oops\\n' > boot-again; sleep 0.1; "
                                      "printf '3\\n' >> boot-again; sleep 60"});
    const auto outcome = got(run_boot(machine, {}, {.last_word = dir_.path() / "boot-again"}));
    EXPECT_EQ(outcome.end, BootEnd::ended);
    EXPECT_EQ(outcome.status, 3);
}

TEST_F(GuestEnd, waits_for_a_guest_that_keeps_a_disk) {
    const auto outcome = got(boot(true, "1"));
    EXPECT_EQ(outcome.end, BootEnd::ended);
    EXPECT_EQ(outcome.status, 7);
    EXPECT_TRUE(switched_itself_off());
}

// What a guest prints comes out while it runs, and a line in whose middle it died is ended:
// what follows is no part of it.
TEST_F(GuestEnd, hands_the_output_on_and_says_where_it_was_cut_off) {
    std::array<int, 2> ends{};
    ASSERT_EQ(pipe2(ends.data(), O_NONBLOCK), 0);
    ScriptBoard machine(dir_.path(), {"sleep 0.1; printf one > .vm/stdout; sleep 0.1; "
                                      "printf ' two' >> .vm/stdout; touch .vm/stderr"});
    EXPECT_EQ(got(run_boot(machine, {}, {.out = ends[1], .err = ends[1]})).end, BootEnd::died);
    std::array<char, 64> text{};
    EXPECT_EQ(read(ends[0], text.data(), text.size()), 18);
    EXPECT_STREQ(text.data(), "one two [cut off]\n");
    close(ends[0]);
    close(ends[1]);
}

TEST_F(GuestEnd, is_a_hang_where_nothing_beats_any_more) {
    ScriptBoard machine(dir_.path(), {"echo 1 > .vm/beat; exec sleep 60"});
    EXPECT_EQ(got(run_boot(machine, {}, {.beat = std::chrono::seconds(1)})).end, BootEnd::hang);
}

} // namespace
