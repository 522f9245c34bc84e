/*
 * postkick - says to a daemon of the suite what scripts made for Postfix say: that
 * there is something to look at. A request is letters; here is what each comes to.
 */
#include "base/help.h"
#include "base/sock.h"
#include "conf/conf.h"
#include "conf/environment.h"
#include "service/msg.h"
#include "tools/say.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	ANSWER_MS = 60 * 1000,
};

static const char help[] =
    "usage: postkick [-c DIR] [-v] CLASS SERVICE REQUEST\n"
    "Has a daemon look for work.\n"
    "\n"
    "  CLASS    public or private\n"
    "  SERVICE  qmgr: REQUEST is some of D (try all deferred mail), A (that, and\n"
    "           read the queue), F (believe no destination to be dead), I and W\n"
    "           (read the queue). pickup: W (take what was submitted)\n"
    "  -c DIR   the directory of main.cf\n"
    "  -v       is taken and ignored\n"
    "More in postkick(1).\n";

static const char usage[] =
    "usage: postkick [-c config_dir] [-v] class service request";

/* An answer, if there is one, is that it is done. */
static void
tell(int fd, enum msg_type type, bool answers)
{
	char packet[MSG_HEAD];
	struct buf b;

	buf_init(&b, packet, sizeof(packet));
	msg_begin(&b, type, 1);
	if (!msg_end(&b, 0) || sock_send(fd, buf_span(&b), NULL, 0) < 0)
		say_fatal(EXIT_FAILURE, "the queue manager takes no request");
	if (answers && !sock_wait_input(fd, ANSWER_MS))
		say_fatal(EXIT_FAILURE, "the queue manager does not answer");
}

static void
kick_qmgr(int fd, const char *letters)
{
	for (; *letters; letters++)
		switch (*letters) {
		case 'A':
		case 'D':
		case 'F': /* a flush does, before it tries anything */
			tell(fd, MSG_FLUSH, true);
			break;
		case 'I':
		case 'W':
			tell(fd, MSG_SCAN, false);
			break;
		default:
			say_warning("qmgr has no request '%c'", *letters);
		}
}

static void
kick(const char *class, const char *service, const char *request)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", class, service);
	/* What Postfix has as public the owner of the mail alone may tell here. */
	if (strcmp(path, "public/qmgr") == 0)
		fd = sock_unix_connect("private/qmgr");
	else
		fd = sock_unix_connect(path);
	if (fd < 0) {
		say_warning("unable to look up %s: %s", path, strerror(-fd));
		say_warning("Cannot contact class %s service %s - perhaps the "
			    "mail system is down",
		    class, service);
		exit(EXIT_FAILURE);
	}
	if (strcmp(service, "qmgr") == 0)
		kick_qmgr(fd, request);
	else if (strcmp(service, "pickup") != 0) /* it looks at each caller */
		say_fatal(EXIT_FAILURE, "service %s takes no such request",
		    service);
	close(fd);
}

int
main(int argc, char **argv)
{
	const char *dir = NULL, *queue;
	struct conf *conf;
	struct why why;
	int c;

	if (help_asked(argc, argv, help))
		return EXIT_SUCCESS;
	say_as(argv);
	while ((c = getopt(argc, argv, "c:v")) != -1)
		if (c == 'c')
			dir = optarg;
		else if (c != 'v')
			say_fatal(EXIT_FAILURE, "%s", usage);
	if (argc - optind != 3)
		say_fatal(EXIT_FAILURE, "%s", usage);
	conf = conf_load_command(dir, &why);
	queue = conf ? conf_get(conf, "queue_directory", &why) : NULL;
	if (!queue)
		say_fatal(EXIT_FAILURE, "%s", why.text);
	if (chdir(queue) < 0)
		say_fatal(EXIT_FAILURE, "chdir %s: %s", queue, strerror(errno));
	kick(argv[optind], argv[optind + 1], argv[optind + 2]);
	conf_free(conf);
	return EXIT_SUCCESS;
}
