/* Copies that reorder axes. */
#pragma once

#include <stdint.h>
#include <string.h>
#include <xmmintrin.h>

enum { MOST_AXES = 32 };

/* The axes of the result, with their steps in the source. None where nothing is reordered. `unit` is the one whose step
 * is 1: the last one, and what is copied are runs of numbers that stay together; or another, and what lies between the
 * two is transposed. */
typedef struct {
    int64_t axes, unit;
    int64_t size[MOST_AXES];
    int64_t step[MOST_AXES];
} Reorder;

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
            __m128 part[4];
            for (int i = 0; i < 4; i++)
                part[i] = _mm_loadu_ps(from + (r + i) * from_step + c);
            _MM_TRANSPOSE4_PS(part[0], part[1], part[2], part[3]);
            for (int i = 0; i < 4; i++)
                _mm_storeu_ps(to + (c + i) * to_step + r, part[i]);
        }
}

/* One row, reordered; or back again, with `back`. */
static void reorder_row(const Reorder *order, const float *from, float *to, int back) {
    int64_t last = order->axes - 1, is_run = order->unit == last, other = is_run ? last - 1 : order->unit;
    int64_t count = order->size[other], step = order->step[other], run = order->size[last];
    int64_t at[MOST_AXES] = {0}, there = 0, here = 0, steps[MOST_AXES]; /* in the source, in the result */
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

static void reorder_rows(const Reorder *order, int64_t rows, int64_t numbers, const float *from, float *to, int back) {
    for (int64_t r = 0; r < rows; r++)
        reorder_row(order, from + r * numbers, to + r * numbers, back);
}
