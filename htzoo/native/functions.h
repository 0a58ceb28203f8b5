/* Functions of vectors, to about the precision of float32. */
#pragma once

#include "tile.h"

typedef int32_t integers __attribute__((vector_size(4 * VECTOR), aligned(4), may_alias));

INLINE vector choose(integers where, vector yes, vector no) {
    return (vector)((where & (integers)yes) | (~where & (integers)no));
}

/* 2^n e^r with a whole n and |r| <= ln(2) / 2, for which the Taylor series is short. */
INLINE vector exp_of(vector x) {
    const vector most = 87 - (vector){0}, least = -most, round = 12582912 - (vector){0};
    x = choose(x < least, least, choose(x > most, most, x));
    vector n = x * 1.44269504f + round - round;
    vector r = x - n * 0.693359375f + n * 2.12194440e-4f; /* ln(2) in two parts, the first of which is exact */
    vector sum = 1 / 120.f + r * (1 / 720.f + r * (1 / 5040.f));
    sum = 1 + r * (1 + r * (1 / 2.f + r * (1 / 6.f + r * (1 / 24.f + r * sum))));
    return sum * (vector)((__builtin_convertvector(n, integers) + 127) << 23);
}

INLINE vector sigmoid_of(vector x) { return 1 / (1 + exp_of(-x)); }

/* Near 0, where the fraction loses digits, the Taylor series. */
INLINE vector tanh_of(vector x) {
    const vector border = 0.3f - (vector){0};
    vector size = (vector)((integers)x & 0x7fffffff), small = exp_of(-2 * size), square = x * x;
    vector fraction = (vector)((integers)((1 - small) / (1 + small)) | ((integers)x & ~0x7fffffff));
    vector series = x + x * square * (-1 / 3.f + square * (2 / 15.f + square * (-17 / 315.f + square * (62 / 2835.f))));
    return choose(size < border, series, fraction);
}
