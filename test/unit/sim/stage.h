/* stage.h -- a cluster of three in virtual time, and what is done with it in many a test. */
#ifndef TEST_UNIT_SIM_STAGE_H
#define TEST_UNIT_SIM_STAGE_H

#include "sim/cluster.h"

/* Three members on quick disks and links, with a heartbeat of 100 ms and small snapshots. */
extern const struct cluster_options OPTIONS;

enum {
    VALUES = 80, /* What fall_behind() puts. */
    VALUE_BYTES = 50000
};

/* Let so much time pass. Returns how many events came in it. */
uint64_t events_in(struct world *world, uint64_t duration_us);

/* Start every node. */
void start_all(struct cluster *cluster);

/* The same, and let five seconds pass, in which they elect somebody: its number. */
uint32_t start_and_elect(struct world *world, struct cluster *cluster);

/* A world, and a cluster in it of which no node was started. */
struct cluster *set_up(struct world *world, const struct cluster_options *options);

/* It has kept every rule: let go of it and of its world. */
void take_down(struct world *world, struct cluster *cluster);

/* A result callback: counts good outcomes in a uint32_t. */
void note_outcome(void *context, int error, const void *result);

/* Put a value of 16 KiB to 700,000 bytes, or one of so many; `good` counts its outcome. */
void put_value(struct cluster *cluster, uint32_t node, uint32_t size, uint32_t *good);
void put_large(struct cluster *cluster, uint32_t node, uint32_t *good);

/* Put one of a byte. */
void put_small(struct cluster *cluster, uint32_t node, uint32_t *good);

/* Four megabytes, which only a snapshot covers, while one node is away. Returns that node. */
uint32_t fall_behind(struct world *world, struct cluster *cluster);

/* How many entries the node is behind the other. */
uint64_t lag(struct cluster *cluster, uint32_t node, uint32_t other);

/* 5 ms there, and all links so narrow. */
void make_narrow(struct cluster *cluster, uint64_t bytes_per_s);

/* Seconds, of so many, in which somebody led. */
uint32_t seconds_led(struct world *world, struct cluster *cluster, uint32_t seconds);

#endif /* TEST_UNIT_SIM_STAGE_H */
