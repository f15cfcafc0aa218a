/* LINK: loader/exec_cred.o sentry/vfs/cred.o lib/bug.o */
/* loader/exec_cred.h: set-id bits, and the capability rules of capabilities(7) for execve. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>

#include <cmocka.h>
#include <linux/securebits.h>
#include <sys/stat.h>

#include "loader/exec_cred.h"

static struct exec_cred run(const struct cred *old, uint32_t mode, uint32_t uid, bool nosuid,
                            bool nnp)
{
    const struct exec_cred_request r = {
        .old = old, .mode = mode, .uid = uid, .gid = uid, .nosuid = nosuid, .no_new_privs = nnp};
    struct exec_cred out;
    assert_int_equal(exec_cred_compute(&r, &out), 0);
    return out;
}

static struct cred *user(uint32_t uid)
{
    struct cred *c;
    assert_int_equal(cred_new(&c, uid, uid, NULL, 0), 0);
    return c;
}

static void plain__user__changes_nothing(void **state)
{
    (void)state;
    struct cred *old = user(1000);
    struct exec_cred e = run(old, 0755, 0, false, false);
    assert_int_equal(e.cred->euid, 1000);
    assert_int_equal(e.cred->cap_permitted, 0);
    assert_int_equal(e.cred->cap_effective, 0);
    assert_false(e.secure);
    assert_true(e.dumpable);
    cred_put(e.cred);
    cred_put(old);
}

static void setuid__root__gains_and_is_secure(void **state)
{
    (void)state;
    struct cred *old = user(1000);
    struct exec_cred e = run(old, S_ISUID | 0755, 0, false, false);
    assert_int_equal(e.cred->uid, 1000);
    assert_int_equal(e.cred->euid, 0);
    assert_int_equal(e.cred->suid, 0);
    assert_int_equal(e.cred->fsuid, 0);
    assert_int_equal(e.cred->egid, 1000);
    assert_int_equal(e.cred->cap_effective, old->cap_bset);
    assert_true(e.secure);
    assert_false(e.dumpable);
    cred_put(e.cred);
    cred_put(old);
}

static void setuid__nosuid_or_no_new_privs__is_ignored(void **state)
{
    (void)state;
    struct cred *old = user(1000);
    for (int i = 0; i < 2; i++) {
        struct exec_cred e = run(old, S_ISUID | S_ISGID | 0755, 0, i == 0, i == 1);
        assert_int_equal(e.cred->euid, 1000);
        assert_int_equal(e.cred->egid, 1000);
        assert_int_equal(e.cred->cap_permitted, 0);
        assert_false(e.secure);
        cred_put(e.cred);
    }
    cred_put(old);
}

static void setgid__without_x__is_no_setgid(void **state)
{
    (void)state;
    struct cred *old = user(1000);
    struct exec_cred e = run(old, S_ISGID | 0745, 5, false, false);
    assert_int_equal(e.cred->egid, 1000);
    cred_put(e.cred);
    e = run(old, S_ISGID | 0755, 5, false, false);
    assert_int_equal(e.cred->egid, 5);
    assert_int_equal(e.cred->sgid, 5);
    assert_true(e.secure);
    cred_put(e.cred);
    cred_put(old);
}

static void root__dropped_capabilities__come_back(void **state)
{
    (void)state;
    struct cred *old = user(0);
    old->cap_permitted = old->cap_effective = 0;
    old->cap_bset &= ~(1ULL << CAP_SYS_ADMIN);
    struct exec_cred e = run(old, 0755, 0, false, false);
    assert_int_equal(e.cred->cap_permitted, old->cap_bset);
    assert_int_equal(e.cred->cap_effective, old->cap_bset);
    assert_false(e.secure);
    cred_put(e.cred);
    e = run(old, 0755, 0, false, true); /* but not with no_new_privs */
    assert_int_equal(e.cred->cap_permitted, 0);
    cred_put(e.cred);
    old->securebits = SECBIT_NOROOT | SECBIT_KEEP_CAPS;
    e = run(old, 0755, 0, false, false);
    assert_int_equal(e.cred->cap_permitted, 0);
    assert_int_equal(e.cred->securebits, SECBIT_NOROOT);
    cred_put(e.cred);
    cred_put(old);
}

static void ambient__user__is_kept_until_setuid(void **state)
{
    (void)state;
    const uint64_t net = 1ULL << CAP_NET_RAW;
    struct cred *old = user(1000);
    old->cap_inheritable = old->cap_permitted = old->cap_effective = old->cap_ambient = net;
    struct exec_cred e = run(old, 0755, 0, false, false);
    assert_int_equal(e.cred->cap_permitted, net);
    assert_int_equal(e.cred->cap_effective, net);
    assert_int_equal(e.cred->cap_ambient, net);
    cred_put(e.cred);
    e = run(old, S_ISUID | 0755, 2000, false, false);
    assert_int_equal(e.cred->cap_permitted, 0);
    assert_int_equal(e.cred->cap_ambient, 0);
    cred_put(e.cred);
    cred_put(old);
}

static void real_root__effective_user__permitted_only(void **state)
{
    (void)state;
    struct cred *old = user(0);
    old->euid = old->fsuid = 1000;
    struct exec_cred e = run(old, 0755, 0, false, false);
    assert_int_equal(e.cred->cap_permitted, old->cap_bset);
    assert_int_equal(e.cred->cap_effective, 0);
    assert_true(e.secure);
    assert_false(e.dumpable);
    cred_put(e.cred);
    cred_put(old);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain__user__changes_nothing),
        cmocka_unit_test(setuid__root__gains_and_is_secure),
        cmocka_unit_test(setuid__nosuid_or_no_new_privs__is_ignored),
        cmocka_unit_test(setgid__without_x__is_no_setgid),
        cmocka_unit_test(root__dropped_capabilities__come_back),
        cmocka_unit_test(ambient__user__is_kept_until_setuid),
        cmocka_unit_test(real_root__effective_user__permitted_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
