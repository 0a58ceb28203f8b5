/* The products of a chain (chain.py) for float32 on a CPU, forward and backward.
 *
 * A few rows at a time pass the whole chain, so that what lies between two products stays in the cache. All products
 * are one kind: a tile of ROWS rows and one or two vectors of columns is kept in registers and summed over the inner
 * axis. Matrix libraries are made for large matrices; here the inner axis has 8 to 80 numbers and the columns are 8 to
 * 64, where this tile reaches several times their speed.
 *
 * Everything is in row-major order. Buffers that are read as vectors have SLACK floats behind their end.
 */
#include <pthread.h>
#include <stdint.h>
#include <string.h>

enum { VECTOR = 8, SLACK = 16, MOST_AXES = 32, MOST_LINKS = 8, MOST_THREADS = 64 };
/* What a block of rows shall take in the first-level cache, in floats, while all columns pass it. */
enum { BLOCK = 4096 };

typedef float vector __attribute__((vector_size(4 * VECTOR), aligned(4), may_alias));

#define INLINE static inline __attribute__((always_inline))

/* A copy that reorders axes: the axes of the result, with their steps in the source; the last one's step is 1. */
typedef struct {
    int64_t axes;
    int64_t size[MOST_AXES];
    int64_t step[MOST_AXES];
} Reorder;

/* (before, inner, after) becomes (before, outer, after). `reorder.axes` is 0 where nothing is reordered first. The
 * matrix is (inner, outer) where `after` is 1, else (outer, inner). */
typedef struct {
    int64_t before, inner, outer, after;
    Reorder reorder;
} Link;

/* `last` reorders the result. */
typedef struct {
    int64_t links, in_features, out_features;
    Link link[MOST_LINKS];
    Reorder last;
} Chain;

/* ---- The tile ------------------------------------------------------------------------------------------------ */

