/*
 * json_out.h - texts as JSON on standard output.
 */
#ifndef TOOLS_JSON_OUT_H
#define TOOLS_JSON_OUT_H

#include "base/span.h"

/* With its quotes, as json_put() has it. */
void json_out(struct span s);

#endif
