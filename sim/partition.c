/* partition.c -- the shapes in which a network comes apart. */
#include "sim/partition.h"

#include <string.h>

#include "base/assert.h"

#define PARTITION_NAME(name, text, meaning) [name] = text,
static const char *const NAMES[] = {[PARTITION_NONE] = "none", PARTITION_MAP(PARTITION_NAME)};

const char *partition_name(enum partition_shape shape)
{
    return shape < PARTITION_END ? NAMES[shape] : NAMES[PARTITION_NONE];
}

#define PARTITION_MEANING(name, text, meaning) [name] = (meaning),
const char *partition_meaning(enum partition_shape shape)
{
    static const char *const MEANINGS[] = {PARTITION_MAP(PARTITION_MEANING)};
    assert(shape > PARTITION_NONE && shape < PARTITION_END);
    return MEANINGS[shape];
}

enum partition_shape partition_find(const char *name)
{
    for (uint32_t shape = PARTITION_NONE + 1; shape < PARTITION_END; shape++) {
        if (strcmp(NAMES[shape], name) == 0) {
            return (enum partition_shape)shape;
        }
    }
    return PARTITION_NONE;
}

static uint32_t place_in_line(const struct partition *p, uint32_t node)
{
    return (node + p->nodes - p->centre) % p->nodes;
}

static int are_apart(uint32_t left, uint32_t right)
{
    return left > right + 1 || right > left + 1;
}

/* On a ring each hears the nearest (n / 2), half of them on either side: a majority with itself. */
static int are_far(const struct partition *p, uint32_t left, uint32_t right)
{
    const uint32_t step = (left + p->nodes - right) % p->nodes;
    const uint32_t distance = step < p->nodes - step ? step : p->nodes - step;
    return 2 * distance > p->nodes / 2 + 1;
}

static int has_end(uint32_t from, uint32_t to, uint32_t node)
{
    return from == node || to == node;
}

static int is_across(const struct partition *p, uint32_t from, uint32_t to)
{
    return ((p->side >> from) & 1) != ((p->side >> to) & 1);
}

int partition_cuts(const struct partition *p, uint32_t from, uint32_t to)
{
    switch (p->shape) {
    case PARTITION_ONE_WAY:
        return from == p->centre && to == p->other;
    case PARTITION_DEAF:
        return to == p->centre;
    case PARTITION_MUTE:
        return from == p->centre;
    case PARTITION_SINGLE:
        return has_end(from, to, p->centre);
    case PARTITION_HALVES:
        return is_across(p, from, to);
    case PARTITION_RING:
        return are_far(p, from, to);
    case PARTITION_BRIDGE:
        return is_across(p, from, to) && !has_end(from, to, p->centre);
    case PARTITION_CHAIN:
        return are_apart(place_in_line(p, from), place_in_line(p, to));
    case PARTITION_RANDOM:
        return (int)((p->side >> ((from * 7 + to * 3) % 64)) & (p->side >> (from + to * 5) % 64) &
                     1);
    case PARTITION_QUORUM_LOSS:
        return !has_end(from, to, p->other);
    case PARTITION_CONSTRAINED:
        return has_end(from, to, p->centre) || !has_end(from, to, p->other);
    case PARTITION_CHAINED:
        return has_end(from, to, p->centre) && has_end(from, to, p->other);
    case PARTITION_NONE:
    case PARTITION_END:
        break;
    }
    return 0;
}

static uint32_t change(const struct partition *partition, struct net *net,
                       void (*what)(struct net *net, uint32_t from, uint32_t to))
{
    uint32_t links = 0;
    assert(partition->nodes <= NET_NODES_MAX && partition->centre < partition->nodes);
    for (uint32_t from = 0; from < partition->nodes; from++) {
        for (uint32_t to = 0; to < partition->nodes; to++) {
            if (from != to && partition_cuts(partition, from, to)) {
                what(net, from, to);
                links++;
            }
        }
    }
    return links;
}

uint32_t partition_apply(const struct partition *partition, struct net *net)
{
    return change(partition, net, net_cut);
}

void partition_mend(const struct partition *partition, struct net *net)
{
    (void)change(partition, net, net_mend);
}
