/* Copies that reorder axes. */
#pragma once

#include <stdint.h>
#include <string.h>

enum { MOST_AXES = 32 };

/* The axes of the result, with their steps in the source; the last one's step is 1. None where nothing is reordered. */
typedef struct {
    int64_t axes;
    int64_t size[MOST_AXES];
    int64_t step[MOST_AXES];
} Reorder;

#define COPY(run)                                                                                                      \
    for (int64_t k = 0; k < count; k++, there += there_step, here += here_step)                                        \
        memcpy(here, there, 4 * (run));                                                                                \
    break

/* `count` pieces of `run` floats each. */
static inline void copy_runs(int64_t count, int64_t run, const float *there, int64_t there_step, float *here,
                      int64_t here_step) {
    switch (run) {
    case 1: COPY(1);
    case 2: COPY(2);
    case 3: COPY(3);
    case 4: COPY(4);
    case 5: COPY(5);
    case 6: COPY(6);
    case 7: COPY(7);
    case 8: COPY(8);
    case 16: COPY(16);
    default: COPY(run);
    }
}

/* One row, reordered; or back again, with `back`. */
static void reorder_row(const Reorder *order, const float *from, float *to, int back) {
    int64_t outer = order->axes - 2;
    int64_t count = order->size[outer], step = order->step[outer], run = order->size[outer + 1];
    int64_t at[MOST_AXES] = {0}, offset = 0, done = 0;
    for (;;) {
        if (back)
            copy_runs(count, run, from + done, run, to + offset, step);
        else
            copy_runs(count, run, from + offset, step, to + done, run);
        done += count * run;
        int64_t axis = outer - 1;
        for (; axis >= 0; axis--) {
            offset += order->step[axis];
            if (++at[axis] < order->size[axis])
                break;
            offset -= order->size[axis] * order->step[axis];
            at[axis] = 0;
        }
        if (axis < 0)
            return;
    }
}

static void reorder_rows(const Reorder *order, int64_t rows, int64_t numbers, const float *from, float *to, int back) {
    for (int64_t r = 0; r < rows; r++)
        reorder_row(order, from + r * numbers, to + r * numbers, back);
}
