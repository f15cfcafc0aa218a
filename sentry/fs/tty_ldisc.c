/*
 * N_TTY, analogous to Linux's drivers/tty/n_tty.c; termios(3).
 *
 * Input lies in a ring: complete lines up to canon_head, then the line being edited. A bit a byte
 * marks the ends of lines; an EOF character is stored as a NUL with its bit set, and ends a read
 * without being part of it. In non-canonical mode the bits are unused and canon_head stands still.
 *
 * When the ring is full and holds no complete line, further bytes of the too long line are dropped,
 * each replacing the last, so that the newline still gets in.
 */
#include "sentry/fs/tty_ldisc.h"

#include <ctype.h>
#include <signal.h>
#include <string.h>

#define MASK(i) ((i) & (LDISC_SIZE - 1))

static bool iflag(const struct ldisc *l, unsigned flag)
{
    return l->tio.c_iflag & flag;
}
static bool oflag(const struct ldisc *l, unsigned flag)
{
    return l->tio.c_oflag & flag;
}
static bool lflag(const struct ldisc *l, unsigned flag)
{
    return l->tio.c_lflag & flag;
}
/* Is c the control character of this index? A character of 0 is switched off. */
static bool is_cc(const struct ldisc *l, unsigned index, uint8_t c)
{
    return c != 0 && l->tio.c_cc[index] == c;
}
/* The C locale's, whatever the process's locale is. */
static bool is_control(uint8_t c)
{
    return c < 0x20 || c == 0x7f;
}
/* A byte inside a UTF-8 character: takes no column of its own. */
static bool is_continuation(const struct ldisc *l, uint8_t c)
{
    return iflag(l, IUTF8) && (c & 0xc0) == 0x80;
}

static bool line_end(const struct ldisc *l, unsigned i)
{
    return l->line_ends[MASK(i) / 64] >> (MASK(i) % 64) & 1;
}
static void set_line_end(struct ldisc *l, unsigned i, bool on)
{
    uint64_t bit = 1ULL << (MASK(i) % 64);

    if (on) {
        l->line_ends[MASK(i) / 64] |= bit;
    } else {
        l->line_ends[MASK(i) / 64] &= ~bit;
    }
}
static void put(struct ldisc *l, uint8_t c)
{
    l->buf[MASK(l->head++)] = c;
}

void ldisc_init(struct ldisc *l, const struct ldisc_ops *ops)
{
    *l = (struct ldisc){
        .ops = ops,
        .tio =
            {
                .c_iflag = ICRNL | IXON,
                .c_oflag = OPOST | ONLCR,
                .c_cflag = B38400 | CS8 | CREAD,
                .c_lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN,
                .c_cc = {[VINTR] = 3,
                         [VQUIT] = 28,
                         [VERASE] = 127,
                         [VKILL] = 21,
                         [VEOF] = 4,
                         [VMIN] = 1,
                         [VSTART] = 17,
                         [VSTOP] = 19,
                         [VSUSP] = 26,
                         [VREPRINT] = 18,
                         [VDISCARD] = 15,
                         [VWERASE] = 23,
                         [VLNEXT] = 22},
                .c_ispeed = 38400,
                .c_ospeed = 38400,
            },
    };
}

/* --- output --- */

static void emit(struct ldisc *l, uint8_t c)
{
    l->ops->output(l, &c, 1);
}

/*
 * One byte through output processing. Return: false when there is no room for what it becomes.
 * Keeps the cursor's column, which tabs and erasing need.
 */
static bool output_byte(struct ldisc *l, uint8_t c, size_t room)
{
    if (room < 1) {
        return false;
    }
    if (!oflag(l, OPOST)) {
        emit(l, c);
        return true;
    }
    switch (c) {
    case '\n':
        if (oflag(l, ONLRET)) {
            l->column = 0;
        }
        if (oflag(l, ONLCR)) {
            if (room < 2) {
                return false;
            }
            l->column = 0;
            emit(l, '\r');
        }
        l->canon_column = l->column;
        break;
    case '\r':
        if (oflag(l, ONOCR) && l->column == 0) {
            return true;
        }
        if (oflag(l, OCRNL)) {
            c = '\n';
            if (!oflag(l, ONLRET)) {
                break;
            }
        }
        l->canon_column = l->column = 0;
        break;
    case '\t': {
        unsigned spaces = 8 - (l->column & 7);
        if ((l->tio.c_oflag & TABDLY) == XTABS) {
            if (room < spaces) {
                return false;
            }
            l->column += spaces;
            l->ops->output(l, (const uint8_t *)"        ", spaces);
            return true;
        }
        l->column += spaces;
        break;
    }
    case '\b':
        l->column -= l->column > 0;
        break;
    default:
        if (!is_control(c)) {
            if (oflag(l, OLCUC) && c >= 'a' && c <= 'z') {
                c -= 'a' - 'A';
            }
            l->column += !is_continuation(l, c);
        }
        break;
    }
    emit(l, c);
    return true;
}

