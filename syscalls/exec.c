/*
 * execve, execveat, and the first program. Analogous to do_execveat_common and begin_new_exec of
 * Linux's fs/exec.c. The order is what matters here:
 *
 *      1. everything that may fail because of names, files, arguments or memory  -> an errno
 *      2. the other threads of the process die
 *      3. platform_exec: the old address space is gone
 *      4. load; from 3 on an error ends the process with SIGSEGV, as in Linux
 *      5. credentials, descriptors, signals, names
 *
 * See execve(2), execveat(2).
 */
#include "syscalls/exec.h"

#include <errno.h>
#include <stdio.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/syscall.h>

#include "loader/loader.h"
#include "sentry/task/facts.h"
#include "sentry/task/lease.h"
#include "sentry/task/names.h"
#include "sentry/task/ptrace.h"
#include "sentry/task/robust.h"
#include "sentry/task/usage.h"
#include "syscalls/exec_args.h"
#include "syscalls/helpers.h"
#include "syscalls/syscalls.h"

#ifndef AT_EXECVE_CHECK
#define AT_EXECVE_CHECK 0x10000
#endif
/* What a set-id program does not take over from its caller: PER_CLEAR_ON_SETID. */
#define PERSONALITY_UNSAFE                                                                         \
    ((uint32_t)(READ_IMPLIES_EXEC | ADDR_NO_RANDOMIZE | ADDR_COMPAT_LAYOUT | MMAP_PAGE_ZERO))

/* One exec under way. Freed by exec_state_free whatever happens. */
struct exec_state {
    struct exec_request request;
    struct exec_plan *plan;    /* owned */
    struct file *file;         /* ref */
    struct arg_list args, env; /* owned */
    struct path cwd;           /* refs: where walk starts */
    struct walk walk;
    char *execfn; /* owned */
    char comm[16];
};

static void exec_state_free(struct exec_state *s)
{
    exec_plan_free(s->plan);
    if (s->file) {
        file_put(s->file);
    }
    arg_list_free(&s->args);
    arg_list_free(&s->env);
    path_put(&s->cwd);
    free(s->execfn);
}
#define AUTO_EXEC_STATE __attribute__((cleanup(exec_state_free))) struct exec_state

static void set_comm(struct exec_state *s, const char *path)
{
    const char *slash = strrchr(path, '/');
    snprintf(s->comm, sizeof(s->comm), "%s", slash ? slash + 1 : path);
}

/* Fills the request from the state, and makes the plan. */
static int exec_prepare(struct task *t, struct exec_state *s)
{
    int err = task_walk(t, AT_FDCWD, WALK_FOLLOW, &s->walk, &s->cwd);
    if (err < 0) {
        return err;
    }
    s->request.filename = s->execfn;
    s->request.file = s->file;
    s->request.args = &s->args;
    s->request.env = &s->env;
    s->request.walk = &s->walk;
    s->request.rlimit_stack = task_rlimit(t, RLIMIT_STACK);
    s->request.personality = t->tg->personality;
    const struct ptrace_state *traced = task_traced(t);
    s->request.no_new_privs = t->tg->no_new_privs || (traced && !traced->may_set_id);
    return loader_prepare(&s->request, &s->plan);
}

/* exec gives up shared descriptors before it closes some. */
static int unshare_files(struct task *t)
{
    if (!fd_table_shared(t->files)) {
        return 0;
    }
    struct fd_table *own;
    int err = fd_table_copy(t->files, &own);
    if (err == 0) {
        fd_table_put(t->files);
        t->files = own;
    }
    return err;
}

/* The program is in memory: everything else of the process follows. */
static void exec_finish(struct task *t, struct exec_state *s)
{
    struct exec_cred *c = exec_plan_cred(s->plan);
    struct thread_group *tg = t->tg;
    bool secure = c->secure;
    tg->personality &= ~(uint32_t)READ_IMPLIES_EXEC;
    if (secure) {
        tg->personality &= ~PERSONALITY_UNSAFE;
        tg->pdeath_signal = 0;
        struct rlimit *stack = &tg->limits[RLIMIT_STACK];
        stack->rlim_cur = MIN(stack->rlim_cur, (rlim_t)8 << 20);
    }
    tg->dumpable = c->dumpable; /* task_set_cred may still lower it */
    task_set_cred(t, take(&c->cred));
    thread_group_set_exe(tg, &exec_plan_file(s->plan)->path);
    task_exec_reset(t, s->comm);
}

static void take_mm(struct task *t, struct mm *mm_consumed)
{
    mm_consumed->space = platform_space(t->pt);
    mm_put(t->mm);
    t->mm = mm_consumed;
    t->tg->vm_borrowed = false;
}

