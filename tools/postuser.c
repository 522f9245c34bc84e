/*
 * postuser - the users who may log in, in the file behind auth_user_maps.
 *
 *	postuser add USER [-s SCHEME] [name=value ...]
 *	postuser passwd USER [-s SCHEME]
 *	postuser del USER
 *	postuser list
 *	postuser hash [-s SCHEME]
 *
 * Passwords come from the terminal, or a line of standard input; never from the
 * arguments, which everybody sees. The file is the first texthash: or lmdb: table
 * of auth_user_maps; that of lmdb is made anew from it. It is replaced at once,
 * keeps its owner, and can be read by authd and nobody else.
 */
#include "base/help.h"
#include "conf/conf.h"
#include "conf/environment.h"
#include "conf/lines.h"
#include "dict/build.h"
#include "dict/rows.h"
#include "sasl/mech.h"
#include "sasl/scheme.h"
#include "sasl/user.h"
#include "service/privs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

enum {
	FILE_MODE = 0640,
	PATH_MAX_LEN = 2048,
	HASH_MAX = 1024,
	FIELDS_MAX = 2048,
};

static const char help[] =
    "usage: postuser [-c DIR] COMMAND\n"
    "Keeps the users who may log in, in the file behind auth_user_maps.\n"
    "\n"
    "  add USER [-s SCHEME] [NAME=VALUE ...]  a new user, asking for his password\n"
    "  passwd USER [-s SCHEME]                another password\n"
    "  del USER                               no longer\n"
    "  list                                   all, without their passwords\n"
    "  hash [-s SCHEME]                       only prints a hash\n"
    "\n"
    "  -s SCHEME  how the password is hashed\n"
    "  -c DIR     the directory of main.cf\n"
    "Passwords come from the terminal, or a line of standard input.\n"
    "More in postuser(1).\n";

/* What the command line says. */
struct options {
	const char *dir; /* -c */
	const char *scheme; /* -s */
	const char *words[32];
	size_t n;
};

/* The file that is edited. */
struct file {
	char path[PATH_MAX_LEN];
	char anew[PATH_MAX_LEN + 8];
	const char *table; /* "lmdb:/path", to be made from it, or NULL */
	int folder; /* of ->path, and locked */
	FILE *out; /* ->anew */
};

static _Noreturn void
fatal(const char *text)
{
	fprintf(stderr, "postuser: fatal: %s\n", text);
	exit(EXIT_FAILURE);
}

static _Noreturn void
fatal_errno(const char *what)
{
	fprintf(stderr, "postuser: fatal: %s: %s\n", what, strerror(errno));
	exit(EXIT_FAILURE);
}

static _Noreturn void
usage(void)
{
	fatal("usage: postuser [-c config_dir] add|passwd|del|list|hash "
	      "[USER] [-s SCHEME] [name=value ...]");
}

/* A line without its end. False: there is none. */
static bool
read_line(char *to, size_t size)
{
	size_t n;

	if (!fgets(to, (int)size, stdin))
		return false;
	n = strlen(to);
	if (n + 1 == size && to[n - 1] != '\n')
		fatal("the password is too long");
	if (n > 0 && to[n - 1] == '\n')
		to[--n] = '\0';
	if (n > 0 && to[n - 1] == '\r')
		to[--n] = '\0';
	return true;
}

static void
ask(const char *prompt, char *to, size_t size)
{
	struct termios saved, quiet;
	bool is_terminal = tcgetattr(STDIN_FILENO, &saved) == 0;

	if (is_terminal) {
		quiet = saved;
		quiet.c_lflag &= ~(tcflag_t)ECHO;
		fputs(prompt, stderr);
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	}
	bool got = read_line(to, size);
	if (is_terminal) {
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &saved);
		fputc('\n', stderr);
	}
	if (!got)
		fatal("there is no password on standard input");
}

