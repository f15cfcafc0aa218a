/*
 * Parses `sandbox exec` by one table, from which the help is printed, too. Only syntax is checked
 * here; whether a directory exists is view.c's business. No abbreviations: an option that works
 * today must not become ambiguous tomorrow.
 */
#include "runtime/options.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/error.h"
#include "syscalls/debug_bug.h"

#define SANDBOX_VERSION "0.1"

enum argument { NONE, REQUIRED, OPTIONAL };
struct option_row {
    const char *name;
    enum argument argument;
    const char *metavar;
    void (*set)(struct config *c, const char *option, const char *value);
    const char *help; /* lines separated by \n */
};

NORETURN static void bad_value(const char *option, const char *value, const char *what_to_do)
{
    fail(EXIT_SANDBOX, "--%s: bad value '%s': %s", option, value, what_to_do);
}

static void set_host(struct config *c, const char *option, const char *value)
{
    c->host_given = true;
    if (!strcmp(value, "system")) {
        c->host = HOST_SYSTEM;
    } else if (!strcmp(value, "all")) {
        c->host = HOST_ALL;
    } else if (!strcmp(value, "none")) {
        c->host = HOST_NONE;
    } else {
        bad_value(option, value, "use system, all or none");
    }
}

static void set_root(struct config *c, const char *option, const char *value)
{
    (void)option;
    c->root = value;
}

static void add_bind(struct config *c, const char *option, const char *value)
{
    if (c->bind_count == ARRAY_COUNT(c->binds)) {
        fail(EXIT_SANDBOX, "--%s %s: too many directories: give at most %zu", option, value,
             ARRAY_COUNT(c->binds));
    }
    c->binds[c->bind_count++] = (struct bind_option){value, !strcmp(option, "rw")};
}

static void add_tmpfs(struct config *c, const char *option, const char *value)
{
    if (value[0] != '/') {
        bad_value(option, value, "give an absolute path inside the sandbox");
    }
    if (c->tmpfs_option_count == ARRAY_COUNT(c->tmpfs_options)) {
        fail(EXIT_SANDBOX, "--%s %s: too many: give at most %zu", option, value,
             ARRAY_COUNT(c->tmpfs_options));
    }
    c->tmpfs_options[c->tmpfs_option_count++] = value;
}

static void set_workdir(struct config *c, const char *option, const char *value)
{
    if (value[0] != '/') {
        bad_value(option, value, "give an absolute path inside the sandbox");
    }
    c->workdir = value;
}

static void add_env(struct config *c, const char *option, const char *value)
{
    if (!value[0] || value[0] == '=') {
        bad_value(option, value, "write NAME=VALUE, or NAME to pass yours on");
    }
    c->env_options = reallocarray(c->env_options, c->env_option_count + 1, sizeof(*c->env_options));
    if (!c->env_options) {
        fail(EXIT_SANDBOX, "--env: out of memory");
    }
    c->env_options[c->env_option_count++] = value;
}

static void set_keep_env(struct config *c, const char *option, const char *value)
{
    (void)option, (void)value;
    c->keep_env = true;
}

/* A decimal number up to max; *end is left at what follows. */
static bool parse_number(const char *text, uint64_t max, uint64_t *out, const char **end)
{
    char *e;
    if (text[0] < '0' || text[0] > '9') {
        return false;
    }
    errno = 0;
    unsigned long long v = strtoull(text, &e, 10);
    *out = v;
    *end = e;
    return !errno && v <= max;
}

static void set_user(struct config *c, const char *option, const char *value)
{
    uint64_t uid, gid;
    const char *end;
    /* (uint32_t)-1 means "no change" in many system calls, so nobody may be it. */
    bool ok = parse_number(value, UINT32_MAX - 1, &uid, &end);
    gid = uid;
    if (ok && *end == ':') {
        ok = parse_number(end + 1, UINT32_MAX - 1, &gid, &end);
    }
    if (!ok || *end) {
        bad_value(option, value, "write UID or UID:GID, as numbers");
    }
    c->uid = (uint32_t)uid;
    c->gid = (uint32_t)gid;
    c->user_given = true;
}

static void set_hostname(struct config *c, const char *option, const char *value)
{
    if (!value[0] || strlen(value) > 64) {
        bad_value(option, value, "give 1 to 64 characters");
    }
    c->hostname = value;
}

