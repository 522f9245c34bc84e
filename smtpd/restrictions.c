#include "smtpd/restrictions.h"

#include "conf/params.h"
#include "smtpd/params.h"

#include <errno.h>
#include <stdio.h>

enum {
	CLASSES_MAX = 100,
};

static int
source(const struct conf *c, const char *name, struct access_source *s_r,
    struct why *why)
{
	const char *text = conf_get(c, name, why);
	struct access_source s = { .name = name };

	if (!text)
		return -EINVAL;
	s.text = *text ? text : NULL;
	conf_source(c, name, &s.file, &s.line);
	*s_r = s;
	return 0;
}

/* The names of classes, which are parameters of their own. */
static int
class_sources(const struct conf *c, struct arena *a,
    struct access_source classes[CLASSES_MAX], size_t *n_r, struct why *why)
{
	struct span rest = span_str(params.classes), element;
	size_t n = 0;

	while (n < CLASSES_MAX && conf_list_next(&rest, &element)) {
		const char *name = arena_dup(a, element);

		if (!name || source(c, name, &classes[n], why) < 0)
			return -EINVAL;
		if (!classes[n].text)
			classes[n].text = "";
		n++;
	}
	*n_r = n;
	return 0;
}

static const char *const list_names[ACCESS_LISTS] = {
	[ACCESS_CLIENT] = "smtpd_client_restrictions",
	[ACCESS_HELO] = "smtpd_helo_restrictions",
	[ACCESS_SENDER] = "smtpd_sender_restrictions",
	[ACCESS_RELAY] = "smtpd_relay_restrictions",
	[ACCESS_RECIPIENT] = "smtpd_recipient_restrictions",
	[ACCESS_DATA] = "smtpd_data_restrictions",
	[ACCESS_END_OF_DATA] = "smtpd_end_of_data_restrictions",
};

static int
compile_lists(const struct conf *c, struct why *why)
{
	static struct access_source lists[ACCESS_LISTS], classes[CLASSES_MAX];
	static char listed[64];
	struct arena *a CLEANUP(arena_freep) = arena_new(1 << 16);
	size_t n;

	for (int i = 0; i < ACCESS_LISTS; i++)
		if (list_names[i] &&
		    source(c, list_names[i], &lists[i], why) < 0)
			return -EINVAL;
	snprintf(listed, sizeof(listed), "%s%s",
	    params.unlisted_sender ? "reject_unlisted_sender " : "",
	    params.unlisted_rcpt ? "reject_unlisted_recipient" : "");
	lists[ACCESS_LISTED] = (struct access_source){
		.name = "smtpd_reject_unlisted_recipient",
		.text = *listed ? listed : NULL,
	};
	/* Both empty is no guard either. */
	if (!lists[ACCESS_RECIPIENT].text && !lists[ACCESS_RELAY].text)
		lists[ACCESS_RECIPIENT].text = "";
	if (class_sources(c, a, classes, &n, why) < 0)
		return -EINVAL;
	resources.access = access_new(lists, classes, n, why);
	if (!resources.access)
		return -EINVAL;
	for (int i = 0; i < ACCESS_LISTS; i++)
		if (lists[i].text)
			resources.config.lists |= BIT(i);
	return 0;
}

/* Which of the elements of a parameter's value is `name`. False: none is. */
static bool
find_element(const struct conf *c, const char *parameter, const char *name,
    size_t *place_r)
{
	struct why ignored;
	const char *text = conf_get(c, parameter, &ignored);
	struct span rest = span_str(text ? text : ""), element;

	for (*place_r = 0; conf_list_next(&rest, &element); ++*place_r)
		if (span_eq(element, span_str(name)))
			return true;
	return false;
}

/* Where proxymap finds it: in a list, or in one of smtpd_restriction_classes. */
static bool
set_origin(const struct conf *c, struct dict *d)
{
	struct span rest = span_str(params.classes), class;
	size_t number, place;

	for (size_t i = 0; i < ACCESS_LISTS; i++)
		if (list_names[i] &&
		    find_element(c, list_names[i], dict_name(d), &place)) {
			must(param_number(list_names[i], &number));
			dict_set_origin(d, number, place);
			return true;
		}
	must(param_number("smtpd_restriction_classes", &number));
	for (size_t i = 1; conf_list_next(&rest, &class); i++) {
		struct arena *a CLEANUP(arena_freep) = arena_new(4096);
		const char *name = arena_dup(a, class);

		if (name && find_element(c, name, dict_name(d), &place)) {
			dict_set_origin(d, number, i * DICT_CLASS + place);
			return true;
		}
	}
	return false;
}

static int
open_tables(const struct conf *c, struct why *why)
{
	size_t n = access_tables(resources.access);
	struct why open_why;

	resources.tables = zalloc((n + 1) * sizeof(struct dict *));
	for (size_t i = 0; i < n; i++) {
		const char *name = access_table(resources.access, i);

		resources.tables[i] = dict_open(name, 0, &open_why);
		if (!resources.tables[i])
			return why_set(why, EINVAL, NULL, 0,
			    "smtpd restrictions: %s", open_why.text);
		if (!dict_may_wait(resources.tables[i]) ||
		    (dict_is_remote(resources.tables[i]) &&
			!set_origin(c, resources.tables[i])))
			return why_set(why, EINVAL, NULL, 0,
			    "smtpd restrictions: %s waits for a server or a "
			    "disk; it must be a word of its own in a list",
			    name);
	}
	return 0;
}

int
restrictions_open(const struct conf *c, struct why *why)
{
	return compile_lists(c, why) < 0 ? -EINVAL : open_tables(c, why);
}
