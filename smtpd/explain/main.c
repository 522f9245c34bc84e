/*
 * postexplain - what would be done with an address, or in a session, and why.
 *
 * It runs the code of smtpd and of who rewrites and routes addresses, with the
 * tables of main.cf, which it opens by itself; it sends nothing, and no daemon
 * need run.
 */
#include "base/help.h"
#include "conf/master_cf.h"
#include "dict/dict.h"
#include "smtpd/explain/explain.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

enum {
	OVERRIDES_MAX = 200, /* -o of a service */
};

static const char help[] =
    "usage: postexplain address [-c DIR] [-j] [--from SENDER] ADDRESS\n"
    "       postexplain session [-c DIR] [-j] --client ADDRESS [OPTIONS] --to RCPT\n"
    "Says what would be done with mail, and which rule, table and key decide it.\n"
    "Nothing is sent.\n"
    "\n"
    "address: each step of the address, its class, transport, next hop and mailbox.\n"
    "session: what each restriction says of a client's commands, and the replies.\n"
    "  --client ADDRESS    the client's IP address\n"
    "  --client-name NAME  its name (unknown)\n"
    "  --helo NAME         what it says in EHLO (its name, or [ADDRESS])\n"
    "  --from SENDER       (<>)\n"
    "  --to RCPT           may be given several times\n"
    "  --sasl-user USER    who has authenticated\n"
    "  --tls               the client uses TLS\n"
    "  --service NAME      of master.cf (the first smtpd)\n"
    "  -j, --json          the answer as JSON\n"
    "  -c DIR              the directory of main.cf\n"
    "Exit status: 0 accepted, 1 refused, 75 could not be found out.\n"
    "More in postexplain(1).\n";

enum {
	OPT_CLIENT = 256,
	OPT_CLIENT_NAME,
	OPT_HELO,
	OPT_FROM,
	OPT_TO,
	OPT_USER,
	OPT_TLS,
	OPT_SERVICE,
};

static const struct option long_options[] = {
	{ "client", required_argument, NULL, OPT_CLIENT },
	{ "client-name", required_argument, NULL, OPT_CLIENT_NAME },
	{ "helo", required_argument, NULL, OPT_HELO },
	{ "from", required_argument, NULL, OPT_FROM },
	{ "to", required_argument, NULL, OPT_TO },
	{ "sasl-user", required_argument, NULL, OPT_USER },
	{ "tls", no_argument, NULL, OPT_TLS },
	{ "service", required_argument, NULL, OPT_SERVICE },
	{ "json", no_argument, NULL, 'j' },
	{ 0 },
};

void
explain_fail(int status, const char *text, const char *detail)
{
	fprintf(stderr, "postexplain: fatal: %s%s\n", text, detail);
	exit(status);
}

static _Noreturn void
usage(void)
{
	explain_fail(EX_USAGE,
	    "usage: postexplain address ADDRESS | "
	    "postexplain session --client ADDRESS --to RCPT",
	    "");
}

static void
add_rcpt(struct explain_options *o, const char *rcpt)
{
	if (o->rcpts_n == EXPLAIN_RCPTS_MAX)
		explain_fail(EX_USAGE, "too many recipients", "");
	o->rcpts[o->rcpts_n++] = rcpt;
}

static void
take_option(struct explain_options *o, int c, const char *arg)
{
	switch (c) {
	case 'c':
		o->dir = arg;
		break;
	case 'j':
		o->json = true;
		break;
	case OPT_CLIENT:
		o->client = arg;
		break;
	case OPT_CLIENT_NAME:
		o->client_name = arg;
		break;
	case OPT_HELO:
		o->helo = arg;
		break;
	case OPT_FROM:
		o->from = arg;
		break;
	case OPT_TO:
		add_rcpt(o, arg);
		break;
	case OPT_USER:
		o->user = arg;
		break;
	case OPT_TLS:
		o->tls = true;
		break;
	case OPT_SERVICE:
		o->service = arg;
		break;
	default:
		usage();
	}
}

/* Returns the words that are no options: a question, and its address. */
static int
take_options(int argc, char **argv, struct explain_options *o,
    const char *words[2])
{
	int c, n = 0;

	*o = (struct explain_options){ .from = "" };
	while ((c = getopt_long(argc, argv, "c:j", long_options, NULL)) != -1)
		take_option(o, c, optarg);
	for (; optind < argc; optind++) {
		if (n == 2)
			usage();
		words[n++] = argv[optind];
	}
	return n;
}

/* The -o of a service's line: "-o name=value", or "-oname=value". */
static size_t
overrides_of(const struct service_line *s, const char *list[OVERRIDES_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < s->args_n && n < OVERRIDES_MAX; i++) {
		if (strncmp(s->args[i], "-o", 2) != 0)
			continue;
		if (s->args[i][2])
			list[n++] = s->args[i] + 2;
		else if (i + 1 < s->args_n)
			list[n++] = s->args[++i];
	}
	return n;
}

static struct conf *
load(const char *dir, const char *const *overrides, size_t n)
{
	struct why why;
	struct conf *c = conf_load(dir, overrides, n, &why);

	if (!c)
		explain_fail(EX_CONFIG, why.text, "");
	return c;
}

/* The one of this name; NULL: the first that is a smtpd. */
static const struct service_line *
find_service(const struct master_cf *m, const char *name)
{
	for (size_t i = 0; i < master_cf_count(m); i++) {
		const struct service_line *s = master_cf_at(m, i);

		if (strcmp(s->command, "smtpd") == 0 &&
		    (!name || strcmp(s->name, name) == 0))
			return s;
	}
	explain_fail(EX_CONFIG, "master.cf has no such service of smtpd: ",
	    name ? name : "none at all");
}

/* What a service of master.cf knows; the same as main.cf for an address. */
static struct conf *
load_for(const struct explain_options *o, bool is_session)
{
	const char *list[OVERRIDES_MAX];
	const char *dir = conf_find_dir(o->dir);
	struct conf *c = load(dir, NULL, 0), *own;
	struct master_cf *m;
	struct why why;

	if (!is_session)
		return c;
	m = master_cf_load(c, &why);
	if (!m)
		explain_fail(EX_CONFIG, why.text, "");
	own = load(dir, list, overrides_of(find_service(m, o->service), list));
	master_cf_free(m);
	conf_free(c);
	return own;
}

int
main(int argc, char **argv)
{
	struct explain_options o;
	const char *words[2];
	enum explain_status status;
	struct why why;
	bool is_session;
	int n;

	if (help_asked(argc, argv, help))
		return 0;
	n = take_options(argc, argv, &o, words);
	is_session = n == 1 && strcmp(words[0], "session") == 0;
	if (is_session ? !o.client || o.rcpts_n == 0
		       : n != 2 || strcmp(words[0], "address") != 0)
		usage();
	if (!is_session)
		add_rcpt(&o, words[1]);
	struct conf *c = load_for(&o, is_session);
	dict_use_conf(c);
	if (dict_configure(c, &why) < 0)
		explain_fail(EX_CONFIG, why.text, "");
	status = is_session ? explain_session(c, &o) : explain_address(c, &o);
	conf_free(c);
	if (fflush(stdout) != 0)
		explain_fail(EX_IOERR, "standard output: ", "write error");
	return (int)status;
}
