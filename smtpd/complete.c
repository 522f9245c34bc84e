#include "smtpd/complete.h"

#include "base/log.h"
#include "dict/lists.h"
#include "net/hosts.h"

#include <errno.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	OWN_MAX = 64,
	TEXT_MAX = 2048,
};

struct complete {
	bool all; /* always_add_missing_headers */
	bool own;
	bool mynetworks;
	bool logged_in;
	struct lists *tables; /* or NULL */
	struct addr addrs[OWN_MAX]; /* of inet_interfaces */
	size_t addrs_n;
};

static void
add_own(struct complete *c, const struct addr *a)
{
	if (c->addrs_n < OWN_MAX)
		c->addrs[c->addrs_n++] = *a;
}

static void
add_interfaces(struct complete *c)
{
	struct ifaddrs *list = NULL;
	struct addr a;

	if (getifaddrs(&list) < 0)
		log_warning("addresses of interfaces are not known: %s",
		    strerror(errno));
	for (struct ifaddrs *i = list; i; i = i->ifa_next)
		if (i->ifa_addr && addr_from_sockaddr(i->ifa_addr, &a) &&
		    a.family != AF_UNIX)
			add_own(c, &a);
	if (list)
		freeifaddrs(list);
}

static void
add_word(struct complete *c, struct span word)
{
	struct addr found[HOSTS_ADDRS_MAX];

	if (span_ieq(word, SPAN("all"))) {
		add_interfaces(c);
	} else if (span_ieq(word, SPAN("loopback-only"))) {
		add_word(c, SPAN("127.0.0.1"));
		add_word(c, SPAN("::1"));
	} else if (addr_parse(word, &found[0])) {
		add_own(c, &found[0]);
	} else {
		size_t n = hosts_find("/etc/hosts", word, found);

		for (size_t i = 0; i < n; i++)
			add_own(c, &found[i]);
	}
}

/* Takes what is a word of ours; the rest goes into a list of tables. */
static void
take_words(struct complete *c, const char *text, struct buf *tables)
{
	struct span rest = span_str(text), word;

	while (conf_list_next(&rest, &word)) {
		if (span_ieq(word, SPAN("permit_inet_interfaces"))) {
			c->own = true;
		} else if (span_ieq(word, SPAN("permit_mynetworks"))) {
			c->mynetworks = true;
		} else if (span_ieq(word, SPAN("permit_sasl_authenticated"))) {
			c->logged_in = true;
		} else if (!span_ieq(word, SPAN("check_address_map"))) {
			buf_put(tables, word);
			buf_put(tables, SPAN(" "));
		}
	}
}

static int
open_tables(struct complete *c, const char *text, struct why *why)
{
	if (!*text)
		return 0;
	c->tables = lists_open(text, LISTS_ADDRS | LISTS_NAMES, why);
	if (!c->tables)
		return -EINVAL;
	/* The elements that are no tables were taken out: nobody could count. */
	if (!lists_is_quick(c->tables))
		return why_set(why, EINVAL, NULL, 0,
		    "names a table that waits for a server or a disk; allowed "
		    "are tables in files");
	return 0;
}

static int
read_conf(struct complete *c, const struct conf *conf, struct why *why)
{
	static const char name[] = "local_header_rewrite_clients";
	static const struct conf_field fields[] = {
		CONF_FIELD_AS(CONF_BOOL, struct complete, all,
		    "always_add_missing_headers"),
	};
	const char *text = conf_get(conf, name, why), *file = NULL;
	char tables[TEXT_MAX];
	struct why open_why;
	struct buf b;
	unsigned line = 0;

	if (!text || conf_get_struct(conf, fields, 1, c, why) < 0)
		return -EINVAL;
	conf_source(conf, name, &file, &line);
	buf_init(&b, tables, sizeof(tables) - 1);
	take_words(c, text, &b);
	if (b.overflow)
		return why_set(why, EINVAL, file, line, "%s: too long", name);
	tables[b.n] = '\0';
	if (open_tables(c, tables, &open_why) < 0)
		return why_set(why, EINVAL, file, line, "%s: %s", name,
		    open_why.text);
	return 0;
}

struct complete *
complete_open(const struct conf *conf, struct why *why)
{
	struct complete *c = zalloc(sizeof(*c));
	const char *interfaces = conf_get(conf, "inet_interfaces", why);
	struct span rest, word;

	if (!interfaces || read_conf(c, conf, why) < 0) {
		lists_close(c->tables);
		free(c);
		return NULL;
	}
	rest = span_str(interfaces);
	while (c->own && conf_list_next(&rest, &word))
		add_word(c, word);
	return c;
}

static bool
is_own(const struct complete *c, const struct addr *a)
{
	for (size_t i = 0; i < c->addrs_n; i++)
		if (addr_cmp(&c->addrs[i], a) == 0)
			return true;
	return false;
}

static bool
has_table(const struct complete *c, const struct backend_client *client)
{
	struct why why;

	switch (lists_has_client(c->tables, span_str(client->name),
	    &client->peer, &why)) {
	case DICT_FOUND:
		return true;
	case DICT_TEMPFAIL:
		log_warning("%s", why.text);
		break;
	case DICT_ABSENT:
		break;
	}
	return false;
}

bool
complete_has(const struct complete *c, const struct backend_client *client,
    bool logged_in)
{
	return c->all || (c->logged_in && logged_in) ||
	    (c->mynetworks && client->is_ours) ||
	    (c->own && is_own(c, &client->peer)) ||
	    (c->tables && has_table(c, client));
}
