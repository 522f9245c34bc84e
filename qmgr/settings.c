#include "qmgr/settings.h"

#include "dict/dict.h"
#include "service/msg.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	RCPTS_IN_A_REQUEST = 50,
	/*
	 * Addresses may be long: half a packet leaves room for the envelope, and in
	 * the answer for what an agent says of each.
	 */
	BYTES_IN_A_REQUEST = MSG_MAX / 2,
};

#define ROW(type, member, name) \
	CONF_FIELD_AS(type, struct settings, member, name)

static const struct conf_field fields[] = {
	ROW(CONF_STR, queue_directory, "queue_directory"),
	ROW(CONF_TIME, minimal_backoff, "minimal_backoff_time"),
	ROW(CONF_TIME, maximal_backoff, "maximal_backoff_time"),
	ROW(CONF_TIME, lifetime, "maximal_queue_lifetime"),
	ROW(CONF_TIME, bounce_lifetime, "bounce_queue_lifetime"),
	ROW(CONF_TIME, delay_warning, "delay_warning_time"),
	ROW(CONF_TIME, run_delay, "queue_run_delay"),
	ROW(CONF_TIME, sync_interval, "queue_sync_interval"),
	ROW(CONF_TIME, transport_retry, "transport_retry_time"),
	ROW(CONF_INT, active_limit, "qmgr_message_active_limit"),
	ROW(CONF_INT, rcpt_limit, "qmgr_message_recipient_limit"),
	ROW(CONF_SIZE, virtual_limit, "virtual_mailbox_limit"),
	ROW(CONF_INT, workers, "service_workers"),
	ROW(CONF_INT, process_limit, "default_process_limit"),
	ROW(CONF_LIST, defer_transports, "defer_transports"),
	ROW(CONF_STR, mail_owner, "mail_owner"),
	ROW(CONF_STR, user_maps, "auth_user_maps"),
	ROW(CONF_BOOL, long_ids, "enable_long_queue_ids"),
};

struct settings *
settings_new(const struct conf *c, struct why *why)
{
	struct settings *s = zalloc(sizeof(*s));

	s->conf = c;
	s->holders = 1;
	if (dict_configure(c, why) < 0 ||
	    conf_get_struct(c, fields, COUNT_OF(fields), s, why) < 0 ||
	    !(s->services = master_cf_load(c, why)) ||
	    !(s->routing = routing_open(c, why)))
		return settings_free(s);
	s->has_authd = *s->user_maps &&
	    master_cf_find(s->services, "auth", SERVICE_UNIX);
	return s;
}

struct settings *
settings_free(struct settings *s)
{
	if (!s || --s->holders > 0)
		return NULL;
	routing_close(s->routing);
	if (s->services)
		master_cf_free(s->services);
	free(s);
	return NULL;
}

struct settings *
settings_hold(struct settings *s)
{
	s->holders++;
	return s;
}

/* Programs that take deliveries at a socket of master's. */
static bool
is_agent(const struct service_line *l)
{
	static const char *const commands[] = { "smtp", "lmtp", "local" };

	for (size_t i = 0; i < COUNT_OF(commands); i++)
		if (l->type == SERVICE_UNIX &&
		    strcmp(l->command, commands[i]) == 0)
			return true;
	return false;
}

const char *
settings_agent(const struct settings *s, size_t i)
{
	for (size_t k = 0; k < master_cf_count(s->services); k++) {
		const struct service_line *l = master_cf_at(s->services, k);

		if (is_agent(l) && i-- == 0)
			return l->name;
	}
	return NULL;
}

bool
settings_is_agent(const struct settings *s, const char *name, char *path,
    size_t max)
{
	const struct service_line *l = master_cf_find(s->services, name,
	    SERVICE_UNIX);

	if (!l || !is_agent(l))
		return false;
	if (max)
		snprintf(path, max, "%s/%s/%s", s->queue_directory,
		    l->private ? "private" : "public", name);
	return true;
}

/* One number of a transport, as "virtual" + "_destination_recipient_limit". */
static int
get(const struct settings *s, const char *transport, const char *suffix,
    enum conf_type type, int64_t *value_r, struct why *why)
{
	char name[128];

	snprintf(name, sizeof(name), "%s_%s", transport, suffix);
	return conf_get_number(s->conf, name, type, value_r, why);
}

static int
get_unsigned(const struct settings *s, const char *transport,
    const char *suffix, unsigned *value_r, struct why *why)
{
	int64_t value;
	int err = get(s, transport, suffix, CONF_INT, &value, why);

	if (!err)
		*value_r = value < 0    ? 0
		    : value > INT32_MAX ? INT32_MAX
					: (unsigned)value;
	return err;
}

static int
get_feedback(const struct settings *s, const char *transport,
    const char *suffix, struct feedback *f_r, struct why *why)
{
	char name[128], inherited[128];
	const char *text;

	snprintf(name, sizeof(name), "%s_%s", transport, suffix);
	snprintf(inherited, sizeof(inherited), "default_%s", suffix);
	text = conf_raw(s->conf, name);
	text = conf_get(s->conf, text ? name : inherited, why);
	if (!text)
		return -EINVAL;
	return feedback_parse(name, span_str(text), f_r, why);
}

static int
get_destination(const struct settings *s, const char *t,
    struct destination_limits *d, struct why *why)
{
	int err = get_unsigned(s, t, "destination_concurrency_limit",
	    &d->window_max, why);

	if (!err)
		err = get_unsigned(s, t, "initial_destination_concurrency",
		    &d->window_initial, why);
	if (!err)
		err = get_unsigned(s, t,
		    "destination_concurrency_failed_cohort_limit",
		    &d->cohort_limit, why);
	if (!err)
		err = get_feedback(s, t,
		    "destination_concurrency_positive_feedback", &d->positive,
		    why);
	if (!err)
		err = get_feedback(s, t,
		    "destination_concurrency_negative_feedback", &d->negative,
		    why);
	if (d->window_max == 0) /* no limit */
		d->window_max = INT32_MAX;
	if (d->window_initial == 0)
		d->window_initial = 1;
	if (d->window_initial > d->window_max)
		d->window_initial = d->window_max;
	d->dead_ms = s->minimal_backoff;
	return err;
}

int
settings_limits(const struct settings *s, const char *transport,
    struct transport_limits *limits_r, struct why *why)
{
	struct transport_limits l = { 0 };
	int err = get_destination(s, transport, &l.destination, why);

	if (!err)
		err = get_unsigned(s, transport, "destination_recipient_limit",
		    &l.rcpt_limit, why);
	if (!err)
		err = get_unsigned(s, transport, "delivery_slot_cost",
		    &l.slot_cost, why);
	if (!err)
		err = get_unsigned(s, transport, "delivery_slot_loan",
		    &l.slot_loan, why);
	if (!err)
		err = get_unsigned(s, transport, "delivery_slot_discount",
		    &l.slot_discount, why);
	if (!err)
		err = get_unsigned(s, transport, "minimum_delivery_slots",
		    &l.slot_minimum, why);
	if (l.rcpt_limit == 0 || l.rcpt_limit > RCPTS_IN_A_REQUEST)
		l.rcpt_limit = RCPTS_IN_A_REQUEST;
	l.bytes_limit = BYTES_IN_A_REQUEST;
	l.busy_limit = (unsigned)s->process_limit;
	if (l.slot_discount > 100)
		l.slot_discount = 100;
	*limits_r = l;
	return err;
}
