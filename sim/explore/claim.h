/* claim.h -- everything that the explorer holds a cluster to, by the names that the papers give it.
 *
 * node_check.c looks at what one member can be held to by itself, claims.c at what binds them all;
 * the last few are what the explorer itself, and the core, add to that. docs/PROTOCOL.md says why
 * the claims are true. */
#ifndef SIM_EXPLORE_CLAIM_H
#define SIM_EXPLORE_CLAIM_H

/* Name, what a violation calls it, who states it. */
#define CLAIM_MAP(X)                                                                               \
    X(P1A, "P1a (nothing below a promise)", "Paxos Made Simple, 2.2")                              \
    X(PROMISED, "promised never falls", "P1a, in all lives (A1)")                                  \
    X(VOTE, "a vote's ballot is at most the promise", "P1a")                                       \
    X(DURABLE, "no answer before its record is durable", "Paxos Made Simple, 2.5")                 \
    X(LEADER, "one leader per ballot", "The Part-Time Parliament, B1")                             \
    X(VALUE, "one value per ballot and slot", "Paxos Made Moderately Complex, C1")                 \
    X(PROPOSED, "only what was proposed is voted for", "Paxos Made Simple, 2.1")                   \
    X(P2, "P2 (one value per slot)", "Paxos Made Simple, 2.2")                                     \
    X(P2A, "P2a (no vote against what is chosen)", "Paxos Made Simple, 2.2")                       \
    X(P2B, "P2b (no proposal against what is chosen)", "Paxos Made Simple, 2.2")                   \
    X(P2C, "P2c (a phase 1 quorum allows what is proposed)", "Paxos Made Simple, 2.2")             \
    X(PREFIX, "the chosen prefix is the same everywhere", "Paxos Made Moderately Complex, R1")     \
    X(LEARNED, "only what is chosen is learned", "Paxos Made Simple, 2.1")                         \
    X(APPLIED, "applied <= chosen", "Paxos Made Moderately Complex, R2")                           \
    X(READ, "a read returns at least the last completed write", "linearizability")                 \
    X(REFUSED, "who is refused steps down", "Paxos Made Simple, 2.2")                              \
    X(RESTORE, "a disk can be read again", "Paxos Made Simple, 2.5")                               \
    X(REST, "a core comes to rest", "ours")                                                        \
    X(ASSERTED, "what the core asserts", "ours")

#define CLAIM_NUMBER(name, text, source) CLAIM_##name,

enum claim {
    CLAIM_NONE = 0,
    CLAIM_MAP(CLAIM_NUMBER) CLAIM_END,
};

/* What a violation calls it, and who states it. */
const char *claim_name(enum claim claim);
const char *claim_source(enum claim claim);

#endif /* SIM_EXPLORE_CLAIM_H */
