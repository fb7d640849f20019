// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/initramfs/archive.hpp"

#include <archive.h>
#include <archive_entry.h>

#include <sys/sysmacros.h>

#include <array>

namespace dmarace::vm {
namespace {

struct FreeEntry {
    void operator()(archive_entry* entry) const { archive_entry_free(entry); }
};
using Entry = std::unique_ptr<archive_entry, FreeEntry>;

struct FreeReader {
    void operator()(archive* reader) const { archive_read_free(reader); }
};

} // namespace

void Archive::Free::operator()(::archive* handle) const {
    archive_write_free(handle);
}

Result<Archive> Archive::create(const std::filesystem::path& file) {
    Archive made({archive_write_new(), Free()}, file.string());
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
    const Entry entry(archive_entry_new());
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

Result<std::string> read_unpacked(const std::filesystem::path& file) {
    const std::unique_ptr<archive, FreeReader> reader(archive_read_new());
    archive_read_support_filter_xz(reader.get());
    archive_read_support_filter_zstd(reader.get());
    archive_read_support_filter_gzip(reader.get());
    archive_read_support_format_raw(reader.get());
    archive_read_support_format_empty(reader.get());
    const auto failed = [&] {
        const char* why = archive_error_string(reader.get());
        return fail(Fault::environment, file.string() + ": " + (why ? why : "cannot be read"));
    };
    archive_entry* entry = nullptr;
    if (archive_read_open_filename(reader.get(), file.c_str(), 65536) != ARCHIVE_OK)
        return failed();
    const int header = archive_read_next_header(reader.get(), &entry);
    if (header == ARCHIVE_EOF)
        return std::string();
    if (header != ARCHIVE_OK)
        return failed();
    std::string text;
    std::array<char, 65536> buffer{};
    for (;;) {
        const la_ssize_t got = archive_read_data(reader.get(), buffer.data(), buffer.size());
        if (got < 0)
            return failed();
        if (got == 0)
            return text;
        text.append(buffer.data(), static_cast<std::size_t>(got));
    }
}

} // namespace dmarace::vm
