/*
 * /proc/PID/net: the network as it is in a sandbox without one: a loopback device without traffic,
 * and tables of headings; and the local sockets. Analogous to Linux's net/core/net-procfs.c and its neighbours.
 */
#include "sentry/net/unix.h"
#include "sentry/procfs/proc.h"

#define SOCKET_HEADING                                                                             \
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "  \
    "inode"
#define SOCKET6_HEADING                                                                            \
    "  sl  local_address                         remote_address                        st "        \
    "tx_queue "                                                                                    \
    "rx_queue tr tm->when retrnsmt   uid  timeout inode"
#define NET_TEXT(n, t)                                                                             \
    {                                                                                              \
        .name = (n), .mode = S_IFREG | 0444, .show = proc_show_text, .text = (t)                   \
    }

static int show_unix(struct proc_inode *pi, struct strbuf *out)
{
    (void)pi;
    strbuf_adds(out, "Num       RefCount Protocol Flags    Type St Inode Path\n");
    unix_show_all(out);
    return strbuf_error(out);
}

const struct proc_entry proc_net_entries[PROC_NET_COUNT] = {
    NET_TEXT("arp",
             "IP address       HW type     Flags       HW address            Mask     Device\n"),
    NET_TEXT(
        "dev",
        "Inter-|   Receive                                                |  Transmit\n"
        " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets "
        "errs drop fifo colls carrier compressed\n"
        "    lo:       0       0    0    0    0     0          0         0        0       0    "
        "0    0    0     0       0          0\n"),
    NET_TEXT("if_inet6", ""),
    NET_TEXT("packet", "sk       RefCnt Type Proto  Iface R Rmem   User   Inode\n"),
    NET_TEXT("raw", SOCKET_HEADING " ref pointer drops\n"),
    NET_TEXT("raw6", SOCKET6_HEADING " ref pointer drops\n"),
    NET_TEXT("route",
             "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT"
             "                                                       \n"),
    NET_TEXT("tcp", SOCKET_HEADING "                                                     \n"),
    NET_TEXT("tcp6", SOCKET6_HEADING "\n"),
    NET_TEXT("udp", SOCKET_HEADING " ref pointer drops            \n"),
    NET_TEXT("udp6", SOCKET6_HEADING " ref pointer drops\n"),
    {.name = "unix", .mode = S_IFREG | 0444, .show = show_unix},
};
