// SPDX-License-Identifier: GPL-2.0-or-later
// What a virtual board boots into, packed.
#pragma once

#include "base/error.hpp"
#include "vm/kernels/kernel.hpp"

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

struct archive;

namespace dmarace::vm {

// An initramfs in the making (cpio "newc", uncompressed), or files for a board that unpacks
// them itself (.tar.gz). All paths are inside it, without a leading '/'; parent directories
// are made as needed, and a path that is already there is left as it is.
class Archive {
public:
    enum class Format { initramfs, tar };
    static Result<Archive> create(const std::filesystem::path& file,
                                  Format format = Format::initramfs);

    void directory(const std::string& path);
    void file(const std::string& path, std::string_view bytes, bool executable = false);
    // The files below a directory, where it is one, at the same places below inside.
    void tree(const std::filesystem::path& inside, const std::filesystem::path& directory);
    // A file of this host.
    void copy(const std::string& path, const std::filesystem::path& host, bool executable = false);
    // The character device /dev/console, which the kernel gives to init.
    void console();
    // What went wrong first: nothing was added after that.
    const Status& status() const { return status_; }
    Status close();

private:
    struct FreeWriter {
        void operator()(::archive* handle) const;
    };
    Archive(std::unique_ptr<::archive, FreeWriter> handle, std::string name)
        : handle_(std::move(handle)), name_(std::move(name)) {}
    void add(const std::string& path, unsigned type, unsigned mode, std::string_view bytes);
    std::unexpected<Error> error(const std::string& path) const;

    std::unique_ptr<::archive, FreeWriter> handle_;
    std::string name_;
    std::set<std::string> added_;
    Status status_;
};

// A disk with a file system that outlives the boots of a run: the guest keeps
// the run's directory on it.
struct DataDisk {
    std::string disk;   // its block node
    std::string device; // what the guest calls it: /dev/vda
    std::string size;   // as mke2fs takes it: 64M
};

// What the images of a board depend on.
struct GuestSpec {
    const Architecture* architecture = &arm64();
    std::string root; // the block node that holds a root file system; "" boots an initramfs alone
    std::optional<DataDisk> data;
    std::vector<std::string> load; // modules that init loads, where they are modules
    std::map<std::string, std::string> parameters; // of those, by name
    std::vector<std::string> offer;                // modules that jobs may load
    std::vector<Need> needs;
};

// What a virtual board boots into: init, the program, its libraries, the job library,
// and the modules the board needs.
struct Contents {
    const Kernel* kernel = nullptr;                     // not owned
    const GuestSpec* board = nullptr;                   // not owned
    std::filesystem::path init;                         // the static init
    std::filesystem::path program;                      // dmarace, or another
    std::vector<std::filesystem::path> also;            // programs beside it in /usr/bin
    std::filesystem::path jobs;                         // directory of job files; may be absent
    std::map<std::string, std::filesystem::path> given; // the user's own: place inside to file
    std::vector<std::filesystem::path> modules;         // ours: dmarace.ko and the like
    std::vector<std::string> start{}; // the words that start the program; none: it is in /usr/bin
};

// The libraries a program needs, by DT_NEEDED, each with the path it gets inside.
Result<std::map<std::string, std::filesystem::path>>
find_libraries(const std::filesystem::path& program, const Architecture& architecture);

// What differs from boot to boot.
struct Launch {
    std::vector<std::string> arguments; // of the program
    std::map<std::string, std::string> environment;
    bool warm = false;     // the guest waits before it begins, and asks the host with what
    bool standing = false; // and its program with it
};

// The same for a board that has it in a directory instead: file name to text.
std::map<std::string, std::string> launch_files(const Contents& contents, const Launch& launch);

// Packs file. scratch is an empty directory for the module tree (depmod reads
// it); the caller removes it.
Status pack(const Contents& contents, const Launch& launch, const std::filesystem::path& file,
            const std::filesystem::path& scratch);

// The board's modules and ours as files below directory/lib/modules/RELEASE,
// unpacked, with depmod's indices.
Status stage_tree(const Contents& contents, const std::filesystem::path& directory);

// The same of those named and what they depend on; of every one that the kernel has where none is.
Status stage_named(const Contents& contents, const std::vector<std::string>& names,
                   const std::filesystem::path& directory);

// The modules of the kernel that the board gets, with what they depend on.
Result<std::vector<std::string>> board_modules(const Contents& contents);

} // namespace dmarace::vm
