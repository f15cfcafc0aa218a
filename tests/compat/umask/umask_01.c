/*
 * umask(2): returns the old mask, keeps nine bits, is inherited, and applies to all that makes files.
 */
#include "../compat.h"

static int inherited(void)
{
    return umask(0) == 027 ? 0 : 1;
}

int main(void)
{
    struct stat st;
    compat_tmpdir();
    umask(022);
    CHECK_EQ(umask(01027), 022);
    CHECK_EQ(compat_child(inherited), 0);
    CHECK_EQ(umask(027), 027);
    int fd = open("f", O_CREAT | O_WRONLY, 0777);
    CHECK_EQ(fstat(fd, &st), 0);
    CHECK_EQ(st.st_mode & 07777, 0750);
    CHECK_EQ(chmod("f", 0777), 0); /* not for chmod */
    CHECK_EQ(stat("f", &st), 0);
    CHECK_EQ(st.st_mode & 07777, 0777);
    CHECK_EQ(mkfifo("p", 0666), 0);
    CHECK_EQ(stat("p", &st), 0);
    CHECK_EQ(st.st_mode & 07777, 0640);
    return 0;
}
