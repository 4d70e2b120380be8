/* tally.h -- what came of all seeds: failures, a bar while it lasts, a table at the end. */
#ifndef SIM_TALLY_H
#define SIM_TALLY_H

#include "sim/settings.h"
#include "sim/sight.h"

struct tally {
    const struct settings *settings;
    struct run_options first; /* That failed, of all; its seed is 0: none has. */
    double began;
    double processor_s; /* What all seeds took. */
    uint64_t done;
    uint64_t failures;
    uint64_t undecided;
    uint64_t traces; /* Of all seeds, xored: whatever kind of build ran them, in whatever order. */
    uint64_t simulated_us;
    uint64_t operations;
    uint64_t misfortunes;
    uint64_t progress_us_max;
    struct sight sight;
};

void tally_init(struct tally *tally, const struct settings *settings);

/* One more is done: a line if it failed, and how far we are if a person watches. */
void tally_add(struct tally *tally, uint64_t seed, const struct run_result *result);

/* True if the judges gave up on more than one history in a hundred: then they are blind. */
int tally_is_blind(const struct tally *tally);

/* Print what it all was. Judges that are blind count as a failure; so does whatever so many seeds
 * should have come by (sight.h). */
void tally_print(struct tally *tally);

/* The last line, for programs that count. */
void tally_print_sum(const struct tally *tally);

#endif /* SIM_TALLY_H */
