/*
 * The tables behind decode_sets.h. In a set of flags a name of several bits stands before the
 * names of its parts: the first that fits is printed and its bits are done.
 */
#include "syscalls/decode_sets.h"

#include <asm/prctl.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <linux/memfd.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <linux/xattr.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

/* Tables, as dense as they read well. */
/* clang-format off */
#define N(x)       {(uint64_t)(x), #x}
#define FIELD_ALL  (~0ULL)
#define FLAGS_ONLY 0

static const struct decode_name names_open[] = {
    N(O_RDONLY), N(O_WRONLY), N(O_RDWR), {3, "O_ACCMODE"}, N(O_CREAT), N(O_EXCL), N(O_NOCTTY),
    N(O_TRUNC), N(O_APPEND), N(O_NONBLOCK), {0x101000, "O_SYNC"}, {0x1000, "O_DSYNC"}, N(O_DIRECT),
    {0x8000, "O_LARGEFILE"}, N(O_NOFOLLOW), N(O_NOATIME), N(O_CLOEXEC), N(O_PATH), N(O_TMPFILE),
    N(O_DIRECTORY), {0x2000, "FASYNC"},
};
static const struct decode_name names_open_nomode[] = {
    N(O_CLOEXEC), N(O_NONBLOCK), N(O_DIRECT), {O_EXCL, "O_NOTIFICATION_PIPE"},
};
static const struct decode_name names_access[] = {
    N(F_OK), N(R_OK), N(W_OK), N(X_OK),
};
static const struct decode_name names_at[] = {
    N(AT_SYMLINK_NOFOLLOW), N(AT_REMOVEDIR), N(AT_SYMLINK_FOLLOW), N(AT_NO_AUTOMOUNT),
    N(AT_EMPTY_PATH), {0x2000, "AT_STATX_FORCE_SYNC"}, {0x4000, "AT_STATX_DONT_SYNC"},
    {0x8000, "AT_RECURSIVE"},
};
static const struct decode_name names_unlinkat[] = {
    N(AT_REMOVEDIR),
};
static const struct decode_name names_faccessat[] = {
    N(AT_EACCESS), N(AT_SYMLINK_NOFOLLOW), N(AT_EMPTY_PATH),
};
static const struct decode_name names_whence[] = {
    N(SEEK_SET), N(SEEK_CUR), N(SEEK_END), N(SEEK_DATA), N(SEEK_HOLE),
};
static const struct decode_name names_prot[] = {
    N(PROT_NONE), N(PROT_READ), N(PROT_WRITE), N(PROT_EXEC), {8, "PROT_SEM"}, N(PROT_GROWSDOWN),
    N(PROT_GROWSUP),
};
static const struct decode_name names_map[] = {
    N(MAP_SHARED), N(MAP_PRIVATE), N(MAP_SHARED_VALIDATE), N(MAP_FIXED), N(MAP_ANONYMOUS),
    N(MAP_32BIT), N(MAP_NORESERVE), N(MAP_POPULATE), N(MAP_NONBLOCK), N(MAP_GROWSDOWN),
    N(MAP_DENYWRITE), N(MAP_EXECUTABLE), N(MAP_LOCKED), N(MAP_STACK), N(MAP_HUGETLB), N(MAP_SYNC),
    N(MAP_FIXED_NOREPLACE),
};
static const struct decode_name names_mremap[] = {
    N(MREMAP_MAYMOVE), N(MREMAP_FIXED), N(MREMAP_DONTUNMAP),
};
static const struct decode_name names_msync[] = {
    N(MS_ASYNC), N(MS_INVALIDATE), N(MS_SYNC),
};
static const struct decode_name names_madvise[] = {
    N(MADV_NORMAL), N(MADV_RANDOM), N(MADV_SEQUENTIAL), N(MADV_WILLNEED), N(MADV_DONTNEED),
    N(MADV_FREE), N(MADV_REMOVE), N(MADV_DONTFORK), N(MADV_DOFORK), N(MADV_HWPOISON),
    {101, "MADV_SOFT_OFFLINE"}, N(MADV_MERGEABLE), N(MADV_UNMERGEABLE), N(MADV_HUGEPAGE),
    N(MADV_NOHUGEPAGE), N(MADV_DONTDUMP), N(MADV_DODUMP), N(MADV_WIPEONFORK), N(MADV_KEEPONFORK),
    N(MADV_COLD), N(MADV_PAGEOUT), N(MADV_POPULATE_READ), N(MADV_POPULATE_WRITE),
    {24, "MADV_DONTNEED_LOCKED"}, {25, "MADV_COLLAPSE"}, {102, "MADV_GUARD_INSTALL"},
    {103, "MADV_GUARD_REMOVE"},
};
static const struct decode_name names_mlockall[] = {
    N(MCL_CURRENT), N(MCL_FUTURE), N(MCL_ONFAULT),
};
static const struct decode_name names_mlock2[] = {
    N(MLOCK_ONFAULT),
};
static const struct decode_name names_fadvise[] = {
    N(POSIX_FADV_NORMAL), N(POSIX_FADV_RANDOM), N(POSIX_FADV_SEQUENTIAL), N(POSIX_FADV_WILLNEED),
    N(POSIX_FADV_DONTNEED), N(POSIX_FADV_NOREUSE),
};
static const struct decode_name names_fallocate[] = {
    N(FALLOC_FL_KEEP_SIZE), N(FALLOC_FL_PUNCH_HOLE), N(FALLOC_FL_NO_HIDE_STALE),
    N(FALLOC_FL_COLLAPSE_RANGE), N(FALLOC_FL_ZERO_RANGE), N(FALLOC_FL_INSERT_RANGE),
    N(FALLOC_FL_UNSHARE_RANGE), {0x80, "FALLOC_FL_WRITE_ZEROES"},
};
static const struct decode_name names_flock[] = {
    N(LOCK_SH), N(LOCK_EX), N(LOCK_NB), N(LOCK_UN),
};
static const struct decode_name names_fcntl[] = {
    N(F_DUPFD), N(F_GETFD), N(F_SETFD), N(F_GETFL), N(F_SETFL), N(F_GETLK), N(F_SETLK),
    N(F_SETLKW), N(F_SETOWN), N(F_GETOWN), N(F_SETSIG), N(F_GETSIG), N(F_SETOWN_EX),
    N(F_GETOWN_EX), {17, "F_GETOWNER_UIDS"}, N(F_OFD_GETLK), N(F_OFD_SETLK), N(F_OFD_SETLKW),
    N(F_SETLEASE), N(F_GETLEASE), N(F_NOTIFY), N(F_DUPFD_CLOEXEC), {1027, "F_DUPFD_QUERY"},
    {1028, "F_CREATED_QUERY"}, N(F_SETPIPE_SZ), N(F_GETPIPE_SZ), N(F_ADD_SEALS), N(F_GET_SEALS),
    N(F_GET_RW_HINT), N(F_SET_RW_HINT), N(F_GET_FILE_RW_HINT), N(F_SET_FILE_RW_HINT),
};
static const struct decode_name names_fd_flags[] = {
    N(FD_CLOEXEC),
};
static const struct decode_name names_seals[] = {
    N(F_SEAL_SEAL), N(F_SEAL_SHRINK), N(F_SEAL_GROW), N(F_SEAL_WRITE), N(F_SEAL_FUTURE_WRITE),
    {0x20, "F_SEAL_EXEC"},
};
static const struct decode_name names_lock_type[] = {
    N(F_RDLCK), N(F_WRLCK), N(F_UNLCK),
};
static const struct decode_name names_ioctl[] = {
    N(TCGETS), N(TCSETS), N(TCSETSW), N(TCSETSF), N(TCGETA), N(TCSETA), N(TCSETAW), N(TCSETAF),
    N(TCSBRK), N(TCXONC), N(TCFLSH), N(TIOCEXCL), N(TIOCNXCL), N(TIOCSCTTY), N(TIOCGPGRP),
    N(TIOCSPGRP), N(TIOCOUTQ), N(TIOCSTI), N(TIOCGWINSZ), N(TIOCSWINSZ), N(TIOCMGET), N(TIOCMBIS),
    N(TIOCMBIC), N(TIOCMSET), N(FIONREAD), N(TIOCCONS), N(TIOCPKT), N(FIONBIO), N(TIOCNOTTY),
    N(TIOCSETD), N(TIOCGETD), N(TCSBRKP), N(TIOCSBRK), N(TIOCCBRK), N(TIOCGSID),
    {0x802c542a, "TCGETS2"}, {0x402c542b, "TCSETS2"}, {0x402c542c, "TCSETSW2"},
    {0x402c542d, "TCSETSF2"}, N(TIOCGPTN), N(TIOCSPTLCK), N(TIOCGPTLCK), N(TIOCGPKT),
    N(TIOCGPTPEER), N(TIOCGEXCL), N(FIONCLEX), N(FIOCLEX), N(FIOASYNC), N(FIOQSIZE), N(FICLONE),
    N(FICLONERANGE), N(FIDEDUPERANGE), N(FS_IOC_GETFLAGS), N(FS_IOC_SETFLAGS), N(FS_IOC_FIEMAP),
    N(FIBMAP), N(FIGETBSZ), N(FIFREEZE), N(FITHAW), N(FITRIM), N(BLKGETSIZE64), N(BLKSSZGET),
    {0x8901, "FIOSETOWN"}, {0x8902, "SIOCSPGRP"}, {0x8903, "FIOGETOWN"}, {0x8904, "SIOCGPGRP"},
    {0x8905, "SIOCATMARK"}, {0x8906, "SIOCGSTAMP"}, {0x8910, "SIOCGIFNAME"},
    {0x8912, "SIOCGIFCONF"}, {0x8913, "SIOCGIFFLAGS"}, {0x8914, "SIOCSIFFLAGS"},
    {0x8915, "SIOCGIFADDR"}, {0x891b, "SIOCGIFNETMASK"}, {0x8921, "SIOCGIFMTU"},
    {0x8927, "SIOCGIFHWADDR"}, {0x8933, "SIOCGIFINDEX"}, {0x8942, "SIOCGIFTXQLEN"},
    {0x8946, "SIOCETHTOOL"}, {0x5207, "RNDRESEEDCRNG"}, {0x80045200, "RNDGETENTCNT"},
};
static const struct decode_name names_xattr[] = {
    N(XATTR_CREATE), N(XATTR_REPLACE),
};
static const struct decode_name names_rename[] = {
    N(RENAME_NOREPLACE), N(RENAME_EXCHANGE), N(RENAME_WHITEOUT),
};
static const struct decode_name names_splice[] = {
    N(SPLICE_F_MOVE), N(SPLICE_F_NONBLOCK), N(SPLICE_F_MORE), N(SPLICE_F_GIFT),
};
static const struct decode_name names_rwf[] = {
    N(RWF_HIPRI), N(RWF_DSYNC), N(RWF_SYNC), N(RWF_NOWAIT), N(RWF_APPEND), {0x20, "RWF_NOAPPEND"},
    {0x40, "RWF_ATOMIC"}, {0x80, "RWF_DONTCACHE"}, {0x100, "RWF_NOSIGNAL"},
};
static const struct decode_name names_statx[] = {
    N(STATX_ALL), N(STATX_BASIC_STATS), N(STATX_TYPE), N(STATX_MODE), N(STATX_NLINK), N(STATX_UID),
    N(STATX_GID), N(STATX_ATIME), N(STATX_MTIME), N(STATX_CTIME), N(STATX_INO), N(STATX_SIZE),
    N(STATX_BLOCKS), N(STATX_BTIME), {0x1000, "STATX_MNT_ID"}, {0x2000, "STATX_DIOALIGN"},
    {0x4000, "STATX_MNT_ID_UNIQUE"}, {0x8000, "STATX_SUBVOL"},
};
static const struct decode_name names_memfd[] = {
    N(MFD_CLOEXEC), N(MFD_ALLOW_SEALING), N(MFD_HUGETLB), {8, "MFD_NOEXEC_SEAL"}, {16, "MFD_EXEC"},
};
static const struct decode_name names_resolve[] = {
    N(RESOLVE_NO_XDEV), N(RESOLVE_NO_MAGICLINKS), N(RESOLVE_NO_SYMLINKS), N(RESOLVE_BENEATH),
    N(RESOLVE_IN_ROOT), {32, "RESOLVE_CACHED"},
};
static const struct decode_name names_close_range[] = {
    {2, "CLOSE_RANGE_UNSHARE"}, {4, "CLOSE_RANGE_CLOEXEC"},
};

