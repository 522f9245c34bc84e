/*
 * cleanup - pickup and bounce: takes what lies in maildrop/ and what local sends
 * on, and writes reports to senders. It reads what users of the machine wrote and trusts none of it, speaks
 * to no network, and opens nothing outside the queue.
 */
#include "smtpd/cleanup/cleanup.h"

#include "base/list.h"
#include "base/log.h"
#include "dict/dict.h"
#include "mail/date.h"
#include "service/msg.h"
#include "service/proxymap.h"
#include "service/service.h"
#include "smtpd/notify.h"
#include "task/task.h"

#include <errno.h>
#include <stdlib.h>

enum {
	CHECK_MS = 100,
	RCPTS_MEMORY = 256 << 20, /* postdrop takes DROP_RCPTS_MAX */
	LISTENER_BOUNCE = 0, /* master's order */
};

struct cleanup_params params;
struct intake_conf intake_conf;
struct templates cleanup_templates;

#define ROW(type, member, name) \
	CONF_FIELD_AS(type, struct cleanup_params, member, name)

static const struct conf_field fields[] = {
	ROW(CONF_STR, myhostname, "myhostname"),
	ROW(CONF_STR, myorigin, "myorigin"),
	ROW(CONF_STR, mail_name, "mail_name"),
	ROW(CONF_LIST, notify_classes, "notify_classes"),
	ROW(CONF_STR, bounce_recipient, "bounce_notice_recipient"),
	ROW(CONF_STR, double_recipient, "2bounce_notice_recipient"),
	ROW(CONF_STR, delay_recipient, "delay_notice_recipient"),
	ROW(CONF_STR, double_sender, "double_bounce_sender"),
	ROW(CONF_STR, template_file, "bounce_template_file"),
	ROW(CONF_LIST, content_filter, "content_filter"),
	ROW(CONF_SIZE, bounce_size, "bounce_size_limit"),
	ROW(CONF_SIZE, size_limit, "message_size_limit"),
	ROW(CONF_INT, hopcount_limit, "hopcount_limit"),
	ROW(CONF_TIME, lifetime, "maximal_queue_lifetime"),
	ROW(CONF_BOOL, long_ids, "enable_long_queue_ids"),
};

static char qmgr_socket[] = "private/qmgr";

/* Offloaded. */
static void
flush(void *arg)
{
	intake_flush(arg);
}

void
cleanup_flush(struct intake *in)
{
	task_offload(TASK_DISK, flush, in);
}

void
cleanup_received(struct intake *in, const char *by)
{
	char text[1024];
	struct buf b;

	buf_init(&b, text, sizeof(text));
	buf_putf(&b, "Received: by %s (%s%s)\n\tid ", params.myhostname,
	    params.mail_name, by);
	intake_put(in, buf_span(&b));
	intake_put_id(in);
	buf_init(&b, text, sizeof(text));
	buf_put(&b, SPAN("; "));
	date_put_header(&b, in->arrived);
	buf_put(&b, SPAN("\n"));
	intake_put(in, buf_span(&b));
}

static void
warn(const char *text, void *arg)
{
	(void)arg;
	log_warning("%s", text);
}

/* What is told of a file has no say in whether mail is taken. */
static int
open_templates(const struct conf *c, struct why *why)
{
	static const struct templates_to to = { warn, NULL };

	if (*params.template_file)
		service_watch(params.template_file);
	return templates_open(&cleanup_templates, c,
	    arena_new(TEMPLATES_MEMORY_MAX), &to, why);
}

/* As the queue is: it is opened by who may do so in the end. */
static int
warm_up(const struct conf *c, struct why *why)
{
	static const char *const folders[] = { "maildrop", "incoming",
		"corrupt" };

	dict_on_open(service_watch_as);
	if (dict_configure(c, why) < 0 || open_templates(c, why) < 0)
		return -EINVAL;
	proxymap_use(service_name());
	intake_conf = (struct intake_conf){
		.routing = routing_open(c, why),
		.rewrite = rewrite_open(c, why),
		.myhostname = params.myhostname,
		.myorigin = params.myorigin,
		.memory = RCPTS_MEMORY,
	};
	if (!intake_conf.routing || !intake_conf.rewrite)
		return -EINVAL;
	if (service_checking()) /* there may be no queue yet */
		return 0;
	intake_conf.queue = queue_open(".", QUEUE_CREATE, params.long_ids, why);
	if (!intake_conf.queue)
		return -EINVAL;
	for (size_t i = 0; i < COUNT_OF(folders); i++)
		sandbox_allow(folders[i], true);
	return 0;
}

/* A connection of the queue manager's, or of a local's. */
struct client {
	struct link link;
	struct task *task;
	struct service_conn *conn;
};

static struct link clients;

static void
run_client(void *arg)
{
	struct client *c = arg;

	bounce_client(c->conn);
	link_remove(&c->link);
	free(c);
}

/* Anybody may connect to public/pickup: that he did is all that counts. */
static void
serve_client(void *conn)
{
	struct service_conn *c CLEANUP(service_conn_freep) = conn;
	struct client *client;

	if (c->listener != LISTENER_BOUNCE) {
		pickup_poke();
		return;
	}
	client = zalloc(sizeof(*client));
	client->conn = c;
	client->task = task_spawn(run_client, client, "reports");
	if (!client->task) {
		free(client);
		return;
	}
	list_append(&clients, &client->link);
	c = NULL;
}

/* NULL once they have ended, as when all tasks are cancelled. */
static struct task *notifier;
static struct task *picker;
static struct task *lookups;

static void
serve_lookups(void *arg)
{
	(void)arg;
	proxymap_serve("private/proxymap");
	lookups = NULL;
}

static void
serve_notifier(void *path)
{
	notify_serve(path);
	notifier = NULL;
}

static void
serve_picker(void *arg)
{
	pickup_serve(arg);
	picker = NULL;
}

/* What is under way is ended, and told, before the notifier goes. */
static void
drain(void)
{
	for (struct link *l = clients.next; l != &clients; l = l->next)
		task_cancel(container_of(l, struct client, link)->task);
	if (picker)
		task_cancel(picker);
	while ((picker || !list_empty(&clients)) &&
	    task_sleep(task_after(CHECK_MS)) != TASK_CANCELLED)
		continue;
	if (notifier)
		task_cancel(notifier);
	if (lookups)
		task_cancel(lookups);
}

static void
serve(void *arg)
{
	(void)arg;
	list_init(&clients);
	notifier = task_spawn(serve_notifier, qmgr_socket, "notify qmgr");
	picker = task_spawn(serve_picker, NULL, "pickup");
	lookups = task_spawn(serve_lookups, NULL, "ask proxymap");
	if (!notifier || !picker || !lookups)
		die("no memory for a task");
	service_accept(serve_client, "client");
	drain();
}

int
main(int argc, char **argv)
{
	static const struct service_spec spec = {
		.name = "cleanup",
		.summary =
		    "takes submitted mail into the queue, and reports to senders",
		.user = SERVICE_OWNER,
		.sandbox = SANDBOX_STDIO | SANDBOX_RECVFD | SANDBOX_ACCEPT |
		    SANDBOX_UNIX | SANDBOX_FILES,
		.fields = fields,
		.fields_n = COUNT_OF(fields),
		.params = &params,
		.warm_up = warm_up,
		.serve = serve,
	};

	return service_main(argc, argv, &spec);
}
