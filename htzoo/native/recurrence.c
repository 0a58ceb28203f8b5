/* All steps of a recurrent layer (htzoo/nn/recurrence.py), float32 on a CPU, forward and backward: the hidden weight is
 * packed once for all of them, and stays in the cache. */
#include <string.h>

#include "functions.h"
#include "threads.h"

MULTIPLY(add_product, BY_ROWS, 1)
MULTIPLY(give_gradient, BY_COLUMNS, 0)
MULTIPLY(add_gradient, BY_COLUMNS, 1)

/* What one thread does. */
typedef struct {
    const Layer *layer;
    const float *panels;
    float *h_parts, *spare; /* `spare`: what a step keeps, where there will be no backward */
    int64_t first, end;     /* sequences */
} Part;

#define EACH(n) for (int64_t n = 0; n < size; n += VECTOR)
#define AT(array, k) (*(vector *)((array) + (k) * size + n))
#define OF(array, k) (*(const vector *)((array) + (k) * size + n))

/* One step of one sequence, gates in PyTorch's order: the next state, and what its backward needs into `saved`. */
static void step(int64_t cell, int64_t size, const float *x, const float *part, float *h, float *c, float *saved) {
    if (cell == LSTM)
        EACH(n) {
            vector i = sigmoid_of(OF(x, 0) + OF(part, 0)), f = sigmoid_of(OF(x, 1) + OF(part, 1));
            vector g = tanh_of(OF(x, 2) + OF(part, 2)), o = sigmoid_of(OF(x, 3) + OF(part, 3));
            AT(c, 0) = f * AT(c, 0) + i * g;
            vector tanh_c = tanh_of(AT(c, 0));
            AT(h, 0) = o * tanh_c;
            AT(saved, 0) = i, AT(saved, 1) = f, AT(saved, 2) = g, AT(saved, 3) = o, AT(saved, 4) = tanh_c;
        }
    else if (cell == GRU)
        EACH(n) {
            vector r = sigmoid_of(OF(x, 0) + OF(part, 0)), z = sigmoid_of(OF(x, 1) + OF(part, 1));
            vector new = tanh_of(OF(x, 2) + r * OF(part, 2));
            AT(h, 0) = new + z * (AT(h, 0) - new);
            AT(saved, 0) = r, AT(saved, 1) = z, AT(saved, 2) = new, AT(saved, 3) = OF(part, 2);
        }
    else
        EACH(n) {
            vector sum = OF(x, 0) + OF(part, 0), none = {0};
            if (cell == TANH)
                sum = tanh_of(sum);
            else
                sum = choose(sum <= none, none, sum);
            AT(h, 0) = AT(saved, 0) = sum;
        }
}

/* Gradients of a step's pre-activations and of the state before, from that of the state after, in place; that of h does
 * not count what goes through the hidden weight. */
static void step_back(int64_t cell, int64_t size, const float *saved, const float *before_h, const float *before_c,
                      float *d_x, float *d_part, float *d_h, float *d_c) {
    if (cell == LSTM)
        EACH(n) {
            vector i = OF(saved, 0), f = OF(saved, 1), g = OF(saved, 2), o = OF(saved, 3), tanh_c = OF(saved, 4);
            vector d_after = AT(d_c, 0) + AT(d_h, 0) * o * (1 - tanh_c * tanh_c);
            AT(d_x, 0) = d_after * g * i * (1 - i);
            AT(d_x, 1) = d_after * OF(before_c, 0) * f * (1 - f);
            AT(d_x, 2) = d_after * i * (1 - g * g);
            AT(d_x, 3) = AT(d_h, 0) * tanh_c * o * (1 - o);
            AT(d_c, 0) = d_after * f;
            AT(d_h, 0) = (vector){0};
        }
    else if (cell == GRU)
        EACH(n) {
            vector r = OF(saved, 0), z = OF(saved, 1), new = OF(saved, 2);
            vector d_new = AT(d_h, 0) * (1 - z) * (1 - new * new);
            AT(d_x, 0) = AT(d_part, 0) = d_new * OF(saved, 3) * r * (1 - r);
            AT(d_x, 1) = AT(d_part, 1) = AT(d_h, 0) * (OF(before_h, 0) - new) * z * (1 - z);
            AT(d_x, 2) = d_new;
            AT(d_part, 2) = d_new * r;
            AT(d_h, 0) *= z;
        }
    else
        EACH(n) {
            vector h = OF(saved, 0), none = {0};
            if (cell == TANH)
                AT(d_x, 0) = AT(d_h, 0) * (1 - h * h);
            else
                AT(d_x, 0) = choose(h <= none, none, AT(d_h, 0));
            AT(d_h, 0) = none;
        }
}

static int64_t running(const Part *part, int64_t t) {
    int64_t now = part->layer->running[t];
    return (now < part->end ? now : part->end) - part->first;
}

/* The row of a part's first sequence. */
static int64_t row_of(const Part *part, int64_t t) {
    return part->layer->row[t] + part->first * part->layer->apart;
}

