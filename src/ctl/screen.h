/* screen.h: one line of a terminal that is drawn over and over, and the signals that concern it. */
#ifndef CTL_SCREEN_H
#define CTL_SCREEN_H

#include "base/text.h"

struct screen;

/* Hides the cursor. NULL: standard output is no terminal that can do this, or signals can't be
 * caught. */
struct screen *screen_open(void);

/* Ends the line and shows the cursor; sets the pointer to NULL. NULL is fine. */
void screen_close(struct screen **screen);

/* How wide the line may be now. */
size_t screen_columns(const struct screen *screen);

/* Replaces the line, which must not be wider. */
void screen_draw(struct screen *screen, struct text line);

/* Readable when a signal came; then call screen_signal: one that ends the program does so, with the
 * terminal in order; Ctrl-Z puts it in order meanwhile; a change of size asks for nothing but
 * drawing anew. */
int screen_fd(const struct screen *screen);
void screen_signal(struct screen **screen);

#endif