static void set_timeout(struct config *c, const char *option, const char *value)
{
    char *end;
    errno = 0;
    double seconds = strtod(value, &end);
    double unit = !*end || !strcmp(end, "s") ? 1
                  : !strcmp(end, "m")        ? 60
                  : !strcmp(end, "h")        ? 3600
                                             : 0;
    seconds *= unit;
    if (end == value || errno || !isfinite(seconds) || seconds <= 0 || seconds > 1e9) {
        bad_value(option, value, "give a time such as 10, 0.5, 90s, 5m or 2h");
    }
    c->timeout_ns = MAX((int64_t)(seconds * NSEC_PER_SEC), 1);
}

static void set_memory(struct config *c, const char *option, const char *value)
{
    static const char units[] = "KMGT";
    uint64_t n;
    const char *end;
    bool ok = parse_number(value, UINT64_MAX >> 40, &n, &end);
    const char *unit = ok && *end ? strchr(units, *end & ~0x20) : NULL;
    if (!ok || (*end && (!unit || end[1]))) {
        bad_value(option, value, "give a size such as 512M or 2G");
    }
    c->memory = unit ? n << (10 * (unit - units + 1)) : n;
    if (c->memory < 16ULL << 20) {
        bad_value(option, value, "the sandbox needs at least 16M");
    }
}

static void set_pids(struct config *c, const char *option, const char *value)
{
    uint64_t n;
    const char *end;
    if (!parse_number(value, 4 << 20, &n, &end) || *end || n < 1) {
        bad_value(option, value, "give a number of tasks from 1 to 4194304");
    }
    c->pids = (int)n;
}

static void set_platform(struct config *c, const char *option, const char *value)
{
    if (!strcmp(value, "seccomp")) {
        c->engine = PLATFORM_SECCOMP;
    } else if (!strcmp(value, "ptrace")) {
        c->engine = PLATFORM_PTRACE;
    } else {
        bad_value(option, value, "use seccomp or ptrace");
    }
}

static void set_strace(struct config *c, const char *option, const char *value)
{
    (void)option;
    c->strace = true;
    c->strace_filter = value;
}

static void set_strace_file(struct config *c, const char *option, const char *value)
{
    (void)option;
    c->strace = true;
    c->strace_file = value;
}

static void set_log(struct config *c, const char *option, const char *value)
{
    (void)option;
    c->log_file = value;
}

static void set_log_level(struct config *c, const char *option, const char *value)
{
    static const char *const levels[] = {"error", "warn", "info", "debug"};
    for (size_t i = 0; i < ARRAY_COUNT(levels); i++) {
        if (!strcmp(value, levels[i])) {
            c->log_level = (enum log_level)i;
            return;
        }
    }
    bad_value(option, value, "use error, warn, info or debug");
}

static void set_no_patch(struct config *c, const char *option, const char *value)
{
    (void)option, (void)value;
    c->no_patch = true;
}

static void set_backtrace(struct config *c, const char *option, const char *value)
{
    (void)option, (void)value;
    c->backtrace = true;
}

#ifdef DEBUG
static void set_debug_bug(struct config *c, const char *option, const char *value)
{
    if (debug_bug_set(value) < 0) {
        bad_value(option, value, "write bug:CALLS, segv:CALLS, abort:CALLS or stack:CALLS");
    }
    (void)c;
}
#endif

static void set_version(struct config *c, const char *option, const char *value)
{
    (void)c, (void)option, (void)value;
    print_version();
    exit(0);
}

static void set_help(struct config *c, const char *option, const char *value)
{
    (void)c, (void)option, (void)value;
    help_exec(stdout);
    exit(0);
}