static const struct decode_name names_poll[] = {
    N(POLLIN), N(POLLPRI), N(POLLOUT), N(POLLERR), N(POLLHUP), N(POLLNVAL), N(POLLRDNORM),
    N(POLLRDBAND), N(POLLWRNORM), N(POLLWRBAND), N(POLLMSG), N(POLLRDHUP),
};
static const struct decode_name names_epoll[] = {
    N(EPOLLIN), N(EPOLLPRI), N(EPOLLOUT), N(EPOLLERR), N(EPOLLHUP), N(EPOLLRDNORM), N(EPOLLRDBAND),
    N(EPOLLWRNORM), N(EPOLLWRBAND), N(EPOLLMSG), N(EPOLLRDHUP), N(EPOLLEXCLUSIVE), N(EPOLLWAKEUP),
    N(EPOLLONESHOT), N(EPOLLET),
};
static const struct decode_name names_epoll_ctl[] = {
    N(EPOLL_CTL_ADD), N(EPOLL_CTL_DEL), N(EPOLL_CTL_MOD),
};
static const struct decode_name names_epoll_create[] = {
    N(EPOLL_CLOEXEC),
};
static const struct decode_name names_eventfd[] = {
    N(EFD_CLOEXEC), N(EFD_NONBLOCK), N(EFD_SEMAPHORE),
};
static const struct decode_name names_signalfd[] = {
    N(SFD_CLOEXEC), N(SFD_NONBLOCK),
};
static const struct decode_name names_timerfd[] = {
    N(TFD_CLOEXEC), N(TFD_NONBLOCK),
};
static const struct decode_name names_timerfd_settime[] = {
    N(TFD_TIMER_ABSTIME), N(TFD_TIMER_CANCEL_ON_SET),
};
static const struct decode_name names_timer[] = {
    N(TIMER_ABSTIME),
};
static const struct decode_name names_clock[] = {
    N(CLOCK_REALTIME), N(CLOCK_MONOTONIC), N(CLOCK_PROCESS_CPUTIME_ID), N(CLOCK_THREAD_CPUTIME_ID),
    N(CLOCK_MONOTONIC_RAW), N(CLOCK_REALTIME_COARSE), N(CLOCK_MONOTONIC_COARSE), N(CLOCK_BOOTTIME),
    N(CLOCK_REALTIME_ALARM), N(CLOCK_BOOTTIME_ALARM), N(CLOCK_TAI),
};
static const struct decode_name names_itimer[] = {
    N(ITIMER_REAL), N(ITIMER_VIRTUAL), N(ITIMER_PROF),
};