/* Nothing but rights that all have is needed to look at /proc/self. */
static bool may_look_at_itself(struct task *t)
{
    struct walk w;
    AUTO_PATH cwd = {0}, proc = {0};
    if (task_walk(t, AT_FDCWD, WALK_FOLLOW | WALK_DIRECTORY, &w, &cwd) < 0 ||
        vfs_lookup(&w, "/proc", &proc) < 0) {
        return false;
    }
    const struct inode *inode = proc.dentry->inode, *root = t->fs->root.dentry->inode;
    return proc.dentry == proc.mnt->root && inode->sb->magic == PROC_SUPER_MAGIC &&
           (inode->mode & root->mode & 0111) == 0111;
}

/* Static programs, and runtimes, look for themselves. */
static void know_program(struct task *t, const struct path *exe)
{
    AUTO_STRBUF name = {0};
    if (may_look_at_itself(t) && path_name(exe, &t->fs->root, &name) == 0) {
        exe->dentry->is_program = true;
        facts_know(t, FACT_EXE, name.text, name.size);
    }
}

/* Rights are not gained or lost: what processes of the program ask for first is known from others of the same user. */
static void know_names(struct task *t, struct exec_state *s)
{
    const struct exec_cred *c = exec_plan_cred(s->plan);
    if (!c->secure && c->dumpable && cred_same(t->cred, c->cred)) {
        names_program_begins(t, exec_plan_file(s->plan)->path.dentry->inode);
        platform_keep_answer(t->pt, SYS_getuid, t->cred->uid);
        platform_keep_answer(t->pt, SYS_geteuid, t->cred->euid);
        platform_keep_answer(t->pt, SYS_getgid, t->cred->gid);
        platform_keep_answer(t->pt, SYS_getegid, t->cred->egid);
        task_update_asks(t); /* its fds are its own now */
    }
}

/*
 * What every C library asks as it starts. The program may run as soon as it is loaded, while this task still has the rest of
 * exec to do: what it asks then waits for all of that.
 */
static void know_ahead(struct task *t, const struct path *exe)
{
    platform_keep_answer(t->pt, SYS_gettid, task_tid(t)); /* for set_tid_address */
    facts_know(t, FACT_RLIMITS, t->tg->limits, sizeof(t->tg->limits));
    know_program(t, exe);
}

/* Loads into the fresh address space that boot describes. */
static int exec_load(struct task *t, struct exec_state *s, const struct platform_boot *boot,
                     struct mm *mm_consumed)
{
    take_mm(t, mm_consumed);
    fd_table_close_on_exec(t->files); /* first: it may open files by itself */
    know_ahead(t, &exec_plan_file(s->plan)->path);
    know_names(t, s);
    if (task_traced(t)) {
        platform_hold(t->pt); /* its tracer sees it before it begins */
    }
    return loader_load(s->plan, t->pt, boot, exec_plan_cred(s->plan)->cred, t->mm);
}

static int exec_commit(struct task *t, struct exec_state *s)
{
    int err = thread_group_become_single(t);
    if (err < 0) {
        return err;
    }
    err = unshare_files(t);
    AUTO_PUT(mm) mm = NULL;
    if (err == 0) {
        err = mm_new(&mm);
    }
    if (err < 0) {
        return err;
    }
    robust_list_exit(t, true); /* what it holds, nobody would ever unlock */
    if (!t->tg->vm_borrowed) {
        names_program_ends(t->mm);
        lease_end_all(t->mm);
        facts_end(t->mm);
    }
    if (!cred_same(t->cred, exec_plan_cred(s->plan)->cred)) {
        platform_forget_files(t->pt);
    }
    struct platform_boot boot;
    int host_pid = platform_host_pid(t->pt);
    int64_t cpu_ns = usage_exec_begin(t);
    err = platform_exec(t->pt, &boot);
    t->robust_done = false;
    if (platform_host_pid(t->pt) != host_pid) {
        usage_exec_moved(t, cpu_ns);
    }
    if (err == 0) {
        platform_set_cpu_before(platform_space(t->pt), t->tg->cpu_before_ns);
    }
    if (err == 0) {
        err = exec_load(t, s, &boot, take(&mm));
    } else {
        take_mm(t, take(&mm)); /* the old space may be gone */
    }
    if (err < 0) {
        signal_kill_group(t->tg, SIGSEGV);
        return err;
    }
    exec_finish(t, s);
    t->context_replaced = true;
    t->exec_started = true;
    return 0;
}

/*
 * From now until its credentials are the program's, nobody who may look into the old program may look into t, or begin to
 * trace it: the memory is the new program's first. Linux has cred_guard_mutex and exec_update_lock for this.
 */
static bool is_gain(const struct task *t, struct exec_state *s)
{
    const struct exec_cred *c = exec_plan_cred(s->plan);
    return c->secure || !c->dumpable || !cred_same(t->cred, c->cred);
}

