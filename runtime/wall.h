/*
 * The wall: namespaces, empty roots and dropped privileges of the gofer and the sentry.
 *
 *   front (host)  --clone NEWUSER|NEWNET|NEWIPC|NEWUTS|NEWCGROUP-->  setup process
 *                                                                   |-- gofer   NEWPID|NEWNS
 *                                                                   `-- sentry  NEWPID|NEWNS
 * The setup process makes both with CLONE_PARENT, so that the front is their parent, and is gone
 * before they do anything. Each is PID 1 of its own PID namespace: what it leaves behind dies with it.
 * Both die when the front does (PR_SET_PDEATHSIG).
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "runtime/config.h"

/* Shared memory between the front and the setup process. */
struct wall_pids {
    pid_t gofer, sentry; /* 0: not made yet */
};
struct wall {
    const struct config *config;
    int control_front, control_inside; /* SEQPACKET pair: runtime/control.h */
    int gofer_server, gofer_client;    /* SEQPACKET pair: gofer/proto.h; -1 without trees */
    pid_t setup;
    struct wall_pids *pids;
};

/**
 * wall_start - make the setup process, and through it the gofer and the sentry.
 * @cgroup_procs_fd: the cgroup.procs file that they shall enter, or -1.
 *
 * Returns in the front process, as soon as the setup process may go on. The others run gofer_main
 * and sentry_main and never return. Ends with one line when the host refuses.
 */
void wall_start(struct wall *w, int cgroup_procs_fd);

/* --- for gofer_main and sentry_main, in this order --- */

/* Dies with the front from now on; new session; closes all fds but keep[] (-1 entries are ignored). */
void wall_enter(const struct wall *w, const int *keep, size_t count);
/* A directory fd of a procfs of this PID namespace, mounted nowhere; -1 when the host refuses. */
int wall_proc_fd(void);
/* A private copy of the host tree at path with what is mounted in it, mounted nowhere: read-only
 * unless writable, no devices, no set-user-ID. An O_PATH fd. */
int wall_clone_tree(const char *path, bool writable);
/* The root becomes an empty file system. prepare (or NULL) is called while it is the current
 * directory and the host's tree can still be reached by absolute names; then it becomes read-only. */
void wall_empty_root(void (*prepare)(void *arg), void *arg);
/* No capabilities but keep_caps, no way to get new ones, no core dumps. unprivileged_uid: a root
 * caller's process becomes nobody, too. */
void wall_drop_privileges(const struct wall *w, uint64_t keep_caps, bool unprivileged_uid);
