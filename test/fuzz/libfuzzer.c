/* libfuzzer.c -- the one target of this program, as libFuzzer calls it. */
#include "fuzz.h"

#include "base/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct fuzz_target *target = fuzz_targets();
    assert(target != NULL && target->next == NULL);
    fuzz_run(target, bytes_of(data, size));
    return 0;
}
