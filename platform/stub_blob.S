/* The stub's ELF image, as bytes: platform/stub_image.h names its ends. */
    .section .rodata
    .balign 4096
    .globl stub_image_start, stub_image_end
    .hidden stub_image_start, stub_image_end
stub_image_start:
    .incbin STUB_ELF
stub_image_end:
    .byte 0
    .section .note.GNU-stack, "", @progbits
