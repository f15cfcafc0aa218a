/* docs/SYSCALLS.md from table.def: see support.h. `make docs` writes it, a unit test compares it. */
#include "syscalls/support.h"

void syscalls_count(size_t counts[LEVEL_COUNT])
{
    for (size_t i = 0; i < LEVEL_COUNT; i++) {
        counts[i] = 0;
    }
    for (size_t i = 0; i < g_syscall_count; i++) {
        counts[g_syscalls[i].support.level]++;
    }
}

static void print_row(FILE *out, const struct syscall_info *info)
{
    fprintf(out, "| %u | `%s(", info->nr, info->name);
    for (unsigned i = 0; i < info->arg_count; i++) {
        fprintf(out, "%s%s", i ? ", " : "", info->args[i].name);
    }
    const struct syscall_in_stub *s = syscall_in_stub(info->nr);
    fprintf(out, ")` | %s | %s | %s%s%s | ", syscall_class_name(info->class),
            syscall_level_name(info->support.level), s ? syscall_in_stub_name(s->how) : "",
            s && *s->note ? ": " : "", s ? s->note : "");
    if (info->support.error) {
        fprintf(out, "%s: ", error_name(info->support.error));
    }
    fprintf(out, "%s |\n", info->support.note ? info->support.note : "");
}

void syscalls_print_markdown(FILE *out)
{
    size_t counts[LEVEL_COUNT];
    syscalls_count(counts);
    fprintf(
        out,
        "# System calls\n\n"
        "Every amd64 system call of Linux 6.18, and what a program in the sandbox gets. This file "
        "is made from\n"
        "`syscalls/table.def` by `make docs`; `sandbox syscalls` prints the same, also as "
        "`--json`.\n\n"
        "| support | calls | meaning |\n|---|---|---|\n"
        "| full | %zu | as on Linux; differences that were chosen are in "
        "[DEVIATIONS.md](DEVIATIONS.md) |\n"
        "| partial | %zu | the note says what is missing; that part fails with the errno Linux "
        "gives for it |\n"
        "| stub | %zu | accepted without effect, where Linux documents that it may have none |\n"
        "| none | %zu | always fails with the errno in the note |\n\n"
        "Where: empty, the sentry serves it; *kept*, the stub repeats the sentry's last answer "
        "until "
        "that is taken back;\n*stub*, the stub has what is asked; *gate*, the guest's own thread "
        "makes the host's call, under the host filter; *lease*, the stub moves the bytes, once a "
        "process has used a file some times.\nIn every case the sentry serves it when "
        "the stub can't.\n\n"
        "| number | call | class | support | where | note |\n|---|---|---|---|---|---|\n",
        counts[LEVEL_FULL], counts[LEVEL_PARTIAL], counts[LEVEL_STUB], counts[LEVEL_UNSUPPORTED]);
    for (size_t i = 0; i < g_syscall_count; i++) {
        print_row(out, &g_syscalls[i]);
    }
}