/* Somebody began to trace it while it was decided whom the program runs as. See EPERM in execve(2). */
static bool is_traced_since(const struct task *t, struct exec_state *s)
{
    const struct exec_cred *c = exec_plan_cred(s->plan);
    const struct ptrace_state *traced = task_traced(t);
    return traced && !traced->may_set_id && !s->request.no_new_privs &&
           (c->secure || !cred_same(t->cred, c->cred));
}

/* The file, and the name that the program will know it by. */
static int exec_open(struct task *t, int dirfd, uaddr_t pathname, int flags, struct exec_state *s)
{
    AUTO_FREE char *name = NULL;
    int err = name_in(t, pathname, flags & AT_EMPTY_PATH, &name);
    if (err < 0) {
        return err;
    }
    struct walk w;
    AUTO_PATH start = {0};
    unsigned walk_flags = walk_flags_nofollow(flags);
    if (flags & AT_EMPTY_PATH) {
        walk_flags |= WALK_EMPTY_PATH;
    }
    err = walk_init(t, dirfd, name, walk_flags, &w, &start);
    if (err == 0) {
        err = loader_open(&w, name, &s->file);
    }
    if (err < 0) {
        return err;
    }
    if (dirfd == AT_FDCWD || name[0] == '/') {
        s->execfn = take(&name);
        set_comm(s, s->execfn);
        return 0;
    }
    s->request.path_closes = fd_table_cloexec(t->files, dirfd) == 1;
    if (asprintf(&s->execfn, "/dev/fd/%d%s%s", dirfd, name[0] ? "/" : "", name) < 0) {
        s->execfn = NULL;
        return -ENOMEM;
    }
    set_comm(s, name[0] ? name : s->file->path.dentry->name);
    return 0;
}

static long do_execveat(struct task *t, int dirfd, uaddr_t pathname, struct exec_vector argv,
                        struct exec_vector envp, int flags)
{
    if (flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | AT_EXECVE_CHECK)) {
        return -EINVAL;
    }
    AUTO_EXEC_STATE s = {0};
    int err = exec_open(t, dirfd, pathname, flags, &s);
    if (err == 0) {
        err = exec_args_in(t->mm, t->pt, argv, envp, task_rlimit(t, RLIMIT_STACK), s.execfn,
                           &s.args, &s.env);
    }
    if (err < 0 || (flags & AT_EXECVE_CHECK)) {
        return err;
    }
    err = exec_prepare(t, &s);
    if (err < 0) {
        return err;
    }
    bool closed = is_gain(t, &s);
    if (closed && is_traced_since(t, &s)) {
        return -EPERM;
    }
    t->tg->exec_closed += closed;
    err = exec_commit(t, &s);
    t->tg->exec_closed -= closed;
    return err;
}

long sys_execve(struct task *t, uaddr_t pathname, uaddr_t argv, uaddr_t envp)
{
    return do_execveat(t, AT_FDCWD, pathname, (struct exec_vector){argv, 1},
                       (struct exec_vector){envp, 2}, 0);
}

long sys_execveat(struct task *t, int dirfd, uaddr_t pathname, uaddr_t argv, uaddr_t envp,
                  int flags)
{
    return do_execveat(t, dirfd, pathname, (struct exec_vector){argv, 2},
                       (struct exec_vector){envp, 3}, flags);
}

static int strings_of(char *const strings[], struct arg_list *l)
{
    int err = 0;
    for (size_t i = 0; strings[i] && err == 0; i++) {
        err = arg_list_add(l, strings[i]);
    }
    return err;
}

int exec_first(struct task *t, const struct platform_boot *boot, const char *path,
               char *const argv[], char *const envp[])
{
    AUTO_EXEC_STATE s = {0};
    s.execfn = strdup(path);
    if (!s.execfn) {
        return -ENOMEM;
    }
    set_comm(&s, path);
    int err = strings_of(argv, &s.args);
    if (err == 0) {
        err = strings_of(envp, &s.env);
    }
    if (err == 0 && s.args.count == 0) {
        err = arg_list_add(&s.args, "");
    }
    if (err == 0) {
        err = arg_check(task_rlimit(t, RLIMIT_STACK), &s.args, &s.env, path);
    }
    struct walk w;
    AUTO_PATH cwd = {0};
    if (err == 0) {
        err = task_walk(t, AT_FDCWD, WALK_FOLLOW, &w, &cwd);
    }
    if (err == 0) {
        err = loader_open(&w, path, &s.file);
    }
    if (err == 0) {
        err = exec_prepare(t, &s);
    }
    AUTO_PUT(mm) mm = NULL;
    if (err == 0) {
        err = mm_new(&mm);
    }
    if (err == 0) {
        err = exec_load(t, &s, boot, take(&mm));
    }
    if (err == 0) {
        exec_finish(t, &s);
    }
    return err;
}
