/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-vif.c - an interface from its description to frames on its link: what is offered, what
 * a frontend may ask for in which words, and what happens to one that asks for nonsense or
 * breaks the protocol. passt's place is taken by a socket of the test.
 */
#include "guest.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../block/fake_store.h"
#include "backend/net/vif.h"

#include <xen/event_channel.h>

#define FRONT "/local/domain/7/device/vif/0"
#define BACK "/local/domain/0/backend/vif/7/0"
#define ERROR "/local/domain/0/error/backend/vif/7/0/error"

static struct loop *loop;
static struct xenbus *bus;
static struct vif *vif;
static int peer = -1; /* passt's end */
static unsigned int removals;

static int make_peer(void)
{
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    peer = pair[1];
    return pair[0];
}

static void on_removed(void *arg, struct vif *v)
{
    removals++;
}

static json_t *describe(const char *more)
{
    char text[512];
    json_t *object;

    snprintf(text, sizeof(text), "{\"devid\":0,\"type\":\"user\",\"mac\":\"00:16:3e:01:02:03\"%s}",
             more);
    object = json_loads(text, 0, NULL);
    assert_non_null(object);
    return object;
}

static void make_vif(const char *more)
{
    struct vif_config config;
    struct err err = {0};
    json_t *object = describe(more);

    if (vif_config_parse(&config, object, &err) < 0)
        fail_msg("%s", err.msg);
    json_decref(object);
    assert_int_equal(vif_create(&vif, loop, DOMID, &config, make_peer(), &err), 0);
    assert_int_equal(vif_attach(vif, bus, on_removed, NULL, &err), 0);
    store_settle();
}

static int setup_vif(void **state)
{
    struct err err = {0};

    guest_setup_two_queues(state);
    netif_destroy(guest->n); /* only its rings are of use here */
    guest->n = NULL;
    fix->d.nr_vcpus = 1;
    store_reset();
    removals = 0;
    assert_int_equal(loop_create(&loop, &err), 0);
    assert_int_equal(xenbus_create(&bus, loop, &fix->d, &err), 0);
    return 0;
}

static int teardown_vif(void **state)
{
    xenbus_destroy(bus);
    vif_destroy(vif);
    vif = NULL;
    loop_destroy(loop);
    if (peer >= 0)
        close(peer);
    peer = -1;
    return guest_teardown(state);
}

static void put(const char *key, unsigned int value)
{
    char path[100], text[16];

    snprintf(path, sizeof(path), FRONT "/%s", key);
    snprintf(text, sizeof(text), "%u", value);
    store_write(path, text);
}

/* The frontend's state changes; the backend's answer. */
static const char *front(const char *state)
{
    store_write(FRONT "/state", state);
    store_settle();
    return store_read(BACK "/state");
}

/* What Linux writes. `prefix` is "" or "queue-N/". */
static void put_queue(const char *prefix, unsigned int i, bool split)
{
    const struct netif_queue_config *q = &guest->config.queue[i];
    char key[64];

    snprintf(key, sizeof(key), "%stx-ring-ref", prefix);
    put(key, q->tx_ref);
    snprintf(key, sizeof(key), "%srx-ring-ref", prefix);
    put(key, q->rx_ref);
    snprintf(key, sizeof(key), "%sevent-channel%s", prefix, split ? "-tx" : "");
    put(key, q->tx_port);
    if (split) {
        snprintf(key, sizeof(key), "%sevent-channel-rx", prefix);
        put(key, q->rx_port);
    }
}

static void put_features(void)
{
    put("request-rx-copy", 1);
    put("feature-rx-notify", 1);
    put("feature-sg", 1);
    put("feature-gso-tcpv4", 1);
    put("feature-gso-tcpv6", 1);
    put("feature-ipv6-csum-offload", 1);
}

static void test_offer(void **state)
{
    static const char *const ones[] = {"feature-rx-copy",
                                       "feature-sg",
                                       "feature-gso-tcpv4",
                                       "feature-gso-tcpv6",
                                       "feature-ipv6-csum-offload",
                                       "feature-multicast-control",
                                       "feature-split-event-channels",
                                       "multi-queue-max-queues"};

    make_vif(",\"rate_bytes\":5000,\"rate_us\":20000,\"mtu\":9000,\"ip\":\"10.0.0.1\"");
    for (size_t i = 0; i < ARRAY_SIZE(ones); i++) {
        char path[100];

        snprintf(path, sizeof(path), BACK "/%s", ones[i]);
        assert_non_null(store_read(path));
        assert_string_equal(store_read(path), "1");
    }
    assert_string_equal(store_read(BACK "/feature-rx-flip"), "0");
    assert_string_equal(store_read(BACK "/state"), "2");
    assert_string_equal(store_read(BACK "/mac"), "00:16:3e:01:02:03");
    assert_string_equal(store_read(BACK "/rate"), "5000,20000");
    assert_string_equal(store_read(BACK "/ip"), "10.0.0.1");
    assert_string_equal(store_read(BACK "/hotplug-status"), "connected");
    assert_string_equal(store_read(FRONT "/mac"), "00:16:3e:01:02:03");
    assert_string_equal(store_read(FRONT "/mtu"), "9000");
    assert_string_equal(store_read(FRONT "/handle"), "0");
    assert_null(store_read(BACK "/bridge"));
}

