/*
 * fcntl's questions about a descriptor, and its close-on-exec flag (platform/facts.h): opendir and what walks directories ask
 * for each one.
 */
#include "platform/stub/stub.h"

#define F_DUPFD_         0
#define F_GETFD_         1
#define F_SETFD_         2
#define F_GETFL_         3
#define F_DUPFD_CLOEXEC_ 1030

/* A leased file that is in the kernel's hands may be about to be closed. */
static int is_taken_back(uint64_t fd)
{
    const struct platform_lease_page *page = lease_page();
    uint32_t lease = __atomic_load_n(&page->lease_of[fd], __ATOMIC_SEQ_CST);
    return lease && lease <= LEASE_MAX &&
           !(word_load(&page->leases[lease - 1].position) & LEASE_VALID);
}

long stub_fcntl(const uint64_t *a)
{
    uint64_t fd = (uint32_t)a[0];
    uint32_t command = (uint32_t)a[1];
    if (command == F_DUPFD_ || command == F_DUPFD_CLOEXEC_) {
        return stub_copy_directory(fd, a[2], command == F_DUPFD_CLOEXEC_);
    }
    if (fd >= FACT_FDS) {
        return NOT_OURS;
    }
    uint32_t *word = &process_facts()->fds[fd];
    if (is_taken_back(
            fd)) { /* first: when the sentry has forgotten that lease, it has cleared the word */
        return NOT_OURS;
    }
    uint32_t known = __atomic_load_n(word, __ATOMIC_SEQ_CST);
    if (!(known & FD_KNOWN)) {
        return NOT_OURS;
    }
    switch (command) {
    case F_GETFD_:
        return known & FD_CLOEXEC_BIT ? 1 : 0;
    case F_GETFL_:
        return known & FD_FLAGS;
    case F_SETFD_: {
        uint32_t set = a[2] & 1 ? known | FD_CLOEXEC_BIT : known & ~FD_CLOEXEC_BIT;
        return __atomic_compare_exchange_n(word, &known, set, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)
                   ? 0
                   : NOT_OURS;
    }
    default:
        return NOT_OURS;
    }
}
