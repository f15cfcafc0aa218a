#include "loader/stack.h"

#include <errno.h>
#include <elf.h>
#include <string.h>

#include "lib/bug.h"

#define STACK_PADDING_MAX 8192
static const char platform_name[] = "x86_64";

void arg_list_free(struct arg_list *l)
{
    strbuf_free(&l->text);
    l->count = 0;
}

int arg_list_add(struct arg_list *l, const char *text)
{
    size_t size = strlen(text) + 1;
    if (size > ARG_STRING_MAX) {
        return -E2BIG;
    }
    strbuf_add(&l->text, text, size);
    l->count++;
    return strbuf_error(&l->text);
}

int arg_list_replace_first(struct arg_list *l, const char *const texts[], size_t count)
{
    struct arg_list n = {0};
    int err = 0;
    for (size_t i = 0; i < count && err == 0; i++) {
        err = arg_list_add(&n, texts[i]);
    }
    if (err == 0 && l->count > 0) {
        size_t skip = strlen(l->text.text) + 1;
        strbuf_add(&n.text, l->text.text + skip, l->text.size - skip);
        n.count += l->count - 1;
        err = strbuf_error(&n.text);
    }
    if (err < 0) {
        arg_list_free(&n);
        return err;
    }
    arg_list_free(l);
    *l = n;
    return 0;
}

int64_t arg_space(uint64_t rlimit_stack, size_t argc, size_t envc)
{
    uint64_t limit = (8UL << 20) / 4 * 3;
    limit = MIN(limit, rlimit_stack / 4);
    limit = MAX(limit, 131072UL);
    uint64_t pointers = MAX(argc, (size_t)1);
    if (pointers > limit || envc > limit) {
        return -E2BIG;
    }
    pointers = (pointers + envc) * sizeof(uint64_t);
    return limit <= pointers ? -E2BIG : (int64_t)(limit - pointers);
}

int arg_check(uint64_t rlimit_stack, const struct arg_list *args, const struct arg_list *env,
              const char *execfn)
{
    int64_t space = arg_space(rlimit_stack, args->count, env->count);
    if (space < 0) {
        return (int)space;
    }
    size_t used = args->text.size + env->text.size + strlen(execfn) + 1;
    return used > (size_t)space ? -E2BIG : 0;
}

void auxv_add(struct auxv *a, uint64_t type, uint64_t value)
{
    BUG_ON(a->count + 4 > AUXV_WORDS); /* room for this pair and AT_NULL */
    a->words[a->count++] = type;
    a->words[a->count++] = value;
}

static void auxv_set(struct auxv *a, uint64_t type, uint64_t value)
{
    for (size_t i = 0; i + 1 < a->count; i += 2) {
        if (a->words[i] == type) {
            a->words[i + 1] = value;
        }
    }
}

size_t stack_size_bound(const struct arg_list *args, const struct arg_list *env, const char *execfn)
{
    return args->text.size + env->text.size + strlen(execfn) + 1 +
           (args->count + env->count + 3 + AUXV_WORDS) * sizeof(uint64_t) + STACK_PADDING_MAX +
           sizeof(platform_name) + 16 + 64;
}

void stack_image_free(struct stack_image *s)
{
    free(s->bytes);
    *s = (struct stack_image){0};
}

/* Writes the pointers to l's strings, whose first byte is at strings, and a NULL. */
static uint64_t *put_pointers(uint64_t *slot, const struct arg_list *l, uaddr_t strings)
{
    const char *text = l->text.text;
    for (size_t i = 0; i < l->count; i++) {
        *slot++ = strings;
        size_t size = strlen(text) + 1;
        text += size;
        strings += size;
    }
    *slot++ = 0;
    return slot;
}

static void put_bytes(const struct stack_image *s, uaddr_t at, const void *data, size_t size)
{
    if (size > 0) {
        memcpy(s->bytes + (at - s->sp), data, size);
    }
}

int stack_build(const struct stack_request *r, struct auxv *auxv, struct stack_image *out)
{
    BUG_ON(r->padding >= STACK_PADDING_MAX);
    size_t execfn_size = strlen(r->execfn) + 1;
    struct stack_image s = {0};
    uaddr_t execfn = r->top - sizeof(uint64_t) - execfn_size;
    s.env_end = execfn;
    s.env_start = s.env_end - r->env->text.size;
    s.arg_end = s.env_start;
    s.arg_start = s.arg_end - r->args->text.size;
    uaddr_t name = ALIGN_DOWN(s.arg_start - r->padding, 16) - sizeof(platform_name);
    uaddr_t random = name - sizeof(r->random);

    auxv_set(auxv, AT_RANDOM, random);
    auxv_set(auxv, AT_EXECFN, execfn);
    auxv_set(auxv, AT_PLATFORM, name);
    auxv->words[auxv->count++] = AT_NULL;
    auxv->words[auxv->count++] = 0;

    size_t words = 1 + r->args->count + 1 + r->env->count + 1;
    uaddr_t tables = random - auxv->count * sizeof(uint64_t);
    s.sp = ALIGN_DOWN(tables - words * sizeof(uint64_t), 16);
    s.size = r->top - s.sp;
    s.bytes = calloc(1, s.size);
    if (!s.bytes) {
        return -ENOMEM;
    }
    uint64_t *slot = (uint64_t *)s.bytes;
    *slot++ = r->args->count;
    slot = put_pointers(slot, r->args, s.arg_start);
    slot = put_pointers(slot, r->env, s.env_start);
    memcpy(slot, auxv->words, auxv->count * sizeof(uint64_t));
    put_bytes(&s, random, r->random, sizeof(r->random));
    put_bytes(&s, name, platform_name, sizeof(platform_name));
    put_bytes(&s, s.arg_start, r->args->text.text, r->args->text.size);
    put_bytes(&s, s.env_start, r->env->text.text, r->env->text.size);
    put_bytes(&s, execfn, r->execfn, execfn_size);
    *out = s;
    return 0;
}
