#include "lmtp/body.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

static uint64_t all_max, each_max;
static uint64_t in_use; /* bytes of all that are open */

void
body_limits(uint64_t all, uint64_t each)
{
	all_max = all;
	each_max = each;
}

static void
fail(struct body *b, const char *what)
{
	log_error("%s: %s", what, strerror(errno));
	b->result = LMTP_DATA_FULL;
}

void
body_init(struct body *b)
{
	*b = (struct body){
		.fd = memfd_create("mail", MFD_CLOEXEC | MFD_ALLOW_SEALING),
	};
	if (b->fd < 0)
		fail(b, "no memory for a mail");
}

static void
give_back(struct body *b)
{
	if (b->fd >= 0)
		close(b->fd);
	b->fd = -1;
	in_use -= b->length;
	b->length = 0;
}

void
body_fini(struct body *b)
{
	give_back(b);
}

static bool
write_all(int fd, struct span s)
{
	while (s.n > 0) {
		ssize_t n = write(fd, s.p, s.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		s.p += n;
		s.n -= (size_t)n;
	}
	return true;
}

void
body_put(struct body *b, struct span piece)
{
	if (b->result != LMTP_DATA_OK || piece.n == 0)
		return;
	if (each_max && b->length + piece.n > each_max) {
		b->result = LMTP_DATA_TOO_BIG;
	} else if (all_max && in_use + piece.n > all_max) {
		log_warning("a mail is put off: all that come in have more "
			    "than lmtpd_memory_limit (%llu bytes)",
		    (unsigned long long)all_max);
		b->result = LMTP_DATA_FULL;
	} else if (!write_all(b->fd, piece)) {
		fail(b, "no memory for a mail");
	} else {
		b->checksum = (uint32_t)crc32_z(b->checksum,
		    (const unsigned char *)piece.p, piece.n);
		b->length += piece.n;
		in_use += piece.n;
		return;
	}
	give_back(b); /* the rest is only read */
}

void
body_seal(struct body *b)
{
	if (b->result == LMTP_DATA_OK &&
	    fcntl(b->fd, F_ADD_SEALS,
		F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
		fail(b, "a mail cannot be sealed");
}
