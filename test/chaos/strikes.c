/* strikes.c -- members killed and stopped at random moments, and started again.
 *
 *                 SIGKILL                     pause is over
 *        UP --------------------> DOWN ----------------------> RISING --- it answers ---> UP
 *        | ^                        ^                            |
 *        | | SIGCONT                +---------- SIGKILL ---------+
 *        v |                        |   every sixth time, while it recovers
 *      STOPPED ---------------------+
 *                    SIGKILL
 *
 * Who rises is spared otherwise until it answers: so every recovery is either seen to succeed or
 * cut short on purpose. One that does neither in time is a finding. */
#include "test/chaos/strikes.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/prng.h"
#include "cli/xmalloc.h"

enum {
    TICK_US = 1000,
    RISE_US = 20000000, /* Until a member that was started has to answer. */
    GAP_US_MIN = 20000, /* Between two strikes: mostly up to the second figure, ... */
    GAP_US_MAX = 900000,
    LULL_US = 1500000, /* ... now and then this, so that things settle. */
    DOWN_US_MAX = 500000,
    STOP_US_MAX = 2500000, /* Longer than an election: another leads when it wakes. */
    AGAIN_US_MAX = 60000,
};

enum strike {
    STRIKE_ONE = 1,
    STRIKE_LEADER,
    STRIKE_TWO,
    STRIKE_ALL,
    STRIKE_STOP,
    STRIKE_STOP_LEADER,
};

enum condition {
    CONDITION_UP = 1,
    CONDITION_STOPPED,
    CONDITION_DOWN,
    CONDITION_RISING,
};

struct target {
    enum condition condition;
    uint64_t due_us;   /* STOPPED, DOWN: when that ends. */
    uint64_t since_us; /* RISING: since when. */
    uint64_t again_us; /* RISING: when it is killed again; 0: it is spared. */
};

struct strikes {
    struct strikes_options options;
    struct prng prng;
    struct os_timer *timer;
    struct target targets[LOCAL_MEMBERS_MAX];
    uint64_t next_us; /* When the next strike comes. */
    struct strikes_counts counts;
    unsigned problem_index;
    char problem[160];
};

static unsigned count_of(const struct strikes *strikes)
{
    return strikes->options.cluster->options.count;
}

static uint64_t draw(struct strikes *strikes, uint64_t min, uint64_t max)
{
    return min + prng_below(&strikes->prng, max - min + 1);
}

static void note_problem(struct strikes *strikes, unsigned index, const char *what)
{
    snprintf(strikes->problem, sizeof strikes->problem, "member %s %s",
             strikes->options.cluster->members[index].name, what);
    strikes->problem_index = index;
}

/* -- Killing -------------------------------------------------------------------------------- */

/* Kill these members. All get their signal before the first is waited for. */
static void kill_members(struct strikes *strikes, const unsigned *indexes, unsigned count)
{
    const struct strikes_options *options = &strikes->options;
    const int leader = members_leader(options->members);
    for (unsigned i = 0; i < count; i++) {
        local_cluster_signal(options->cluster, indexes[i], SIGKILL);
    }
    for (unsigned i = 0; i < count; i++) {
        struct target *target = &strikes->targets[indexes[i]];
        local_cluster_end(options->cluster, indexes[i], SIGKILL);
        members_forget(options->members, indexes[i]);
        options->on_death(options->context, indexes[i]);
        strikes->counts.kills++;
        strikes->counts.leaders += leader == (int)indexes[i];
        strikes->counts.recovering += target->condition == CONDITION_RISING;
        target->condition = CONDITION_DOWN;
        target->due_us = os_now_us(options->os) + draw(strikes, 0, DOWN_US_MAX);
    }
    strikes->counts.together += count == count_of(strikes) && count > 1;
}

/* Those that may be struck, in random order. */
static unsigned list_victims(struct strikes *strikes, unsigned victims[LOCAL_MEMBERS_MAX])
{
    unsigned count = 0;
    for (unsigned i = 0; i < count_of(strikes); i++) {
        const enum condition condition = strikes->targets[i].condition;
        if (condition == CONDITION_UP || condition == CONDITION_STOPPED) {
            victims[count++] = i;
        }
    }
    for (unsigned i = count; i > 1; i--) {
        const unsigned other = (unsigned)prng_below(&strikes->prng, i);
        const unsigned victim = victims[other];
        victims[other] = victims[i - 1];
        victims[i - 1] = victim;
    }
    return count;
}

static void stop_member(struct strikes *strikes, unsigned index)
{
    struct target *target = &strikes->targets[index];
    if (target->condition == CONDITION_UP) {
        local_cluster_signal(strikes->options.cluster, index, SIGSTOP);
        target->condition = CONDITION_STOPPED;
        target->due_us = os_now_us(strikes->options.os) + draw(strikes, 0, STOP_US_MAX);
        strikes->counts.pauses++;
    }
}

static enum strike draw_strike(struct strikes *strikes)
{
    const uint64_t dice = prng_below(&strikes->prng, 100);
    return dice < 35   ? STRIKE_ONE
           : dice < 62 ? STRIKE_LEADER
           : dice < 76 ? STRIKE_TWO
           : dice < 84 ? STRIKE_ALL
           : dice < 92 ? STRIKE_STOP
                       : STRIKE_STOP_LEADER;
}

