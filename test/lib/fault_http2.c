/* fault_http2.c -- nghttp2's allocations on our behalf, which fail like our own.
 *
 * The archives of the programs of test/fault call these in place of nghttp2's functions of the
 * same names (Makefile). A session gets its memory from fault.c; for what nghttp2 allocates with
 * nobody's leave, the function fails as a whole. */
#include <nghttp2/nghttp2.h>

#include "fault.h"

void *fault_malloc(size_t size);
void *fault_calloc(size_t count, size_t size);
void *fault_realloc(void *memory, size_t size);
void fault_free(void *memory);
int fault_nghttp2_session_callbacks_new(nghttp2_session_callbacks **callbacks);
int fault_nghttp2_option_new(nghttp2_option **option);
int fault_nghttp2_session_client_new2(nghttp2_session **session,
                                      const nghttp2_session_callbacks *callbacks, void *context,
                                      const nghttp2_option *option);
int fault_nghttp2_session_server_new2(nghttp2_session **session,
                                      const nghttp2_session_callbacks *callbacks, void *context,
                                      const nghttp2_option *option);

static void *allocate(size_t size, __attribute__((unused)) void *context)
{
    return fault_malloc(size);
}

static void release(void *memory, __attribute__((unused)) void *context)
{
    fault_free(memory);
}

static void *allocate_cleared(size_t count, size_t size, __attribute__((unused)) void *context)
{
    return fault_calloc(count, size);
}

static void *change(void *memory, size_t size, __attribute__((unused)) void *context)
{
    return fault_realloc(memory, size);
}

static nghttp2_mem memory = {
    .malloc = allocate, .free = release, .calloc = allocate_cleared, .realloc = change};

int fault_nghttp2_session_callbacks_new(nghttp2_session_callbacks **callbacks)
{
    return fault_strikes(FAULT_ALLOCATION) ? NGHTTP2_ERR_NOMEM
                                           : nghttp2_session_callbacks_new(callbacks);
}

int fault_nghttp2_option_new(nghttp2_option **option)
{
    return fault_strikes(FAULT_ALLOCATION) ? NGHTTP2_ERR_NOMEM : nghttp2_option_new(option);
}

int fault_nghttp2_session_client_new2(nghttp2_session **session,
                                      const nghttp2_session_callbacks *callbacks, void *context,
                                      const nghttp2_option *option)
{
    return nghttp2_session_client_new3(session, callbacks, context, option, &memory);
}

int fault_nghttp2_session_server_new2(nghttp2_session **session,
                                      const nghttp2_session_callbacks *callbacks, void *context,
                                      const nghttp2_option *option)
{
    return nghttp2_session_server_new3(session, callbacks, context, option, &memory);
}