size_t ldisc_write(struct ldisc *l, const uint8_t *data, size_t size)
{
    size_t done = 0;

    if (l->stopped) {
        return 0;
    }
    if (!oflag(l, OPOST)) {
        done = MIN(size, l->ops->output_room(l));
        l->ops->output(l, data, done);
        return done;
    }
    while (done < size && output_byte(l, data[done], l->ops->output_room(l))) {
        done++;
    }
    return done;
}

/* --- echo --- */

static void echo_raw(struct ldisc *l, uint8_t c)
{
    (void)output_byte(l, c, SIZE_MAX);
}

static void echo(struct ldisc *l, uint8_t c)
{
    if (lflag(l, ECHOCTL) && is_control(c) && c != '\t') {
        emit(l, '^');
        emit(l, c ^ 0100);
        l->column += 2;
    } else {
        echo_raw(l, c);
    }
}

static void echo_rub_out(struct ldisc *l)
{
    echo_raw(l, '\b');
    echo_raw(l, ' ');
    echo_raw(l, '\b');
}

/* Goes back over a tab just removed: to where the text before it ends. */
static void echo_erase_tab(struct ldisc *l)
{
    unsigned columns = 0, i = l->head;
    bool after_tab = false;

    while (i != l->canon_head && !after_tab) {
        uint8_t c = l->buf[MASK(--i)];
        if (c == '\t') {
            after_tab = true;
        } else if (is_control(c)) {
            columns += lflag(l, ECHOCTL) ? 2 : 0;
        } else {
            columns += !is_continuation(l, c);
        }
    }
    if (!after_tab) {
        columns += l->canon_column;
    }
    for (unsigned n = 8 - (columns & 7); n > 0; n--) {
        emit(l, '\b');
        l->column -= l->column > 0;
    }
}

static void echo_erased(struct ldisc *l, uint8_t c, bool single)
{
    if (!lflag(l, ECHO)) {
        return;
    }
    if (single && !lflag(l, ECHOE)) {
        echo(l, l->tio.c_cc[VERASE]);
    } else if (c == '\t') {
        echo_erase_tab(l);
    } else {
        if (is_control(c) && lflag(l, ECHOCTL)) {
            echo_rub_out(l);
        }
        if (!is_control(c) || lflag(l, ECHOCTL)) {
            echo_rub_out(l);
        }
    }
}

/* --- editing --- */

/* Takes the last character off the line being edited. Return: false when there is none. */
static bool erase_one(struct ldisc *l, uint8_t *out_c, unsigned *out_head)
{
    unsigned i = l->head;
    uint8_t c;

    if (i == l->canon_head) {
        return false;
    }
    do {
        c = l->buf[MASK(--i)];
    } while (is_continuation(l, c) && i != l->canon_head);
    if (is_continuation(l, c)) {
        return false; /* never half a character */
    }
    *out_c = c;
    *out_head = i;
    return true;
}

static void kill_line(struct ldisc *l)
{
    l->head = l->canon_head;
    if (lflag(l, ECHO)) {
        echo(l, l->tio.c_cc[VKILL]);
        if (lflag(l, ECHOK)) {
            echo_raw(l, '\n');
        }
    }
}