/* A frame of the guest arrives at the other end of the link. */
static void check_traffic(void)
{
    static uint8_t frame_data[200], got[204];
    struct evtchn_send op = {.port = guest->config.queue[0].tx_port};
    size_t len = make_udp4(frame_data, 100);
    uint32_t head;

    memcpy(guest_page(DATA_FIRST), frame_data, len);
    guest_tx(DATA_FIRST, 0, (unsigned int)len, 0);
    guest_publish();
    pthread_mutex_lock(&fix->d.lock);
    CALL_ARG(__HYPERVISOR_event_channel_op, EVTCHNOP_send, &op);
    pthread_mutex_unlock(&fix->d.lock);
    assert_int_equal(recv(peer, &head, 4, MSG_WAITALL), 4);
    assert_int_equal(ntohl(head), len);
    assert_int_equal(recv(peer, got, len, MSG_WAITALL), len);
    assert_memory_equal(got, frame_data, len);
}

static void test_connect(void **state)
{
    make_vif("");
    put_features();
    put_queue("", 0, false);
    assert_string_equal(front("4"), "4");
    check_traffic();
    assert_string_equal(front("5"), "5");
    assert_string_equal(front("6"), "6");
}

static void test_split_channels(void **state)
{
    make_vif("");
    put_features();
    put_queue("", 0, true);
    assert_string_equal(front("4"), "4");
    check_traffic();
}

static void test_multi_queue(void **state)
{
    fix->d.nr_vcpus = 2;
    make_vif("");
    assert_string_equal(store_read(BACK "/multi-queue-max-queues"), "2");
    put_features();
    put("multi-queue-num-queues", 2);
    put_queue("queue-0/", 0, true);
    put_queue("queue-1/", 1, true);
    assert_string_equal(front("4"), "4");
    check_traffic();
}

/* A second kernel finds the interface as the first one did. */
static void test_again(void **state)
{
    make_vif("");
    for (int i = 0; i < 3; i++) {
        put_features();
        put_queue("", 0, true);
        assert_string_equal(front("4"), "4");
        check_traffic();
        assert_string_equal(front("6"), "6");
        assert_string_equal(front("1"), "2");
        guest_reconnect(); /* new rings, new ports */
        netif_destroy(guest->n);
        guest->n = NULL;
    }
}

static void refused(const char *why)
{
    const char *error;

    assert_string_equal(front("4"), "5");
    error = store_read(ERROR);
    if (!error || !strstr(error, why))
        fail_msg("'%s' instead of '%s'", error ? error : "(nothing)", why);
    assert_string_equal(front("6"), "6");
}

static void test_refusals(void **state)
{
    make_vif("");
    put_features();
    refused("tx-ring-ref");
    assert_string_equal(front("1"), "2");
    put_queue("", 0, true);
    put("request-rx-copy", 0);
    refused("request-rx-copy");
    assert_string_equal(front("1"), "2");
    put("request-rx-copy", 1);
    put("rx-ring-ref", 400);
    refused("grant 400");
    assert_string_equal(front("1"), "2");
    put_queue("", 0, true);
    put("event-channel-rx", 500);
    refused("event channel 500");
    assert_string_equal(front("1"), "2");
    put_queue("", 0, true);
    put("multi-queue-num-queues", 2);
    refused("multi-queue-num-queues");
    assert_string_equal(front("1"), "2");
    put("multi-queue-num-queues", 0);
    refused("no queue");
    assert_string_equal(front("1"), "2");
    store_write(FRONT "/multi-queue-num-queues", "one");
    refused("no number");
    /* And after all that it works. */
    assert_string_equal(front("1"), "2");
    put("multi-queue-num-queues", 1);
    assert_string_equal(front("4"), "4");
    check_traffic();
}

