/* What the kinds of notes share: notes.c (files that are open), notes_create.c (files that are made), notes_apply.c. */
#pragma once

#include "sentry/task/lease_internal.h"
#include "sentry/task/names.h"

struct noted_file {
    struct file_lease base; /* on the inode's list while out or closed */
    struct note_table *table;
    struct file *file; /* borrowed: its fd's closing ends this */
    int fd;
    unsigned rights;
    unsigned flags;    /* of the file, with which it was given */
    bool out;          /* the process may note calls on it */
    bool closed;       /* it has noted close, which the fd table does not know of */
    bool recheck;      /* the process itself has used the inode in a call */
    int64_t pos, size; /* the file's, as the process knows them */
    unsigned place;    /* of the attributes that the process has, + 1; 0: none. They are made of: */
    struct inode_mark stat_of;
};

static inline struct noted_file *noted(struct file_lease *base)
{
    return container_of(base, struct noted_file, base);
}

/* Where the process may make files. */
struct create_grant {
    struct file_lease base; /* on the directory's list while out */
    struct note_table *table;
    struct path dir;   /* refs, while out */
    struct cred *cred; /* ref, while out */
    uint64_t since;    /* the way there, as platform_creates has it */
    uint16_t deps[NAME_DEPS];
    struct inode_mark mark; /* of the directory, as the process knows it */
    bool out;
    bool pays;               /* the last one did */
    unsigned vain, left_out; /* see VAIN_MAX */
    unsigned rights;         /* NOTE_MAY_...: of all files that are made */
    unsigned used;           /* files that were made so */
    unsigned in_log;         /* ... in the log that is being applied */
    struct file *last_made;  /* ref; in that log */
    const struct dentry
        *last; /* borrowed, only compared: where the process made a file by itself */
};

/* A file that was made so. */
struct made_file {
    struct file *file; /* ref; NULL: none. Its fd is still to be opened */
    int fd;
    bool cloexec;
    bool now; /* in the log that is being applied */
};

struct note_table {
    struct task *task;         /* borrowed: the process's only thread */
    struct lease_table *table; /* borrowed: owns this */
    const struct cred *cred;   /* borrowed by the files that are out: they were opened with it */
    struct platform_notes notes;
    uint64_t generation, revoked; /* revoked: a bit a slot */
    unsigned last;                /* slot that was given */
    unsigned out, closed;         /* how many slots are */
    unsigned
        told; /* slots whose close came with the running request: the process still has their bits set */
    bool recheck, applying;
    unsigned places; /* in use: a bit each */
    int stat_credit; /* files that come with their attributes: it has asked for some */
    struct clock_pair since;
    struct noted_file files[NOTE_SLOTS];
    struct create_grant creates;
    struct made_file made[NOTE_SLOTS];
};

/* task's table, made when it is missing; NULL: it has none. */
struct note_table *notes_table(struct task *task);
/* Nobody but the process itself sees what it does to f, of which these are all references. */
bool notes_unseen(const struct task *task, const struct file *f, uint32_t refs);
/* What may be noted of a file that task has just made or opened. */
unsigned notes_rights(const struct task *task, const struct file *f);
/* f is from now on slot's, which is free: what is noted of it counts. Return: there is no room for bytes, so writes may not be noted. */
bool notes_give_slot(struct note_table *t, unsigned slot, struct file *f, int fd, unsigned rights);
/* All that was noted happens now; revoke: a bit for each slot of which nothing more may be noted. Doesn't block. */
void notes_take(struct note_table *t, uint64_t revoke);

/* --- notes_apply.c --- */
/* Room for what may be noted. Return: there is that much. */
bool notes_reserve(struct noted_file *s, bool on);
/* All in the first size bytes of the log. */
void notes_apply_log(struct note_table *t, size_t size);

/* --- notes_create.c --- */
/* A log is about to be applied; it has been. Return: slots whose files the process may not use as it thinks. */
void creates_begin(struct note_table *t);
unsigned creates_done(struct note_table *t);
/* NOTE_CREATE and NOTE_CLOSE. Return: 0 or -errno. */
int creates_apply(struct note_table *t, unsigned slot, const uint8_t *bytes, size_t size,
                  int64_t when);
int creates_apply_close(struct note_table *t, unsigned slot);
/* The process has closed what was never opened in its fd table. Return: so it is. */
bool creates_forget(struct note_table *t, const struct file *f);
/* fds are opened that are still to be, behind all that was closed. */
void creates_adopt(struct note_table *t);
/* The process has used the directory in a call: what it knows still holds. */
bool creates_hold(const struct note_table *t, const struct task *task);
bool lease_is_create(const struct file_lease *l);
