/* One product of a chain, forward and backward. */
#pragma once

#include "reorder.h"
#include "tile.h"

/* (before, inner, after) becomes (before, outer, after), after a reordering. The matrix is (inner, outer) where `after`
 * is 1, else (outer, inner). */
typedef struct {
    int64_t before, inner, outer, after;
    Reorder reorder;
} Link;

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
