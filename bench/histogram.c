/* histogram.c -- counts of durations, in buckets that are never wider than 0.8 % of their value.
 *
 * A value of 2^e <= v < 2^(e+1), e >= 7, is in bucket (e - 6) * 128 + the 7 bits below its
 * highest one; smaller values are their own bucket. */
#include "bench/histogram.h"

enum {
    SUB_COUNT = 1 << HISTOGRAM_BITS
};

static uint32_t bucket_of(uint64_t value)
{
    if (value < SUB_COUNT) {
        return (uint32_t)value;
    }
    const uint32_t exponent = 63 - (uint32_t)__builtin_clzll(value);
    const uint32_t shift = exponent - HISTOGRAM_BITS;
    const uint32_t sub = (uint32_t)(value >> shift) - SUB_COUNT;
    return ((shift + 1) << HISTOGRAM_BITS) + sub;
}

/* The largest value of a bucket. */
static uint64_t bucket_top(uint32_t bucket)
{
    if (bucket < SUB_COUNT) {
        return bucket;
    }
    const uint32_t shift = (bucket >> HISTOGRAM_BITS) - 1;
    const uint64_t first = (uint64_t)(SUB_COUNT + (bucket & (SUB_COUNT - 1))) << shift;
    return first + (((uint64_t)1 << shift) - 1);
}

void histogram_record(struct histogram *histogram, uint64_t value)
{
    histogram->count++;
    histogram->buckets[bucket_of(value)]++;
    if (value > histogram->max) {
        histogram->max = value;
    }
}

uint64_t histogram_percentile(const struct histogram *histogram, double percent)
{
    const double exact = (double)histogram->count * percent / 100.0;
    uint64_t wanted = (uint64_t)exact;
    wanted += (double)wanted < exact;
    uint64_t seen = 0;
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen > 0 && seen >= wanted) {
            const uint64_t top = bucket_top(i);
            return top < histogram->max ? top : histogram->max;
        }
    }
    return 0;
}
