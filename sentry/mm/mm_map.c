#include "sentry/mm/mm_map.h"

#include <errno.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "platform/platform.h"

int mm_host_proc(struct mm *mm, const char *name, struct strbuf *out)
{
    return mm->space ? platform_proc_read(mm->space, name, out) : -ESRCH;
}

/* A number and what must stand behind it, a space or the line's end if that is a space; *at moves on. */
static bool take_number(const char **at, unsigned base, char end, uint64_t *out)
{
    const char *start = *at;
    uint64_t value = 0;
    for (;; ++*at) {
        unsigned c = (unsigned char)**at;
        unsigned digit = c - '0' < 10 ? c - '0' : (c | 32) - 'a' < 6 ? (c | 32) - 'a' + 10 : base;
        if (digit >= base) {
            break;
        }
        value = value * base + digit;
    }
    *out = value;
    bool ends = **at == end || (end == ' ' && !**at);
    bool ok = *at > start && ends;
    *at += ok && **at;
    return ok;
}

/* Takes one line of the host's map apart; by hand, since programs start that way. name points into line. */
static bool parse_line(const char *line, struct mm_mapping *m)
{
    uint64_t major_nr, minor_nr;
    if (!take_number(&line, 16, '-', &m->start) || !take_number(&line, 16, ' ', &m->end) ||
        strnlen(line, 5) < 5 || line[4] != ' ') {
        return false;
    }
    memcpy(m->prot, line, 4);
    m->prot[4] = '\0';
    line += 5;
    if (!take_number(&line, 16, ' ', &m->offset) || !take_number(&line, 16, ':', &major_nr) ||
        !take_number(&line, 16, ' ', &minor_nr) || !take_number(&line, 10, ' ', &m->ino)) {
        return false;
    }
    m->dev = makedev((unsigned)major_nr, (unsigned)minor_nr);
    m->name = line + strspn(line, " ");
    return true;
}

static bool meets(const struct mm_mapping *m, uaddr_t start, uaddr_t end)
{
    return m->start < end && start < m->end;
}

/* The host's facts become the guest's. false: the guest has no such mapping. */
static bool translate(const struct mm *mm, struct mm_mapping *m)
{
    if (platform_range_reserved(m->start, m->end - m->start)) {
        return false;
    }
    if (m->ino == 0) {
        m->dev = 0;
        bool kernel_name = m->name[0] == '[' && strcmp(m->name, "[heap]") != 0 &&
                           strncmp(m->name, "[stack", 6) != 0;
        if (meets(m, mm->stack_low, mm->stack_top)) {
            m->name = "[stack]";
        } else if (meets(m, mm->start_brk, mm_brk(mm))) {
            m->name = "[heap]";
        } else if (strncmp(m->name, "[stack", 6) == 0) {
            return false; /* the stub's own, from before it was a guest */
        } else if (!kernel_name) {
            m->name = "";
        }
        return true;
    }
    const struct mapped_file *f = mm_find_file(mm, m->dev, m->ino);
    if (f) {
        m->dev = f->dev;
        m->ino = f->ino;
        m->name = f->name;
    } else {
        /* Shared anonymous memory is a nameless file to the host, and to Linux. */
        m->dev = makedev(0, 1);
        m->name = "/dev/zero (deleted)";
    }
    return true;
}

int mm_map_walk(struct mm *mm, int (*each)(const struct mm_mapping *m, void *arg), void *arg)
{
    AUTO_STRBUF text = {0};
    int err = mm_host_proc(mm, "maps", &text);
    char *save = NULL;
    for (char *line = err == 0 && text.text ? strtok_r(text.text, "\n", &save) : NULL; line;
         line = strtok_r(NULL, "\n", &save)) {
        struct mm_mapping m;
        if (parse_line(line, &m) && translate(mm, &m)) {
            err = each(&m, arg);
            if (err < 0) {
                break;
            }
        }
    }
    return err;
}