static void erase(struct ldisc *l, uint8_t key)
{
    bool single = is_cc(l, VERASE, key), word = !single && is_cc(l, VWERASE, key);
    bool seen_word = false;
    unsigned head;
    uint8_t c;

    if (l->head == l->canon_head) {
        return;
    }
    if (!single && !word &&
        (!lflag(l, ECHO) || !lflag(l, ECHOK) || !lflag(l, ECHOKE) || !lflag(l, ECHOE))) {
        kill_line(l);
        return;
    }
    while (erase_one(l, &c, &head)) {
        if (word) {
            if ((c < 0x80 && isalnum(c)) || c == '_') {
                seen_word = true;
            } else if (seen_word) {
                return;
            }
        }
        l->head = head;
        echo_erased(l, c, single);
        if (single) {
            return;
        }
    }
}

static void reprint(struct ldisc *l, uint8_t key)
{
    echo(l, key);
    echo_raw(l, '\n');
    for (unsigned i = l->canon_head; i != l->head; i++) {
        echo(l, l->buf[MASK(i)]);
    }
}

static void end_line(struct ldisc *l, uint8_t c)
{
    set_line_end(l, l->head, true);
    put(l, c);
    l->canon_head = l->head;
}

/* An ordinary byte: echoed and stored. */
static void add_byte(struct ldisc *l, uint8_t c)
{
    if (lflag(l, ECHO)) {
        if (c == '\n') {
            echo_raw(l, '\n');
        } else {
            if (l->canon_head == l->head) {
                l->canon_column = l->column;
            }
            echo(l, c);
        }
    }
    if (iflag(l, PARMRK) && c == 0xff) {
        put(l, c); /* doubled, as 0xff alone would announce a parity mark */
    }
    put(l, c);
}

static void set_stopped(struct ldisc *l, bool stopped)
{
    if (l->stopped != stopped) {
        l->stopped = stopped;
        l->ops->flow(l, stopped);
    }
}

static void signal_key(struct ldisc *l, int sig, uint8_t c)
{
    if (!lflag(l, NOFLSH)) {
        l->ops->flush_output(l);
        ldisc_flush_input(l);
    }
    if (iflag(l, IXON)) {
        set_stopped(l, false);
    }
    if (lflag(l, ECHO)) {
        echo(l, c);
    }
    l->ops->signal(l, sig);
}

/* Flow control and signals. Return: true when c was one of them. */
static bool control_key(struct ldisc *l, uint8_t c)
{
    static const struct {
        uint8_t index;
        uint8_t sig;
    } keys[] = {{VINTR, SIGINT}, {VQUIT, SIGQUIT}, {VSUSP, SIGTSTP}};

    if (iflag(l, IXON)) {
        if (is_cc(l, VSTART, c)) {
            set_stopped(l, false);
            return true;
        }
        if (is_cc(l, VSTOP, c)) {
            set_stopped(l, true);
            return true;
        }
    }
    for (size_t i = 0; lflag(l, ISIG) && i < ARRAY_COUNT(keys); i++) {
        if (is_cc(l, keys[i].index, c)) {
            signal_key(l, keys[i].sig, c);
            return true;
        }
    }
    return false;
}

/* Editing keys and ends of lines. Return: true when c was one of them. */
static bool canonical_key(struct ldisc *l, uint8_t c)
{
    bool extended = lflag(l, IEXTEN);

    if (is_cc(l, VERASE, c) || is_cc(l, VKILL, c) || (extended && is_cc(l, VWERASE, c))) {
        erase(l, c);
    } else if (extended && is_cc(l, VLNEXT, c)) {
        l->literal_next = true;
        if (lflag(l, ECHO) && lflag(l, ECHOCTL)) {
            echo_raw(l, '^');
            echo_raw(l, '\b');
        }
    } else if (extended && lflag(l, ECHO) && is_cc(l, VREPRINT, c)) {
        reprint(l, c);
    } else if (c == '\n') {
        if (lflag(l, ECHO) || lflag(l, ECHONL)) {
            echo_raw(l, '\n');
        }
        end_line(l, c);
    } else if (is_cc(l, VEOF, c)) {
        end_line(l, '\0');
    } else if (is_cc(l, VEOL, c) || (extended && is_cc(l, VEOL2, c))) {
        if (lflag(l, ECHO)) {
            echo(l, c);
        }
        end_line(l, c);
    } else {
        return false;
    }
    return true;
}