/* Makes the hash of a password that is asked for. */
static void
ask_hash(const struct options *o, struct buf *out)
{
	char one[SCHEME_PASSWORD_MAX + 3], two[SCHEME_PASSWORD_MAX + 3];
	struct span scheme = { 0 };
	struct why why;
	int err;

	if (o->scheme)
		scheme = span_str(o->scheme);
	ask("Password: ", one, sizeof(one));
	if (isatty(STDIN_FILENO)) {
		ask("Again: ", two, sizeof(two));
		if (strcmp(one, two) != 0)
			fatal("the two are not the same");
		explicit_bzero(two, sizeof(two));
	}
	err = scheme_make(scheme, span_str(one), out, &why);
	explicit_bzero(one, sizeof(one));
	if (err < 0)
		fatal(why.text);
	if (scheme.n && span_ieq(scheme, SPAN("PLAIN")) &&
	    (memchr(out->p, ' ', out->n) || memchr(out->p, '\t', out->n)))
		fatal("a password with blanks cannot be kept as PLAIN");
}

/* The user's name as tables have it. */
static void
fold_user(const char *given, char to[MECH_USER_MAX + 1])
{
	size_t n = strlen(given);

	if (n == 0 || n > MECH_USER_MAX)
		fatal("a user's name has 1 to 255 characters");
	for (size_t i = 0; i <= n; i++) {
		char c = given[i];

		if (i < n &&
		    ((unsigned char)c <= ' ' || c == 0x7f ||
			strchr("#\"\\", c)))
			fatal("a user's name has no blanks, quotes, # or \\");
		to[i] = ascii_lower(c);
	}
}

/* The first table that can be edited. */
static void
find_file(const struct conf *c, struct file *f)
{
	static char name[PATH_MAX_LEN];
	struct span rest, element;
	struct why why;
	const char *list = conf_get(c, "auth_user_maps", &why);

	if (!list)
		fatal(why.text);
	rest = span_str(list);
	while (conf_list_next(&rest, &element)) {
		struct span path = element;
		struct span type = span_cut(&path, ':');
		bool is_lmdb = span_eq(type, SPAN("lmdb"));

		if (!is_lmdb && !span_eq(type, SPAN("texthash")))
			continue;
		if (path.n == 0 || path.n >= sizeof(f->path) - 8)
			fatal("the table's name is too long");
		snprintf(f->path, sizeof(f->path), "%.*s", (int)path.n, path.p);
		if (is_lmdb) {
			snprintf(name, sizeof(name), "%.*s", (int)element.n,
			    element.p);
			f->table = name;
		}
		return;
	}
	fatal("auth_user_maps names no texthash: or lmdb: table, such as "
	      "texthash:$config_directory/users");
}

