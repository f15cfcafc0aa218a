#include "platform/stub_image.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "lib/bug.h"
#include "lib/host.h"

const struct stub_info *stub_image_info(void)
{
    const Elf64_Ehdr *header = (const void *)stub_image_start;
    const Elf64_Phdr *text = (const void *)(stub_image_start + header->e_phoff);
    while (text->p_type == PT_LOAD && !(text->p_flags & PF_X)) {
        text++;
    }
    const struct stub_info *info = (const void *)(stub_image_start + text->p_offset);
    BUG_ON(text->p_vaddr != STUB_TEXT || info->magic != STUB_MAGIC);
    return info;
}

int stub_image_memfd(void)
{
    AUTO_FD fd = host_memfd_create("stub", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) {
        return fd;
    }
    size_t size = (size_t)(stub_image_end - stub_image_start);
    if (host_write(fd, stub_image_start, size) != (ssize_t)size) {
        return -EIO;
    }
    int r = host_fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    return r < 0 ? r : take_fd(&fd);
}
