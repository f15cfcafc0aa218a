#include "sentry/base/kernel.h"

static struct kernel g_the_kernel = {
    .dentry_lru = LIST_INIT(g_the_kernel.dentry_lru),
    .tasks = LIST_INIT(g_the_kernel.tasks),
};
struct kernel *g_kernel = &g_the_kernel;
