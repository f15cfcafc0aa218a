/* Where stamps are: see stamp.h. */
#include "sentry/vfs/stamp.h"

struct stamps *g_stamps;
uint64_t g_last_stamp, g_stamp_key;

void stamps_start(struct stamps *s)
{
    if (!g_stamps) {
        g_stamp_key = hash_bytes("stamps", 6, 0); /* which has a secret in it */
        g_stamps = s;
    }
}

uint32_t stamp_new_id(void)
{
    static uint32_t last;
    return ++last;
}
