/* Small products of float32 matrices.
 *
 * A tile of up to 12 vectors of sums is kept in registers while it runs along the inner axis. Matrix libraries are made
 * for large matrices, and the products of a chain have inner axes of 8 to 80 numbers and 8 to 64 columns.
 *
 * Matrices are in row-major order. What is read as vectors has SLACK floats behind its end.
 */
#pragma once

#include <stdint.h>

enum { VECTOR = 8, SLACK = 16 };
/* What a block of rows shall take in the first-level cache, in floats, while all columns pass it. */
enum { BLOCK = 4096 };

typedef float vector __attribute__((vector_size(4 * VECTOR), aligned(4), may_alias));

#define INLINE static inline __attribute__((always_inline))

/* How the entry (r, k) of a matrix lies: at r * step + k (BY_ROWS), r + k * step (BY_COLUMNS), or rows[r] + inners[k]
 * (GATHERED). */
enum { BY_ROWS, BY_COLUMNS, GATHERED };
typedef struct {
    int64_t step;
    const int64_t *rows, *inners;
} Steps;

/* c = a b, or c += a b with `add`, for `rows` rows and `vectors` vectors of columns. */
INLINE void tile(const int rows, const int vectors, const int lies, const int add, int64_t inner, const float *a,
                 Steps steps, const float *b, int64_t b_inner, float *c, int64_t c_row) {
    vector sum[12][3];
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 3
        for (int v = 0; v < vectors; v++)
            sum[r][v] = add ? *(const vector *)(c + r * c_row + v * VECTOR) : (vector){0};
    for (int64_t k = 0; k < inner; k++, b += b_inner) {
        const float *at = a + (lies == GATHERED ? steps.inners[k] : 0);
        vector column[3];
#pragma GCC unroll 3
        for (int v = 0; v < vectors; v++)
            column[v] = *(const vector *)(b + v * VECTOR);
#pragma GCC unroll 12
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 3
            for (int v = 0; v < vectors; v++)
                sum[r][v] += at[lies == GATHERED ? steps.rows[r] : lies == BY_ROWS ? r * steps.step : r] * column[v];
        if (lies != GATHERED)
            a += lies == BY_ROWS ? 1 : steps.step;
    }
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 3
        for (int v = 0; v < vectors; v++)
            *(vector *)(c + r * c_row + v * VECTOR) = sum[r][v];
}

/* Ask for rows that will be read soon; beyond the end of a buffer that does nothing. */
INLINE void prefetch(const float *from, int64_t rows, int64_t step, int64_t count) {
    for (int64_t r = 0; r < rows; r++)
        for (int64_t n = 0; n < count; n += 16)
            __builtin_prefetch(from + r * step + n, 0, 2);
}

/* The most rows of a tile for a number of vectors, so that 12 of the 16 registers hold sums. */
#define ROWS(vectors) (12 / (vectors))

/* Columns of the panel that begins at a column: two vectors, or the last one or three; three with `wide`. */
INLINE int64_t width(int64_t columns, int64_t first, int wide) {
    int64_t left = columns - first;
    return left <= VECTOR ? VECTOR : left > 2 * VECTOR && (wide || left <= 3 * VECTOR) ? 3 * VECTOR : 2 * VECTOR;
}

/* Columns with those that fill the last vector. */
static int64_t padded(int64_t columns) { return (columns + VECTOR - 1) / VECTOR * VECTOR; }

/* All rows of a panel, in tiles as even as can be: the sums of a small one would wait for each other. */
#define ONE(count, vectors, lies, add)                                                                                 \
    case count:                                                                                                        \
        if ((count) <= ROWS(vectors))                                                                                  \
            tile((count) <= ROWS(vectors) ? (count) : 0, vectors, lies, add, inner, a, steps, b, b_inner, c, c_row);   \
        break;