static const struct decode_name names_sigprocmask[] = {
    N(SIG_BLOCK), N(SIG_UNBLOCK), N(SIG_SETMASK),
};
static const struct decode_name names_sa_flags[] = {
    {0x04000000, "SA_RESTORER"}, N(SA_ONSTACK), N(SA_RESTART), N(SA_NODEFER),
    {0x80000000, "SA_RESETHAND"}, N(SA_SIGINFO), N(SA_NOCLDSTOP), N(SA_NOCLDWAIT),
    {0x400, "SA_UNSUPPORTED"}, {0x800, "SA_EXPOSE_TAGBITS"},
};
static const struct decode_name names_ss_flags[] = {
    N(SS_ONSTACK), N(SS_DISABLE), {0x80000000, "SS_AUTODISARM"},
};
static const struct decode_name names_sigev_notify[] = {
    {0, "SIGEV_SIGNAL"}, {1, "SIGEV_NONE"}, {2, "SIGEV_THREAD"}, {4, "SIGEV_THREAD_ID"},
};
static const struct decode_name names_si_code[] = {
    N(SI_USER), N(SI_KERNEL), N(SI_QUEUE), N(SI_TIMER), N(SI_MESGQ), N(SI_ASYNCIO), N(SI_SIGIO),
    N(SI_TKILL),
};
static const struct decode_name names_clone[] = {
    N(CLONE_VM), N(CLONE_FS), N(CLONE_FILES), N(CLONE_SIGHAND), N(CLONE_PIDFD), N(CLONE_PTRACE),
    N(CLONE_VFORK), N(CLONE_PARENT), N(CLONE_THREAD), N(CLONE_NEWNS), N(CLONE_SYSVSEM),
    N(CLONE_SETTLS), N(CLONE_PARENT_SETTID), N(CLONE_CHILD_CLEARTID), N(CLONE_DETACHED),
    N(CLONE_UNTRACED), N(CLONE_CHILD_SETTID), N(CLONE_NEWCGROUP), N(CLONE_NEWUTS), N(CLONE_NEWIPC),
    N(CLONE_NEWUSER), N(CLONE_NEWPID), N(CLONE_NEWNET), N(CLONE_IO),
    {0x100000000ULL, "CLONE_CLEAR_SIGHAND"}, {0x200000000ULL, "CLONE_INTO_CGROUP"},
};
static const struct decode_name names_unshare[] = {
    N(CLONE_VM), N(CLONE_FS), N(CLONE_FILES), N(CLONE_SIGHAND), N(CLONE_THREAD), N(CLONE_NEWNS),
    N(CLONE_SYSVSEM), N(CLONE_NEWCGROUP), N(CLONE_NEWUTS), N(CLONE_NEWIPC), N(CLONE_NEWUSER),
    N(CLONE_NEWPID), N(CLONE_NEWNET), {0x80, "CLONE_NEWTIME"},
};
static const struct decode_name names_wait[] = {
    N(WNOHANG), {2, "WSTOPPED"}, N(WEXITED), N(WCONTINUED), N(WNOWAIT),
    {0x20000000, "__WNOTHREAD"}, {0x40000000, "__WALL"}, {0x80000000, "__WCLONE"},
};
static const struct decode_name names_idtype[] = {
    N(P_ALL), N(P_PID), N(P_PGID), {3, "P_PIDFD"},
};
static const struct decode_name names_rlimit[] = {
    N(RLIMIT_CPU), N(RLIMIT_FSIZE), N(RLIMIT_DATA), N(RLIMIT_STACK), N(RLIMIT_CORE), N(RLIMIT_RSS),
    N(RLIMIT_NPROC), N(RLIMIT_NOFILE), N(RLIMIT_MEMLOCK), N(RLIMIT_AS), N(RLIMIT_LOCKS),
    N(RLIMIT_SIGPENDING), N(RLIMIT_MSGQUEUE), N(RLIMIT_NICE), N(RLIMIT_RTPRIO), N(RLIMIT_RTTIME),
};
static const struct decode_name names_rusage[] = {
    N(RUSAGE_SELF), N(RUSAGE_CHILDREN), N(RUSAGE_THREAD),
};
static const struct decode_name names_prio[] = {
    N(PRIO_PROCESS), N(PRIO_PGRP), N(PRIO_USER),
};
static const struct decode_name names_sched[] = {
    {0, "SCHED_OTHER"}, {1, "SCHED_FIFO"}, {2, "SCHED_RR"}, {3, "SCHED_BATCH"}, {5, "SCHED_IDLE"},
    {6, "SCHED_DEADLINE"}, {7, "SCHED_EXT"}, {0x40000000, "SCHED_RESET_ON_FORK"},
};
static const struct decode_name names_prctl[] = {
    N(PR_SET_PDEATHSIG), N(PR_GET_PDEATHSIG), N(PR_GET_DUMPABLE), N(PR_SET_DUMPABLE),
    N(PR_GET_KEEPCAPS), N(PR_SET_KEEPCAPS), N(PR_GET_TIMING), N(PR_SET_TIMING), N(PR_SET_NAME),
    N(PR_GET_NAME), N(PR_GET_SECCOMP), N(PR_SET_SECCOMP), N(PR_CAPBSET_READ), N(PR_CAPBSET_DROP),
    N(PR_GET_TSC), N(PR_SET_TSC), N(PR_GET_SECUREBITS), N(PR_SET_SECUREBITS), N(PR_SET_TIMERSLACK),
    N(PR_GET_TIMERSLACK), N(PR_MCE_KILL), N(PR_MCE_KILL_GET), N(PR_SET_MM),
    N(PR_SET_CHILD_SUBREAPER), N(PR_GET_CHILD_SUBREAPER), N(PR_SET_NO_NEW_PRIVS),
    N(PR_GET_NO_NEW_PRIVS), N(PR_GET_TID_ADDRESS), N(PR_SET_THP_DISABLE), N(PR_GET_THP_DISABLE),
    N(PR_CAP_AMBIENT), N(PR_GET_SPECULATION_CTRL), N(PR_SET_SPECULATION_CTRL),
    N(PR_SET_IO_FLUSHER), N(PR_GET_IO_FLUSHER), {59, "PR_SET_SYSCALL_USER_DISPATCH"},
    {62, "PR_SCHED_CORE"}, {65, "PR_SET_MDWE"}, {66, "PR_GET_MDWE"}, {0x53564d41, "PR_SET_VMA"},
    {0x59616d61, "PR_SET_PTRACER"},
};
static const struct decode_name names_arch_prctl[] = {
    N(ARCH_SET_GS), N(ARCH_SET_FS), N(ARCH_GET_FS), N(ARCH_GET_GS), N(ARCH_GET_CPUID),
    N(ARCH_SET_CPUID), {0x1021, "ARCH_GET_XCOMP_SUPP"}, {0x1022, "ARCH_GET_XCOMP_PERM"},
    {0x1023, "ARCH_REQ_XCOMP_PERM"}, {0x3001, "ARCH_CET_STATUS"}, {0x5001, "ARCH_SHSTK_ENABLE"},
};
static const struct decode_name names_futex[] = {
    N(FUTEX_WAIT), N(FUTEX_WAKE), N(FUTEX_FD), N(FUTEX_REQUEUE), N(FUTEX_CMP_REQUEUE),
    N(FUTEX_WAKE_OP), N(FUTEX_LOCK_PI), N(FUTEX_UNLOCK_PI), N(FUTEX_TRYLOCK_PI),
    N(FUTEX_WAIT_BITSET), N(FUTEX_WAKE_BITSET), N(FUTEX_WAIT_REQUEUE_PI), N(FUTEX_CMP_REQUEUE_PI),
    {13, "FUTEX_LOCK_PI2"},
};
static const struct decode_name names_membarrier[] = {
    {0, "MEMBARRIER_CMD_QUERY"}, {1, "MEMBARRIER_CMD_GLOBAL"},
    {2, "MEMBARRIER_CMD_GLOBAL_EXPEDITED"}, {4, "MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED"},
    {8, "MEMBARRIER_CMD_PRIVATE_EXPEDITED"}, {16, "MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED"},
    {32, "MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE"},
    {64, "MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE"},
    {128, "MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ"},
    {256, "MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ"},
};
static const struct decode_name names_seccomp[] = {
    N(SECCOMP_SET_MODE_STRICT), N(SECCOMP_SET_MODE_FILTER), N(SECCOMP_GET_ACTION_AVAIL),
    N(SECCOMP_GET_NOTIF_SIZES),
};
static const struct decode_name names_getrandom[] = {
    {1, "GRND_NONBLOCK"}, {2, "GRND_RANDOM"}, {4, "GRND_INSECURE"},
};
static const struct decode_name names_syslog[] = {
    {0, "SYSLOG_ACTION_CLOSE"}, {1, "SYSLOG_ACTION_OPEN"}, {2, "SYSLOG_ACTION_READ"},
    {3, "SYSLOG_ACTION_READ_ALL"}, {4, "SYSLOG_ACTION_READ_CLEAR"}, {5, "SYSLOG_ACTION_CLEAR"},
    {6, "SYSLOG_ACTION_CONSOLE_OFF"}, {7, "SYSLOG_ACTION_CONSOLE_ON"},
    {8, "SYSLOG_ACTION_CONSOLE_LEVEL"}, {9, "SYSLOG_ACTION_SIZE_UNREAD"},
    {10, "SYSLOG_ACTION_SIZE_BUFFER"},
};

