/*
 * What exec does to credentials: set-user-ID and set-group-ID bits, and the capability rules for
 * uid 0 and ambient sets. Analogous to Linux's bprm_fill_uid and cap_bprm_creds_from_file. Pure.
 * See capabilities(7), credentials(7).
 *
 * DEVIATION: file capabilities (security.capability) are not read: a program gets its powers from
 * its user, or from a set-id bit.
 */
#pragma once

#include <stdbool.h>

#include "sentry/vfs/cred.h"

struct exec_cred_request {
    const struct cred *old;
    uint32_t mode, uid, gid; /* of the program's file (a script's interpreter) */
    bool nosuid;             /* the mount ignores set-id bits, or no_new_privs */
    bool no_new_privs;
};
struct exec_cred {
    struct cred *cred; /* ref */
    bool secure;       /* AT_SECURE */
    bool dumpable;     /* uid and gid are the real ones */
};
/* Errors: -ENOMEM. */
MUST_CHECK int exec_cred_compute(const struct exec_cred_request *r, struct exec_cred *out);
