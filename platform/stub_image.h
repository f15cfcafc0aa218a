/* The embedded stub image (platform/stub_blob.S), an ELF file. */
#pragma once

#include "platform/stub/layout.h"

extern const char stub_image_start[] __attribute__((visibility("hidden")));
extern const char stub_image_end[] __attribute__((visibility("hidden")));

/* The image's stub_info, found at the start of its first segment. BUG when the image is not ours. */
const struct stub_info *stub_image_info(void);
/* A sealed memfd that holds the image, for execveat. Errors: those of memfd_create(2), -EIO. */
int stub_image_memfd(void);
