/*
 * ask.h - questions of a command to the queue manager, one at a time. A manager
 * that does not answer, or goes away, ends the program.
 */
#ifndef TOOLS_QUEUE_ASK_H
#define TOOLS_QUEUE_ASK_H

#include "service/msg.h"

/* Sends a message that msg_begin() began in `b`. Blocks. */
void ask_send(int fd, struct buf *b);

/* Receives one, which is good until the next. Blocks. */
struct msg_in ask_receive(int fd);

#endif
