/* tamper.h -- ways to spoil a right history so that no correct store can have given it.
 *
 * Every judge that a way concerns must reject what comes of it: a judge that accepts everything
 * is the worst bug of all. */
#ifndef TEST_CHECK_TAMPER_H
#define TEST_CHECK_TAMPER_H

#include "base/prng.h"
#include "check/chronicle.h"

enum tamper_base {   /* The histories that a way can be applied to. */
    BASE_ANY = 1,    /* Every outcome known. */
    BASE_SEQUENTIAL, /* One operation after the other, besides. */
    BASE_UNKNOWN,    /* Single keys, clients in parallel, some outcomes unknown. */
    BASE_STATES,     /* As any; and every member reports every state, compacted or not. */
};

enum {
    JUDGE_REPLAY = 1,
    JUDGE_SEARCH = 2,
    JUDGE_BOTH = 3, /* Of what clients saw. */
    JUDGE_STATES = 4,
    JUDGE_ALL = 7
};

/* Name, which histories, who must reject. What each does is said where it is done. */
#define TAMPER_MAP(X)                                                                              \
    X(a_read_shows_a_value_of_another_time, BASE_SEQUENTIAL, JUDGE_BOTH)                           \
    X(a_read_shows_a_value_nobody_put, BASE_ANY, JUDGE_BOTH)                                       \
    X(a_read_shows_a_value_of_another_key, BASE_ANY, JUDGE_BOTH)                                   \
    X(a_read_is_stale, BASE_ANY, JUDGE_REPLAY)                                                     \
    X(a_read_is_stale_long_after, BASE_SEQUENTIAL, JUDGE_BOTH)                                     \
    X(a_read_misses_a_key, BASE_SEQUENTIAL, JUDGE_BOTH)                                            \
    X(a_read_in_parallel_misses_a_key, BASE_ANY, JUDGE_REPLAY)                                     \
    X(a_deleted_key_comes_back, BASE_SEQUENTIAL, JUDGE_BOTH)                                       \
    X(a_version_is_off_by_one, BASE_ANY, JUDGE_REPLAY)                                             \
    X(a_create_revision_is_wrong, BASE_ANY, JUDGE_REPLAY)                                          \
    X(a_mod_revision_is_wrong, BASE_ANY, JUDGE_REPLAY)                                             \
    X(a_count_is_wrong, BASE_ANY, JUDGE_REPLAY)                                                    \
    X(a_limit_is_not_kept, BASE_ANY, JUDGE_REPLAY)                                                 \
    X(more_is_said_wrongly, BASE_ANY, JUDGE_REPLAY)                                                \
    X(a_range_shows_a_key_twice, BASE_ANY, JUDGE_REPLAY)                                           \
    X(a_read_of_the_past_shows_another_past, BASE_ANY, JUDGE_REPLAY)                               \
    X(what_was_there_before_a_put_is_wrong, BASE_ANY, JUDGE_REPLAY)                                \
    X(what_was_there_before_a_put_is_missing, BASE_SEQUENTIAL, JUDGE_BOTH)                         \
    X(what_was_there_before_a_deletion_is_wrong, BASE_SEQUENTIAL, JUDGE_BOTH)                      \
    X(a_deletion_counts_too_many, BASE_ANY, JUDGE_REPLAY)                                          \
    X(a_deletion_says_nothing_was_there, BASE_SEQUENTIAL, JUDGE_BOTH)                              \
    X(a_revision_is_given_twice, BASE_ANY, JUDGE_REPLAY)                                           \
    X(a_revision_is_given_to_nobody, BASE_ANY, JUDGE_REPLAY)                                       \
    X(two_revisions_are_exchanged, BASE_SEQUENTIAL, JUDGE_REPLAY)                                  \
    X(a_read_tells_an_old_revision, BASE_SEQUENTIAL, JUDGE_REPLAY)                                 \
    X(a_read_tells_a_revision_of_the_future, BASE_SEQUENTIAL, JUDGE_REPLAY)                        \
    X(a_write_that_was_seen_is_dropped, BASE_ANY, JUDGE_BOTH)                                      \
    X(an_acknowledged_write_is_lost, BASE_SEQUENTIAL, JUDGE_BOTH)                                  \
    X(an_acknowledged_write_is_said_not_to_be_done, BASE_ANY, JUDGE_BOTH)                          \
    X(real_time_is_reversed, BASE_SEQUENTIAL, JUDGE_BOTH)                                          \
    X(an_answer_comes_before_its_call, BASE_ANY, JUDGE_BOTH)                                       \
    X(a_read_returns_before_what_it_shows_was_put, BASE_ANY, JUDGE_BOTH)                           \
    X(a_write_begins_after_it_was_seen, BASE_ANY, JUDGE_BOTH)                                      \
    X(a_txn_succeeds_against_its_compare, BASE_SEQUENTIAL, JUDGE_BOTH)                             \
    X(a_txn_fails_against_its_compare, BASE_SEQUENTIAL, JUDGE_BOTH)                                \
    X(a_txn_is_half_applied, BASE_ANY, JUDGE_REPLAY)                                               \
    X(a_txn_takes_two_revisions, BASE_ANY, JUDGE_REPLAY)                                           \
    X(an_old_read_is_older_than_its_member, BASE_SEQUENTIAL, JUDGE_REPLAY)                         \
    X(a_read_is_refused_as_compacted_for_no_reason, BASE_ANY, JUDGE_REPLAY)                        \
    X(a_read_is_refused_as_future_for_no_reason, BASE_SEQUENTIAL, JUDGE_REPLAY)                    \
    X(what_was_compacted_is_read, BASE_SEQUENTIAL, JUDGE_REPLAY)                                   \
    X(an_unknown_write_is_seen_at_two_revisions, BASE_UNKNOWN, JUDGE_BOTH)                         \
    X(an_unknown_write_is_seen_before_it_began, BASE_UNKNOWN, JUDGE_BOTH)

/* The same for what replicas report of their states, of which the others know nothing. */
#define TAMPER_STATES_MAP(X)                                                                       \
    X(a_state_differs, BASE_STATES, JUDGE_STATES)                                                  \
    X(a_state_is_that_of_an_earlier_revision, BASE_STATES, JUDGE_STATES)                           \
    X(a_replica_skips_a_write, BASE_STATES, JUDGE_STATES)                                          \
    X(a_replica_keeps_what_was_compacted, BASE_STATES, JUDGE_STATES)                               \
    X(a_replica_reports_two_states, BASE_STATES, JUDGE_STATES)                                     \
    X(a_replica_comes_late_with_another_state, BASE_STATES, JUDGE_STATES)

/* Spoil the history in a place that chance picks. Returns 0 if it has no place for that. */
#define TAMPER_ROWS(name, base, judges) int tamper_##name(struct chronicle *, struct prng *);
TAMPER_MAP(TAMPER_ROWS)
TAMPER_STATES_MAP(TAMPER_ROWS)
#undef TAMPER_ROWS

#endif /* TEST_CHECK_TAMPER_H */
