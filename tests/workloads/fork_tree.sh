# A tree of 200 processes: each forks its part, waits for it, and reports through one pipe.
. "$(dirname "$0")/lib.sh"
need gcc
cat >"$WORK/t.c" <<'C'
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
static int tree(int n, int fd) /* n processes, this one included; the number of those that answered */
{
    int left = (n - 1) / 2, right = n - 1 - left, parts[2] = {left, right}, seen = 1, status;
    for (int i = 0; i < 2; i++) {
        if (parts[i] && fork() == 0) {
            _exit(tree(parts[i], fd) & 0xff);
        }
    }
    while (wait(&status) > 0) {
        seen += WEXITSTATUS(status);
    }
    if (write(fd, "x", 1) != 1) {
        _exit(1);
    }
    return seen;
}
int main(void)
{
    int p[2], n, count = 0;
    char buf[64];
    if (pipe(p) < 0) {
        return 1;
    }
    n = tree(200, p[1]);
    close(p[1]);
    for (ssize_t r; (r = read(p[0], buf, sizeof(buf))) > 0;) {
        count += (int)r;
    }
    printf("%d %d\n", n, count);
    for (int i = 0; i < 300; i++) { /* and 300 in a row */
        if (fork() == 0) {
            _exit(i & 0x7f);
        }
        int status;
        wait(&status);
        n += WEXITSTATUS(status);
    }
    printf("%d\n", n);
    return 0;
}
C
gcc -O1 -o "$WORK/t" "$WORK/t.c" || exit 1
same_as_native "$WORK/t"
expect_native '^200 200$'
same_as_native sh -c 'for i in $(seq 1 100); do (sleep 0.3; echo done) & done; wait; echo all'
finish
