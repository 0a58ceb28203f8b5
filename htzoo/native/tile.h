/* Small products of float32 matrices.
 *
 * A tile of up to 12 vectors of sums is kept in registers while it runs along the inner axis. Matrix libraries are made
 * for large matrices, and the products of a chain have inner axes of 8 to 80 numbers and 8 to 64 columns.
 *
 * Matrices are in row-major order. What is read as vectors has SLACK floats behind its end.
 */
#pragma once

#include "reorder.h"

/* VECTOR, values of a vector, is a flag of the compiler. Processors with vectors of 8 have 16 registers for them, those
 * with vectors of 4 or 16 have 32. */
enum { REGISTERS = VECTOR == 8 ? 16 : 32 };

typedef float vector __attribute__((vector_size(4 * VECTOR), aligned(4), may_alias));

#define INLINE static inline __attribute__((always_inline))

/* How the entry (r, k) of a lies: at r * step + k (BY_ROWS), r + k * step (BY_COLUMNS), or rows[r] + places[k]
 * (GATHERED). SCATTERED: a lies by rows, and it is c whose entry (r, n) lies at rows[r] + places[n], four neighbours of
 * whole vectors at a time. */
enum { BY_ROWS, BY_COLUMNS, GATHERED, SCATTERED };
typedef struct {
    int64_t step;
    const int64_t *rows, *places;
} Steps;

/* sum += a's column b's row, or with `first` instead of what was in `sum`. */
INLINE void add_outer(const int rows, const int vectors, const int lies, const int first, const float *a, Steps steps,
                      const float *b, vector sum[12][3]) {
    vector column[3];
#pragma GCC unroll 3
    for (int v = 0; v < vectors; v++)
        column[v] = *(const vector *)(b + v * VECTOR);
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++) {
        float at = a[lies == GATHERED ? steps.rows[r] : lies == BY_COLUMNS ? r : r * steps.step];
#pragma GCC unroll 3
        for (int v = 0; v < vectors; v++)
            sum[r][v] = first ? at * column[v] : sum[r][v] + at * column[v];
    }
}

/* Four neighbours of a vector. */
INLINE four quarter(vector x, const int q) {
#if VECTOR == 4
    return x;
#elif VECTOR == 8
    return q ? SHUFFLE(x, x, 4, 5, 6, 7) : SHUFFLE(x, x, 0, 1, 2, 3);
#else
    return q == 0   ? SHUFFLE(x, x, 0, 1, 2, 3)
           : q == 1 ? SHUFFLE(x, x, 4, 5, 6, 7)
           : q == 2 ? SHUFFLE(x, x, 8, 9, 10, 11)
                    : SHUFFLE(x, x, 12, 13, 14, 15);
#endif
}

/* c = a b, or c += a b with `add`, for `rows` rows and `vectors` vectors of columns. The first products are not added
 * to anything: sums that begin with zeros, or with c, take 15 cycles more on Zen 3. */
INLINE void tile(const int rows, const int vectors, const int lies, const int add, int64_t inner, const float *a,
                 Steps steps, const float *b, int64_t b_inner, float *c, int64_t c_row) {
    vector sum[12][3];
    int64_t a_inner = lies == GATHERED ? 0 : lies == BY_COLUMNS ? steps.step : 1;
    add_outer(rows, vectors, lies, 1, a + (lies == GATHERED ? steps.places[0] : 0), steps, b, sum);
    for (int64_t k = 1; k < inner; k++) {
        a += a_inner, b += b_inner;
        add_outer(rows, vectors, lies, 0, a + (lies == GATHERED ? steps.places[k] : 0), steps, b, sum);
    }
    if (lies == SCATTERED) {
        int64_t row[12], place[3][VECTOR / 4]; /* read first: for all the compiler knows, the stores below change them */
#pragma GCC unroll 12
        for (int r = 0; r < rows; r++)
            row[r] = steps.rows[r];
#pragma GCC unroll 3
        for (int v = 0; v < vectors; v++)
            for (int q = 0; q < VECTOR / 4; q++)
                place[v][q] = steps.places[v * VECTOR + 4 * q];
#pragma GCC unroll 12
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 3
            for (int v = 0; v < vectors; v++)
#pragma GCC unroll 4
                for (int q = 0; q < VECTOR / 4; q++)
                    *(four *)(c + row[r] + place[v][q]) = quarter(sum[r][v], q);
        return;
    }
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 3
        for (int v = 0; v < vectors; v++) {
            vector *to = (vector *)(c + r * c_row + v * VECTOR);
            if (add)
                sum[r][v] += *to;
            *to = sum[r][v];
        }
}

