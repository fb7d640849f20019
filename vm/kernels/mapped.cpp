// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/kernels/mapped.hpp"

#include "base/unique_fd.hpp"

#include <fcntl.h>

#include <sys/mman.h>
#include <sys/stat.h>

namespace dmarace::vm {

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
