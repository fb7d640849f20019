// SPDX-License-Identifier: GPL-2.0-or-later
// What is built: kernels from source, and our modules for a kernel.
#pragma once

#include "vm/kernels/cache.hpp"
#include "vm/kernels/kernel.hpp"

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace dmarace::vm {

struct SourceTree {
    std::filesystem::path directory; // absolute, without links
    std::string version;             // 6.12.117, as its Makefile says
};

// VERSION.PATCHLEVEL.SUBLEVEL and EXTRAVERSION of a kernel's top Makefile; ""
// when it is none. Pure.
std::string version_of(std::string_view makefile);

// Whether somebody who gives this directory means a kernel's source.
bool is_source_tree(const std::filesystem::path& directory);

// Fault::usage, with the remedy, for what cannot be built from: no kernel, none
// for that architecture, or one that was built in place.
Result<SourceTree> open_source_tree(const std::filesystem::path& directory,
                                    const Architecture& architecture = arm64());

// A key of all headers that a module for this kernel may include: those of the
// source. A module is built anew when it changes.
std::string headers_key(const SourceTree& tree, const Architecture& architecture = arm64());

// "kasan,lockdep" and "lockdep" as sorted names, each once. A name that known
// does not have is Fault::usage.
Result<std::vector<std::string>> choose_variants(const std::vector<std::string>& asked,
                                                 const std::vector<std::string>& known);

// One fragment of several: every option once, as the last of them sets it, in
// the order of first mention. Comments are dropped.
std::string merge_fragments(const std::vector<std::string>& texts);

// The options that the fragment asks for and the finished configuration has
// otherwise, as "CONFIG_X=y": renamed in this kernel, or their dependencies are
// off. An option that is to be off and unknown there is off.
std::vector<std::string> unmet_options(std::string_view fragment, std::string_view config);

// What may be had besides in the configs directory's base.config, a section each;
// those of the architectures' names are there for them.
std::vector<std::string> variant_names(const std::filesystem::path& configs);

// base.config, its sections for the variants and then the user's own files, merged.
Result<std::string> read_fragments(const std::filesystem::path& configs,
                                   const std::vector<std::string>& variants,
                                   const std::vector<std::filesystem::path>& own);

// What a user asks for, in words.
struct KernelWish {
    std::vector<std::string> variants{}, configs{}; // names, and files of options
    std::string defconfig{};                        // a file, or a name in the tree; "": none
    std::string llvm{};                             // as make has LLVM=; "": gcc
    const Architecture* architecture = &arm64();
    unsigned jobs = 0;
};

struct KernelOptions {
    std::vector<std::string> variants; // for the name alone
    std::string fragment;              // merged: what is set on top of where it starts
    unsigned jobs = 0;                 // of make; 0: one for each processor
    std::string defconfig{};           // what it starts from; "": all off
    std::string llvm{};
    const Architecture* architecture = &arm64();
};

// All of that, for what a user asks for.
Result<KernelOptions> choose_options(const std::filesystem::path& configs, const KernelWish& wish);

// What a defconfig is to have besides, that a board boots: the fragment without what it
// switches off. Pure.
std::string only_on(std::string_view fragment);

// A program of LLVM for LLVM=SUFFIX as kbuild calls it: "clang", "clang-19" for -19, or
// below a directory that ends in "/". Pure.
std::string llvm_program(const std::string& llvm, const std::string& name);

// How far a build is, by a log that grows.
class BuildLog {
public:
    explicit BuildLog(std::filesystem::path file) : file_(std::move(file)) {}
    // "(812: drivers/iommu/iommu.o)": steps so far and the last of them; "" before
    // the first.
    std::string text();

private:
    std::filesystem::path file_;
    std::uintmax_t offset_ = 0;
    unsigned steps_ = 0;
    std::string last_;
};

// The file of a line "  CC [M]  drivers/iommu/iova.o"; "" for any other line. Pure.
std::string step_of(std::string_view line);

// Why a build failed, if its log says that this host is to blame (a full disk, a
// compiler that was killed) and not the source. Pure.
std::string host_trouble(std::string_view log);

// The first lines of a log that tell of an error, each indented on a line of its
// own. Pure.
std::string errors_in(const std::string& log);

// The build directory of a tree with these options: its name is the tree's, the
// variants', and a key of path, options and compiler. Pure.
std::string build_name(const SourceTree& tree, const KernelOptions& options,
                       const std::string& compiler);

// Builds Image and modules; a second call builds what changed in the source. The
// directory is what open_kernel() takes. Fault::untestable when the source does
// not build; Fault::environment when it is this host's fault; os_error EINTR
// after ctrl-c, with all that was compiled kept.
Result<std::filesystem::path> build_kernel(const Cache& cache, const SourceTree& tree,
                                           const KernelOptions& options);

// The dmarace modules for a kernel (dmarace.ko first), built once for each kernel and
// each state of their source. source holds Kbuild and kmod/. A
// kernel that comes with a dmarace.ko and has nothing to build against uses
// that one.
Result<std::vector<std::filesystem::path>> build_modules(const Cache& cache, const Kernel& kernel,
                                                         const std::filesystem::path& source);

// "14" in CONFIG_GCC_VERSION=140200; 0 when the kernel was not built by gcc. Pure.
unsigned gcc_major(std::string_view config);
// The same of CONFIG_CLANG_VERSION.
unsigned clang_major(std::string_view config);

} // namespace dmarace::vm
