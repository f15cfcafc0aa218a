/*
 * Loading a program into a guest address space, in two halves around exec's point of no return:
 *
 *      loader_open      find the file, and may it be executed?
 *      loader_prepare   follow #! lines, read and check ELF headers, open the interpreter, decide credentials
 *         ...platform_exec: the old program is gone...
 *      loader_load      choose addresses, build the stack, fill the address space, fill struct mm
 *
 * Whatever a hostile file can cause is found in the first half, and becomes execve's error. Analogous
 * to Linux's struct linux_binprm, fs/exec.c and load_elf_binary. See execve(2).
 */
#pragma once

#include "loader/exec_cred.h"
#include "loader/stack.h"
#include "platform/platform.h"
#include "sentry/mm/mm.h"
#include "sentry/vfs/vfs.h"

struct exec_request {
    const char *filename;  /* what AT_EXECFN shows, and a #! interpreter gets */
    struct file *file;     /* from loader_open */
    struct arg_list *args; /* rewritten by #! lines */
    const struct arg_list *env;
    const struct walk *walk; /* from the working directory, as the caller: for interpreters */
    uint64_t rlimit_stack;
    uint32_t personality;
    bool no_new_privs;
    bool path_closes; /* filename names an fd that is close-on-exec: useless to a #! interpreter */
};

struct exec_plan; /* opaque: what loader_prepare found */

/**
 * loader_open - open a file for execution.
 * @w: as the caller; flags WALK_FOLLOW as the call has it.
 *
 * Context: may block.
 * Errors: vfs_lookup's; -EACCES no regular file, no x bit, or a noexec mount; -ELOOP a symlink that
 *         is not to be followed; -ETXTBSY open for writing.
 */
MUST_CHECK int loader_open(const struct walk *w, const char *name, struct file **out);
/* The same for what is open already: execveat(fd, "", AT_EMPTY_PATH). */
MUST_CHECK int loader_open_path(const struct path *p, const struct cred *cred, struct file **out);

/**
 * loader_prepare - everything that can go wrong because of the file.
 * @r: and what it points to must outlive the plan.
 *
 * Context: may block.
 * Errors: -ENOEXEC no program or cut short; -ELIBBAD bad interpreter; -ELOOP too many scripts; -E2BIG;
 *         -EINVAL, -EPERM, -ENOMEM bad segments or addresses; -EIO; loader_open's for an interpreter.
 */
MUST_CHECK int loader_prepare(const struct exec_request *r, struct exec_plan **out);
void exec_plan_free(struct exec_plan *plan);
static inline void exec_plan_auto_free_(struct exec_plan **p)
{
    exec_plan_free(*p);
}
#define AUTO_EXEC_PLAN __attribute__((cleanup(exec_plan_auto_free_))) struct exec_plan

/* The credentials that the program will have; its cred is still the plan's until taken with take(). */
struct exec_cred *exec_plan_cred(struct exec_plan *plan);
/* The program's own file (of a script: its interpreter): /proc/self/exe. Borrowed. */
struct file *exec_plan_file(struct exec_plan *plan);

/**
 * loader_load - put the program into th's fresh address space.
 * @cred: the program's credentials, for the auxiliary vector.
 * @mm:   new; its layout, auxv and names are filled in.
 *
 * Context: may block. Errors: platform_load's; -ENOMEM. The process can't go on then.
 */
MUST_CHECK int loader_load(struct exec_plan *plan, struct platform_thread *th,
                           const struct platform_boot *boot, const struct cred *cred,
                           struct mm *mm);
