/* error.h -- every failure that libsynod reports, in one place. */
#ifndef SYNOD_ERROR_H
#define SYNOD_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

/* Codes are never renumbered or reused. */
#define SYNOD_ERROR_MAP(X)                                                                         \
    X(SYNOD_ERR_NO_LEADER, -1, "there is no leader now")                                           \
    X(SYNOD_ERR_BUSY, -2, "too many proposals or reads are under way")                             \
    X(SYNOD_ERR_TOO_BIG, -3, "the value is larger than the limit")                                 \
    X(SYNOD_ERR_UNKNOWN, -4, "the outcome is not known: it may or may not have happened")          \
    X(SYNOD_ERR_CORRUPT, -5, "the stored records are damaged or contradict each other")            \
    X(SYNOD_ERR_STORAGE, -6, "the disk refused a write or a flush")                                \
    X(SYNOD_ERR_MEMORY, -7, "out of memory")                                                       \
    X(SYNOD_ERR_FOREIGN, -8, "the data belong to another cluster, member or format version")       \
    X(SYNOD_ERR_LOCKED, -9, "another process uses this data directory")                            \
    X(SYNOD_ERR_ACCESS, -10, "the data directory is missing, not writable or open to others")      \
    X(SYNOD_ERR_ADDRESS, -11, "the address cannot be used")                                        \
    X(SYNOD_ERR_STOPPED, -12, "the replica is stopping")

#define SYNOD_ERROR_ENUM(name, code, text) name = (code),
enum synod_error {
    SYNOD_ERROR_MAP(SYNOD_ERROR_ENUM)
};

/* A phrase fit to show an operator. Never NULL, whatever the argument. */
const char *synod_strerror(int error);

#ifdef __cplusplus
}
#endif

#endif /* SYNOD_ERROR_H */
