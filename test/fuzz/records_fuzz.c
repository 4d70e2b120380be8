/* records_fuzz.c -- the body of a record of the log, as bytes from a disk.
 *
 * u8 type, then the body. What is decoded says of itself how large it is, and every record, good
 * or not, can be described to a person. */
#include "base/assert.h"
#include "fuzz.h"
#include "replica/records.h"

FUZZ(records)
{
    struct feed feed = {input};
    struct wal_record wal_record = {.lsn = 1, .kind = {.type = feed_u8(&feed), .format = 1}};
    struct synod_record record;
    struct bytes value;
    char text[100];

    wal_record.body = feed.rest;
    if (records_decode(&wal_record, &record, &value) == 0) {
        assert(record.type == (enum synod_record_type)wal_record.kind.type);
        assert(value.size <= wal_record.body.size);
        assert(value.size == 0 || value.data + value.size == feed.rest.data + feed.rest.size);
        assert(value.size == record.entry.size || record.type == SYNOD_RECORD_CHOSEN ||
               record.type == SYNOD_RECORD_PROMISE);
    }
    records_describe(&wal_record, text, sizeof text);
    assert(memchr(text, '\0', sizeof text) != NULL);
    assert(records_type_name(wal_record.kind.type)[0] != '\0');
}