/* c = a b, or c += a b with `add`, for `rows` rows and `vectors` vectors of columns. */
INLINE void tile(const int rows, const int vectors, int64_t inner, const float *a, int64_t a_row, int64_t a_inner,
                 const float *b, int64_t b_inner, float *c, int64_t c_row, const int add) {
    vector sum[12][3];
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 3
        for (int v = 0; v < vectors; v++)
            sum[r][v] = add ? *(const vector *)(c + r * c_row + v * VECTOR) : (vector){0};
    for (int64_t k = 0; k < inner; k++, a += a_inner, b += b_inner) {
        vector column[3];
#pragma GCC unroll 3
        for (int v = 0; v < vectors; v++)
            column[v] = *(const vector *)(b + v * VECTOR);
#pragma GCC unroll 12
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 3
            for (int v = 0; v < vectors; v++)
                sum[r][v] += a[r * a_row] * column[v];
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

/* All rows, in tiles as even as can be: the sums of a small one would wait for each other. */
#define ONE(count, vectors, add)                                                                                       \
    case count:                                                                                                        \
        if ((count) <= ROWS(vectors))                                                                                  \
            tile((count) <= ROWS(vectors) ? (count) : 0, vectors, inner, a, a_row, a_inner, b, b_inner, c, c_row, add);\
        break;
#define TILES(name, vectors, add)                                                                                      \
    static void name(int64_t rows, int64_t inner, const float *a, int64_t a_row, int64_t a_inner, const float *b,      \
                     int64_t b_inner, float *c, int64_t c_row, int64_t ahead) {                                        \
        for (int64_t left = (rows + ROWS(vectors) - 1) / ROWS(vectors), now; left; left--) {                           \
            now = (rows + left - 1) / left;                                                                            \
            if (ahead)                                                                                                 \
                prefetch(a + ahead, 1, 0, now * a_row);                                                                \
            switch (now) {                                                                                             \
                ONE(1, vectors, add) ONE(2, vectors, add) ONE(3, vectors, add) ONE(4, vectors, add)                    \
                ONE(5, vectors, add) ONE(6, vectors, add) ONE(7, vectors, add) ONE(8, vectors, add)                    \
                ONE(9, vectors, add) ONE(10, vectors, add) ONE(11, vectors, add) ONE(12, vectors, add)                 \
            }                                                                                                          \
            rows -= now, a += now * a_row, c += now * c_row;                                                           \
        }                                                                                                              \
    }
TILES(one_vector, 1, 0)
TILES(two_vectors, 2, 0)
TILES(three_vectors, 3, 0)
TILES(add_one_vector, 1, 1)
TILES(add_two_vectors, 2, 1)
TILES(add_three_vectors, 3, 1)

/* Columns of the panel that begins at a column: two vectors, or the last one or three; three with `wide`. */
INLINE int64_t width(int64_t columns, int64_t first, int wide) {
    int64_t left = columns - first;
    return left <= VECTOR ? VECTOR : left > 2 * VECTOR && (wide || left <= 3 * VECTOR) ? 3 * VECTOR : 2 * VECTOR;
}

/* Columns with those that fill the last vector. */
static int64_t padded(int64_t columns) { return (columns + VECTOR - 1) / VECTOR * VECTOR; }

/* c = a b, or c += a b. Row k of b is packed, panel by panel (`pack`), or has `b_inner` floats.
 *
 * Whole vectors are stored. What is too much at the end of a row is stored over: by the panels before, which therefore
 * come later, or the next row; or it lands in padding or slack. */
INLINE void multiply(int64_t rows, int64_t columns, int64_t inner, const float *a, int64_t a_row, int64_t a_inner,
                     const float *b, const int is_packed, int64_t b_inner, float *c, int64_t c_row, const int add,
                     int64_t ahead) {
    const int wide = !is_packed && rows % ROWS(2) && rows % ROWS(3) == 0; /* so that no row is left over */
    int64_t last = 0;
    while (last + width(columns, last, wide) < columns)
        last += width(columns, last, wide);
    for (int64_t k = last; k >= 0; k -= (wide ? 3 : 2) * VECTOR) {
        int64_t now = width(columns, k, wide);
        const float *panel = is_packed ? b + inner * k : b + k;
        int64_t step = is_packed ? now : b_inner, soon = is_packed && k == last ? ahead : 0;
        if (!is_packed && ahead)
            prefetch(panel + ahead, inner, b_inner, now);
        if (now == VECTOR)
            (add ? add_one_vector : one_vector)(rows, inner, a, a_row, a_inner, panel, step, c + k, c_row, soon);
        else if (now == 2 * VECTOR)
            (add ? add_two_vectors : two_vectors)(rows, inner, a, a_row, a_inner, panel, step, c + k, c_row, soon);
        else
            (add ? add_three_vectors : three_vectors)(rows, inner, a, a_row, a_inner, panel, step, c + k, c_row, soon);
    }
}

static void multiply_packed(int64_t rows, int64_t columns, int64_t inner, const float *a, const float *b, float *c) {
    multiply(rows, columns, inner, a, inner, 1, b, 1, 0, c, columns, 0, rows * inner);
}

static void multiply_plain(int64_t rows, int64_t columns, int64_t inner, const float *a, int64_t a_row,
                           int64_t a_inner, const float *b, float *c) {
    multiply(rows, columns, inner, a, a_row, a_inner, b, 0, columns, c, columns, 0, inner * columns);
}

/* c += a b, where the rows of c are padded. */
static void multiply_add(int64_t rows, int64_t columns, int64_t inner, const float *a, int64_t a_row, int64_t a_inner,
                         const float *b, int64_t b_inner, float *c) {
    multiply(rows, columns, inner, a, a_row, a_inner, b, 0, b_inner, c, padded(columns), 1, 0);
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

/* ---- Packing and reordering ------------------------------------------------------------------------------------ */

/* A matrix whose entry (k, n) is b[k * b_inner + n * b_column], panel by panel; zeros fill the last vector. */
static void pack(int64_t inner, int64_t columns, const float *b, int64_t b_inner, int64_t b_column, float *to) {
    for (int64_t first = 0, now; first < columns; first += now) {
        now = width(columns, first, 0);
        for (int64_t k = 0; k < inner; k++)
            for (int64_t n = first; n < first + now; n++)
                *to++ = n < columns ? b[k * b_inner + n * b_column] : 0;
    }
}

#define COPY(run)                                                                                                      \
    for (int64_t k = 0; k < count; k++, there += there_step, here += here_step)                                        \
        memcpy(here, there, 4 * (run));                                                                                \
    break

/* `count` pieces of `run` floats each. */
INLINE void copy_runs(int64_t count, int64_t run, const float *there, int64_t there_step, float *here,
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

/* ---- One link -------------------------------------------------------------------------------------------------- */

static int64_t entering(const Link *link) { return link->before * link->inner * link->after; }
static int64_t leaving(const Link *link) { return link->before * link->outer * link->after; }
/* Whether the gradient of a matrix on the left is summed in parts, which must fit into the first-level cache. */
static int in_parts(const Link *link) { return link->after > 1 && link->inner * link->outer * VECTOR <= 2 * BLOCK; }
/* Whether a matrix on the right has so few columns that many of a vector would be empty. Its rows are whole vectors. */
static int is_narrow(const Link *link) {
    return link->after == 1 && link->inner % VECTOR == 0 && link->inner >= 8 * VECTOR &&
           4 * padded(link->outer) > 5 * link->outer;
}
/* Floats of a packed matrix, of its transpose, and of the sum of its gradients: (outer, inner) with a vector of parts of
 * every number, (outer, inner) of a narrow one, or (inner, outer) with padded rows. */
static int64_t packed(const Link *link) {
    return link->after > 1 ? 0 : link->inner * (is_narrow(link) ? link->outer : padded(link->outer));
}
static int64_t packed_back(const Link *link) { return link->after == 1 ? link->outer * padded(link->inner) : 0; }
static int64_t summed(const Link *link) {
    return link->inner * (in_parts(link) ? link->outer * VECTOR : is_narrow(link) ? link->outer : padded(link->outer));
}

/* y = x times the matrix, or with `back` times its transpose. */
static void apply(const Link *link, int64_t rows, const float *matrix, const float *panels, const float *x, float *y,
                  int back) {
    int64_t inner = back ? link->outer : link->inner, outer = back ? link->inner : link->outer;
    int64_t batch = rows * link->before, after = link->after;
    if (is_narrow(link) && !back) {
        multiply_dots(batch, outer, inner, x, panels, y);
        return;
    }
    if (after == 1) {
        int64_t most = BLOCK / inner / 12 * 12 + 12;
        for (int64_t r = 0; r < batch; r += most)
            multiply_packed(batch - r < most ? batch - r : most, outer, inner, x + r * inner, panels, y + r * outer);
        return;
    }
    for (int64_t b = 0; b < batch; b++, x += inner * after, y += outer * after)
        multiply_plain(outer, after, inner, matrix, back ? 1 : inner, back ? outer : 1, x, y);
}

/* Add the gradient of the matrix to `sum`. `spare` is a buffer. */
static void gradient(const Link *link, int64_t rows, const float *x, const float *y, float *sum, float *spare) {
    int64_t inner = link->inner, outer = link->outer, after = link->after, batch = rows * link->before;
    if (after == 1) {
        int64_t most = BLOCK / (inner + outer) + 64;
        for (int64_t r = 0; r < batch; r += most) {
            int64_t now = batch - r < most ? batch - r : most;
            prefetch(x + (r + now) * inner, 1, 0, now * inner);
            if (is_narrow(link))
                multiply_add(outer, inner, now, y + r * outer, 1, outer, x + r * inner, inner, sum);
            else
                multiply_add(inner, outer, now, x + r * inner, 1, inner, y + r * outer, outer, sum);
        }
    } else if (in_parts(link))
        add_dots(batch, outer, inner, after, y, x, (vector *)sum);
    else
        for (int64_t b = 0; b < batch; b++, x += inner * after, y += outer * after) {
            for (int64_t n = 0; n < after; n++)
                for (int64_t o = 0; o < outer; o++)
                    spare[n * outer + o] = y[o * after + n];
            multiply_add(inner, outer, after, x, after, 1, spare, outer, sum);
        }
}

/* ---- The chain ------------------------------------------------------------------------------------------------- */

typedef struct {
    const Chain *chain;
    int64_t rows, piece; /* all rows, and how many pass the chain together */
    const float *const *matrices;
    const float *x, *d_y;
    float *y, *d_x;     /* where they are wanted */
    float **saved;      /* what comes into every link, or NULL where it is not kept */
    float **d_matrices; /* or NULL where none is wanted */
    float *scratch;
    int64_t threads;
} Work;

/* What one thread does. */
typedef struct {
    const Work *work;
    const float *panels, *panels_back;
    float *buffers, *sums;
    int64_t first, end; /* rows */
} Part;

static int64_t widest(const Chain *chain) {
    int64_t most = chain->in_features > chain->out_features ? chain->in_features : chain->out_features;
    for (int64_t k = 0; k < chain->links; k++)
        most = leaving(&chain->link[k]) > most ? leaving(&chain->link[k]) : most;
    return most;
}

/* A sum over the links before `end`. */
static int64_t total(const Chain *chain, int64_t end, int64_t (*of)(const Link *)) {
    int64_t sum = 0;
    for (int64_t k = 0; k < end; k++)
        sum += of(&chain->link[k]);
    return sum;
}

/* Whether the first product would read whole vectors beyond the end of the input, which has no slack. */
static int is_ragged(const Link *link) { return link->after > 1 && link->after % VECTOR; }

static int64_t buffer(const Work *work) {
    return (work->piece * widest(work->chain) + SLACK + SLACK - 1) / SLACK * SLACK; /* in whole lines of the cache */
}
static int64_t num_buffers(const Work *work) { return work->d_y ? work->chain->links + 3 : 4; }
static int64_t num_sums(const Work *work) {
    return work->d_matrices ? total(work->chain, work->chain->links, summed) : 0;
}
static int64_t num_panels(const Work *work) { return total(work->chain, work->chain->links, packed); }
static int64_t num_panels_back(const Work *work) {
    return work->d_y ? total(work->chain, work->chain->links, packed_back) : 0;
}

static int64_t scratch_of(const Work *work) {
    int64_t each = num_buffers(work) * buffer(work) + num_sums(work) + SLACK;
    return num_panels(work) + num_panels_back(work) + work->threads * each;
}

/* What comes into link k, given what the link before it gave: reordered, and in the place where the backward shall find
 * it. `spare` is a buffer for it. */
static const float *enter(const Work *work, int64_t k, int64_t first, int64_t rows, const float *given, float *spare) {
    const Link *link = &work->chain->link[k];
    int64_t numbers = entering(link);
    float *to = work->saved[k] ? work->saved[k] + first * numbers : spare;
    if (link->reorder.axes)
        reorder_rows(&link->reorder, rows, numbers, given, to, 0);
    else if (work->saved[k] || (k == 0 && is_ragged(link)))
        memcpy(to, given, 4 * rows * numbers);
    else
        return given;
    return to;
}

static void forward_piece(const Part *part, int64_t first, int64_t rows) {
    const Work *work = part->work;
    const Chain *chain = work->chain;
    float *buffers[4];
    for (int64_t k = 0; k < 4; k++)
        buffers[k] = part->buffers + k * buffer(work);
    const float *x = work->x + first * chain->in_features;
    for (int64_t k = 0; k < chain->links; k++) {
        x = enter(work, k, first, rows, x, buffers[2]);
        apply(&chain->link[k], rows, work->matrices[k], part->panels + total(chain, k, packed), x, buffers[k % 2], 0);
        x = buffers[k % 2];
    }
    float *y = work->y + first * chain->out_features;
    if (chain->last.axes)
        reorder_rows(&chain->last, rows, chain->out_features, x, y, 0);
    else
        memcpy(y, x, 4 * rows * chain->out_features);
}

/* What came into every link: kept, or computed again into `buffers`, one a link. */
static void enter_again(const Part *part, int64_t first, int64_t rows, float *const *buffers, float *spare,
                        const float **entered) {
    const Work *work = part->work;
    const Chain *chain = work->chain;
    for (int64_t k = 0; k < chain->links; k++) {
        const Link *link = &chain->link[k];
        if (work->saved[k]) {
            entered[k] = work->saved[k] + first * entering(link);
            continue;
        }
        float *to = link->reorder.axes ? spare : buffers[k];
        const float *x = to;
        if (k)
            apply(link - 1, rows, work->matrices[k - 1], part->panels + total(chain, k - 1, packed), entered[k - 1], to, 0);
        else
            x = work->x + first * chain->in_features;
        entered[k] = buffers[k];
        if (link->reorder.axes)
            reorder_rows(&link->reorder, rows, entering(link), x, buffers[k], 0);
        else if (k == 0 && is_ragged(link))
            memcpy(buffers[k], x, 4 * rows * entering(link));
        else
            entered[k] = x;
    }
}

static void backward_piece(const Part *part, int64_t first, int64_t rows) {
    const Work *work = part->work;
    const Chain *chain = work->chain;
    float *buffers[MOST_LINKS + 3];
    for (int64_t k = 0; k < chain->links + 3; k++)
        buffers[k] = part->buffers + k * buffer(work);
    float *y = buffers[chain->links], *other = buffers[chain->links + 1], *spare = buffers[chain->links + 2];
    const float *d_y = work->d_y + first * chain->out_features, *entered[MOST_LINKS];
    if (chain->last.axes)
        reorder_rows(&chain->last, rows, chain->out_features, d_y, y, 1);
    else
        memcpy(y, d_y, 4 * rows * chain->out_features);
    if (work->d_matrices)
        enter_again(part, first, rows, buffers, spare, entered);
    for (int64_t k = chain->links - 1; k >= 0; k--) {
        const Link *link = &chain->link[k];
        if (work->d_matrices)
            gradient(link, rows, entered[k], y, part->sums + total(chain, k, summed), spare);
        if (!k && !work->d_x)
            return;
        apply(link, rows, work->matrices[k], part->panels_back + total(chain, k, packed_back), y, other, 1);
        if (link->reorder.axes)
            reorder_rows(&link->reorder, rows, entering(link), other, y, 1);
        else {
            float *swap = y;
            y = other, other = swap;
        }
    }
    memcpy(work->d_x + first * chain->in_features, y, 4 * rows * chain->in_features);
}

static void *run_part(void *argument) {
    const Part *part = argument;
    const Work *work = part->work;
    memset(part->sums, 0, 4 * num_sums(work));
    for (int64_t first = part->first; first < part->end; first += work->piece) {
        int64_t rows = part->end - first < work->piece ? part->end - first : work->piece;
        if (work->d_y)
            backward_piece(part, first, rows);
        else
            forward_piece(part, first, rows);
    }
    return 0;
}

static void pack_matrices(const Work *work, float *panels, float *panels_back) {
    for (int64_t n = 0; n < work->chain->links; n++) {
        const Link *link = &work->chain->link[n];
        if (link->after > 1)
            continue;
        if (is_narrow(link))
            for (int64_t k = 0; k < link->inner * link->outer; k++)
                panels[k] = work->matrices[n][k % link->inner * link->outer + k / link->inner];
        else
            pack(link->inner, link->outer, work->matrices[n], link->outer, 1, panels);
        panels += packed(link);
        if (!work->d_y)
            continue;
        pack(link->outer, link->inner, work->matrices[n], 1, link->outer, panels_back);
        panels_back += packed_back(link);
    }
}

/* Add the gradients that one thread has found. */
static void add_gradients(const Work *work, const float *sum) {
    for (int64_t n = 0; n < work->chain->links; n++) {
        const Link *link = &work->chain->link[n];
        float *to = work->d_matrices[n];
        int64_t step = link->after == 1 ? 1 : link->inner, row = link->after == 1 ? link->outer : 1;
        if (in_parts(link))
            for (int64_t k = 0; k < summed(link); k++)
                to[k / VECTOR] += sum[k];
        else if (is_narrow(link))
            for (int64_t k = 0; k < summed(link); k++)
                to[k % link->inner * link->outer + k / link->inner] += sum[k];
        else
            for (int64_t r = 0; r < link->inner; r++)
                for (int64_t c = 0; c < link->outer; c++)
                    to[r * row + c * step] += sum[r * padded(link->outer) + c];
        sum += summed(link);
    }
}

static void run(const Work *work) {
    float *panels = work->scratch, *panels_back = panels + num_panels(work);
    pack_matrices(work, panels, panels_back);
    Part parts[MOST_THREADS];
    pthread_t threads[MOST_THREADS];
    int64_t count = work->threads, started = 0;
    float *free = panels_back + num_panels_back(work);
    for (int64_t t = 0; t < count; t++) {
        float *sums = free + num_buffers(work) * buffer(work);
        int64_t first = work->rows * t / count, end = work->rows * (t + 1) / count;
        parts[t] = (Part){work, panels, panels_back, free, sums, first, end};
        free = sums + num_sums(work) + SLACK;
    }
    while (started + 1 < count && !pthread_create(&threads[started], 0, run_part, &parts[started + 1]))
        started++;
    run_part(&parts[0]);
    for (int64_t t = started + 1; t < count; t++) /* those for which there was no thread */
        run_part(&parts[t]);
    for (int64_t t = 0; t < started; t++)
        pthread_join(threads[t], 0);
    for (int64_t t = 0; work->d_matrices && t < count; t++)
        add_gradients(work, parts[t].sums);
}

/* ---- What Python calls ------------------------------------------------------------------------------------------ */

/* Floats of scratch that a call needs. */
int64_t htzoo_scratch(const Chain *chain, int64_t piece, int64_t threads, int backward, int matrices_wanted) {
    float mark, *marks[1] = {&mark};
    Work work = {.chain = chain, .piece = piece, .threads = threads};
    work.d_y = backward ? &mark : 0;
    work.d_matrices = matrices_wanted ? marks : 0;
    return scratch_of(&work);
}

/* y = x W', and what comes into the products that are marked so into `saved`. */
void htzoo_forward(const Chain *chain, int64_t rows, int64_t piece, int64_t threads, const float *const *matrices,
                   const float *x, float *y, float **saved, float *scratch) {
    Work work = {.chain = chain, .rows = rows, .piece = piece, .threads = threads, .matrices = matrices};
    work.x = x, work.y = y, work.saved = saved, work.scratch = scratch;
    run(&work);
}

/* The gradient of x where `d_x` is given, and those of the matrices, added to `d_matrices` where these are given. */
void htzoo_backward(const Chain *chain, int64_t rows, int64_t piece, int64_t threads, const float *const *matrices,
                    const float *x, const float *d_y, float **saved, float *d_x, float **d_matrices, float *scratch) {
    Work work = {.chain = chain, .rows = rows, .piece = piece, .threads = threads, .matrices = matrices};
    work.x = x, work.d_y = d_y, work.saved = saved, work.d_x = d_x, work.d_matrices = d_matrices;
    work.scratch = scratch;
    run(&work);
}
