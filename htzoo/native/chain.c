/* The products of a chain (chain.py), float32 on a CPU, forward and backward: a few rows at a time pass all of them, so
 * that what lies between two products stays in the cache. */
#include <string.h>

#include "link.h"
#include "threads.h"

enum { FEW = 4096 }; /* floats of the input that pass the first links together */

/* What one thread does. */
typedef struct {
    const Work *work;
    const float *panels, *panels_back;
    float *buffers, *sums;
    int64_t first, end; /* rows */
} Part;

/* What a few rows do in one block. */
typedef struct {
    const Chain *chain;
    const float *const *matrices;
    const float *panels, *panels_back;
    float *const *saved, *sums;
    int64_t first, rows;
} Pass;

/* Most floats of a row anywhere. */
static int64_t widest(const Chain *chain) {
    int64_t most = chain->in_features > chain->out_features ? chain->in_features : chain->out_features;
    for (int64_t k = 0; k < chain->links; k++) {
        int64_t all = leaving(&chain->link[k]) * (k < chain->head ? chain->slices : 1);
        most = all > most ? all : most;
    }
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
static int64_t num_buffers(const Work *work) { return work->d_y ? work->chain->links + 3 + work->chain->blocks : 4; }
/* Of one block. */
static int64_t num_sums(const Work *work) {
    return work->d_matrices ? total(work->chain, work->chain->links, summed) : 0;
}
static int64_t num_panels(const Work *work) { return total(work->chain, work->chain->links, packed); }
static int64_t num_panels_back(const Work *work) {
    return work->d_y ? total(work->chain, work->chain->links, packed_back) : 0;
}

static int64_t scratch_of(const Work *work) {
    int64_t blocks = work->chain->blocks;
    int64_t each = num_buffers(work) * buffer(work) + blocks * num_sums(work) + SLACK;
    return blocks * (num_panels(work) + num_panels_back(work)) + work->threads * each;
}

static Pass pass_of(const Part *part, int64_t block, int64_t first, int64_t rows) {
    const Work *work = part->work;
    int64_t links = work->chain->links;
    return (Pass){
        .chain = work->chain,
        .matrices = work->matrices + block * links,
        .panels = part->panels + block * num_panels(work),
        .panels_back = part->panels_back + block * num_panels_back(work),
        .saved = work->saved + block * links,
        .sums = part->sums + block * num_sums(work),
        .first = first,
        .rows = rows,
    };
}

/* The product of link k, forward. */
static void apply_link(const Pass *pass, int64_t k, const float *x, float *y) {
    apply(&pass->chain->link[k], pass->rows, pass->matrices[k], pass->panels + total(pass->chain, k, packed), x, y, 0);
}

/* What comes into link k, given what the link before it gave: reordered, and in the place where the backward shall find
 * it. `spare` is a buffer for it. */
static const float *enter(const Pass *pass, int64_t k, const float *given, float *spare) {
    const Link *link = &pass->chain->link[k];
    int64_t numbers = entering(link);
    float *to = pass->saved[k] ? pass->saved[k] + pass->first * numbers : spare;
    if (reorders(link)) {
        if (given == to) /* what the head gave lies there already */
            given = memcpy(spare, given, 4 * pass->rows * numbers);
        reorder_rows(&link->reorder, pass->rows, numbers, given, to, 0);
    } else if (given != to && (pass->saved[k] || (k == 0 && is_ragged(link))))
        memcpy(to, given, 4 * pass->rows * numbers);
    else
        return given;
    return to;
}

/* Links from `k` to before `end`; returns what the last one gave, which is written to `to`, where there is such a place
 * and whole vectors do not reach beyond it. */
static const float *pass_links(const Pass *pass, int64_t k, int64_t end, const float *x, float *const *buffers,
                               float *to) {
    for (; k < end; k++) {
        float *y = to && k == end - 1 && is_exact(&pass->chain->link[k]) ? to : buffers[k % 2];
        apply_link(pass, k, enter(pass, k, x, buffers[2]), y);
        x = y;
    }
    return x;
}

/* Write a block's result, or add it to those of the blocks before. */
static void give(int64_t block, int64_t count, const float *from, float *to) {
    if (block == 0)
        memcpy(to, from, 4 * count);
    else
        for (int64_t n = 0; n < count; n++)
            to[n] += from[n];
}

/* A few parts of some rows after the other, for every block, which read them while they are in the cache. */
#define EACH_SLICE(chain, rows)                                                                                        \
    int64_t few = FEW * (chain)->slices / (chain)->in_features + 1, all = (chain)->head ? (rows) * (chain)->slices : 0;\
    for (int64_t slice = 0, now; now = all - slice < few ? all - slice : few, slice < all; slice += now)               \
        for (int64_t block = 0; block < (chain)->blocks; block++)

static void forward_piece(const Part *part, int64_t first, int64_t rows) {
    const Work *work = part->work;
    const Chain *chain = work->chain;
    int64_t head = chain->head;
    float *buffers[4];
    for (int64_t k = 0; k < 4; k++)
        buffers[k] = part->buffers + k * buffer(work);
    EACH_SLICE(chain, rows) {
        Pass pass = pass_of(part, block, first * chain->slices + slice, now);
        const float *x = work->x + pass.first * (chain->in_features / chain->slices);
        int64_t numbers = leaving(&chain->link[head - 1]);
        float *to = pass.saved[head] + pass.first * numbers;
        x = pass_links(&pass, 0, head, x, buffers, to);
        if (x != to)
            memcpy(to, x, 4 * now * numbers);
    }
    for (int64_t block = 0; block < chain->blocks; block++) {
        Pass pass = pass_of(part, block, first, rows);
        const float *x = work->x + first * chain->in_features;
        if (head)
            x = pass.saved[head] + first * entering(&chain->link[head]);
        x = pass_links(&pass, head, chain->links, x, buffers, 0);
        if (chain->last.axes) {
            reorder_rows(&chain->last, rows, chain->out_features, x, buffers[3], 0);
            x = buffers[3];
        }
        give(block, rows * chain->out_features, x, work->y + first * chain->out_features);
    }
}

/* What came into every link: kept, or computed again into `buffers`, one a link. */
static void enter_again(const Pass *pass, int64_t k, int64_t end, const float *x, float *const *buffers, float *spare,
                        const float **entered) {
    for (; k < end; k++) {
        const Link *link = &pass->chain->link[k];
        if (pass->saved[k]) {
            entered[k] = pass->saved[k] + pass->first * entering(link);
            continue;
        }
        float *to = reorders(link) ? spare : buffers[k];
        if (k) {
            apply_link(pass, k - 1, entered[k - 1], to);
            x = to;
        }
        entered[k] = buffers[k];
        if (reorders(link))
            reorder_rows(&link->reorder, pass->rows, entering(link), x, buffers[k], 0);
        else if (k == 0 && is_ragged(link))
            memcpy(buffers[k], x, 4 * pass->rows * entering(link));
        else
            entered[k] = x;
    }
}

/* Links from before `end` back to `start`, given the gradient of what the last one gave; returns that of what came into
 * the first one. */
static const float *pass_back(const Work *work, const Pass *pass, int64_t start, int64_t end, const float *x,
                              const float *y, float *const *buffers) {
    const Chain *chain = work->chain;
    float *to = buffers[chain->links], *other = buffers[chain->links + 1], *spare = buffers[chain->links + 2];
    const float *entered[MAX_LINKS];
    if (work->d_matrices)
        enter_again(pass, start, end, x, buffers, spare, entered);
    for (int64_t k = end - 1; k >= start; k--) {
        const Link *link = &chain->link[k];
        if (work->d_matrices)
            gradient(link, pass->rows, entered[k], y, pass->sums + total(chain, k, summed), spare);
        if (!k && !work->d_x)
            break;
        float *found = y == to ? other : to;
        apply(link, pass->rows, pass->matrices[k], pass->panels_back + total(chain, k, packed_back), y, found, 1);
        y = found;
        if (link->reorder.axes && !scatters(link)) {
            found = y == to ? other : to;
            reorder_rows(&link->reorder, pass->rows, entering(link), y, found, 1);
            y = found;
        }
    }
    return y;
}

static void backward_piece(const Part *part, int64_t first, int64_t rows) {
    const Work *work = part->work;
    const Chain *chain = work->chain;
    int64_t links = chain->links, head = chain->head;
    float *buffers[MAX_LINKS + 3];
    for (int64_t k = 0; k < links + 3; k++)
        buffers[k] = part->buffers + k * buffer(work);
    float *between = part->buffers + (links + 3) * buffer(work); /* gradients behind the head, one a block */
    const float *d_y = work->d_y + first * chain->out_features, *x = work->x + first * chain->in_features;
    for (int64_t block = 0; block < chain->blocks; block++) {
        Pass pass = pass_of(part, block, first, rows);
        if (chain->last.axes)
            reorder_rows(&chain->last, rows, chain->out_features, d_y, buffers[links], 1);
        else
            memcpy(buffers[links], d_y, 4 * rows * chain->out_features);
        const float *found = pass_back(work, &pass, head, links, x, buffers[links], buffers);
        if (head)
            memcpy(between + block * buffer(work), found, 4 * rows * entering(&chain->link[head]));
        else if (work->d_x)
            give(block, rows * chain->in_features, found, work->d_x + first * chain->in_features);
    }
    EACH_SLICE(chain, rows) {
        Pass pass = pass_of(part, block, first * chain->slices + slice, now);
        int64_t numbers = leaving(&chain->link[head - 1]), in_features = chain->in_features / chain->slices;
        const float *y = between + block * buffer(work) + slice * numbers;
        const float *found = pass_back(work, &pass, 0, head, work->x + pass.first * in_features, y, buffers);
        if (work->d_x)
            give(block, now * in_features, found, work->d_x + pass.first * in_features);
    }
}

static void *run_part(void *argument) {
    const Part *part = argument;
    const Work *work = part->work;
    int64_t blocks = work->chain->blocks;
    memset(part->sums, 0, 4 * blocks * num_sums(work));
    for (int64_t first = part->first; first < part->end; first += work->piece) {
        int64_t rows = part->end - first < work->piece ? part->end - first : work->piece;
        (work->d_y ? backward_piece : forward_piece)(part, first, rows);
    }
    return 0;
}

static void pack_matrices(const Work *work, float *panels, float *panels_back) {
    for (int64_t n = 0; n < work->chain->blocks * work->chain->links; n++) {
        const Link *link = &work->chain->link[n % work->chain->links];
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
    for (int64_t n = 0; n < work->chain->blocks * work->chain->links; n++) {
        const Link *link = &work->chain->link[n % work->chain->links];
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
    int64_t blocks = work->chain->blocks, count = work->threads;
    float *panels = work->scratch, *panels_back = panels + blocks * num_panels(work);
    pack_matrices(work, panels, panels_back);
    Part parts[MAX_THREADS];
    float *free = panels_back + blocks * num_panels_back(work);
    for (int64_t t = 0; t < count; t++) {
        float *sums = free + num_buffers(work) * buffer(work);
        int64_t first = work->rows * t / count, end = work->rows * (t + 1) / count;
        parts[t] = (Part){work, panels, panels_back, free, sums, first, end};
        free = sums + blocks * num_sums(work) + SLACK;
    }
    in_threads(run_part, parts, sizeof(Part), count);
    for (int64_t t = 0; work->d_matrices && t < count; t++)
        add_gradients(work, parts[t].sums);
}

/* ---- What Python calls ------------------------------------------------------------------------------------------ */

EXPORTED(const char *, digest)(void) { return DIGEST; }
EXPORTED(int64_t, scratch)(const Work *work) { return scratch_of(work); }
EXPORTED(void, product)(const Work *work) { run(work); }
