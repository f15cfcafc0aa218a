/*
 * What processes are told about themselves, so that they need not ask again (platform/facts.h): see facts.c.
 */
#pragma once

#include "platform/platform.h"
#include "sentry/task/task.h"

/*
 * keep: t was told this, as its call's answer: perhaps it asks so often that it shall know. know: it certainly will ask. bytes:
 * borrowed. Return: the page where it knows it now, which lasts until facts_end; NULL: it does not.
 */
struct platform_facts *facts_keep(struct task *t, enum platform_fact fact, const void *bytes,
                                  size_t size);
struct platform_facts *facts_know(struct task *t, enum platform_fact fact, const void *bytes,
                                  size_t size);
/* It is no longer true: for tg, for all who share fs, for everybody. */
void facts_forget_of(struct thread_group *tg, enum platform_fact fact);
void facts_forget_at(struct fs_context *fs, enum platform_fact fact);
void facts_forget_all(enum platform_fact fact);

/* fs's umask, which its process may change by itself. */
uint32_t facts_umask(const struct fs_context *fs);
/* t's umask(2). Return: the old one. */
uint32_t facts_set_umask(struct task *t, uint32_t mask);
/* t's process, whose only thread is in a system call, certainly will need it. Return: it has it. */
bool facts_know_umask(struct task *t);

/* The process of mm knows nothing from now on: the address space goes, or fs gets other users. */
void facts_end(struct mm *mm);
void facts_end_at(struct fs_context *fs);
/* What is known in t's address space is another's: of the process that lent it, or of threads with another fs. */
bool facts_are_foreign(const struct task *t);