static const struct option_row rows[] = {
    {"host", REQUIRED, "system|all|none", set_host,
     "what of the host's files the program sees:\n"
     "system  /usr /bin /sbin /lib* /etc /opt, of them what everybody may\n"
     "        read; the current directory; the program; fresh /tmp, /run,\n"
     "        /var/tmp and home (default)\n"
     "all     every file that you can read\n"
     "none    nothing\n"
     "Host files are never changed: writes go to memory and vanish at exit"},
    {"root", REQUIRED, "DIR", set_root,
     "DIR is the program's /, nothing else of the host is seen;\n"
     "DIR itself is not changed"},
    {"ro", REQUIRED, "HOST[:GUEST]", add_bind,
     "show the directory HOST, read-only (repeatable); GUEST is its\nname inside, by default the "
     "same"},
    {"rw", REQUIRED, "HOST[:GUEST]", add_bind,
     "show the directory HOST; changes are made on the host (repeatable)"},
    {"tmpfs", REQUIRED, "GUEST", add_tmpfs, "an empty in-memory directory at GUEST (repeatable)"},
    {"workdir", REQUIRED, "GUEST", set_workdir,
     "start in this directory (default: the current one)"},
    {"env", REQUIRED, "NAME[=VALUE]", add_env,
     "set a variable, or pass yours on (repeatable). By default only\n"
     "PATH TERM LANG LC_* TZ USER SHELL HOME are passed on"},
    {"keep-env", NONE, NULL, set_keep_env, "pass the whole environment on"},
    {"user", REQUIRED, "UID[:GID]", set_user,
     "be this user inside (default: yourself); on the host it stays you"},
    {"hostname", REQUIRED, "NAME", set_hostname, "host name inside (default: sandbox)"},
    {"timeout", REQUIRED, "TIME", set_timeout,
     "end the program after TIME (10, 0.5, 90s, 5m, 2h) with SIGTERM, two\n"
     "seconds later with SIGKILL; the exit status is then 124"},
    {"memory", REQUIRED, "SIZE", set_memory,
     "limit of all memory (512M, 2G), by a cgroup where one can be made;\n"
     "elsewhere of each process's data, with a warning"},
    {"pids", REQUIRED, "N", set_pids, "at most N processes and threads (default: 16384)"},
    {"platform", REQUIRED, "seccomp|ptrace", set_platform,
     "how system calls are caught (default: seccomp; ptrace is slower)"},
    {"strace", OPTIONAL, "=CALL,...", set_strace,
     "print system calls to stderr: all, or only those named"},
    {"strace-file", REQUIRED, "FILE", set_strace_file, "print system calls to FILE"},
    {"log", REQUIRED, "FILE", set_log, "append the sandbox's own log to FILE"},
    {"log-level", REQUIRED, "LEVEL", set_log_level, "error, warn, info or debug (default: info)"},
    {"no-patch", NONE, NULL, set_no_patch,
     "leave the program's code alone: every system call traps (slower)"},
    {"backtrace", NONE, NULL, set_backtrace,
     "explain a fatal signal: registers, instruction and stack"},
#ifdef DEBUG
    {"debug-bug", REQUIRED, "KIND:CALLS", set_debug_bug, "have a bug after CALLS system calls"},
#endif
    {"version", NONE, NULL, set_version, "print the version"},
    {"help", NONE, NULL, set_help, "print this help"},
};

static void print_rows(FILE *out)
{
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        const struct option_row *r = &rows[i];
        char head[64];
        snprintf(head, sizeof(head), "--%s%s%s%s", r->name,
                 r->argument == OPTIONAL ? "["
                 : r->argument           ? "="
                                         : "",
                 r->argument ? r->metavar : "", r->argument == OPTIONAL ? "]" : "");
        fprintf(out, "  %-23s", head);
        size_t width = strlen(head);
        for (const char *line = r->help; line;) {
            const char *end = strchr(line, '\n');
            int size = end ? (int)(end - line) : (int)strlen(line);
            if (width > 22) {
                fprintf(out, "\n%25s", "");
            }
            fprintf(out, "%.*s", size, line);
            line = end ? end + 1 : NULL;
            width = line ? 99 : 0; /* what follows begins a line of its own */
        }
        fputc('\n', out);
    }
}

static const struct option_row *find_row(const char *name, size_t size)
{
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        if (strlen(rows[i].name) == size && !memcmp(rows[i].name, name, size)) {
            return &rows[i];
        }
    }
    return NULL;
}