static void *run_forward(void *argument) {
    const Part *part = argument;
    const Layer *layer = part->layer;
    int64_t size = layer->hidden, width = layer->gates * size;
    float *h = layer->h + part->first * size, *c = layer->c + part->first * size;
    for (int64_t s = 0; s < layer->steps; s++) {
        int64_t t = layer->reverse ? layer->steps - 1 - s : s, now = running(part, t), r = row_of(part, t);
        for (int64_t k = 0; k < now; k++)
            if (layer->bias)
                memcpy(part->h_parts + k * width, layer->bias, 4 * width);
            else
                memset(part->h_parts + k * width, 0, 4 * width);
        if (now > 0)
            add_product(now, width, size, h, (Steps){size, 0, 0}, part->panels, PACKED, part->h_parts, width, 0, 0);
        for (int64_t k = 0; k < now; k++, r += layer->apart) {
            float *own_h = h + k * size, *own_c = c + k * size;
            if (layer->saved) {
                memcpy(layer->before_h + r * size, own_h, 4 * size);
                if (layer->cell == LSTM)
                    memcpy(layer->before_c + r * size, own_c, 4 * size);
            }
            step(layer->cell, size, layer->x_parts + r * width, part->h_parts + k * width, own_h, own_c,
                 layer->saved ? layer->saved + r * layer->kept * size : part->spare);
            memcpy(layer->y + r * size, own_h, 4 * size);
        }
    }
    return 0;
}

static void *run_backward(void *argument) {
    const Part *part = argument;
    const Layer *layer = part->layer;
    int64_t size = layer->hidden, width = layer->gates * size, apart = layer->apart;
    float *d_h = layer->h + part->first * size, *d_c = layer->c + part->first * size;
    for (int64_t s = 0; s < layer->steps; s++) {
        int64_t t = layer->reverse ? s : layer->steps - 1 - s, now = running(part, t), first = row_of(part, t);
        for (int64_t k = 0; k < now; k++) {
            int64_t r = first + k * apart;
            for (int64_t n = 0; n < size; n += VECTOR)
                *(vector *)(d_h + k * size + n) += *(const vector *)(layer->d_y + r * size + n);
            step_back(layer->cell, size, layer->saved + r * layer->kept * size, layer->before_h + r * size,
                      layer->before_c + r * size, layer->d_x_parts + r * width, layer->d_h_parts + r * width,
                      d_h + k * size, d_c + k * size);
        }
        if (now > 0)
            add_product(now, size, width, layer->d_h_parts + first * width, (Steps){apart * width, 0, 0}, part->panels,
                        PACKED, d_h, size, 0, 0);
    }
    return 0;
}

static void run(const Layer *layer, int back) {
    int64_t threads = layer->threads;
    float *scratch = layer->scratch;
    int64_t size = layer->hidden, width = layer->gates * size, sequences = layer->running[0];
    if (back)
        pack(width, size, layer->weight, size, 1, scratch);
    else
        pack(size, width, layer->weight, 1, size, scratch);
    Part parts[MAX_THREADS];
    for (int64_t t = 0; t < threads; t++) {
        int64_t first = sequences * t / threads, end = sequences * (t + 1) / threads;
        float *h_parts = scratch + width * (size + first), *spare = scratch + width * (size + sequences);
        parts[t] = (Part){layer, scratch, h_parts, spare + t * layer->kept * size, first, end};
    }
    in_threads(back ? run_backward : run_forward, parts, sizeof(Part), threads);
}

/* ---- The gradient of the hidden weight -------------------------------------------------------------------------- */

enum { PAD = 2 * VECTOR }; /* PAD: lines a power of two apart would take each other's place */

/* What one thread does: some rows of the gradient (gates * hidden, hidden). */
typedef struct {
    const float *d_parts, *panels;
    float *left, *to;
    int64_t count, size, width, first, end, add;
} Share;

static void *run_gradient(void *argument) {
    const Share *share = argument;
    int64_t wide = share->end - share->first;
    Steps steps = {wide + PAD, 0, 0};
    for (int64_t k = 0; k < share->count; k++)
        memcpy(share->left + k * steps.step, share->d_parts + k * share->width + share->first, 4 * wide);
    (share->add ? add_gradient : give_gradient)(wide, share->size, share->count, share->left, steps, share->panels,
                                                PACKED, share->to + share->first * share->size, share->size, 0, 0);
    return 0;
}

/* ---- What Python calls ------------------------------------------------------------------------------------------ */

EXPORTED(void, recur)(const Layer *layer) { run(layer, 0); }
EXPORTED(void, recur_back)(const Layer *layer) { run(layer, 1); }

EXPORTED(void, weight_gradient)(const WeightGradient *work) {
    int64_t size = work->hidden, width = work->width, threads = work->threads;
    float *left = work->scratch + GRADIENT_ROWS * size + SLACK;
    for (int64_t r = 0; r < work->rows; r += GRADIENT_ROWS) {
        int64_t count = work->rows - r < GRADIENT_ROWS ? work->rows - r : GRADIENT_ROWS;
        pack(count, size, work->before + r * size, size, 1, work->scratch);
        Share shares[MAX_THREADS];
        float *free = left;
        for (int64_t t = 0; t < threads; t++) {
            int64_t first = width * t / threads, end = width * (t + 1) / threads;
            const float *d_parts = work->d_parts + r * width;
            shares[t] = (Share){d_parts, work->scratch, free, work->to, count, size, width, first, end, r > 0};
            free += count * (end - first + PAD);
        }
        in_threads(run_gradient, shares, sizeof(Share), threads);
    }
}