static void receive_byte(struct ldisc *l, uint8_t c)
{
    if (iflag(l, ISTRIP)) {
        c &= 0x7f;
    }
    if (iflag(l, IUCLC) && lflag(l, IEXTEN) && c >= 'A' && c <= 'Z') {
        c += 'a' - 'A';
    }
    if (l->literal_next) {
        l->literal_next = false;
        add_byte(l, c);
        return;
    }
    if (control_key(l, c)) {
        return;
    }
    if (l->stopped && iflag(l, IXON) && iflag(l, IXANY)) {
        set_stopped(l, false);
    }
    if (c == '\r') {
        if (iflag(l, IGNCR)) {
            return;
        }
        c = iflag(l, ICRNL) ? '\n' : c;
    } else if (c == '\n' && iflag(l, INLCR)) {
        c = '\r';
    }
    if (!ldisc_canonical(l) || !canonical_key(l, c)) {
        add_byte(l, c);
    }
}

/* Free bytes, keeping one (three where a byte may be doubled) for what ends the line. */
static int room(const struct ldisc *l)
{
    int free_bytes = LDISC_SIZE - (int)(l->head - l->tail);

    return (iflag(l, PARMRK) ? (free_bytes + 2) / 3 : free_bytes) - 1;
}
static bool too_long_line(const struct ldisc *l)
{
    return ldisc_canonical(l) && l->canon_head == l->tail;
}

bool ldisc_receive_room(const struct ldisc *l)
{
    return room(l) > 0 || too_long_line(l);
}

size_t ldisc_receive(struct ldisc *l, const uint8_t *data, size_t size)
{
    size_t done;

    for (done = 0; done < size; done++) {
        int free_bytes = room(l);

        if (free_bytes <= 0) {
            if (!too_long_line(l)) {
                break;
            }
            if (free_bytes < 0) {
                l->head--;
            }
        }
        receive_byte(l, data[done]);
    }
    return done;
}

/* --- reading --- */

bool ldisc_readable(const struct ldisc *l, unsigned min)
{
    if (ldisc_canonical(l)) {
        return l->canon_head != l->tail;
    }
    return l->head - l->tail >= MAX(min, 1u);
}

/* An EOF mark at the end of a line that a read took exactly is part of that read. */
static void skip_eof(struct ldisc *l)
{
    if (l->tail != l->canon_head && line_end(l, l->tail) && l->buf[MASK(l->tail)] == '\0') {
        set_line_end(l, l->tail++, false);
    }
}

static size_t read_line(struct ldisc *l, uint8_t *dst, size_t size)
{
    size_t n = 0;

    while (n < size && l->tail != l->canon_head) {
        unsigned i = l->tail++;
        bool end = line_end(l, i);
        uint8_t c = l->buf[MASK(i)];

        set_line_end(l, i, false);
        if (!end || c != '\0') {
            dst[n++] = c;
        }
        if (end) {
            return n;
        }
    }
    if (n > 0) {
        skip_eof(l);
    }
    return n;
}

size_t ldisc_read(struct ldisc *l, uint8_t *dst, size_t size)
{
    size_t n = 0;

    if (ldisc_canonical(l)) {
        return read_line(l, dst, size);
    }
    while (n < size && l->tail != l->head) {
        set_line_end(l, l->tail, false);
        dst[n++] = l->buf[MASK(l->tail++)];
    }
    return n;
}

size_t ldisc_count(const struct ldisc *l)
{
    size_t n = 0;

    if (!ldisc_canonical(l)) {
        return l->head - l->tail;
    }
    for (unsigned i = l->tail; i != l->canon_head; i++) {
        n += !(line_end(l, i) && l->buf[MASK(i)] == '\0');
    }
    return n;
}

void ldisc_flush_input(struct ldisc *l)
{
    l->head = l->tail = l->canon_head = 0;
    memset(l->line_ends, 0, sizeof(l->line_ends));
}

void ldisc_set_termios(struct ldisc *l, const struct termios2 *tio)
{
    bool was_canonical = ldisc_canonical(l);

    l->tio = *tio;
    if (was_canonical != ldisc_canonical(l)) {
        memset(l->line_ends, 0, sizeof(l->line_ends));
        l->canon_head = l->head;
        l->literal_next = false;
        if (ldisc_canonical(l) && l->head != l->tail) {
            set_line_end(l, l->head - 1, true); /* what is there already counts as a line */
        }
    }
    if (!iflag(l, IXON)) {
        set_stopped(l, false);
    }
}
