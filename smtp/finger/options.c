/*
 * The command line, and what of main.cf counts besides.
 */
#include "base/scan.h"
#include "net/hosts.h"
#include "service/dns.h"
#include "smtp/finger/finger.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	HOSTS_FILE_MAX = 1 << 20,
	OVERRIDES_MAX = 200,
	ARENA_MAX = 4 << 20,
	FILES_MAX = 4096,
};

static _Noreturn void
usage(void)
{
	static const char text[] =
	    "usage: posttls-finger [-acCfSvw] [-t conn_tmout] [-T cmd_tmout] "
	    "[-L logopts] \\\n"
	    "\t[-h host_lookup] [-l level] [-d mdalg] [-g grade] [-p protocols] "
	    "\\\n"
	    "\t[-A tafile] [-F CAfile.pem] [-P CApath/] [-s servername] \\\n"
	    "\t[ [-H chainfiles] | [-k certfile [-K keyfile]] ] \\\n"
	    "\t[-m count] [-r delay] [-o name=value] destination [match ...]\n";

	fputs(text, stderr);
	exit(1);
}

static unsigned
log_word(const char *list, struct span word)
{
	enum {
		DEBUG = FINGER_SUMMARY | FINGER_STATES | FINGER_CACHE |
		    FINGER_VERBOSE,
	};
	static const struct {
		const char *word;
		unsigned bits;
	} rows[] = {
		{ "0", 0 },
		{ "none", 0 },
		{ "1", FINGER_SUMMARY },
		{ "routine", FINGER_SUMMARY },
		{ "summary", FINGER_SUMMARY },
		{ "2", DEBUG },
		{ "debug", DEBUG },
		{ "3", DEBUG },
		{ "ssl-expert", DEBUG },
		{ "4", DEBUG },
		{ "ssl-developer", DEBUG },
		{ "ssl-debug", FINGER_STATES },
		{ "ssl-handshake-packet-dump", FINGER_STATES },
		{ "ssl-session-packet-dump", FINGER_STATES },
		{ "untrusted", FINGER_UNTRUSTED },
		{ "peercert", FINGER_PEERCERT },
		{ "certmatch", FINGER_CERTMATCH },
		{ "cache", FINGER_CACHE },
		{ "verbose", FINGER_VERBOSE },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (span_ieq(word, span_str(rows[i].word)))
			return rows[i].bits;
	finger_warn("unknown -L option value \"%.*s\" in \"%s\"", (int)word.n,
	    word.p, list);
	return 0;
}

static unsigned
log_words(const char *list)
{
	struct span rest = span_str(list), word;
	unsigned bits = 0;

	while (conf_list_next(&rest, &word))
		bits |= log_word(list, word);
	return bits;
}

static void
take_host_lookup(struct finger *f, const char *list)
{
	struct span rest = span_str(list), word;

	f->hosts.by_dns = f->hosts.by_file = false;
	while (conf_list_next(&rest, &word))
		if (span_ieq(word, SPAN("dns")))
			f->hosts.by_dns = true;
		else if (span_ieq(word, SPAN("native")))
			f->hosts.by_file = true;
		else
			finger_fatal("unknown -h option value \"%.*s\" in "
				     "\"%s\"",
			    (int)word.n, word.p, list);
}

static int64_t
number_of(int option, const char *text)
{
	struct span rest = span_str(text);
	uint64_t n;

	if (!take_number(&rest, INT32_MAX, &n) || rest.n > 0)
		finger_fatal("bad '-%c' option value: %s", option, text);
	return (int64_t)n;
}

static int64_t
timeout_of(int option, const char *text)
{
	int64_t n = number_of(option, text);

	if (n == 0)
		finger_fatal("bad '-%c' option value: %s", option, text);
	return n * 1000;
}

static void
take_family(struct finger *f, const char *word)
{
	if (strcmp(word, "any") == 0)
		f->family = AF_UNSPEC;
	else if (strcmp(word, "ipv4") == 0)
		f->family = AF_INET;
	else if (strcmp(word, "ipv6") == 0)
		f->family = AF_INET6;
	else
		finger_fatal("bad '-a' option value: %s", word);
}

static void
take_levels(struct finger *f, int option, const char *word)
{
	if (option == 'l' && !finger_level_of(word, &f->level))
		finger_fatal("Invalid TLS level \"%s\"", word);
	if (option == 'M' &&
	    (!finger_level_of(word, &f->insecure_mx) ||
		(f->insecure_mx != FINGER_MAY &&
		    f->insecure_mx != FINGER_ENCRYPT &&
		    f->insecure_mx != FINGER_DANE)))
		finger_fatal("bad '-M' option value: %s", word);
}

struct line {
	struct finger *f;
	const char *overrides[OVERRIDES_MAX];
	size_t overrides_n;
	char chain_files[FILES_MAX];
	const char *digest; /* NULL: main.cf's */
	const char *log;
};

static void
add_chain_files(struct line *l, const char *files)
{
	size_t n = strlen(l->chain_files);

	if ((size_t)snprintf(l->chain_files + n, sizeof(l->chain_files) - n,
		"%s%s", n ? ", " : "", files) >= sizeof(l->chain_files) - n)
		finger_fatal("too many chain files");
}

static void
take_value(struct line *l, int option, const char *arg)
{
	struct finger *f = l->f;

	switch (option) {
	case 'A':
		if (f->anchors_n == FINGER_MATCHES_MAX)
			finger_fatal("too many trust anchor files");
		f->anchors[f->anchors_n++] = arg;
		break;
	case 'd':
		l->digest = arg;
		break;
	case 'F':
		f->ca_file = arg;
		break;
	case 'g':
		f->grade = arg;
		break;
	case 'H':
		add_chain_files(l, arg);
		break;
	case 'k':
		f->cert = arg;
		break;
	case 'K':
		f->key = arg;
		break;
	case 'L':
		l->log = arg;
		break;
	case 'o':
		if (!strchr(arg, '=') || l->overrides_n == OVERRIDES_MAX)
			usage();
		l->overrides[l->overrides_n++] = arg;
		break;
	case 'p':
		f->protocols = arg;
		break;
	case 'P':
		f->ca_path = arg;
		break;
	case 's':
		f->sni = arg;
		break;
	default:
		usage();
	}
}

static void
take_option(struct line *l, int option, const char *arg)
{
	struct finger *f = l->f;

	switch (option) {
	case 'a':
		take_family(f, arg);
		break;
	case 'c':
		f->chat = false;
		break;
	case 'C':
		f->print_chain = true;
		break;
	case 'f':
		f->force_tlsa = true;
		break;
	case 'h':
		take_host_lookup(f, arg);
		break;
	case 'l':
	case 'M':
		take_levels(f, option, arg);
		break;
	case 'm':
		f->reconnects_max = number_of(option, arg);
		break;
	case 'r':
		f->reconnect_delay = number_of(option, arg);
		break;
	case 'S':
		f->lmtp = true;
		break;
	case 't':
		f->connect_timeout = timeout_of(option, arg);
		break;
	case 'T':
		f->command_timeout = timeout_of(option, arg);
		break;
	case 'v':
		l->log = "verbose,debug";
		break;
	case 'w':
		f->wrapper = true;
		break;
	case 'X':
		finger_fatal("-X: there is no tlsproxy here; TLS is spoken by "
			     "who speaks SMTP");
	default:
		take_value(l, option, arg);
	}
}

static void
take_options(struct line *l, int argc, char **argv)
{
	struct finger *f = l->f;
	int c;

	while ((c = getopt(argc, argv,
		    "A:a:cCd:fF:g:H:h:K:k:L:l:m:M:o:P:p:r:s:St:T:vwX")) != -1)
		take_option(l, c, optarg);
	if (*l->chain_files && (*f->cert || *f->key))
		finger_fatal("When the '-H' option is used, neither the '-k', "
			     "nor the '-K' options may be used");
	if (!*f->cert)
		f->cert = f->key;
	f->chain_files = arena_dup(f->arena, span_str(l->chain_files));
	if (optind >= argc || argc - optind - 1 > FINGER_MATCHES_MAX)
		usage();
	f->log = log_words(l->log);
	f->destination = argv[optind++];
	if (f->lmtp && strncmp(f->destination, "inet:", 5) == 0)
		f->destination += 5;
	while (optind < argc)
		f->matches[f->matches_n++] = span_str(argv[optind++]);
}

#define ROW(type, member, name) \
	CONF_FIELD_AS(type, struct finger_settings, member, name)

static const struct conf_field rows[] = {
	ROW(CONF_STR, myhostname, "myhostname"),
	ROW(CONF_STR, digest, "smtp_tls_fingerprint_digest"),
	ROW(CONF_LIST, known_ports, "known_tcp_ports"),
	ROW(CONF_LIST, protocols, "inet_protocols"),
	ROW(CONF_STR, net_owner, "net_owner"),
	ROW(CONF_LIST, servers, "dns_servers"),
	ROW(CONF_STR, resolv_conf, "dns_resolv_conf_file"),
	ROW(CONF_STR, trust_anchors, "dns_trust_anchor_file"),
	ROW(CONF_BOOL, randomize, "smtp_randomize_addresses"),
};

static void
read_hosts_file(struct finger *f)
{
	char *text = arena_alloc(f->arena, HOSTS_FILE_MAX);
	FILE *file = fopen("/etc/hosts", "re");

	if (file && text)
		f->hosts.file = (struct span){ text,
			fread(text, 1, HOSTS_FILE_MAX, file) };
	if (file)
		fclose(file);
}

static void
set_hosts(struct finger *f, const struct finger_settings *s)
{
	struct span port = f->lmtp ? SPAN("24") : SPAN("smtp");
	bool all = conf_list_has(s->protocols, "all");

	f->hosts.lmtp = f->lmtp;
	f->hosts.with_own = true;
	f->hosts.randomize = s->randomize;
	f->hosts.myhostname = s->myhostname;
	f->hosts.known_ports = s->known_ports;
	f->hosts.services = "/etc/services";
	if (!port_find(f->hosts.services, span_str(s->known_ports), port,
		&f->hosts.port))
		f->hosts.port = 25;
	if (all || conf_list_has(s->protocols, "ipv4"))
		f->hosts.families |= DNS_IPV4;
	if (all || conf_list_has(s->protocols, "ipv6"))
		f->hosts.families |= DNS_IPV6;
	if (f->hosts.by_file)
		read_hosts_file(f);
}

static struct conf *
read_conf(struct line *l, struct finger_settings *s)
{
	struct why why;
	struct conf *c = conf_load(conf_find_dir(NULL), l->overrides,
	    l->overrides_n, &why);

	if (!c || conf_get_struct(c, rows, COUNT_OF(rows), s, &why) < 0)
		finger_fatal("%s", why.text);
	l->f->digest = l->digest ? l->digest : s->digest;
	l->f->myhostname = s->myhostname;
	l->f->validates = *s->trust_anchors;
	set_hosts(l->f, s);
	return c;
}

struct conf *
finger_read_line(struct finger *f, int argc, char **argv,
    struct finger_settings *s_r)
{
	struct line *l = zalloc(sizeof(*l));
	struct conf *c;

	l->f = f;
	l->log = "routine,certmatch";
	f->arena = arena_new(ARENA_MAX);
	f->level = f->insecure_mx = FINGER_DANE;
	f->chat = true;
	f->hosts.by_dns = true;
	f->ca_file = f->ca_path = f->chain_files = f->cert = f->key = "";
	f->grade = "medium";
	f->protocols = ">=TLSv1";
	f->connect_timeout = f->command_timeout = 30 * 1000;
	f->reconnects_max = 5;
	take_options(l, argc, argv);
	c = read_conf(l, s_r);
	free(l);
	return c;
}
