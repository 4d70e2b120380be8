/* prng.h -- a small, fast, repeatable source of chance (not for secrets). */
#ifndef BASE_PRNG_H
#define BASE_PRNG_H

#include <stdint.h>

/* SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
 * Any state is good, so a seed can be used as it is, and the whole generator is 8 bytes. */
struct prng {
    uint64_t state;
};

static inline uint64_t prng_next(struct prng *prng)
{
    uint64_t z = (prng->state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* A number in [0, limit); 0 where limit is 0. Its bias is below limit / 2^64. */
static inline uint64_t prng_below(struct prng *prng, uint64_t limit)
{
    return limit == 0 ? 0 : prng_next(prng) % limit;
}

/* True `numerator` times in `denominator`. */
static inline int prng_chance(struct prng *prng, uint64_t numerator, uint64_t denominator)
{
    return prng_below(prng, denominator) < numerator;
}

#endif /* BASE_PRNG_H */
