/* render.h -- the answers of a server on standard output, in the words of etcdctl.
 *
 *   simple   what a person wants to see, and a script can cut
 *   table    a frame around it, where there are many of one kind (else as simple)
 *   json     the message as etcdctl prints it: numbers as numbers, bytes in base64
 *   fields   a field on each line: "Revision" : 7 */
#ifndef CLI_RENDER_H
#define CLI_RENDER_H

#include "cli/options.h"
#include "kv.pb-c.h"
#include "rpc.pb-c.h"

/* What a range shows of its keys in the simple format. */
struct render_range {
    int is_value_only; /* --print-value-only */
    int is_count_only; /* --count-only */
};

void render_put(enum output_format format, const Etcdserverpb__PutResponse *answer);
void render_range(enum output_format format, const Etcdserverpb__RangeResponse *answer,
                  const struct render_range *how);
void render_delete(enum output_format format, const Etcdserverpb__DeleteRangeResponse *answer);
void render_txn(enum output_format format, const Etcdserverpb__TxnResponse *answer);
void render_compaction(enum output_format format, const Etcdserverpb__CompactionResponse *answer,
                       int64_t revision);

/* What one member said of itself, or why it did not. */
struct render_status {
    const char *endpoint;
    Etcdserverpb__StatusResponse *status; /* NULL: it did not answer. */
    char *error;
};

void render_status(enum output_format format, const struct render_status *reports, uint32_t count);

/* The parts that other commands print as well: `{"cluster_id":...}`; a field on each line; a text
 * in quotes with everything escaped that is not printable. */
void render_header_json(const Etcdserverpb__ResponseHeader *header);
void render_header_fields(const Etcdserverpb__ResponseHeader *header);
void render_quoted(const uint8_t *data, size_t size);

/* Flush standard output. Returns CLI_DONE, or where it cannot be written CLI_FAILED: it was
 * said. */
int render_end(void);

#endif /* CLI_RENDER_H */
