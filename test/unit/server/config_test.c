/* config_test.c -- what the server's flags mean, and what is said of those that mean nothing. */
#include "server/config.h"

#include <stdio.h>
#include <string.h>

#include "command_line.h"
#include "test.h"

/* The config of a command line. */
static int resolve(struct config *config, struct flags *flags, const char *line)
{
    static char *none[] = {NULL};
    static struct command_line split; /* The flags borrow from it. */
    command_line_split(&split, line);
    assert_int_equal(flags_read(flags, split.count, split.words, none), FLAGS_GIVEN);
    return config_resolve(config, flags, 1);
}

#define THREE "a=http://10.0.0.1:2380,b=http://10.0.0.2:2380,c=http://10.0.0.3:2380"

TEST(config, of_no_flags_is_one_member_on_the_default_ports)
{
    struct flags flags;
    struct config config;
    assert_int_equal(resolve(&config, &flags, ""), 0);
    assert_string_equal(config.name, "default");
    assert_string_equal(config.data_dir, "default.etcd");
    assert_string_equal(config.token, "etcd-cluster");
    assert_int_equal(config.member_count, 1);
    assert_string_equal(config.members[0].address, "localhost:2380");
    assert_string_equal(config.listen_clients.addresses[0], "localhost:2379");
    assert_string_equal(config.advertise_clients.urls[0], "http://localhost:2379");
    assert_null(config.advertise_clients.urls[1]);
    assert_int_equal(config.heartbeat_ms, 100);
    assert_int_equal(config.election_ms, 1000);
    assert_int_equal(config.txn_ops_max, 128);
    assert_int_equal(config.request_bytes_max, 1572864);
    assert_int_equal(config.quota_bytes, 2147483648);
    assert_int_equal(config.log_level, LOG_INFO);
    assert_false(config.log_is_json);
    config_deinit(&config);
}

/* The table's order must not depend on how each member's flags are written. */
TEST(config, has_the_members_in_one_order_however_they_are_written)
{
    struct flags flags;
    struct config config;
    assert_int_equal(resolve(&config, &flags,
                             "--name=b --listen-peer-urls=http://0.0.0.0:2380 "
                             "--initial-advertise-peer-urls=http://10.0.0.2:2380 "
                             "--initial-cluster c=http://10.0.0.3:2380,"
                             "a=http://10.0.0.1:2380,b=http://10.0.0.2:2380"),
                     0);
    assert_int_equal(config.member_count, 3);
    assert_string_equal(config.members[0].name, "a");
    assert_string_equal(config.members[2].name, "c");
    assert_string_equal(config.members[2].address, "10.0.0.3:2380");
    assert_string_equal(config.members[2].urls[0], "http://10.0.0.3:2380");
    assert_int_equal(config.self, 1);
    assert_string_equal(config.listen_peers.addresses[0], "0.0.0.0:2380");
    config_deinit(&config);
}

TEST(config, takes_several_client_urls_and_ipv6)
{
    struct flags flags;
    struct config config;
    assert_int_equal(resolve(&config, &flags,
                             "--listen-client-urls http://[::1]:2379,http://127.0.0.1:2379/ "
                             "--listen-metrics-urls=http://127.0.0.1:2381 --log-format=json"),
                     0);
    assert_int_equal(config.listen_clients.count, 2);
    assert_string_equal(config.listen_clients.addresses[0], "[::1]:2379");
    assert_string_equal(config.listen_clients.addresses[1], "127.0.0.1:2379");
    assert_int_equal(config.listen_metrics.count, 1);
    assert_true(config.log_is_json);
    config_deinit(&config);
}

TEST(config, refuses_what_it_cannot_mean_and_says_what_would_be_right)
{
    static const struct {
        const char *line;
        const char *says;
    } cases[] = {
        {"--heartbeat-interval=x", "-heartbeat-interval is \"x\"; it must be a whole number"},
        {"--heartbeat-interval=0", "from 1 to"},
        {"--election-timeout=-5", "-election-timeout is \"-5\"; it must be a whole number"},
        {"--election-timeout=400", "it must be at least 5 times -heartbeat-interval"},
        {"--election-timeout=99999", "from 1 to 50000"},
        {"--max-txn-ops=1e3", "-max-txn-ops is \"1e3\""},
        {"--max-request-bytes=99999999999999999999", "-max-request-bytes is"},
        {"--log-level=loud", "-log-level is \"loud\"; it must be debug, info, warn or error"},
        {"--log-format=xml", "it must be json or console"},
        {"--log-outputs=/x", "it must be default, stderr or stdout"},
        {"--initial-cluster-state=old", "it must be new or existing"},
        {"--listen-client-urls=https://1.2.3.4:1", "TLS is not there yet; use http://"},
        {"--listen-client-urls=unix://x", "sockets of the file system are not there yet"},
        {"--listen-client-urls=1.2.3.4:1", "a URL looks like http://"},
        {"--listen-client-urls=http://1.2.3.4", "it needs a host and a port"},
        {"--listen-client-urls=http://1.2.3.4:99999", "it needs a host and a port"},
        {"--listen-client-urls=http://1.2.3.4:1/x", "it needs a host and a port"},
        {"--listen-client-urls=http://:1", "it needs a host and a port"},
        {"--listen-client-urls=", "is empty; clients need a URL"},
        {"--listen-peer-urls=http://h:1,http://h:2", "exactly one is possible yet"},
        {"--name=", "-name is \"\""},
        {"--name=a=b", "a word without"},
        {"--name=x --initial-cluster=" THREE, "does not name this member, \"x\""},
        {"--name=a --initial-cluster=" THREE, "but -initial-advertise-peer-urls is"},
        {"--name=a --initial-cluster=a=http://h:1,a=http://h:2", "names \"a\" twice"},
        {"--name=a --initial-cluster=a=http://h:1,b=http://h:1", "the same address"},
        {"--name=a --initial-cluster=http://h:1", "each part looks like a=http://"},
        {"--name=a --initial-cluster=a=", "a URL looks like"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct flags flags;
        struct config config;
        assert_int_equal(resolve(&config, &flags, cases[i].line), -1);
        if (strstr(flags.error, cases[i].says) == NULL) {
            fail_msg("%s: '%s' is not in: %s", cases[i].line, cases[i].says, flags.error);
        }
        config_deinit(&config);
    }
}

TEST(config, has_room_for_nine_members_and_no_more)
{
    struct flags flags;
    struct config config;
    char list[1024] = "--name=m0 --listen-peer-urls=http://h:100 --initial-cluster=";
    size_t size = strlen(list);
    for (int i = 0; i < 10; i++) {
        size += (size_t)snprintf(list + size, sizeof list - size, "%sm%d=http://h:%d",
                                 i == 0 ? "" : ",", i, 100 + i);
        const int expected = i < 9 ? 0 : -1;
        assert_int_equal(resolve(&config, &flags, list), expected);
        config_deinit(&config);
    }
    assert_non_null(strstr(flags.error, "more than 9 members"));
}
