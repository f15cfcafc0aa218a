# 100 threads that live at the same time: mutexes, conditions, a barrier, thread-local storage, and exits.
. "$(dirname "$0")/lib.sh"
need gcc
cat >"$WORK/t.c" <<'C'
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#define N 100
static pthread_barrier_t barrier;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int turn, sum;
static __thread int mine;
static void *run(void *arg)
{
    mine = (int)(long)arg;
    pthread_barrier_wait(&barrier);
    pthread_mutex_lock(&mutex);
    while (turn != mine) {
        pthread_cond_wait(&cond, &mutex);
    }
    turn++;
    sum += mine;
    pthread_cond_broadcast(&cond);
    pthread_mutex_unlock(&mutex);
    char *p = malloc(100000); /* arenas, and brk or mmap in many threads */
    p[99999] = 1;
    free(p);
    if (mine % 2) {
        pthread_exit((void *)(long)mine);
    }
    return (void *)(long)mine;
}
static void *nothing(void *arg) { return arg; }
int main(void)
{
    pthread_t t[N];
    long back = 0;
    pthread_barrier_init(&barrier, NULL, N);
    for (long i = 0; i < N; i++) {
        if (pthread_create(&t[i], NULL, run, (void *)i)) {
            return 1;
        }
    }
    for (int i = 0; i < N; i++) {
        void *r;
        pthread_join(t[i], &r);
        back += (long)r;
    }
    printf("%d %d %ld\n", turn, sum, back);
    for (int i = 0; i < 500; i++) {
        pthread_create(&t[0], NULL, nothing, NULL);
        pthread_join(t[0], NULL);
    }
    puts("500 in a row");
    for (int i = 0; i < 5; i++) {
        pthread_create(&t[i], NULL, (void *(*)(void *))pause, NULL);
    }
    fflush(stdout);
    _exit(11); /* with threads in the kernel */
}
C
gcc -O1 -pthread -o "$WORK/t" "$WORK/t.c" 2>/dev/null || exit 1
same_as_native "$WORK/t"
expect_native '^100 4950 4950$'
finish
