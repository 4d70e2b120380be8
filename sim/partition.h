/* partition.h -- the shapes in which a network comes apart, by name. */
#ifndef SIM_PARTITION_H
#define SIM_PARTITION_H

#include <stdint.h>

#include "sim/net.h"

/* The last three are those of OmniPaxos (Ng, Haridi, Carbone, EuroSys 2023, section 2), in which
 * other protocols stand still although somebody reaches a quorum. There `centre` is the leader as
 * the links break, and `other` the one member that still reaches a quorum. */
#define PARTITION_MAP(X)                                                                           \
    X(PARTITION_ONE_WAY, "one-way", "what centre says is not heard by other")                      \
    X(PARTITION_DEAF, "deaf", "centre hears nobody, and all hear centre")                          \
    X(PARTITION_MUTE, "mute", "centre hears all, and nobody hears centre")                         \
    X(PARTITION_SINGLE, "single", "centre is alone")                                               \
    X(PARTITION_HALVES, "halves", "two sides do not hear each other")                              \
    X(PARTITION_RING, "ring", "each hears a majority, and no two the same")                        \
    X(PARTITION_BRIDGE, "bridge", "two sides, and centre hears both")                              \
    X(PARTITION_CHAIN, "chain", "each hears its neighbours, and centre is at the end")             \
    X(PARTITION_RANDOM, "random", "any set of directions")                                         \
    X(PARTITION_QUORUM_LOSS, "quorum-loss", "all hear other alone, centre among them")             \
    X(PARTITION_CONSTRAINED, "constrained", "centre is alone, the rest hear other alone")          \
    X(PARTITION_CHAINED, "chained", "centre and other do not hear each other")

#define PARTITION_ENUM(name, text, meaning) name,
enum partition_shape {
    PARTITION_NONE = 0,
    PARTITION_MAP(PARTITION_ENUM) PARTITION_END
};

struct partition {
    enum partition_shape shape;
    uint32_t nodes;
    uint32_t centre;
    uint32_t other; /* Not the centre. */
    uint64_t side;  /* A bit per node; of RANDOM, a bit per direction. */
};

/* Never NULL. */
const char *partition_name(enum partition_shape shape);

const char *partition_meaning(enum partition_shape shape);

/* The shape with that name, or PARTITION_NONE. */
enum partition_shape partition_find(const char *name);

/* True if `to` does not hear `from`. */
int partition_cuts(const struct partition *partition, uint32_t from, uint32_t to);

/* Cut those links, beside those that are cut already. Returns how many they are. */
uint32_t partition_apply(const struct partition *partition, struct net *net);
void partition_mend(const struct partition *partition, struct net *net);

#endif /* SIM_PARTITION_H */
