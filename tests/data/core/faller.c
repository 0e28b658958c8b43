/* Falls three calls deep, through the C library's qsort, while two more threads wait. Leaves a core
   where the limits of the process allow one. With the word `stop` it waits to be asked for one. */
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static pthread_barrier_t started;

__attribute__((noinline)) static int fall(volatile int *place, int depth) {
    int values[8];
    for (int i = 0; i < 8; i++) values[i] = depth * i;
    return *place + values[depth & 7];
}

__attribute__((noinline)) static int by_value(const void *left, const void *right) {
    return fall((int *)16, *(const int *)left + *(const int *)right) + 1;
}

static void *waits(void *unused) {
    pthread_barrier_wait(&started);
    for (;;) pause();
    return unused;
}

int main(int argc, char **argv) {
    pthread_t thread;
    int values[3] = {3, 2, argc};
    pthread_barrier_init(&started, NULL, 3);
    for (int i = 0; i < 2; i++) pthread_create(&thread, NULL, waits, NULL);
    pthread_barrier_wait(&started);
    if (argv[1] && argv[1][0] == 's') {
        puts("ready");
        fflush(stdout);
        for (;;) pause();
    }
    qsort(values, 3, sizeof(int), by_value);
    return values[0];
}