/* The worker's complaint reaches the frontend. */
static void test_protocol_broken(void **state)
{
    struct evtchn_send op = {.port = guest->config.queue[0].tx_port};

    make_vif("");
    put_features();
    put_queue("", 0, true);
    assert_string_equal(front("4"), "4");
    guest->tx_prod[0] += 1000;
    guest_publish();
    pthread_mutex_lock(&fix->d.lock);
    CALL_ARG(__HYPERVISOR_event_channel_op, EVTCHNOP_send, &op);
    pthread_mutex_unlock(&fix->d.lock);
    for (int i = 0; i < 50 && strcmp(store_read(BACK "/state"), "5") != 0; i++)
        assert_int_equal(loop_run_once(loop, 100), 0);
    assert_string_equal(store_read(BACK "/state"), "5");
    assert_non_null(strstr(store_read(ERROR), "runs away"));
    assert_string_equal(front("6"), "6");
    assert_string_equal(front("1"), "2");
}

/* Without its other side the link takes the guest's frames like a cable that is not plugged
 * in: nothing stalls, and the interface can be closed and connected again. */
static void test_link_lost(void **state)
{
    struct evtchn_send op = {.port = guest->config.queue[0].tx_port};

    make_vif("");
    put_features();
    put_queue("", 0, true);
    assert_string_equal(front("4"), "4");
    check_traffic();
    close(peer);
    peer = -1;
    for (int i = 0; i < 3; i++) {
        guest_tx(DATA_FIRST, 0, 100, 0);
        guest_publish();
        pthread_mutex_lock(&fix->d.lock);
        CALL_ARG(__HYPERVISOR_event_channel_op, EVTCHNOP_send, &op);
        pthread_mutex_unlock(&fix->d.lock);
    }
    for (int i = 0; i < 4; i++) {
        for (int ms = 0; ms < 5000 && !guest_has_tx_response(); ms++)
            usleep(1000);
        assert_true(guest_tx_response().status <= NETIF_RSP_OKAY);
    }
    assert_string_equal(front("6"), "6");
    assert_string_equal(front("1"), "2");
    guest_reconnect();
    netif_destroy(guest->n);
    guest->n = NULL;
    put_queue("", 0, true);
    assert_string_equal(front("4"), "4");
}

static void test_unplug(void **state)
{
    make_vif("");
    put_features();
    put_queue("", 0, true);
    assert_string_equal(front("4"), "4");
    vif_unplug(vif, false);
    assert_string_equal(store_read(BACK "/online"), "0");
    assert_int_equal(removals, 0);
    (void)front("6");
    assert_int_equal(removals, 1);
    assert_null(store_read(BACK "/state"));
    assert_null(vif_device(vif));
}

static void test_bad_descriptions(void **state)
{
    static const char *const bad[] = {
        "{\"devid\":0,\"type\":\"user\"}",
        "{\"devid\":0,\"type\":\"x\",\"mac\":\"00:16:3e:01:02:03\"}",
        "{\"devid\":256,\"type\":\"tap\",\"mac\":\"00:16:3e:01:02:03\"}",
        "{\"type\":\"tap\",\"mac\":\"00:16:3e:01:02:03\"}",
        "{\"devid\":0,\"type\":\"tap\",\"mac\":\"00:16:3E:01:02:03\"}",
        "{\"devid\":0,\"type\":\"tap\",\"mac\":\"00:16:3e:01:02:03\",\"mtu\":10}",
        "{\"devid\":0,\"type\":\"tap\",\"mac\":\"00:16:3e:01:02:03\",\"rate_bytes\":-1}",
        "{\"devid\":0,\"type\":\"tap\",\"mac\":\"00:16:3e:01:02:03\",\"ifname\":"
        "\"0123456789abcdef\"}",
        "{\"devid\":0,\"type\":\"user\",\"mac\":\"00:16:3e:01:02:03\",\"hostfwd\":[{}]}",
        "{\"devid\":0,\"type\":\"user\",\"mac\":\"00:16:3e:01:02:03\",\"hostfwd\":"
        "[{\"host_port\":1,\"guest_port\":1,\"address\":\"--help\"}]}",
        "{\"devid\":0,\"type\":\"user\",\"mac\":\"00:16:3e:01:02:03\",\"hostfwd\":"
        "[{\"host_port\":1,\"guest_port\":1,\"protocol\":\"sctp\"}]}",
    };

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        json_t *object = json_loads(bad[i], 0, NULL);
        struct vif_config config;
        struct err err = {0};

        assert_non_null(object);
        if (vif_config_parse(&config, object, &err) == 0)
            fail_msg("taken: %s", bad[i]);
        assert_int_not_equal(err.msg[0], '\0');
        json_decref(object);
    }
}

#define ONE(f) cmocka_unit_test_setup_teardown(f, setup_vif, teardown_vif)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ONE(test_offer),           ONE(test_connect),
        ONE(test_split_channels),  ONE(test_multi_queue),
        ONE(test_again),           ONE(test_refusals),
        ONE(test_protocol_broken), ONE(test_link_lost),
        ONE(test_unplug),          cmocka_unit_test(test_bad_descriptions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
