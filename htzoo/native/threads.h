/* Work that is divided among threads. */
#pragma once

#include <pthread.h>
#include <stddef.h>

#include "layout.h"

/* The name that Python sees: there are as many of each function as variants. VARIANT is a flag of the compiler. */
#define JOIN_NAMES(name, variant) htzoo_##name##_##variant
#define NAME_OF(name, variant) JOIN_NAMES(name, variant)
#define EXPORTED(kind, name) __attribute__((visibility("default"))) kind NAME_OF(name, VARIANT)

/* PyTorch's own threads, where it has loaded OpenMP for all: they wait for work at full speed for a while after each of
 * its operations, and threads beside them would have to share the cores with them. */
extern void GOMP_parallel(void (*work)(void *), void *argument, unsigned threads, unsigned flags) __attribute__((weak));

typedef struct {
    void *(*work)(void *);
    char *parts;
    size_t size;
    int64_t count, next;
} Division;

/* Take the parts that are left, one after the other. */
static void take_parts(void *argument) {
    Division *division = argument;
    for (int64_t k; (k = __atomic_fetch_add(&division->next, 1, __ATOMIC_RELAXED)) < division->count;)
        division->work(division->parts + k * division->size);
}

static void *take_parts_too(void *argument) {
    take_parts(argument);
    return 0;
}

/* Call `work` on every one of `count` parts, which lie `size` bytes apart, in as many threads if there are. */
static inline void in_threads(void *(*work)(void *), void *parts, size_t size, int64_t count) {
    Division division = {work, parts, size, count, 0};
    if (count > 1 && GOMP_parallel) {
        GOMP_parallel(take_parts, &division, count, 0);
        return;
    }
    pthread_t threads[MAX_THREADS];
    int64_t started = 0;
    while (started + 1 < count && !pthread_create(&threads[started], 0, take_parts_too, &division))
        started++;
    take_parts(&division);
    for (int64_t t = 0; t < started; t++)
        pthread_join(threads[t], 0);
}
