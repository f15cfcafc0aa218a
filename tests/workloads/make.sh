# A parallel build of 20 files, then again with nothing to do, then after one change.
. "$(dirname "$0")/lib.sh"
need make gcc
prepare() {
    printf 'CFLAGS = -O1\nOBJ = $(patsubst %%.c,%%.o,$(wildcard *.c))\nprog: $(OBJ)\n\t@gcc -o $@ $^\n%%.o: %%.c all.h\n\t@gcc $(CFLAGS) -c -o $@ $<\nclean:\n\t@rm -f *.o prog\n' >Makefile
    : >all.h
    local i
    for i in $(seq 1 19); do
        echo "int f$i(int);" >>all.h
        printf '#include <stdio.h>\n#include <stdlib.h>\n#include "all.h"\nint f%d(int x)\n{\n    return x * %d + abs(x);\n}\n' $i $i >f$i.c
    done
    { printf '#include <stdio.h>\n#include "all.h"\nint main(void)\n{\n    int s = 0;\n'
      for i in $(seq 1 19); do echo "    s += f$i($i);"; done
      printf '    printf("%%d\\n", s);\n    return 0;\n}\n'; } >main.c
    touch -d 2020-01-01 ./*
}
same_as_native sh -c 'make -j2 && ./prog && make -j2 && touch f3.c && make -j2 && make -q; echo $?; ls | wc -l; make clean; ls *.o; make nothing'
expect_native '^2660$'
finish
