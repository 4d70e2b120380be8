/* status.h -- how a gRPC call ended: the codes, and the text that goes with them. */
#ifndef GRPC_STATUS_H
#define GRPC_STATUS_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

/* gRPC's own numbers; the names are those that Go prints. */
#define GRPC_CODE_MAP(X)                                                                           \
    X(GRPC_OK, 0, "OK")                                                                            \
    X(GRPC_CANCELED, 1, "Canceled")                                                                \
    X(GRPC_UNKNOWN, 2, "Unknown")                                                                  \
    X(GRPC_INVALID_ARGUMENT, 3, "InvalidArgument")                                                 \
    X(GRPC_DEADLINE_EXCEEDED, 4, "DeadlineExceeded")                                               \
    X(GRPC_NOT_FOUND, 5, "NotFound")                                                               \
    X(GRPC_ALREADY_EXISTS, 6, "AlreadyExists")                                                     \
    X(GRPC_PERMISSION_DENIED, 7, "PermissionDenied")                                               \
    X(GRPC_RESOURCE_EXHAUSTED, 8, "ResourceExhausted")                                             \
    X(GRPC_FAILED_PRECONDITION, 9, "FailedPrecondition")                                           \
    X(GRPC_ABORTED, 10, "Aborted")                                                                 \
    X(GRPC_OUT_OF_RANGE, 11, "OutOfRange")                                                         \
    X(GRPC_UNIMPLEMENTED, 12, "Unimplemented")                                                     \
    X(GRPC_INTERNAL, 13, "Internal")                                                               \
    X(GRPC_UNAVAILABLE, 14, "Unavailable")                                                         \
    X(GRPC_DATA_LOSS, 15, "DataLoss")                                                              \
    X(GRPC_UNAUTHENTICATED, 16, "Unauthenticated")

#define GRPC_CODE_ENUM(name, code, text) name = (code),
enum grpc_code {
    GRPC_CODE_MAP(GRPC_CODE_ENUM)
};

enum {
    GRPC_CODE_COUNT = 17,
    GRPC_TEXT_MAX = 1024,                     /* Bytes of a status text; longer ones are cut. */
    GRPC_TEXT_ENCODED_MAX = 3 * GRPC_TEXT_MAX /* ... and of its percent-encoded form. */
};

/* "InvalidArgument" for 3, "Unknown" for a number that gRPC does not have. Never NULL. */
const char *grpc_code_name(enum grpc_code code);

/* Write `text` as the header grpc-message wants it: everything but printable ASCII, and '%'
 * itself, as %XX. `to` has GRPC_TEXT_ENCODED_MAX bytes; what is beyond GRPC_TEXT_MAX bytes of
 * text is dropped. Returns the number of bytes written. */
size_t grpc_text_encode(const char *text, uint8_t to[GRPC_TEXT_ENCODED_MAX]);

/* The reverse, leniently: a '%' without two hex digits stands for itself. `to` ends in NUL. */
void grpc_text_decode(struct bytes from, char to[GRPC_TEXT_MAX + 1]);

/* "100m" -> 100000: the microseconds of a grpc-timeout header, rounded up, at least 1; 0 if it
 * is not a valid one (1 to 8 digits and one of H M S m u n). */
uint64_t grpc_timeout_decode(struct bytes value);

/* The reverse: at most 8 digits in the finest unit that holds it, rounded up. `to` has
 * GRPC_TIMEOUT_SIZE bytes and ends in NUL. Returns the length. */
enum {
    GRPC_TIMEOUT_SIZE = 10
};
size_t grpc_timeout_encode(uint64_t timeout_us, char to[GRPC_TIMEOUT_SIZE]);

#endif /* GRPC_STATUS_H */