static void strike(struct strikes *strikes)
{
    unsigned victims[LOCAL_MEMBERS_MAX];
    const unsigned count = list_victims(strikes, victims);
    const uint64_t left = strikes->options.kills - strikes->counts.kills;
    const enum strike kind = draw_strike(strikes);
    const int leader = members_leader(strikes->options.members);
    const int is_at_leader = (kind == STRIKE_LEADER || kind == STRIKE_STOP_LEADER) && leader >= 0;
    if (is_at_leader && strikes->targets[leader].condition == CONDITION_UP) {
        victims[0] = (unsigned)leader;
    }
    if (count == 0) {
        return; /* All are down or rise: the next strike may find somebody. */
    }
    if (kind == STRIKE_STOP || kind == STRIKE_STOP_LEADER) {
        stop_member(strikes, victims[0]);
        return;
    }
    unsigned wanted = kind == STRIKE_ALL ? count : kind == STRIKE_TWO && count > 1 ? 2 : 1;
    wanted = wanted > left ? (unsigned)left : wanted;
    kill_members(strikes, victims, wanted);
}

/* -- Members that come back ----------------------------------------------------------------- */

static void restart(struct strikes *strikes, unsigned index)
{
    struct target *target = &strikes->targets[index];
    const uint64_t now_us = os_now_us(strikes->options.os);
    if (local_cluster_start(strikes->options.cluster, index) != 0) {
        note_problem(strikes, index, "could not be started again");
        return;
    }
    *target = (struct target){.condition = CONDITION_RISING, .since_us = now_us};
    if (prng_chance(&strikes->prng, 1, 6)) {
        target->again_us = now_us + draw(strikes, 0, AGAIN_US_MAX);
    }
}

static void watch_rising(struct strikes *strikes, unsigned index)
{
    struct target *target = &strikes->targets[index];
    const uint64_t now_us = os_now_us(strikes->options.os);
    struct member_state state;
    members_state(strikes->options.members, index, &state);
    if (target->again_us != 0 && now_us >= target->again_us &&
        strikes->counts.kills < strikes->options.kills) {
        kill_members(strikes, &index, 1);
    } else if (state.is_answering) {
        target->condition = CONDITION_UP;
        strikes->counts.recoveries++;
    } else if (now_us - target->since_us > RISE_US) {
        note_problem(strikes, index, "was started again and does not answer");
    }
}

static void look_after(struct strikes *strikes, unsigned index)
{
    struct target *target = &strikes->targets[index];
    const int is_due = os_now_us(strikes->options.os) >= target->due_us;
    if (target->condition == CONDITION_DOWN && is_due) {
        restart(strikes, index);
    } else if (target->condition == CONDITION_STOPPED && is_due) {
        local_cluster_signal(strikes->options.cluster, index, SIGCONT);
        target->condition = CONDITION_UP;
    } else if (target->condition == CONDITION_RISING) {
        watch_rising(strikes, index);
    }
}

static void on_tick(void *context)
{
    struct strikes *strikes = context;
    const uint64_t now_us = os_now_us(strikes->options.os);
    for (unsigned i = 0; i < count_of(strikes) && strikes->problem[0] == '\0'; i++) {
        look_after(strikes, i);
    }
    if (now_us >= strikes->next_us && strikes->counts.kills < strikes->options.kills) {
        strike(strikes);
        strikes->next_us =
            now_us + (prng_chance(&strikes->prng, 1, 10) ? (uint64_t)LULL_US
                                                         : draw(strikes, GAP_US_MIN, GAP_US_MAX));
    }
    if (strikes->problem[0] == '\0') {
        os_timer_start(strikes->options.os, strikes->timer, TICK_US);
    }
}

/* -- The whole ------------------------------------------------------------------------------ */

struct strikes *strikes_new(const struct strikes_options *options)
{
    struct strikes *strikes = xcalloc(1, sizeof *strikes);
    strikes->options = *options;
    strikes->prng.state = options->seed;
    for (unsigned i = 0; i < count_of(strikes); i++) {
        strikes->targets[i].condition = CONDITION_UP;
    }
    strikes->timer = os_timer_new(options->os, on_tick, strikes);
    if (strikes->timer == NULL) {
        free(strikes);
        return NULL;
    }
    return strikes;
}

void strikes_free(struct strikes *strikes)
{
    os_timer_free(strikes->options.os, strikes->timer);
    free(strikes);
}

void strikes_start(struct strikes *strikes)
{
    strikes->next_us = os_now_us(strikes->options.os) + GAP_US_MAX;
    os_timer_start(strikes->options.os, strikes->timer, TICK_US);
}

int strikes_are_over(const struct strikes *strikes)
{
    int are_up = 1;
    for (unsigned i = 0; i < count_of(strikes); i++) {
        are_up &= strikes->targets[i].condition == CONDITION_UP;
    }
    return are_up && strikes->counts.kills == strikes->options.kills;
}

void strikes_counts(const struct strikes *strikes, struct strikes_counts *counts)
{
    *counts = strikes->counts;
}

const char *strikes_problem(const struct strikes *strikes, unsigned *index)
{
    *index = strikes->problem_index;
    return strikes->problem[0] == '\0' ? NULL : strikes->problem;
}