static const struct decode_name names_af[] = {
    N(AF_UNSPEC), N(AF_UNIX), N(AF_INET), N(AF_INET6), N(AF_NETLINK), N(AF_PACKET), N(AF_ALG),
    N(AF_VSOCK), N(AF_BLUETOOTH), N(AF_CAN), N(AF_KEY), N(AF_TIPC), N(AF_XDP),
};
static const struct decode_name names_sock_type[] = {
    N(SOCK_STREAM), N(SOCK_DGRAM), N(SOCK_RAW), N(SOCK_RDM), N(SOCK_SEQPACKET), N(SOCK_DCCP),
    N(SOCK_PACKET), N(SOCK_CLOEXEC), N(SOCK_NONBLOCK),
};
static const struct decode_name names_sock_flags[] = {
    N(SOCK_CLOEXEC), N(SOCK_NONBLOCK),
};
static const struct decode_name names_msg[] = {
    N(MSG_OOB), N(MSG_PEEK), N(MSG_DONTROUTE), N(MSG_CTRUNC), N(MSG_PROXY), N(MSG_TRUNC),
    N(MSG_DONTWAIT), N(MSG_EOR), N(MSG_WAITALL), N(MSG_FIN), N(MSG_SYN), N(MSG_CONFIRM),
    N(MSG_RST), N(MSG_ERRQUEUE), N(MSG_NOSIGNAL), N(MSG_MORE), N(MSG_WAITFORONE), N(MSG_BATCH),
    N(MSG_ZEROCOPY), N(MSG_FASTOPEN), N(MSG_CMSG_CLOEXEC),
};
static const struct decode_name names_shutdown[] = {
    N(SHUT_RD), N(SHUT_WR), N(SHUT_RDWR),
};
static const struct decode_name names_sol[] = {
    N(SOL_SOCKET), {0, "SOL_IP"}, {6, "SOL_TCP"}, {17, "SOL_UDP"}, {41, "SOL_IPV6"},
    {58, "SOL_ICMPV6"}, {255, "SOL_RAW"}, {263, "SOL_PACKET"}, {270, "SOL_NETLINK"},
};
static const struct decode_name names_so[] = {
    N(SO_DEBUG), N(SO_REUSEADDR), N(SO_TYPE), N(SO_ERROR), N(SO_DONTROUTE), N(SO_BROADCAST),
    N(SO_SNDBUF), N(SO_RCVBUF), N(SO_KEEPALIVE), N(SO_OOBINLINE), N(SO_PRIORITY), N(SO_LINGER),
    N(SO_REUSEPORT), N(SO_PASSCRED), N(SO_PEERCRED), N(SO_RCVLOWAT), N(SO_SNDLOWAT),
    {20, "SO_RCVTIMEO_OLD"}, {21, "SO_SNDTIMEO_OLD"}, N(SO_BINDTODEVICE), N(SO_ATTACH_FILTER),
    N(SO_PEERNAME), {29, "SO_TIMESTAMP_OLD"}, N(SO_ACCEPTCONN), N(SO_PEERSEC), N(SO_SNDBUFFORCE),
    N(SO_RCVBUFFORCE), N(SO_PASSSEC), N(SO_MARK), N(SO_PROTOCOL), N(SO_DOMAIN), N(SO_PEEK_OFF),
    N(SO_BUSY_POLL), N(SO_INCOMING_CPU), N(SO_COOKIE), N(SO_PEERGROUPS), N(SO_ZEROCOPY),
    {77, "SO_PEERPIDFD"}, {76, "SO_PASSPIDFD"},
};
static const struct decode_name names_mount[] = {
    N(MS_RDONLY), N(MS_NOSUID), N(MS_NODEV), N(MS_NOEXEC), N(MS_SYNCHRONOUS), N(MS_REMOUNT),
    N(MS_MANDLOCK), N(MS_DIRSYNC), N(MS_NOSYMFOLLOW), N(MS_NOATIME), N(MS_NODIRATIME), N(MS_BIND),
    N(MS_MOVE), N(MS_REC), N(MS_SILENT), N(MS_POSIXACL), N(MS_UNBINDABLE), N(MS_PRIVATE),
    N(MS_SLAVE), N(MS_SHARED), N(MS_RELATIME), N(MS_STRICTATIME), N(MS_LAZYTIME),
};
static const struct decode_name names_umount[] = {
    {1, "MNT_FORCE"}, {2, "MNT_DETACH"}, {4, "MNT_EXPIRE"}, {8, "UMOUNT_NOFOLLOW"},
};
static const struct decode_name names_pidfd[] = {
    {O_NONBLOCK, "PIDFD_NONBLOCK"}, {O_EXCL, "PIDFD_THREAD"},
};
static const struct decode_name names_file_type[] = {
    N(S_IFREG), N(S_IFDIR), N(S_IFCHR), N(S_IFBLK), N(S_IFIFO), N(S_IFLNK), N(S_IFSOCK),
};

