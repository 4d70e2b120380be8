/* claim.c -- the names of the claims. */
#include "sim/explore/claim.h"

#include "base/assert.h"

#define CLAIM_TEXTS(name, text, source) [CLAIM_##name] = {text, source},

static const struct {
    const char *name;
    const char *source;
} TEXTS[CLAIM_END] = {CLAIM_MAP(CLAIM_TEXTS)};

const char *claim_name(enum claim claim)
{
    assert(claim > CLAIM_NONE && claim < CLAIM_END);
    return TEXTS[claim].name;
}

const char *claim_source(enum claim claim)
{
    assert(claim > CLAIM_NONE && claim < CLAIM_END);
    return TEXTS[claim].source;
}
