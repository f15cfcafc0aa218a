/*
 * cpuid from a table (cpuid.c). A trampoline that stands for a cpuid instruction calls this with the guest's registers, its stack
 * pointer lowered by the red zone's 128 bytes; like the instruction it changes eax, ebx, ecx and edx, and no flag.
 */
    .text
    .globl stub_cpuid
stub_cpuid:
    pushfq
    push %rsi
    push %rdi
    lea stub_cpuid_table(%rip), %rsi
    mov stub_cpuid_size(%rip), %rdi
    add %rsi, %rdi
    jmp 2f
1:
    cmp %eax, (%rsi)
    jne 3f
    mov 4(%rsi), %ebx
    cmp %ebx, %ecx
    je 4f
    cmp $-1, %ebx
    je 4f
3:
    add $24, %rsi
2:
    cmp %rdi, %rsi
    jb 1b
    cpuid
    jmp 5f
4:
    mov 8(%rsi), %eax
    mov 12(%rsi), %ebx
    mov 16(%rsi), %ecx
    mov 20(%rsi), %edx
5:
    pop %rdi
    pop %rsi
    popfq
    ret $128

    .section .note.GNU-stack, "", @progbits