static const struct decode_name names_inotify[] = {
    N(IN_ACCESS), N(IN_MODIFY), N(IN_ATTRIB), N(IN_CLOSE_WRITE), N(IN_CLOSE_NOWRITE), N(IN_OPEN),
    N(IN_MOVED_FROM), N(IN_MOVED_TO), N(IN_CREATE), N(IN_DELETE), N(IN_DELETE_SELF),
    N(IN_MOVE_SELF), N(IN_UNMOUNT), N(IN_Q_OVERFLOW), N(IN_IGNORED), N(IN_ONLYDIR),
    N(IN_DONT_FOLLOW), N(IN_EXCL_UNLINK), N(IN_MASK_CREATE), N(IN_MASK_ADD), N(IN_ISDIR),
    N(IN_ONESHOT),
};

#define SET(id, mask, unknown) [DECODE_##id] = {unknown, mask, names_##id, ARRAY_COUNT(names_##id)}
static const struct decode_set sets[DECODE_SET_COUNT] = {
    SET(open, O_ACCMODE, "O_???"), SET(open_nomode, FLAGS_ONLY, "O_???"),
    SET(access, FLAGS_ONLY, "?_OK"), SET(at, FLAGS_ONLY, "AT_???"),
    SET(unlinkat, FLAGS_ONLY, "AT_???"), SET(faccessat, FLAGS_ONLY, "AT_???"),
    SET(whence, FIELD_ALL, "SEEK_???"), SET(prot, FLAGS_ONLY, "PROT_???"),
    SET(map, 0xf, "MAP_???"), SET(mremap, FLAGS_ONLY, "MREMAP_???"),
    SET(msync, FLAGS_ONLY, "MS_???"), SET(madvise, FIELD_ALL, "MADV_???"),
    SET(mlockall, FLAGS_ONLY, "MCL_???"), SET(mlock2, FLAGS_ONLY, "MLOCK_???"),
    SET(fadvise, FIELD_ALL, "POSIX_FADV_???"), SET(fallocate, FLAGS_ONLY, "FALLOC_FL_???"),
    SET(flock, FLAGS_ONLY, "LOCK_???"), SET(fcntl, FIELD_ALL, "F_???"),
    SET(fd_flags, FLAGS_ONLY, "FD_???"), SET(seals, FLAGS_ONLY, "F_SEAL_???"),
    SET(lock_type, FIELD_ALL, "F_???"), SET(ioctl, FIELD_ALL, "IOCTL_???"),
    SET(xattr, FLAGS_ONLY, "XATTR_???"), SET(rename, FLAGS_ONLY, "RENAME_???"),
    SET(splice, FLAGS_ONLY, "SPLICE_F_???"), SET(rwf, FLAGS_ONLY, "RWF_???"),
    SET(statx, FLAGS_ONLY, "STATX_???"), SET(memfd, FLAGS_ONLY, "MFD_???"),
    SET(resolve, FLAGS_ONLY, "RESOLVE_???"), SET(close_range, FLAGS_ONLY, "CLOSE_RANGE_???"),
    SET(poll, FLAGS_ONLY, "POLL???"), SET(epoll, FLAGS_ONLY, "EPOLL???"),
    SET(epoll_ctl, FIELD_ALL, "EPOLL_CTL_???"), SET(epoll_create, FLAGS_ONLY, "EPOLL_???"),
    SET(eventfd, FLAGS_ONLY, "EFD_???"), SET(signalfd, FLAGS_ONLY, "SFD_???"),
    SET(timerfd, FLAGS_ONLY, "TFD_???"), SET(timerfd_settime, FLAGS_ONLY, "TFD_???"),
    SET(timer, FLAGS_ONLY, "TIMER_???"), SET(clock, FIELD_ALL, "CLOCK_???"),
    SET(itimer, FIELD_ALL, "ITIMER_???"), SET(sigprocmask, FIELD_ALL, "SIG_???"),
    SET(sa_flags, FLAGS_ONLY, "SA_???"), SET(ss_flags, FLAGS_ONLY, "SS_???"),
    SET(sigev_notify, FIELD_ALL, "SIGEV_???"), SET(si_code, FIELD_ALL, "SI_???"),
    SET(clone, FLAGS_ONLY, "CLONE_???"), SET(unshare, FLAGS_ONLY, "CLONE_???"),
    SET(wait, FLAGS_ONLY, "W???"), SET(idtype, FIELD_ALL, "P_???"),
    SET(rlimit, FIELD_ALL, "RLIMIT_???"), SET(rusage, FIELD_ALL, "RUSAGE_???"),
    SET(prio, FIELD_ALL, "PRIO_???"), SET(sched, FIELD_ALL, "SCHED_???"),
    SET(prctl, FIELD_ALL, "PR_???"), SET(arch_prctl, FIELD_ALL, "ARCH_???"),
    SET(futex, FIELD_ALL, "FUTEX_???"), SET(membarrier, FIELD_ALL, "MEMBARRIER_CMD_???"),
    SET(seccomp, FIELD_ALL, "SECCOMP_???"), SET(getrandom, FLAGS_ONLY, "GRND_???"),
    SET(syslog, FIELD_ALL, "SYSLOG_ACTION_???"), SET(af, FIELD_ALL, "AF_???"),
    SET(sock_type, 0xf, "SOCK_???"), SET(sock_flags, FLAGS_ONLY, "SOCK_???"),
    SET(msg, FLAGS_ONLY, "MSG_???"), SET(shutdown, FIELD_ALL, "SHUT_???"),
    SET(sol, FIELD_ALL, "SOL_???"), SET(so, FIELD_ALL, "SO_???"), SET(mount, FLAGS_ONLY, "MS_???"),
    SET(umount, FLAGS_ONLY, "MNT_???"), SET(pidfd, FLAGS_ONLY, "PIDFD_???"),
    SET(file_type, FIELD_ALL, "S_IF???"),
    SET(inotify, FLAGS_ONLY, "IN_???"),
};

/* clang-format on */

const struct decode_set *decode_set(enum decode_set_id id)
{
    return &sets[id];
}

const char *decode_value(enum decode_set_id id, uint64_t value)
{
    const struct decode_set *s = &sets[id];
    for (size_t i = 0; i < s->count; i++) {
        if (s->names[i].value == value) {
            return s->names[i].name;
        }
    }
    return NULL;
}