static int
open_folder(const char *path)
{
	char dir[PATH_MAX_LEN];
	char *slash;

	snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (slash)
		slash[slash == dir ? 1 : 0] = '\0';
	return open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Who edits at the same time waits. */
static void
begin(struct file *f)
{
	snprintf(f->anew, sizeof(f->anew), "%s.new", f->path);
	f->folder = open_folder(f->path);
	if (f->folder < 0 || flock(f->folder, LOCK_EX) < 0)
		fatal_errno(f->path);
	if (unlink(f->anew) < 0 && errno != ENOENT)
		fatal_errno(f->anew);
	int fd = open(f->anew, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	f->out = fd < 0 ? NULL : fdopen(fd, "w");
	if (!f->out)
		fatal_errno(f->anew);
}

static _Noreturn void
give_up(struct file *f, const char *text)
{
	unlink(f->anew);
	fatal(text);
}

/* The group of authd reads it; an old file's owner stays. */
static void
set_owner(const struct conf *c, struct file *f)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	struct privs auth;
	struct stat st;
	struct why why;
	const char *user = conf_get(c, "auth_owner", &why);

	if (stat(f->path, &st) == 0) {
		uid = st.st_uid;
		gid = st.st_gid;
	} else if (geteuid() == 0) {
		if (!user || privs_find(user, &auth, &why) < 0)
			give_up(f, why.text);
		gid = auth.gid;
	}
	if (geteuid() == 0 && fchown(fileno(f->out), uid, gid) < 0)
		give_up(f, "the new file cannot be given to its owner");
	if (fchmod(fileno(f->out), FILE_MODE) < 0)
		give_up(f, "the new file's mode cannot be set");
}

static void
build(const struct file *f)
{
	struct arena *a CLEANUP(arena_freep) = arena_new(1 << 20);
	struct dict_build *b;
	struct lines lines;
	struct span line, key, value;
	char *text = NULL;
	unsigned number;
	struct why why;

	if (lines_read(f->path, &lines, &text, &why) < 0)
		fatal(why.text);
	b = dict_build_begin(f->table, FILE_MODE, 0, &why);
	if (!b)
		fatal(why.text);
	while (lines_next(&lines, &line, &number)) {
		if (row_parse(line, &key, &value) != ROW_TAKEN)
			continue;
		char *copy = arena_dup(a, key);
		for (size_t i = 0; copy && i < key.n; i++)
			copy[i] = ascii_lower(copy[i]);
		if (!copy ||
		    dict_build_add(b, (struct span){ copy, key.n }, value,
			&why) == DICT_BUILD_FAILED) {
			dict_build_abort(b);
			fatal(copy ? why.text : "a name is too long");
		}
		arena_reset(a);
	}
	explicit_bzero(text, strlen(text));
	free(text);
	if (dict_build_commit(b, &why) < 0)
		fatal(why.text);
}

static void
commit(const struct conf *c, struct file *f)
{
	set_owner(c, f);
	if (fflush(f->out) != 0 || fsync(fileno(f->out)) < 0 ||
	    fclose(f->out) != 0 || rename(f->anew, f->path) < 0)
		give_up(f, "the file cannot be written");
	if (fsync(f->folder) < 0)
		fatal_errno(f->path);
	if (f->table)
		build(f);
	close(f->folder);
}

/* Whether this line of the file is the user's. */
static bool
is_row_of(struct span line, const char *user, struct span *value_r)
{
	struct span key;

	if (line.n == 0 || line.p[0] == '#' || line.p[0] == ' ' ||
	    line.p[0] == '\t')
		return false;
	return row_parse(line, &key, value_r) == ROW_TAKEN &&
	    span_ieq(key, span_str(user));
}

/* What becomes of the row of a user. */
enum edit {
	EDIT_ADD,
	EDIT_HASH,
	EDIT_DELETE,
};

static void
put_row(struct file *f, const char *user, struct span hash, struct span fields)
{
	fprintf(f->out, "%s %.*s%s%.*s\n", user, (int)hash.n, hash.p,
	    fields.n ? " " : "", (int)fields.n, fields.p);
}

/*
 * Copies the file as it is, comments and all, but for the row of the user and
 * the lines that go on with it. Returns whether there was one.
 */
static bool
copy_rows(struct file *f, enum edit edit, const char *user, struct span hash)
{
	FILE *in = fopen(f->path, "re");
	char *text = NULL;
	size_t size = 0;
	bool found = false, skip = false;
	ssize_t len;

	if (!in && errno != ENOENT)
		give_up(f, strerror(errno));
	while (in && (len = getline(&text, &size, in)) > 0) {
		struct span line = { text, (size_t)len }, value;

		if (line.p[line.n - 1] == '\n')
			line.n--;
		if (skip && line.n > 0 && (text[0] == ' ' || text[0] == '\t'))
			continue;
		skip = is_row_of(line, user, &value);
		if (!skip) {
			fprintf(f->out, "%.*s\n", (int)line.n, line.p);
			continue;
		}
		if (edit == EDIT_HASH && !found) {
			span_cut(&value, ' ');
			put_row(f, user, hash, value);
		}
		found = true;
	}
	if (in && ferror(in))
		give_up(f, "the file cannot be read");
	if (text)
		explicit_bzero(text, size);
	free(text);
	if (in)
		fclose(in);
	return found;
}

/* "name=value" words, as one text that the table may have. */
static struct span
join_fields(const struct options *o, struct span hash, struct buf *b)
{
	static char value[HASH_MAX + FIELDS_MAX];
	struct user parsed;
	struct buf whole;
	struct why why;

	for (size_t i = 2; i < o->n; i++)
		buf_putf(b, "%s%s", b->n ? " " : "", o->words[i]);
	buf_init(&whole, value, sizeof(value));
	buf_put(&whole, hash);
	buf_put(&whole, SPAN(" "));
	buf_put(&whole, buf_span(b));
	if (b->overflow || whole.overflow || memchr(b->p, '\n', b->n))
		fatal("what is to be kept of the user is too long");
	if (!user_parse(buf_span(&whole), &parsed, &why))
		fatal(why.text);
	return buf_span(b);
}

static void
edit_user(const struct conf *c, const struct options *o, enum edit edit)
{
	static struct file f;
	static char hash_bytes[HASH_MAX], field_bytes[FIELDS_MAX];
	char user[MECH_USER_MAX + 1];
	struct span fields = { 0 };
	struct buf hash, b;
	bool found;

	fold_user(o->words[1], user);
	find_file(c, &f);
	buf_init(&hash, hash_bytes, sizeof(hash_bytes));
	buf_init(&b, field_bytes, sizeof(field_bytes));
	if (edit != EDIT_DELETE)
		ask_hash(o, &hash);
	if (edit == EDIT_ADD)
		fields = join_fields(o, buf_span(&hash), &b);
	umask(077);
	begin(&f);
	found = copy_rows(&f, edit, user, buf_span(&hash));
	if (edit == EDIT_ADD && found)
		give_up(&f, "there is such a user; see postuser passwd");
	if (edit != EDIT_ADD && !found)
		give_up(&f, "there is no such user");
	if (edit == EDIT_ADD)
		put_row(&f, user, buf_span(&hash), fields);
	commit(c, &f);
}

static void
list_users(const struct conf *c)
{
	static struct file f;
	struct lines lines;
	struct span line, key, value;
	char *text = NULL;
	unsigned number;
	struct why why;

	find_file(c, &f);
	if (lines_read(f.path, &lines, &text, &why) < 0)
		fatal(why.text);
	while (lines_next(&lines, &line, &number)) {
		if (row_parse(line, &key, &value) != ROW_TAKEN)
			continue;
		span_cut(&value, ' ');
		printf("%.*s%s%.*s\n", (int)key.n, key.p, value.n ? " " : "",
		    (int)value.n, value.p);
	}
	free(text);
}

/* Options may stand anywhere. */
static void
parse(int argc, char **argv, struct options *o)
{
	for (int i = 1; i < argc; i++) {
		bool has_next = i + 1 < argc;

		if (strcmp(argv[i], "-c") == 0 && has_next)
			o->dir = argv[++i];
		else if (strcmp(argv[i], "-s") == 0 && has_next)
			o->scheme = argv[++i];
		else if (argv[i][0] == '-' || o->n == COUNT_OF(o->words))
			usage();
		else
			o->words[o->n++] = argv[i];
	}
}

static void
run(const struct options *o)
{
	static const struct {
		const char *word;
		enum edit edit;
		size_t most; /* words */
	} edits[] = {
		{ "add", EDIT_ADD, COUNT_OF(o->words) },
		{ "passwd", EDIT_HASH, 2 },
		{ "del", EDIT_DELETE, 2 },
	};
	struct why why;
	struct conf *c = conf_load_command(o->dir, &why);

	if (!c || dict_configure(c, &why) < 0)
		fatal(why.text);
	if (strcmp(o->words[0], "list") == 0 && o->n == 1) {
		list_users(c);
		conf_free(c);
		return;
	}
	for (size_t i = 0; i < COUNT_OF(edits); i++)
		if (strcmp(o->words[0], edits[i].word) == 0 && o->n >= 2 &&
		    o->n <= edits[i].most) {
			edit_user(c, o, edits[i].edit);
			conf_free(c);
			return;
		}
	usage();
}

int
main(int argc, char **argv)
{
	static struct options o;

	if (help_asked(argc, argv, help))
		return EXIT_SUCCESS;
	parse(argc, argv, &o);
	if (o.n == 0)
		usage();
	if (strcmp(o.words[0], "hash") == 0 && o.n == 1) {
		static char bytes[HASH_MAX];
		struct buf b;

		buf_init(&b, bytes, sizeof(bytes));
		ask_hash(&o, &b);
		printf("%.*s\n", (int)b.n, b.p);
	} else {
		run(&o);
	}
	if (fflush(stdout) != 0)
		fatal("standard output cannot be written");
	return EXIT_SUCCESS;
}