#define PANEL(name, vectors, lies, add)                                                                                \
    static void name(int64_t rows, int64_t inner, const float *a, Steps steps, const float *b, int64_t b_inner,        \
                     float *c, int64_t c_row, int64_t ahead) {                                                         \
        for (int64_t left = (rows + ROWS(vectors) - 1) / ROWS(vectors), now; left; left--) {                           \
            now = (rows + left - 1) / left;                                                                            \
            if (ahead)                                                                                                 \
                prefetch(a + ahead, 1, 0, now * steps.step);                                                           \
            switch (now) {                                                                                             \
                ONE(1, vectors, lies, add) ONE(2, vectors, lies, add) ONE(3, vectors, lies, add)                       \
                ONE(4, vectors, lies, add) ONE(5, vectors, lies, add) ONE(6, vectors, lies, add)                       \
                ONE(7, vectors, lies, add) ONE(8, vectors, lies, add) ONE(9, vectors, lies, add)                       \
                ONE(10, vectors, lies, add) ONE(11, vectors, lies, add) ONE(12, vectors, lies, add)                    \
            }                                                                                                          \
            rows -= now, c += now * c_row;                                                                             \
            if (lies == GATHERED)                                                                                      \
                steps.rows += now;                                                                                     \
            else                                                                                                       \
                a += now * (lies == BY_ROWS ? steps.step : 1);                                                         \
        }                                                                                                              \
    }

/* A function for c = a b, or c += a b. Row k of b is packed, panel by panel (`pack`), or has `b_inner` floats. What is
 * `ahead` in a packed product's a, or in a plain one's b, is read soon.
 *
 * Whole vectors are stored. What is too much at the end of a row is stored over: by the panels before, which therefore
 * come later, or the next row; or it lands in padding or slack. */
