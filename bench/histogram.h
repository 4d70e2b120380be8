/* histogram.h -- counts of durations, in buckets that are never wider than 0.8 % of their value.
 *
 * The layout of HdrHistogram: each power of two is cut into 128 buckets of equal width, and
 * below 128 every value has its own. Recording is a few instructions and never allocates. */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>

enum {
    HISTOGRAM_BITS = 7,
    HISTOGRAM_BUCKETS = (64 - HISTOGRAM_BITS + 1) << HISTOGRAM_BITS,
};

/* All zero is empty. */
struct histogram {
    uint64_t count; /* Values recorded. */
    uint64_t max;   /* The largest of them, exactly. */
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_record(struct histogram *histogram, uint64_t value);

/* The smallest value such that `percent` of all are no larger (0 < percent <= 100), as precise
 * as the buckets; 0 where nothing was recorded. */
uint64_t histogram_percentile(const struct histogram *histogram, double percent);

#endif /* BENCH_HISTOGRAM_H */
