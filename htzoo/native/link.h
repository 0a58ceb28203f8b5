/* One product of a chain, forward and backward. */
#pragma once

#include "tile.h"

MULTIPLY(multiply_rows, BY_ROWS, 0)
MULTIPLY(multiply_columns, BY_COLUMNS, 0)
MULTIPLY(multiply_gathered, GATHERED, 0)
MULTIPLY(multiply_scattered, SCATTERED, 0)
MULTIPLY(add_rows, BY_ROWS, 1)
MULTIPLY(add_columns, BY_COLUMNS, 1)
MULTIPLY(add_gathered, GATHERED, 1)

static int64_t entering(const Link *link) { return link->before * link->inner * link->after; }
static int64_t leaving(const Link *link) { return link->before * link->outer * link->after; }
/* Whether the gradient of a matrix on the left is summed in parts, which must fit into the first-level cache. */
static int in_parts(const Link *link) { return link->after > 1 && link->inner * link->outer * VECTOR <= 2 * BLOCK; }
/* Whether a matrix on the right has so few columns that many of a vector would be empty. Its rows are whole vectors. */
static int is_narrow(const Link *link) {
    return link->after == 1 && link->inner % VECTOR == 0 && link->inner >= NARROW_VECTORS * VECTOR &&
           4 * padded(link->outer) > 5 * link->outer;
}
/* Whether a product ends with whole vectors. */
static int is_exact(const Link *link) { return (link->after > 1 ? link->after : link->outer) % VECTOR == 0; }
/* Whether the product finds what it multiplies where it lies, rather than reordered. */
static int gathers(const Link *link) { return link->rows && !is_narrow(link); }
static int reorders(const Link *link) { return link->reorder.axes && !gathers(link); }
/* Whether the gradient of what comes in is written where it belongs, rather than reordered. */
static int scatters(const Link *link) { return link->rows && link->fours; }
/* Floats of a packed matrix, of its transpose, and of the sum of its gradients: (outer, inner) with a vector of parts
 * of every number, (outer, inner) of a narrow one, or (inner, outer) with padded rows. */
static int64_t packed(const Link *link) {
    return link->after > 1 ? 0 : link->inner * (is_narrow(link) ? link->outer : padded(link->outer));
}
static int64_t packed_back(const Link *link) { return link->after == 1 ? link->outer * padded(link->inner) : 0; }
static int64_t summed(const Link *link) {
    return link->inner * (in_parts(link) ? link->outer * VECTOR : is_narrow(link) ? link->outer : padded(link->outer));
}

/* y = x times the matrix; or with `back` times its transpose, in the order of what comes in where the link scatters. */
static void apply(const Link *link, int64_t rows, const float *matrix, const float *panels, const float *x, float *y,
                  int back) {
    int64_t inner = back ? link->outer : link->inner, outer = back ? link->inner : link->outer;
    int64_t batch = rows * link->before, after = link->after;
    if (is_narrow(link) && !back) {
        multiply_dots(batch, outer, inner, x, panels, y);
        return;
    }
    int64_t most = BLOCK / inner / TILE_ROWS * TILE_ROWS + TILE_ROWS;
    Steps steps = {link->inner, 0, 0}; /* of the matrix on the left, either way */
    if (after > 1 && back)
        for (int64_t b = 0; b < batch; b++, x += inner * after, y += outer * after)
            multiply_columns(outer, after, inner, matrix, steps, x, after, y, after, x + inner * after, inner * after);
    else if (after > 1)
        for (int64_t b = 0; b < batch; b++, x += inner * after, y += outer * after)
            multiply_rows(outer, after, inner, matrix, steps, x, after, y, after, x + inner * after, inner * after);
    else if (back ? scatters(link) : gathers(link))
        for (int64_t r = 0; r < batch; r += link->before)
            for (int64_t n = 0; n < link->before; n += most) {
                int64_t now = link->before - n < most ? link->before - n : most;
                const float *left = x + (r + n * back) * inner;
                steps = (Steps){inner, link->rows + n, link->inners};
                if (back)
                    multiply_scattered(now, outer, inner, left, steps, panels, PACKED, y + r * outer, 0, 0, 0);
                else
                    multiply_gathered(now, outer, inner, left, steps, panels, PACKED, y + (r + n) * outer, outer, 0,
                                      0);
            }
    else
        for (int64_t r = 0; r < batch; r += most) {
            int64_t now = batch - r < most ? batch - r : most;
            steps.step = inner;
            const float *left = x + r * inner;
            multiply_rows(now, outer, inner, left, steps, panels, PACKED, y + r * outer, outer, left + now * inner,
                          now * inner);
        }
}

/* Add the gradient of the matrix to `sum`. `spare` is a buffer. */
static void gradient(const Link *link, int64_t rows, const float *x, const float *y, float *sum, float *spare) {
    int64_t inner = link->inner, outer = link->outer, after = link->after, batch = rows * link->before;
    if (after == 1 && gathers(link)) {
        for (int64_t r = 0; r < batch; r += link->before, x += link->before * inner)
            add_gathered(inner, outer, link->before, x, (Steps){0, link->inners, link->rows}, y + r * outer, outer, sum,
                         padded(outer), 0, 0);
    } else if (after == 1) {
        int64_t most = BLOCK / (inner + outer) + MIN_GRADIENT_ROWS;
        for (int64_t r = 0; r < batch; r += most) {
            int64_t now = batch - r < most ? batch - r : most;
            const float *left = x + r * inner, *right = y + r * outer, *soon = left + now * inner;
            Steps steps = {is_narrow(link) ? outer : inner, 0, 0};
            if (is_narrow(link))
                add_columns(outer, inner, now, right, steps, left, inner, sum, padded(inner), soon, now * inner);
            else
                add_columns(inner, outer, now, left, steps, right, outer, sum, padded(outer), soon, now * inner);
        }
    } else if (in_parts(link))
        add_dots(batch, outer, inner, after, y, x, (vector *)sum);
    else
        for (int64_t b = 0; b < batch; b++, x += inner * after, y += outer * after) {
            for (int64_t n = 0; n < after; n++)
                for (int64_t o = 0; o < outer; o++)
                    spare[n * outer + o] = y[o * after + n];
            add_rows(inner, outer, after, x, (Steps){after, 0, 0}, spare, outer, sum, padded(outer), 0, 0);
        }
}
