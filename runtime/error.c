#include "runtime/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/control.h"

static int g_control = -1;

void error_use_control(int fd)
{
    g_control = fd;
}

/* One write, so that lines of several processes don't mix. Control bytes come from file names. */
static void print_line(const char *prefix, const char *text)
{
    char line[1024];
    int n = snprintf(line, sizeof(line) - 1, "%s%s", prefix, text);
    size_t size = MIN((size_t)MAX(n, 0), sizeof(line) - 2);
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)line[i] < ' ' || line[i] == 0x7f) {
            line[i] = '?';
        }
    }
    line[size++] = '\n';
    if (write(STDERR_FILENO, line, size) < 0) {
        return; /* nowhere left to say it */
    }
}

void fail(int status, const char *format, ...)
{
    struct control_msg msg = {.kind = CONTROL_FAILED, .value = status};
    va_list ap;
    va_start(ap, format);
    vsnprintf(msg.text, sizeof(msg.text), format, ap);
    va_end(ap);
    if (g_control >= 0) {
        struct iovec iov = {&msg, sizeof(msg)};
        struct msghdr hdr = {.msg_iov = &iov, .msg_iovlen = 1};
        /* not send(2): the host filters have only sendmsg */
        if (sendmsg(g_control, &hdr, MSG_NOSIGNAL) < 0) {
            print_line("sandbox: ", msg.text);
        }
    } else {
        print_line("sandbox: ", msg.text);
    }
    _exit(status);
}

void warn(const char *format, ...)
{
    char text[768];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    print_line("sandbox: warning: ", text);
}
