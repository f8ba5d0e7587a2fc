/* faults.h: what is wrong with an input, by the name of the member that is wrong. */
#ifndef MODEL_FAULTS_H
#define MODEL_FAULTS_H

#include "base/attr.h"
#include "base/text.h"

#include <stddef.h>

#define FAULTS_MAX 8 /* more than this helps nobody */

struct fault {
	char member[48];  /* cut between characters if longer; always valid UTF-8 */
	char detail[208]; /* a sentence without capital and full stop */
};

struct faults {
	size_t count;
	struct fault list[FAULTS_MAX];
};

/* Appends; beyond FAULTS_MAX it is dropped. The member may come from the peer (but is UTF-8). */
void faults_add(struct faults *faults, struct text member, const char *fmt, ...) PRINTF(3, 4);

#endif
