/* sight.c -- what all seeds together have come by, and what they should have. */
#include "sim/sight.h"

#include <inttypes.h>

enum {
    SEEDS_TO_SEE_FAULTS = 1000, /* The rarest comes in one seed of twenty. */
    SEEDS_TO_SEE_MARKS = 5000   /* The rarest branch is taken in one seed of a thousand. */
};

/* -- Counting ------------------------------------------------------------------------------- */

static void add(uint64_t *sums, const uint32_t *counts, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        sums[i] += counts[i];
    }
}

/* Where a run has failed it is cut short, and says nothing of how many there are. */
static void add_number(struct sight *sight, uint64_t seed, const struct run_result *result)
{
    const uint64_t number = run_misfortunes(result);
    const uint32_t place = number < MISFORTUNES_MAX ? (uint32_t)number : MISFORTUNES_MAX;
    if (result->is_spared) {
        sight->spared++;
    } else if (result->failure[0] == 0) {
        sight->numbers[place]++;
        const int is_new = sight->numbers[place] == 1 || seed < sight->least_seed;
        if (is_new && sight_least(sight) == place) {
            sight->least_seed = seed;
        }
    }
}

void sight_add(struct sight *sight, uint64_t seed, const struct run_result *result)
{
    sight->seeds++;
    add(sight->kinds, result->faults.kinds, FAULT_END);
    add(sight->shapes, result->faults.shapes, PARTITION_END);
    add(sight->fates, result->faults.fates, FATE_END);
    add(sight->marks, result->marks, marks_count());
    add_number(sight, seed, result);
}

/* The number of the one with so many before it, in the order of their numbers. */
static uint32_t find_number(const struct sight *sight, uint64_t before)
{
    uint64_t seeds = 0;
    for (uint32_t i = 0; i <= MISFORTUNES_MAX; i++) {
        seeds += sight->numbers[i];
        if (seeds > before) {
            return i;
        }
    }
    return 0;
}

uint32_t sight_least(const struct sight *sight)
{
    return find_number(sight, 0);
}

uint32_t sight_median(const struct sight *sight)
{
    uint64_t seeds = 0;
    for (uint32_t i = 0; i <= MISFORTUNES_MAX; i++) {
        seeds += sight->numbers[i];
    }
    return find_number(sight, seeds / 2);
}

/* -- Telling -------------------------------------------------------------------------------- */

static void print_faults(const struct sight *sight, FILE *to)
{
    fprintf(to, "seeds in which all the time:");
    for (uint32_t i = FAULT_NONE + 1; i < FAULT_FIRST_MISFORTUNE; i++) {
        fprintf(to, " %s %" PRIu64, fault_name((enum fault)i), sight->kinds[i]);
    }
    fprintf(to, "\nfaults that happened:");
    for (uint32_t i = FAULT_FIRST_MISFORTUNE; i < FAULT_END; i++) {
        fprintf(to, " %s %" PRIu64, fault_name((enum fault)i), sight->kinds[i]);
    }
    fprintf(to, "\npartitions:");
    for (uint32_t i = PARTITION_NONE + 1; i < PARTITION_END; i++) {
        fprintf(to, " %s %" PRIu64, partition_name((enum partition_shape)i), sight->shapes[i]);
    }
    fprintf(to, "\noutside of the healed quorum:");
    for (uint32_t i = 0; i < FATE_END; i++) {
        fprintf(to, " %s %" PRIu64, fate_name((enum fate)i), sight->fates[i]);
    }
    fprintf(to,
            "\nmisfortunes of a seed: %" PRIu32 " in the median, %" PRIu32
            " at least (seed %" PRIu64 "); %" PRIu64 " seeds were spared them\n",
            sight_median(sight), sight_least(sight), sight->least_seed, sight->spared);
}

static void print_marks(const struct sight *sight, int has_marks, FILE *to)
{
    uint32_t hit = 0;
    uint32_t excused = 0;
    for (uint32_t i = 0; i < marks_count(); i++) {
        hit += sight->marks[i] != 0;
        excused += marks_excuse(i) != NULL && sight->marks[i] == 0;
        if (has_marks) {
            fprintf(to, "%12" PRIu64 "  %s\n", sight->marks[i], marks_text(i));
        }
    }
    fprintf(to, "marks: %" PRIu32 " of %" PRIu32 " were come by, %" PRIu32 " need not be\n", hit,
            marks_count(), excused);
}

void sight_print(const struct sight *sight, int has_marks, FILE *to)
{
    print_faults(sight, to);
    print_marks(sight, has_marks, to);
}

/* -- Judging -------------------------------------------------------------------------------- */

static uint32_t judge_one(uint64_t count, const char *what, const char *name, FILE *to)
{
    if (count == 0) {
        fprintf(to, "blind: no seed has come by this%s: %s\n", what, name);
    }
    return count == 0;
}

static uint32_t judge_faults(const struct sight *sight, FILE *to)
{
    uint32_t blind = 0;
    for (uint32_t i = FAULT_NONE + 1; i < FAULT_END; i++) {
        blind += judge_one(sight->kinds[i], " fault", fault_name((enum fault)i), to);
    }
    for (uint32_t i = PARTITION_NONE + 1; i < PARTITION_END; i++) {
        blind +=
            judge_one(sight->shapes[i], " partition", partition_name((enum partition_shape)i), to);
    }
    for (uint32_t i = 0; i < FATE_END; i++) {
        blind +=
            judge_one(sight->fates[i], " fate outside of a quorum", fate_name((enum fate)i), to);
    }
    return blind;
}

static uint32_t judge_marks(const struct sight *sight, FILE *to)
{
    uint32_t blind = 0;
    for (uint32_t i = 0; i < marks_count(); i++) {
        if (marks_excuse(i) == NULL) {
            blind += judge_one(sight->marks[i], "", marks_text(i), to);
        }
    }
    return blind;
}

/* Something was taken away of what the seeds say: then they need not come by all. */
static int is_limited(const struct swarm_limits *limits)
{
    return limits->nodes != 0 || limits->clients != 0 || limits->operations != 0 ||
           limits->misfortunes != 0 || limits->is_spared || limits->variation != 0 ||
           limits->without != 0;
}

uint32_t sight_judge(const struct sight *sight, const struct swarm_limits *limits, FILE *to)
{
    const int has_all = !is_limited(limits);
    const int are_faults_due = has_all && sight->seeds >= SEEDS_TO_SEE_FAULTS;
    const int are_marks_due = has_all && sight->seeds >= SEEDS_TO_SEE_MARKS;
    if (!are_marks_due) {
        fprintf(to, "not judged, of so few seeds: %s\n",
                are_faults_due ? "marks" : "faults and marks");
    }
    return (are_faults_due ? judge_faults(sight, to) : 0) +
           (are_marks_due ? judge_marks(sight, to) : 0);
}
