/*
 * Names of flag bits and of enumerated values, for --strace and for the fuzzer's choice of values.
 */
#pragma once

#include "syscalls/info.h"

struct decode_name {
    uint64_t value;
    const char *name;
};
/*
 * The bits under field_mask hold one value (O_ACCMODE in open flags), the others are flags. A plain
 * enumeration has all bits in the mask, a plain flag word none.
 */
struct decode_set {
    const char *unknown; /* what a value without a name is called in a comment: "MAP_???" */
    uint64_t field_mask;
    const struct decode_name *names;
    size_t count;
};
const struct decode_set *decode_set(enum decode_set_id id);
/* The name of an exact value, or NULL. */
const char *decode_value(enum decode_set_id id, uint64_t value);