/* Ask for what will be read soon; beyond the end of a buffer that does nothing. */
INLINE void prefetch(const float *from, int64_t count) {
    for (int64_t n = 0; n < count; n += 16)
        __builtin_prefetch(from + n, 0, 2);
}

/* Maximum rows of a tile for a number of vectors: 12 of 16 or 24 of 32 registers hold sums. */
#define ROWS(vectors) (REGISTERS == 16 ? 12 / (vectors) : (vectors) == 3 ? 8 : 12)

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
                     float *c, int64_t c_row, const float *soon, int64_t each) {                                       \
        int64_t tiles = (rows + ROWS(vectors) - 1) / ROWS(vectors), least = rows / tiles, more = rows % tiles;         \
        for (int64_t t = 0; t < tiles; t++) {                                                                          \
            int64_t now = least + (t < more);                                                                          \
            prefetch(soon, now * each);                                                                                \
            soon += now * each;                                                                                        \
            switch (now) {                                                                                             \
                ONE(1, vectors, lies, add) ONE(2, vectors, lies, add) ONE(3, vectors, lies, add)                       \
                ONE(4, vectors, lies, add) ONE(5, vectors, lies, add) ONE(6, vectors, lies, add)                       \
                ONE(7, vectors, lies, add) ONE(8, vectors, lies, add) ONE(9, vectors, lies, add)                       \
                ONE(10, vectors, lies, add) ONE(11, vectors, lies, add) ONE(12, vectors, lies, add)                    \
            }                                                                                                          \
            c += now * c_row;                                                                                          \
            if (lies == GATHERED || lies == SCATTERED)                                                                 \
                steps.rows += now;                                                                                     \
            if (lies != GATHERED)                                                                                      \
                a += now * (lies == BY_COLUMNS ? 1 : steps.step);                                                      \
        }                                                                                                              \
    }

/* A function for c = a b, or c += a b. Row k of b is packed, panel by panel (`pack`), or has `b_inner` floats. The
 * `count` floats at `soon` are read soon, and asked for bit by bit.
 *
 * Whole vectors are stored. What is too much at the end of a row is stored over: by the panels before, which therefore
 * come later, or the next row; or it lands in padding or slack. */
#define MULTIPLY(name, lies, add)                                                                                      \
    PANEL(name##_one_vector, 1, lies, add)                                                                             \
    PANEL(name##_two_vectors, 2, lies, add)                                                                            \
    PANEL(name##_three_vectors, 3, lies, add)                                                                          \
    static void name(int64_t rows, int64_t columns, int64_t inner, const float *a, Steps steps, const float *b,        \
                     int64_t b_inner, float *c, int64_t c_row, const float *soon, int64_t count) {                     \
        int wide = b_inner && rows % ROWS(2) && rows % ROWS(3) == 0; /* so that no row is left over */                 \
        int64_t last = 0;                                                                                              \
        while (last + width(columns, last, wide) < columns)                                                            \
            last += width(columns, last, wide);                                                                        \
        for (int64_t k = last; k >= 0; k -= (wide ? 3 : 2) * VECTOR) {                                                 \
            int64_t now = width(columns, k, wide), step = b_inner ? b_inner : now, each = 0;                           \
            if (count)                                                                                                 \
                each = last ? count * now / (columns * rows) + 1 : count / rows;                                       \
            const float *panel = b_inner ? b + k : b + inner * k;                                                      \
            Steps found = {steps.step, steps.rows, lies == SCATTERED ? steps.places + k : steps.places};               \
            float *to = lies == SCATTERED ? c : c + k;                                                                 \
            (now == VECTOR ? name##_one_vector : now == 2 * VECTOR ? name##_two_vectors : name##_three_vectors)(       \
                rows, inner, a, found, panel, step, to, c_row, soon, each);                                            \
            soon += each * rows;                                                                                       \
        }                                                                                                              \
    }

enum { PACKED = 0 }; /* for `b_inner` */

/* A matrix whose entry (k, n) is b[k * b_inner + n * b_column], panel by panel; zeros fill the last vector. */
static void pack(int64_t inner, int64_t columns, const float *b, int64_t b_inner, int64_t b_column, float *to) {
    for (int64_t first = 0, now; first < columns; first += now, to += inner * now) {
        now = width(columns, first, 0);
        const float *from = b + first * b_column;
        if (b_column == 1 && first + now <= columns)
            copy_runs(inner, now, from, b_inner, to, now);
        else if (b_inner == 1 && first + now <= columns)
            transpose(now, inner, from, b_column, to, now);
        else
            for (int64_t k = 0; k < inner; k++)
                for (int64_t n = 0; n < now; n++)
                    to[k * now + n] = first + n < columns ? from[k * b_inner + n * b_column] : 0;
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
        prefetch(x + (r + 1) * inner + BLOCK, 3 * inner);
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
