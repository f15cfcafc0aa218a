/* The command `sandbox`: one binary, its work chosen by the first argument. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/hostfilter.h"
#include "runtime/environ.h"
#include "runtime/error.h"
#include "runtime/front.h"
#include "runtime/options.h"
#include "runtime/syscall_list.h"
#include "runtime/view.h"
#include "syscalls/support.h"

static void find_identity(struct config *c)
{
    if (c->user_given) {
        return; /* no supplementary groups: they are the caller's */
    }
    c->uid = geteuid();
    c->gid = getegid();
    int n = getgroups(0, NULL);
    c->groups = n > 0 ? calloc((size_t)n, sizeof(gid_t)) : NULL;
    n = c->groups ? getgroups(n, c->groups) : 0;
    c->group_count = n > 0 ? (size_t)n : 0;
}

static int command_exec(int argc, char **argv)
{
    static struct config c;
    c.hostname = "sandbox";
    c.pids = 16384;
    c.log_level = LOG_INFO;
    front_inherit(&c);
    options_parse(&c, argc, argv);
    find_identity(&c);
    environ_build(&c);
    view_build(&c);
    return front_run(&c);
}

static int command_syscalls(int argc, char **argv)
{
    bool json = false, host = false, markdown = false;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--json")) {
            json = true;
        } else if (!strcmp(argv[i], "--markdown")) {
            markdown = true; /* for `make docs` */
        } else if (!strcmp(argv[i], "--host")) {
            host = true;
        } else if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
            help_syscalls(stdout);
            return 0;
        } else {
            fail(EXIT_SANDBOX, "unknown option: %s: see `sandbox syscalls --help`", argv[i]);
        }
    }
    if (markdown) {
        syscalls_print_markdown(stdout);
    } else if (host) {
        hostfilter_print(stdout);
    } else {
        syscall_list_print(stdout, json);
    }
    return fflush(stdout) ? EXIT_SANDBOX : 0;
}

int main(int argc, char **argv)
{
    const char *slash = argc ? strrchr(argv[0], '/') : NULL;
    const char *name = !argc ? "" : slash ? slash + 1 : argv[0];
    if (!strcmp(name, "sandbox-oci")) {
        fail(EXIT_SANDBOX, "sandbox-oci: OCI containers are not supported by this version: use "
                           "`sandbox exec --root DIR`");
    }
    const char *command = argc > 1 ? argv[1] : NULL;
    if (!command) {
        help_main(stderr);
        return EXIT_SANDBOX;
    }
    if (!strcmp(command, "exec")) {
        return command_exec(argc - 1, argv + 1);
    }
    if (!strcmp(command, "syscalls")) {
        return command_syscalls(argc - 1, argv + 1);
    }
    if (!strcmp(command, "--version")) {
        print_version();
        return 0;
    }
    if (!strcmp(command, "--help") || !strcmp(command, "-h") || !strcmp(command, "help")) {
        help_main(stdout);
        return 0;
    }
    fail(EXIT_SANDBOX, "unknown command: %s: use exec or syscalls: see `sandbox --help`", command);
}
