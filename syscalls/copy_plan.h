/* Which bytes a guest sends ahead with a call, and which it takes from the reply: from table.def, for the platform. */
#pragma once

#include <stdint.h>

/* [PLATFORM_COPY_NR_COUNT][6], as platform_config.copy_plan wants it. Made at the first call. */
const uint16_t (*syscall_copy_plan(void))[6];
/* [PLATFORM_COPY_NR_COUNT], as platform_config.kept_answers wants it. Made at the first call. */
const uint8_t *syscall_kept_answers(void);
