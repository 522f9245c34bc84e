#include "tools/queue/own.h"

#include "conf/conf.h"
#include "conf/environment.h"
#include "service/privs.h"
#include "tools/say.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

struct queue *
own_queue(const char *dir, int status, bool reserved)
{
	struct why why;
	struct privs p;
	struct conf *c = conf_load_command(dir, &why);
	const char *owner = c ? conf_get(c, "mail_owner", &why) : NULL;
	const char *path = owner ? conf_get(c, "queue_directory", &why) : NULL;
	const struct passwd *pw = owner ? getpwnam(owner) : NULL;
	struct queue *q;

	if (!path || privs_find(owner, &p, &why) < 0)
		say_fatal(status, "%s", why.text);
	/* For an ordinary user privs_find() finds himself, whatever the name. */
	if (reserved && geteuid() != 0 && (!pw || pw->pw_uid != geteuid()))
		say_fatal(status,
		    "use of this command is reserved for the superuser");
	if (chdir(path) < 0)
		say_fatal(status, "chdir %s: %s", path, strerror(errno));
	if (privs_drop(&p, &why) < 0)
		say_fatal(status, "%s", why.text);
	q = queue_open(".", QUEUE_OWN, false, &why);
	if (!q)
		say_fatal(status, "%s", why.text);
	conf_free(c);
	return q;
}
