#include "runtime/syscall_list.h"

#include "syscalls/info.h"

static void print_json_string(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') {
            fputc('\\', out);
        }
        fputc(*text, out);
    }
    fputc('"', out);
}

static void print_json(FILE *out, const struct syscall_info *s, bool last)
{
    fprintf(
        out,
        "  {\"number\": %u, \"name\": \"%s\", \"support\": \"%s\", \"class\": \"%s\", \"args\": [",
        s->nr, s->name, syscall_level_name(s->support.level), syscall_class_name(s->class));
    for (unsigned i = 0; i < s->arg_count; i++) {
        fprintf(out, "%s\"%s\"", i ? ", " : "", s->args[i].name);
    }
    fputs("], \"note\": ", out);
    if (s->support.note) {
        print_json_string(out, s->support.note);
    } else {
        fputs("null", out);
    }
    fputs(last ? "}\n" : "},\n", out);
}

void syscall_list_print(FILE *out, bool json)
{
    size_t counts[LEVEL_COUNT] = {0};
    fputs(json ? "[\n" : "", out);
    for (size_t i = 0; i < g_syscall_count; i++) {
        const struct syscall_info *s = &g_syscalls[i];
        counts[s->support.level]++;
        if (json) {
            print_json(out, s, i + 1 == g_syscall_count);
        } else {
            fprintf(out, "%3u  %-24s %-12s %s\n", s->nr, s->name,
                    syscall_level_name(s->support.level), s->support.note ? s->support.note : "");
        }
    }
    if (json) {
        fputs("]\n", out);
        return;
    }
    fprintf(out, "\n%zu system calls:", g_syscall_count);
    for (int level = 0; level < LEVEL_COUNT; level++) {
        fprintf(out, "%s %zu %s", level ? "," : "", counts[level],
                syscall_level_name((enum syscall_level)level));
    }
    fputc('\n', out);
}
