/* txn_text_fuzz.c -- a txn as a person types it at the command line.
 *
 * What is read is a message that can be packed, sent and read again. */
#include <stdlib.h>

#include "base/assert.h"
#include "cli/txn_text.h"
#include "fuzz.h"

FUZZ(txn_text)
{
    struct txn_text txn;
    fuzz_hush();
    const int error = txn_text_parse(&txn, (const char *)input.data, input.size);
    fuzz_unhush();
    assert((error != 0) == (txn.error[0] != '\0'));
    if (error == 0) {
        const size_t size = etcdserverpb__txn_request__get_packed_size(&txn.request);
        uint8_t *packed = malloc(size + 1);
        assert(packed != NULL);
        (void)etcdserverpb__txn_request__pack(&txn.request, packed);
        Etcdserverpb__TxnRequest *read = etcdserverpb__txn_request__unpack(NULL, size, packed);
        assert(read != NULL && read->n_compare == txn.request.n_compare);
        assert(read->n_success == txn.request.n_success);
        assert(read->n_failure == txn.request.n_failure);
        etcdserverpb__txn_request__free_unpacked(read, NULL);
        free(packed);
    }
    txn_text_deinit(&txn);
}