static void parse_one(struct config *c, int argc, char **argv, int *index)
{
    const char *arg = argv[*index];
    const char *name = arg + 2;
    size_t size = strcspn(name, "=");
    const struct option_row *r = NULL;
    if (!strncmp(arg, "--", 2)) {
        r = find_row(name, size);
    } else if (!strcmp(arg, "-h")) {
        r = find_row("help", 4);
        size = 0;
        name = "";
    }
    if (!r) {
        fail(EXIT_SANDBOX, "unknown option: %s: see `sandbox exec --help`", arg);
    }
    const char *value = name[size] == '=' ? name + size + 1 : NULL;
    if (r->argument == NONE && value) {
        fail(EXIT_SANDBOX, "--%s: takes no value: leave out '=%s'", r->name, value);
    }
    if (r->argument == REQUIRED && !value) {
        if (*index + 1 >= argc) {
            fail(EXIT_SANDBOX, "--%s: value missing: write --%s %s", r->name, r->name, r->metavar);
        }
        value = argv[++*index];
    }
    if (value && !value[0]) {
        fail(EXIT_SANDBOX, "--%s: empty value: write --%s%s%s", r->name, r->name,
             r->argument == OPTIONAL ? "" : " ", r->metavar);
    }
    r->set(c, r->name, value);
}

void options_parse(struct config *c, int argc, char **argv)
{
    int i = 1;
    for (; i < argc && argv[i][0] == '-' && argv[i][1]; i++) {
        if (!strcmp(argv[i], "--")) {
            i++;
            break;
        }
        parse_one(c, argc, argv, &i);
    }
    if (i >= argc) {
        fail(EXIT_SANDBOX, "no program given: write `sandbox exec [OPTION...] [--] PROGRAM "
                           "[ARG...]`: see `sandbox exec --help`");
    }
    if (c->root && c->host_given && c->host != HOST_NONE) {
        fail(EXIT_SANDBOX, "--root %s: can't be used with --host=%s: leave out one of them",
             c->root, c->host == HOST_ALL ? "all" : "system");
    }
    if (c->root) {
        c->host = HOST_NONE;
    }
    c->argv = argv + i;
}

void help_exec(FILE *out)
{
    fputs(
        "Usage: sandbox exec [OPTION...] [--] PROGRAM [ARG...]\n"
        "\n"
        "Runs a Linux program in a kernel of its own that lives in user space. By default it sees\n"
        "the host's system folders and the current directory, changes nothing there, and has no\n"
        "network. Works for every user; nothing is left behind when it ends.\n"
        "\n"
        "Options:\n",
        out);
    print_rows(out);
    fputs(
        "\n"
        "Exit status: the program's; 128+N when signal N ended it; 124 --timeout ran out; 125 the\n"
        "sandbox failed; 126 the program can't be executed; 127 there is no such program.\n"
        "\n"
        "Examples:\n"
        "  sandbox exec -- python3 untrusted.py          run a script that can spoil nothing\n"
        "  sandbox exec --host=all -- make -j2           build with everything that you can read\n"
        "  sandbox exec --rw . -- sh -c 'date > now'     the same directory, changes are kept\n"
        "  sandbox exec --root /srv/debian -- /bin/bash  a directory tree as the whole system\n"
        "  sandbox exec --timeout=10s --memory=512M --pids=100 -- ./a.out\n"
        "  sandbox exec --strace=openat,execve -- ls     watch what it does\n",
        out);
}

void help_syscalls(FILE *out)
{
    fputs(
        "Usage: sandbox syscalls [--json | --host]\n"
        "\n"
        "Prints every amd64 Linux system call: its number, name, and how far programs inside can\n"
        "use it (FULL, PARTIAL, STUB, ENOSYS), with a note on what is missing.\n"
        "\n"
        "  --json   the same for programs to read\n"
        "  --host   instead: the host system calls that the sandbox's own processes may make\n"
        "\n"
        "Examples:\n"
        "  sandbox syscalls | grep -w PARTIAL\n"
        "  sandbox syscalls --json | jq '.[] | select(.name == \"openat\")'\n",
        out);
}

void help_main(FILE *out)
{
    fputs("Usage: sandbox COMMAND [ARG...]\n"
          "\n"
          "A Linux kernel in user space, to run programs that nobody trusts.\n"
          "\n"
          "Commands:\n"
          "  exec [OPTION...] [--] PROGRAM [ARG...]   run a program\n"
          "  syscalls [--json]                        list the system calls that programs can use\n"
          "\n"
          "  --version                                print the version\n"
          "  --help                                   print this help; `sandbox COMMAND --help` "
          "says more\n"
          "\n"
          "Examples:\n"
          "  sandbox exec -- /bin/ls -l\n"
          "  sandbox exec --host=all -- bash\n",
          out);
}

void print_version(void)
{
    puts("sandbox " SANDBOX_VERSION);
}
