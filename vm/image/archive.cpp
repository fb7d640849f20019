// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/image/archive.hpp"

#include "base/files.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

namespace dmarace::vm {
namespace {

struct FreeEntry {
    void operator()(archive_entry* entry) const { archive_entry_free(entry); }
};
using CpioEntry = std::unique_ptr<archive_entry, FreeEntry>;

} // namespace

void Archive::FreeWriter::operator()(::archive* handle) const {
    archive_write_free(handle);
}

Result<Archive> Archive::create(const std::filesystem::path& file) {
    Archive made({archive_write_new(), FreeWriter()}, file.string());
    if (archive_write_set_format_cpio_newc(made.handle_.get()) != ARCHIVE_OK ||
        archive_write_add_filter_none(made.handle_.get()) != ARCHIVE_OK ||
        archive_write_set_bytes_per_block(made.handle_.get(), 0) != ARCHIVE_OK || // as it comes
        archive_write_open_filename(made.handle_.get(), file.c_str()) != ARCHIVE_OK)
        return made.error("");
    return made;
}

std::unexpected<Error> Archive::error(const std::string& path) const {
    const char* why = archive_error_string(handle_.get());
    return fail(Fault::environment,
                name_ + (path.empty() ? "" : ": " + path) + ": " + (why ? why : "unknown error"));
}

Status Archive::add(const std::string& path, unsigned type, unsigned mode, std::string_view bytes,
                    const std::string& target) {
    if (auto made = parents(path); !made)
        return made;
    if (!added_.insert(path).second)
        return {};
    const CpioEntry entry(archive_entry_new());
    archive_entry_set_pathname(entry.get(), path.c_str());
    archive_entry_set_filetype(entry.get(), type);
    archive_entry_set_perm(entry.get(), static_cast<mode_t>(mode));
    archive_entry_set_size(entry.get(), static_cast<la_int64_t>(bytes.size()));
    if (type == AE_IFLNK)
        archive_entry_set_symlink(entry.get(), target.c_str());
    if (type == AE_IFCHR)
        archive_entry_set_rdev(entry.get(), makedev(5, 1));
    if (archive_write_header(handle_.get(), entry.get()) != ARCHIVE_OK)
        return error(path);
    if (!bytes.empty() && archive_write_data(handle_.get(), bytes.data(), bytes.size()) !=
                              static_cast<la_ssize_t>(bytes.size()))
        return error(path);
    return {};
}

Status Archive::parents(const std::string& path) {
    const auto slash = path.rfind('/');
    if (slash == std::string::npos || slash == 0)
        return {};
    return directory(path.substr(0, slash));
}

Status Archive::directory(const std::string& path) {
    return add(path, AE_IFDIR, 0755, {}, {});
}

Status Archive::file(const std::string& path, std::string_view bytes, bool executable) {
    return add(path, AE_IFREG, executable ? 0755 : 0644, bytes, {});
}

Status Archive::link(const std::string& path, const std::string& target) {
    return add(path, AE_IFLNK, 0777, {}, target);
}

Status Archive::console() {
    return add("dev/console", AE_IFCHR, 0600, {}, {});
}

Status Archive::close() {
    if (archive_write_close(handle_.get()) != ARCHIVE_OK)
        return error("");
    return {};
}

Result<Mapped> Mapped::open(const std::filesystem::path& file) {
    const UniqueFd in(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat status {};
    if (!in || fstat(in.get(), &status) != 0)
        return fail_errno(file.string());
    const auto size = static_cast<std::size_t>(status.st_size);
    if (size == 0)
        return Mapped(nullptr, 0); // mmap() takes no empty file
    void* const bytes = mmap(nullptr, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, in.get(), 0);
    if (bytes == MAP_FAILED)
        return fail_errno(file.string());
    return Mapped(static_cast<const char*>(bytes), size);
}

Mapped::~Mapped() {
    if (bytes_)
        munmap(const_cast<char*>(bytes_), size_);
}

} // namespace dmarace::vm