#define MULTIPLY(name, lies, add)                                                                                      \
    PANEL(name##_one_vector, 1, lies, add)                                                                             \
    PANEL(name##_two_vectors, 2, lies, add)                                                                            \
    PANEL(name##_three_vectors, 3, lies, add)                                                                          \
    static void name(int64_t rows, int64_t columns, int64_t inner, const float *a, Steps steps, const float *b,        \
                     int64_t b_inner, float *c, int64_t c_row, int64_t ahead) {                                        \
        int wide = b_inner && rows % ROWS(2) && rows % ROWS(3) == 0; /* so that no row is left over */                 \
        int64_t last = 0;                                                                                              \
        while (last + width(columns, last, wide) < columns)                                                            \
            last += width(columns, last, wide);                                                                        \
        for (int64_t k = last; k >= 0; k -= (wide ? 3 : 2) * VECTOR) {                                                 \
            int64_t now = width(columns, k, wide), step = b_inner ? b_inner : now, soon = 0;                           \
            const float *panel = b_inner ? b + k : b + inner * k;                                                      \
            if (b_inner && ahead) /* in order, which the rows of a panel are not, and which is faster */               \
                prefetch(b + ahead + (last - k) * inner, 1, 0, now * inner);                                           \
            else if (k == last)                                                                                        \
                soon = ahead;                                                                                          \
            (now == VECTOR ? name##_one_vector : now == 2 * VECTOR ? name##_two_vectors : name##_three_vectors)(       \
                rows, inner, a, steps, panel, step, c + k, c_row, soon);                                               \
        }                                                                                                              \
    }

enum { PACKED = 0 }; /* for `b_inner` */

/* A matrix whose entry (k, n) is b[k * b_inner + n * b_column], panel by panel; zeros fill the last vector. */
static void pack(int64_t inner, int64_t columns, const float *b, int64_t b_inner, int64_t b_column, float *to) {
    for (int64_t first = 0, now; first < columns; first += now) {
        now = width(columns, first, 0);
        for (int64_t k = 0; k < inner; k++)
            for (int64_t n = first; n < first + now; n++)
                *to++ = n < columns ? b[k * b_inner + n * b_column] : 0;
    }
}

/* sum[r][c] += sum over batch and n of y[batch][r][n] x[batch][c][n]; a vector of parts of each. */
INLINE void dots(const int rows, const int columns, int64_t batch, int64_t count, const float *y, int64_t y_batch,
                 const float *x, int64_t x_batch, vector *sum, int64_t sum_row) {
    vector part[4][3];
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 3
        for (int c = 0; c < columns; c++)
            part[r][c] = sum[r * sum_row + c];
    int64_t whole = count / VECTOR * VECTOR;
    for (int64_t k = 0; k < batch; k++) {
        const float *left = y + k * y_batch, *right = x + k * x_batch, *end = left + whole;
        for (; left < end; left += VECTOR, right += VECTOR) {
            vector column[3];
#pragma GCC unroll 3
            for (int c = 0; c < columns; c++)
                column[c] = *(const vector *)(right + c * count);
#pragma GCC unroll 4
            for (int r = 0; r < rows; r++) {
                vector row = *(const vector *)(left + r * count);
#pragma GCC unroll 3
                for (int c = 0; c < columns; c++)
                    part[r][c] += row * column[c];
            }
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 3
        for (int c = 0; c < columns; c++)
            sum[r * sum_row + c] = part[r][c];
    if (whole == count)
        return;
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < columns; c++) {
            float rest = 0;
            for (int64_t k = 0; k < batch; k++)
                for (int64_t n = whole; n < count; n++)
                    rest += y[k * y_batch + r * count + n] * x[k * x_batch + c * count + n];
            ((float *)&sum[r * sum_row + c])[0] += rest;
        }
}

#define DOTS(r, c)                                                                                                     \
    case 3 * (r) + (c): dots(r, c, batch, count, y, y_batch, x, x_batch, sum, sum_row); break

/* The same for up to 4 rows and 3 columns. */
static void dots_of(int64_t rows, int64_t columns, int64_t batch, int64_t count, const float *y, int64_t y_batch,
                    const float *x, int64_t x_batch, vector *sum, int64_t sum_row) {
    switch (3 * rows + columns) {
        DOTS(1, 1); DOTS(1, 2); DOTS(1, 3); DOTS(2, 1); DOTS(2, 2); DOTS(2, 3);
        DOTS(3, 1); DOTS(3, 2); DOTS(3, 3); DOTS(4, 1); DOTS(4, 2); DOTS(4, 3);
    }
}

/* Add the gradient of a matrix (outer, inner) that stood on the left of `batch` matrices (inner, after). */
static void add_dots(int64_t batch, int64_t outer, int64_t inner, int64_t after, const float *y, const float *x,
                     vector *sum) {
    int64_t most = 2 * BLOCK / ((outer + inner) * after) + 1;
    for (int64_t done = 0; done < batch; done += most) {
        int64_t now = batch - done < most ? batch - done : most;
        for (int64_t r = 0; r < outer; r += 4)
            for (int64_t c = 0; c < inner; c += 3) {
                int64_t rows = outer - r < 4 ? outer - r : 4, columns = inner - c < 3 ? inner - c : 3;
                dots_of(rows, columns, now, after, y + (done * outer + r) * after, outer * after,
                        x + (done * inner + c) * after, inner * after, sum + r * inner + c, inner);
            }
    }
}

/* y = x b' for a b of few rows, each in order: sums over vectors, which leave no column of a vector empty. */
static void multiply_dots(int64_t rows, int64_t columns, int64_t inner, const float *x, const float *b, float *y) {
    for (int64_t r = 0; r < rows; r += 3) {
        prefetch(x + (r + 1) * inner + BLOCK, 1, 0, 3 * inner);
        for (int64_t c = 0; c < columns; c += 4) {
            vector sum[12] = {{0}};
            int64_t now = rows - r < 3 ? rows - r : 3, wide = columns - c < 4 ? columns - c : 4;
            dots_of(wide, now, 1, inner, b + c * inner, 0, x + r * inner, 0, sum, 3);
            for (int64_t i = 0; i < now; i++)
                for (int64_t j = 0; j < wide; j++) {
                    float total = 0;
                    for (int v = 0; v < VECTOR; v++)
                        total += sum[3 * j + i][v];
                    y[(r + i) * columns + c + j] = total;
                }
        }
    }
}
