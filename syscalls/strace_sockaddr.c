/* Socket addresses in --strace lines. */
#include <arpa/inet.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "sentry/mm/usercopy.h"
#include "syscalls/strace_text.h"

union address {
    unsigned short family;
    char bytes[128];
    struct sockaddr_un un;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    struct sockaddr_nl nl;
};

static void unix_address(struct strbuf *out, const struct sockaddr_un *un, size_t size)
{
    size_t path_size = size > 2 ? MIN(size - 2, sizeof(un->sun_path)) : 0;
    if (path_size == 0) {
        return; /* unnamed */
    }
    strbuf_adds(out, ", sun_path=");
    if (un->sun_path[0] == '\0') { /* abstract: all bytes count */
        strbuf_addc(out, '@');
        strace_quote(out, un->sun_path + 1, path_size - 1, path_size, false);
    } else {
        size_t length = strnlen(un->sun_path, path_size);
        strace_quote(out, un->sun_path, length, length, false);
    }
}

void strace_sockaddr(struct strace_call *c, uaddr_t addr, size_t size)
{
    union address a;
    char text[INET6_ADDRSTRLEN];
    struct strbuf *out = c->out;

    memset(&a, 0, sizeof(a));
    size = MIN(size, sizeof(a));
    if (addr == 0 || size < sizeof(a.family) || copy_in(c->mm, &a, addr, size) < 0) {
        strace_addr(out, addr);
        return;
    }
    strbuf_adds(out, "{sa_family=");
    strace_value(out, DECODE_af, a.family);
    if (a.family == AF_UNIX) {
        unix_address(out, &a.un, size);
    } else if (a.family == AF_INET && size >= sizeof(a.in)) {
        strbuf_printf(out, ", sin_port=htons(%u), sin_addr=inet_addr(\"%s\")", ntohs(a.in.sin_port),
                      inet_ntop(AF_INET, &a.in.sin_addr, text, sizeof(text)));
    } else if (a.family == AF_INET6 && size >= sizeof(a.in6)) {
        strbuf_printf(out,
                      ", sin6_port=htons(%u), sin6_flowinfo=htonl(%u), inet_pton(AF_INET6, \"%s\", "
                      "&sin6_addr), sin6_scope_id=%u",
                      ntohs(a.in6.sin6_port), ntohl(a.in6.sin6_flowinfo),
                      inet_ntop(AF_INET6, &a.in6.sin6_addr, text, sizeof(text)),
                      a.in6.sin6_scope_id);
    } else if (a.family == AF_NETLINK && size >= sizeof(a.nl)) {
        strbuf_printf(out, ", nl_pid=%u, nl_groups=%08x", a.nl.nl_pid, a.nl.nl_groups);
    } else {
        strbuf_adds(out, ", sa_data=");
        strace_quote(out, a.bytes + 2, size - 2, size, false);
    }
    strbuf_addc(out, '}');
}
