/* Work that is divided among threads. */
#pragma once

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

enum { MOST_THREADS = 64 };

/* Call `work` on every one of `count` parts, which lie `size` bytes apart, each in a thread of its own. */
static inline void in_threads(void *(*work)(void *), void *parts, size_t size, int64_t count) {
    pthread_t threads[MOST_THREADS];
    int64_t started = 0;
    while (started + 1 < count && !pthread_create(&threads[started], 0, work, (char *)parts + (started + 1) * size))
        started++;
    work(parts);
    for (int64_t t = started + 1; t < count; t++) /* those for which there was no thread */
        work((char *)parts + t * size);
    for (int64_t t = 0; t < started; t++)
        pthread_join(threads[t], 0);
}
