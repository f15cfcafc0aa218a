/*
 * One sandbox as the command line describes it: filled in by options.c, completed and checked
 * against the host by view.c and environ.c, and inherited by the other processes through fork. Everything here
 * lives until exit; nobody frees it.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "lib/log.h"
#include "lib/macros.h"
#include "platform/platform.h"

enum host_view { HOST_SYSTEM, HOST_ALL, HOST_NONE };

/* A host directory (or the one program file) that the gofer serves, and where the guest sees it. */
struct tree {
    char *host;  /* absolute, symlinks resolved */
    char *guest; /* absolute, normalised */
    char *
        only_file; /* not NULL: host is a file, and guest a directory with nothing but it, by this name */
    int order;       /* of two things on one guest name the later one is seen */
    bool overlay;    /* read-only lower of an in-memory overlay */
    bool writable;   /* --rw: changes reach the host */
    bool world_only; /* only what everybody may read */
};
struct guest_link { /* /bin -> usr/bin */
    char *guest, *target;
};
struct guest_tmpfs {
    char *guest;
    uint32_t mode;
    bool owned_by_user; /* else by root */
    int order;
};

#define CONFIG_MAX_TREES 128
struct config {
    /* as given */
    enum host_view host;
    bool host_given;
    const char *root; /* --root, or NULL */
    struct bind_option {
        const char *spec;
        bool writable;
    } binds[CONFIG_MAX_TREES / 2];
    size_t bind_count;
    const char *tmpfs_options[CONFIG_MAX_TREES / 2];
    size_t tmpfs_option_count;
    const char *workdir; /* --workdir, or NULL: the current directory */
    const char **env_options;
    size_t env_option_count;
    bool keep_env;
    bool user_given;
    const char *hostname;
    int64_t timeout_ns; /* 0: none */
    uint64_t memory;    /* bytes; 0: no limit */
    int pids;           /* guest tasks */
    enum platform_engine engine;
    bool strace;
    const char *strace_filter; /* "open,read", or NULL: all */
    const char *strace_file;   /* or NULL: stderr */
    const char *log_file;
    enum log_level log_level;
    bool backtrace;
    bool no_patch;
    char **argv; /* of the program; argv[0] names it */

    /* worked out */
    char **envp;
    uint32_t uid, gid; /* in the guest */
    gid_t *groups;
    size_t group_count;
    char *cwd;       /* the host's, symlinks resolved; NULL when it is gone */
    char *guest_cwd; /* where the program shall start */
    char *home;      /* $HOME, or NULL */
    struct tree trees[CONFIG_MAX_TREES];
    size_t tree_count;
    struct guest_link links[16];
    size_t link_count;
    struct guest_tmpfs tmpfs[CONFIG_MAX_TREES];
    size_t tmpfs_count;
    int mount_order;
    bool read_any;      /* a root caller's gofer reads what its owner alone may read */
    bool write_any;     /* --rw by root */
    bool rlimit_memory; /* no cgroup: --memory holds for each process by itself */

    /* inherited from the caller, for the program */
    bool stdio_open[3];
    sigset_t ignored_signals, blocked_signals;
    struct rlimit limits[RLIM_NLIMITS];
    mode_t umask;
    int log_fd, strace_fd; /* -1: none */
};
