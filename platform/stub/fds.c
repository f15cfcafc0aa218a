/*
 * fcntl's questions about a descriptor, and its close-on-exec flag (platform/facts.h): opendir and what walks directories ask
 * for each one.
 */
#include <asm/unistd.h>

#include "platform/stub/stub.h"

#define F_DUPFD_         0
#define F_GETFD_         1
#define F_SETFD_         2
#define F_GETFL_         3
#define F_DUPFD_CLOEXEC_ 1030
#define F_SETLK_         6
#define F_SETLKW_        7
#define SEEK_MAX_        4U
#define ESPIPE_          29

/* A leased file that is in the kernel's hands may be about to be closed. */
static int is_taken_back(uint64_t fd)
{
    const struct platform_lease_page *page = lease_page();
    uint32_t lease = __atomic_load_n(&page->lease_of[fd], __ATOMIC_SEQ_CST);
    return lease && lease <= LEASE_MAX &&
           !(word_load(&page->leases[lease - 1].position) & LEASE_VALID);
}

/* Return: fd's word; 0: the sentry is to be asked. */
static uint32_t known_of(uint64_t fd, uint32_t **out_word)
{
    if (fd >= FACT_FDS ||
        is_taken_back(
            fd)) { /* first: when the sentry has forgotten that lease, it has cleared the word */
        return 0;
    }
    *out_word = &process_facts()->fds[fd];
    uint32_t known = __atomic_load_n(*out_word, __ATOMIC_SEQ_CST);
    return known & FD_KNOWN ? known : 0;
}

long stub_fd_kind(uint64_t nr, const uint64_t *a)
{
    uint32_t *word, kind = known_of((uint32_t)a[0], &word) & FD_KIND,
                    how = (uint32_t)a[nr == __NR_lseek ? 2 : 1];
    if (nr == __NR_ioctl) {
        return kind && (how == TCGETS_ || how == TIOCGWINSZ_) ? -ENOTTY_ : NOT_OURS;
    }
    if (how > SEEK_MAX_ || (kind != FD_STREAM && kind != FD_NULL)) {
        return NOT_OURS;
    }
    return kind == FD_NULL ? 0 : -ESPIPE_;
}

long stub_fcntl(const uint64_t *a)
{
    uint64_t fd = (uint32_t)a[0];
    uint32_t command = (uint32_t)a[1];
    if (command == F_DUPFD_ || command == F_DUPFD_CLOEXEC_) {
        return stub_copy_directory(fd, a[2], command == F_DUPFD_CLOEXEC_);
    }
    if (command == F_SETLK_ || command == F_SETLKW_) {
        return stub_lock(fd, a[2]);
    }
    uint32_t *word, known = known_of(fd, &word);
    if (!known) {
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
