/* What names.c (one kept lookup) and names_ahead.c (those that come next) share. */
#pragma once

#include <fcntl.h>

#include "platform/platform.h"
#include "sentry/task/names.h"

struct path;

#define STREAMS     8
#define REOPENED    8 /* a name that is opened again before so many others is prepared */
#define NEAR        4 /* names that may be passed over by who opens files: there are other things, too */
#define OPENS_FIRST 16 /* names prepared to be opened that need not be used */

/* A directory that a process goes through. */
struct stream {
    const struct dentry *dir; /* borrowed, only compared */
    int dirfd;
    bool opens;              /* its files are opened */
    uint64_t next[NEAR];     /* hashes of names that come after the last one asked for; 0: none */
    uint64_t expected[NEAR]; /* ... after those that were told ahead */
    unsigned window;         /* how many those were, the last time */
};

struct name_table {
    struct platform_names *page;
    uint32_t files,
        fs; /* fd_table_id, fs_context.cwd_stamp: whose fds and directories names begin at */
    uint32_t seq, kept;
    uint32_t sets, room; /* of the page: in use; names after which all of them are */
    bool creds_differ;   /* perhaps */
    unsigned retry;
    bool wants_xattrs; /* the process asks for them */
    unsigned credit;
    uint32_t uses_seen; /* of page->ahead_uses */
    int lists_score;    /* > 0: it asks for names that begin at directories that it reads */
    int opens_score;    /* the same, and opens them */
    unsigned listed;    /* names that were told with the last directory */
    unsigned open_credit, open_trips;
    uint32_t opens_seen; /* of page->ahead_opens */
    uint32_t opens_then; /* of opens_seen, at the last open */
    unsigned astray;     /* opens since it changed */
    unsigned next_stream;
    struct stream streams[STREAMS];
    const struct dentry *last_opened; /* borrowed, only compared */
    int small_opens;                  /* small memory files that it asked to open */
    unsigned redone;                  /* 1 + where the last one lies that it was to open itself */
    uint32_t opened[REOPENED];        /* hashes of names that were opened last */
    unsigned next_opened;
    uint8_t next_way[NAME_SETS_MAX];
    uint32_t keys[NAME_SETS_MAX][NAME_WAYS]; /* what lies where, roughly */
    uint16_t
        told[NAME_SETS_MAX * NAME_WAYS]; /* 0, or which of its program's names: names_program.c */
};

/* p's attributes into n. Return: false when it can't be kept. */
bool name_describe(const struct task *t, const struct path *p, struct platform_name *n);
/* text, prefix bytes of it and then name. Return: false when it is too long. */
bool name_set_path(struct platform_name *n, const char *text, size_t prefix,
                   const struct name *name);
/* Return: where it is, NAME_WAYS * set + way. */
unsigned name_keep(struct name_table *table, const struct platform_name *n);
/* Prepares p, which n names, to be opened by t's process (lease_open_prepare), and n goes on holding. Return: false when it can't be. */
bool name_prepare(struct task *t, const struct path *p, size_t copy_max, struct platform_name *n);
/* n: all that is kept of the lookup l with that result; what it opens, if that is prepared. Return: false when it can't be kept. */
bool name_answer(struct task *t, const struct name_lookup *l, int result, const struct path *p,
                 enum name_use use, struct platform_name *n);
/* A table with room for so many names, for a process that has none. NULL: it can't have one. */
struct name_table *names_table_make(struct task *t, unsigned count);

/* It begins at a leased directory. */
static inline bool name_is_keyed(const struct platform_name *n)
{
    return n->dirfd != (uint32_t)AT_FDCWD && n->dirfd & NAME_KEY;
}

/* --- names_program.c --- */
/*
 * t's process asked for that. Return: for names_go_on; 0: nothing is known of it. expected: other processes of the program asked for it, too,
 * and what they asked for then says more than what lies beside it.
 */
unsigned names_learn(struct task *t, const struct name_lookup *l, enum name_use use,
                     bool *out_expected);
/* What was told and not used is not found any more: nothing follows from that. */
void names_forget_told(struct name_table *table);
/* Tells what came behind it in other processes. Context: may block. */
void names_go_on(struct task *t, unsigned known);
/* Its process is yet to do what it was started for. */
bool names_program_starts(const struct mm *mm);

/* --- names_ahead.c --- */
/* Whether what it will open next may be worth telling, after it has asked for an open. */
bool names_opens_in_order(struct name_table *table);
/* p was looked up, for like's entry, or opened: what comes next? Context: may block. */
void names_look_ahead(struct task *t, struct name_table *table, const struct platform_name *like,
                      const struct name_lookup *l, const struct path *p, bool opens);
