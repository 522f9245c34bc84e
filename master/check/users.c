/* Users and groups that main.cf and master.cf name. */
#include "master/check/check.h"

#include "master/dirs.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const owners[] = { "mail_owner", "net_owner", "login_owner",
	"auth_owner" };

/* Two parts that are one user can do what only one of them should. */
static void
check_apart(struct checkup *k, const struct privs *p)
{
	for (size_t i = 0; i < COUNT_OF(owners); i++) {
		struct check_value v = check_value_of(k, owners[i]);

		if (p[i].uid == 0)
			check_tell(k, CHECK_ERROR, &v,
			    "%s is root, who reads no network here; name a "
			    "user of its own",
			    v.text);
		for (size_t j = 0; j < i; j++)
			if (p[i].uid == p[j].uid) {
				check_tell(k, CHECK_WARNING, &v,
				    "%s is the user of %s, too; what is kept "
				    "apart should be users apart",
				    v.text, owners[j]);
				break;
			}
	}
}

static void
check_owners(struct checkup *k)
{
	struct privs found[COUNT_OF(owners)];
	unsigned before = k->errors;
	struct why why;
	gid_t drop;

	for (size_t i = 0; i < COUNT_OF(owners); i++)
		if (dirs_user(k->conf, owners[i], &found[i], &why) < 0)
			check_say(k, CHECK_ERROR, "%s", why.text);
	if (k->errors == before && geteuid() == 0)
		check_apart(k, found);

	struct check_value v = check_value_of(k, "setgid_group");

	if (privs_find_group(v.text, &drop, &why) < 0)
		check_tell(k, CHECK_ERROR, &v, "%s", why.text);
}

/* "user=NAME" or "user=NAME:GROUP" of a service whose program runs as somebody. */
static void
check_service_user(struct checkup *k, const struct entry_text *e,
    struct span value)
{
	struct span user = span_cut(&value, ':');
	char name[256];
	struct privs p;
	struct why why;
	gid_t gid;

	snprintf(name, sizeof(name), "%.*s", (int)user.n, user.p);
	if (privs_find(name, &p, &why) < 0)
		check_say(k, CHECK_WARNING,
		    "master.cf:%u: service %s: user=%s: %s", e->line,
		    e->field[0], name, why.text);
	snprintf(name, sizeof(name), "%.*s", (int)value.n, value.p);
	if (value.n > 0 && privs_find_group(name, &gid, &why) < 0)
		check_say(k, CHECK_WARNING,
		    "master.cf:%u: service %s: user=: %s", e->line, e->field[0],
		    why.text);
}

void
check_users(struct checkup *k)
{
	struct check_value v = check_value_of(k, "default_privs");
	struct privs p;
	struct why why;

	check_owners(k);
	if (privs_find(v.text, &p, &why) < 0)
		check_tell(k, CHECK_ERROR, &v, "%s", why.text);
	for (size_t i = 0; i < k->entries.n; i++) {
		const struct entry_text *e = &k->entries.at[i];

		for (size_t j = 0; j < e->n; j++)
			if (strncmp(e->arg[j], "user=", 5) == 0)
				check_service_user(k, e,
				    span_str(e->arg[j] + 5));
	}
}
