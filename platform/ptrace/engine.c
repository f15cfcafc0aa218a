/* The ptrace engine. */
#include <errno.h>

#include "platform/engine.h"

static int ptrace_start(const struct platform_config *config, struct platform_thread **out,
                        struct platform_boot *out_boot)
{
    (void)config, (void)out, (void)out_boot;
    return -ENOSYS;
}

const struct engine_ops g_ptrace_engine = {.start = ptrace_start};
