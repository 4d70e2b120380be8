/* http_pages_test.c -- what the client port says to those who do not speak gRPC. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "front.h"
#include "synod/error.h"

static const char *get(struct front *front, const char *path)
{
    static char request[256];
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", path);
    return front_http(front, request);
}

static void assert_has(const char *answer, const char *part)
{
    if (strstr(answer, part) == NULL) {
        fail_msg("'%s' is not in: %s", part, answer);
    }
}

TEST(pages, tell_the_version_in_digits)
{
    struct front *front = front_new();
    const char *answer = get(front, "/version");
    assert_has(answer, "HTTP/1.1 200");
    assert_has(answer, "application/json");
    assert_has(answer, "{\"etcdserver\":\"" ETCD_API_VERSION "\",\"etcdcluster\":\"");
    front_free(front);
}

TEST(pages, tell_health_by_reading_the_state)
{
    struct front *front = front_new();
    const char *answer = get(front, "/health");
    assert_int_equal(front->replica.asked_count, 1);
    assert_has(answer, "HTTP/1.1 200");
    assert_has(answer, "{\"health\":\"true\",\"reason\":\"\"}");
    front_free(front);
}

TEST(pages, tell_illness_with_503_and_its_reason)
{
    struct front *front = front_new();
    front->replica.refusal = SYNOD_ERR_BUSY;
    const char *answer = get(front, "/health");
    assert_has(answer, "HTTP/1.1 503");
    assert_has(answer, "{\"health\":\"false\",\"reason\":\"RANGE ERROR\"}");
    front->replica.status.has_leader = 0;
    answer = get(front, "/health");
    assert_has(answer, "HTTP/1.1 503");
    assert_has(answer, "{\"health\":\"false\",\"reason\":\"RAFT NO LEADER\"}");
    answer = get(front, "/health?exclude=x&serializable=true");
    assert_has(answer, "HTTP/1.1 200");
    answer = get(front, "/health?serializable=truely");
    assert_has(answer, "HTTP/1.1 503");
    front_free(front);
}

TEST(pages, that_do_not_exist_are_not_found)
{
    struct front *front = front_new();
    const char *answer = get(front, "/v3/kv/range");
    assert_has(answer, "HTTP/1.1 404");
    assert_has(answer, "\r\n\r\n404 page not found\n");
    answer = front_http(front, "POST /health HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
    assert_has(answer, "HTTP/1.1 405");
    assert_has(answer, "allow: GET");
    front_free(front);
}

TEST(metrics, have_the_names_that_dashboards_read)
{
    static const char *const lines[] = {
        "\netcd_server_has_leader 1\n",
        "\netcd_server_proposals_applied_total 11\n",
        "\netcd_server_proposals_committed_total 12\n",
        "\netcd_debugging_mvcc_keys_total 1\n",
        "\netcd_debugging_mvcc_current_revision 2\n",
        "\netcd_disk_wal_fsync_duration_seconds_bucket{le=\"+Inf\"} ",
        "\netcd_network_client_grpc_received_bytes_total ",
        "\nprocess_resident_memory_bytes ",
        "\netcd_server_version{server_version=\"" ETCD_API_VERSION "\"} 1\n",
        "\nsynod_build_info{version=\"0.0.1\"} 1\n",
        "\ngrpc_server_handled_total{grpc_type=\"unary\",grpc_service=\"etcdserverpb.KV\","
        "grpc_method=\"Put\",grpc_code=\"OK\"} 1\n",
        "\ngrpc_server_started_total{grpc_type=\"unary\",grpc_service=\"etcdserverpb.KV\","
        "grpc_method=\"Put\"} 1\n",
    };
    struct front *front = front_new();
    front_put(front, "k", "v");
    const char *answer = get(front, "/metrics");
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        assert_has(answer, lines[i]);
    }
    front_free(front);
}

/* Prometheus refuses a page of which one line is wrong. */
TEST(metrics, are_lines_of_a_name_and_a_number)
{
    struct front *front = front_new();
    const char *line = strstr(get(front, "/metrics"), "\r\n\r\n") + 4;
    size_t count = 0;
    while (*line != '\0') {
        const char *end = strchr(line, '\n');
        assert_non_null(end);
        if (*line != '#') {
            char *stop;
            const char *space = end;
            while (space > line && *space != ' ') {
                space--;
            }
            (void)strtod(space, &stop);
            assert_ptr_equal(stop, end);
            assert_true(space > line);
            count++;
        }
        line = end + 1;
    }
    assert_true(count > 30);
    front_free(front);
}
