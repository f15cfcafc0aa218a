/*
 * Process groups that become orphaned (POSIX 2.2.2.52): when the last process with a parent outside the
 * group exits, a group with stopped members gets SIGHUP and SIGCONT.
 */
#include "../compat.h"

#include <signal.h>

int main(void)
{
    int p[2], status;
    CHECK_EQ(pipe(p), 0);
    pid_t outer = fork();
    CHECK(outer >= 0);
    if (outer == 0) {
        setsid();
        pid_t middle = fork();
        if (middle == 0) {
            pid_t inner = fork();
            if (inner == 0) {
                close(p[0]);
                setpgid(0, 0);
                raise(SIGSTOP);
                _exit(0); /* only if SIGCONT came without SIGHUP */
            }
            waitpid(inner, &status, WUNTRACED);
            CHECK(WIFSTOPPED(status));
            _exit(0); /* orphans inner's group */
        }
        waitpid(middle, &status, 0);
        _exit(0);
    }
    close(p[1]);
    char c;
    /* inner dies of SIGHUP: its end of the pipe closes. Stopped for ever, it would not. */
    CHECK_EQ(read(p[0], &c, 1), 0);
    CHECK_EQ(waitpid(outer, &status, 0), outer);
    return 0;
}
