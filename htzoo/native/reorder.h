/* Copies that reorder axes. */
#pragma once

#include <string.h>

#include "layout.h"

typedef float four __attribute__((vector_size(16), aligned(4), may_alias));

/* Four values of the two vectors a and b together; constants number them. */
#if defined(__clang__) || __GNUC__ >= 12
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
typedef int32_t four_places __attribute__((vector_size(16)));
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (four_places){__VA_ARGS__})
#endif

#define COPY(run)                                                                                                      \
    _Pragma("GCC unroll 4")                                                                                            \
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

/* to[c][r] = from[r][c], four by four; the last four begin where they must, and may be written twice. */
static void transpose(int64_t rows, int64_t columns, const float *from, int64_t from_step, float *to, int64_t to_step) {
    if (rows < 4 || columns < 4) {
        for (int64_t r = 0; r < rows; r++)
            for (int64_t c = 0; c < columns; c++)
                to[c * to_step + r] = from[r * from_step + c];
        return;
    }
    for (int64_t k = 0; k < rows; k += 4)
        for (int64_t n = 0; n < columns; n += 4) {
            int64_t r = k < rows - 4 ? k : rows - 4, c = n < columns - 4 ? n : columns - 4;
            four part[4];
            for (int i = 0; i < 4; i++)
                part[i] = *(const four *)(from + (r + i) * from_step + c);
            four low = SHUFFLE(part[0], part[1], 0, 4, 1, 5), high = SHUFFLE(part[0], part[1], 2, 6, 3, 7);
            four low_too = SHUFFLE(part[2], part[3], 0, 4, 1, 5), high_too = SHUFFLE(part[2], part[3], 2, 6, 3, 7);
            part[0] = SHUFFLE(low, low_too, 0, 1, 4, 5), part[1] = SHUFFLE(low, low_too, 2, 3, 6, 7);
            part[2] = SHUFFLE(high, high_too, 0, 1, 4, 5), part[3] = SHUFFLE(high, high_too, 2, 3, 6, 7);
            for (int i = 0; i < 4; i++)
                *(four *)(to + (c + i) * to_step + r) = part[i];
        }
}

/* One row, reordered; or back again, with `back`. */
static void reorder_row(const Reorder *order, const float *from, float *to, int back) {
    int64_t last = order->axes - 1, is_run = order->unit == last, other = is_run ? last - 1 : order->unit;
    int64_t count = order->size[other], step = order->step[other], run = order->size[last];
    int64_t at[MAX_AXES] = {0}, there = 0, here = 0, steps[MAX_AXES]; /* in the source, in the result */
    steps[last] = 1;
    for (int64_t k = last; k; k--)
        steps[k - 1] = steps[k] * order->size[k];
    for (;;) {
        if (is_run && back)
            copy_runs(count, run, from + here, steps[other], to + there, step);
        else if (is_run)
            copy_runs(count, run, from + there, step, to + here, steps[other]);
        else if (back)
            transpose(count, run, from + here, steps[other], to + there, order->step[last]);
        else
            transpose(run, count, from + there, order->step[last], to + here, steps[other]);
        int64_t axis = last - 1;
        for (; axis >= 0; axis--) {
            if (axis == other)
                continue;
            there += order->step[axis], here += steps[axis];
            if (++at[axis] < order->size[axis])
                break;
            there -= order->size[axis] * order->step[axis], here -= order->size[axis] * steps[axis];
            at[axis] = 0;
        }
        if (axis < 0)
            return;
    }
}

static void reorder_rows(const Reorder *order, int64_t rows, int64_t size, const float *from, float *to, int back) {
    for (int64_t r = 0; r < rows; r++)
        reorder_row(order, from + r * size, to + r * size, back);
}
