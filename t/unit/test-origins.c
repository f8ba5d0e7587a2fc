/* test-origins.c: x */
int main(void){return 0;}
