# A compiler: gcc starts cpp, cc1, as, collect2 and ld; the program runs.
. "$(dirname "$0")/lib.sh"
need gcc
prepare() {
    cat >t.c <<'C'
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
static void *thread(void *p) { *(double *)p = sqrt(*(double *)p); return NULL; }
int main(int argc, char **argv)
{
    double x = 2;
    pthread_t t;
    pthread_create(&t, NULL, thread, &x);
    pthread_join(t, NULL);
    printf("%d %s %.6f\n", argc, argv[1], x);
    return 42;
}
C
    echo 'int main(void) { return no_such_name; }' >bad.c
}
same_as_native sh -c 'gcc -O2 -Wall -g -pthread -o t t.c -lm && ./t arg; echo $?; gcc -static -o s t.c -lm && ./s arg; gcc -c bad.c; echo $?; ls'
expect_native '2 arg 1.414214'
finish
