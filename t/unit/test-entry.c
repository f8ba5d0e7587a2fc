/* test-entry.c: x */
int main(void){return 0;}
