/*
 * The terminal line discipline (N_TTY): what turns typed bytes into lines and signals, echoes them,
 * and turns written newlines into CR-NL. Pure: knows no files and no tasks. See termios(3).
 */
#pragma once

#include <asm/termbits.h>
#include <stdbool.h>

#include "lib/macros.h"

#define LDISC_SIZE 4096 /* a line's longest, with its newline: Linux's N_TTY_BUF_SIZE */

struct ldisc;
struct ldisc_ops {
    /* Sends bytes on to the other side; echoes too. Bytes beyond room are dropped. */
    void (*output)(struct ldisc *l, const uint8_t *data, size_t size);
    size_t (*output_room)(struct ldisc *l);
    void (*flush_output)(struct ldisc *l);
    void (*signal)(struct ldisc *l, int sig);    /* to the foreground process group */
    void (*flow)(struct ldisc *l, bool stopped); /* after l->stopped changed */
};
struct ldisc {
    const struct ldisc_ops *ops;
    struct termios2 tio;
    uint8_t buf[LDISC_SIZE];
    uint64_t line_ends[LDISC_SIZE / 64]; /* bitmap: this byte ends a line; a NUL there is EOF */
    unsigned head, tail;                 /* free-running: buf holds tail ... head-1 */
    unsigned canon_head;           /* complete lines end here; the line being edited follows */
    unsigned column, canon_column; /* of the cursor; where the line being edited began */
    bool literal_next;             /* VLNEXT was typed */
    bool stopped;                  /* VSTOP was typed */
};

void ldisc_init(struct ldisc *l, const struct ldisc_ops *ops);
/* Bytes typed. Return: how many were taken; fewer when the buffer is full of unread input. */
size_t ldisc_receive(struct ldisc *l, const uint8_t *data, size_t size);
bool ldisc_receive_room(const struct ldisc *l);
/* Is there something to read? With a line: canonical mode; at least min bytes: else. */
bool ldisc_readable(const struct ldisc *l, unsigned min);
/*
 * Takes input: one line at most in canonical mode. Return: bytes; 0 is end of file (an EOF
 * character on an empty line), if ldisc_readable was true.
 */
size_t ldisc_read(struct ldisc *l, uint8_t *dst, size_t size);
/* Output of the program behind the terminal. Return: bytes taken, as room allows. */
size_t ldisc_write(struct ldisc *l, const uint8_t *data, size_t size);
void ldisc_set_termios(struct ldisc *l, const struct termios2 *tio);
void ldisc_flush_input(struct ldisc *l);
/* For FIONREAD. */
size_t ldisc_count(const struct ldisc *l);
static inline bool ldisc_canonical(const struct ldisc *l)
{
    return l->tio.c_lflag & ICANON;
}
