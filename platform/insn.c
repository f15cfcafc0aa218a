#include "platform/insn.h"

#include <capstone/capstone.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>

static struct {
    csh handle; /* 0: no disassembler */
    __typeof__(&cs_disasm) disasm;
    __typeof__(&cs_free) free;
} g_insn;

/* dlsym's void * to a pointer to function, which ISO C has no cast for. */
static bool find(void *library, const char *name, void *out_function)
{
    void *symbol = dlsym(library, name);
    *(void **)out_function = symbol;
    return symbol != NULL;
}

int insn_init(void)
{
    __typeof__(&cs_open) open_handle;
    char name[32];
    snprintf(name, sizeof(name), "libcapstone.so.%d", CS_API_MAJOR);
    void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (!library || !find(library, "cs_open", &open_handle) ||
        !find(library, "cs_disasm", &g_insn.disasm) || !find(library, "cs_free", &g_insn.free)) {
        return -ENOENT;
    }
    return open_handle(CS_ARCH_X86, CS_MODE_64, &g_insn.handle) == CS_ERR_OK ? 0 : -ENOMEM;
}

int insn_describe(const uint8_t *code, size_t size, uaddr_t addr, char *out, size_t out_size)
{
    cs_insn *insn;
    if (!g_insn.handle) {
        return -ENOSYS;
    }
    if (g_insn.disasm(g_insn.handle, code, MIN(size, (size_t)INSN_MAX_BYTES), addr, 1, &insn) !=
        1) {
        return -EINVAL;
    }
    snprintf(out, out_size, "%s%s%s", insn->mnemonic, insn->op_str[0] ? " " : "", insn->op_str);
    int length = insn->size;
    g_insn.free(insn, 1);
    return length;
}
