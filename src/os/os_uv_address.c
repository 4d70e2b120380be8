/* os_uv_address.c -- "host:port" and what the kernel calls it. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "os/os_uv_internal.h"

/* Decimal digits only, up to 65535. */
static int parse_port(const char *text, uint16_t *port)
{
    uint32_t value = 0;
    if (*text == '\0' || strlen(text) > 5) {
        return -EINVAL;
    }
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9') {
            return -EINVAL;
        }
        value = value * 10 + (uint32_t)(*text - '0');
    }
    *port = (uint16_t)value;
    return value <= UINT16_MAX ? 0 : -EINVAL;
}

int os_uv_address_split(const char *address, char host[OS_UV_HOST_SIZE], uint16_t *port)
{
    const char *start = address;
    const char *end = strrchr(address, ':');
    const char *digits = end == NULL ? NULL : end + 1;
    if (*address == '[') {
        start = address + 1;
        end = strchr(address, ']');
        if (end == NULL || end[1] != ':' || end + 2 != digits) {
            return -EINVAL;
        }
    } else if (end == NULL || strchr(address, ':') != end) {
        return -EINVAL; /* More than one colon and no brackets: which one is meant? */
    }
    const size_t size = (size_t)(end - start);
    if (size == 0 || size >= OS_UV_HOST_SIZE) {
        return -EINVAL;
    }
    memcpy(host, start, size);
    host[size] = '\0';
    return parse_port(digits, port);
}

int os_uv_address_parse(const char *host, uint16_t port, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof *out);
    if (uv_ip4_addr(host, port, (struct sockaddr_in *)out) == 0) {
        return 0;
    }
    return uv_ip6_addr(host, port, (struct sockaddr_in6 *)out) == 0 ? 0 : -EINVAL;
}

void os_uv_address_format(const struct sockaddr_storage *address, char out[OS_UV_NAME_SIZE])
{
    char digits[INET6_ADDRSTRLEN] = "";
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
        uv_ip4_name(v4, digits, sizeof digits);
        snprintf(out, OS_UV_NAME_SIZE, "%s:%u", digits, ntohs(v4->sin_port));
    } else if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
        uv_ip6_name(v6, digits, sizeof digits);
        snprintf(out, OS_UV_NAME_SIZE, "[%s]:%u", digits, ntohs(v6->sin6_port));
    } else {
        snprintf(out, OS_UV_NAME_SIZE, "unknown");
    }
}

const struct addrinfo *os_uv_address_pick(const struct addrinfo *found)
{
    assert(found != NULL);
    for (const struct addrinfo *it = found; it != NULL; it = it->ai_next) {
        if (it->ai_family == AF_INET) {
            return it;
        }
    }
    return found;
}

int os_uv_address_error(int status)
{
    switch (status) {
    case UV_EAI_MEMORY:
        return -ENOMEM;
    case UV_EAI_AGAIN:
        return -EAGAIN;
    case UV_ECANCELED:
        return -ECANCELED;
    default:
        return -EADDRNOTAVAIL; /* Most often: there is no such name. */
    }
}
