/*
 * The stub's edge: the gate (the only host system calls of a guest), the entry and exit of guest
 * system calls, and copies that survive faults. What the names guard is explained in handlers.c.
 *
 * Entry: rax = number, rcx = address behind the guest's `syscall`, r11 = the thread's area (both are dead by
 * the system call ABI). The guest's stack is not touched: its red zone stays as it is. No floating-point register
 * is used anywhere in the stub, so none is saved.
 */
#include "platform/stub/layout.h"

#define GUARDED_WORDS_MAX 256 /* bytes */

    .section .gate, "ax", @progbits
    .balign 4096

/* long gate(nr, a, b, c, d, e, f) */
    .globl gate
gate:
    mov %rdi, %rax
    mov %rsi, %rdi
    mov %rdx, %rsi
    mov %rcx, %rdx
    mov %r8, %r10
    mov %r9, %r8
    mov 8(%rsp), %r9
    .globl gate_insn
gate_insn:
    syscall
    .globl gate_ret
gate_ret:
    ret

/* long gate_wait(area, futex args...): futex, unless a kick is pending. From gate_wait_check up to and with the
 * syscall instruction, a kick makes it return -EINTR. */
    .globl gate_wait
gate_wait:
    mov %rdi, %r11
    mov %rsi, %rdi
    mov %rdx, %rsi
    mov %rcx, %rdx
    mov %r8, %r10
    mov %r9, %r8
    mov 8(%rsp), %r9
    .globl gate_wait_check
gate_wait_check:
    cmpl $0, AREA_KICK(%r11)
    jne gate_wait_interrupted
    mov $202, %eax
    .globl gate_wait_insn
gate_wait_insn:
    syscall
    .globl gate_wait_ret
gate_wait_ret:
    ret
    .globl gate_wait_interrupted
gate_wait_interrupted:
    mov $-4, %rax
    ret

/* The restorer of the stub's own signal handlers. */
    .globl gate_sigreturn
gate_sigreturn:
    mov $15, %eax
    syscall
    .globl gate_sigreturn_ret
gate_sigreturn_ret:
    ud2

/* long gate_clone(flags, stack, ptid, ctid, tls): a child with a stack of its own starts in child_start. */
    .globl gate_clone
gate_clone:
    mov %rcx, %r10
    mov $56, %eax
    syscall
    .globl gate_clone_ret
gate_clone_ret:
    test %rax, %rax
    jz child_start
    ret

/* exit_thread(word, mask): frees the slot's bit, then exits without touching any stack. */
    .globl exit_thread
exit_thread:
    lock andq %rsi, (%rdi)
    xor %edi, %edi
    mov $60, %eax
    syscall
    .globl exit_thread_ret
exit_thread_ret:
    ud2

    .text

    .globl stub_start
stub_start:
    mov %rsp, %rdi
    movabs $(AREA_BASE + AREA_STRUCT), %rsp
    xor %ebp, %ebp
    call stub_main
    ud2

/* A new thread: rsp is the top of its stub stack, where its area begins. */
child_start:
    mov %rsp, %rbx
    mov %rbx, %rdi
    call stub_child
restore_all:
    mov %rbx, %r11
    mov AREA_CALLEE(%r11), %rbx
    mov AREA_CALLEE + 8(%r11), %rbp
    mov AREA_CALLEE + 16(%r11), %r12
    mov AREA_CALLEE + 24(%r11), %r13
    mov AREA_CALLEE + 32(%r11), %r14
    mov AREA_CALLEE + 40(%r11), %r15
    xor %eax, %eax
    jmp restore

/*
 * From a trampoline: rax and rcx are set. The thread's area is in GS base, if the guest left that alone. Its first word says so, too, and
 * rdgsbase takes 4 ns. Where the guest's base leads nowhere, the fault's handler goes on at stub_entry.
 */
    .globl stub_entry_patched
stub_entry_patched:
    mov %gs:AREA_SELF, %r11
    cmp area_low(%rip), %r11
    jb stub_entry_slow
    cmp area_high(%rip), %r11
    jae stub_entry_slow

/* A kept answer (answer.c): 5 ns instead of 20. Only rax, rcx and r11 are ours; rdx and rcx wait in the area. */
    cmp $PLATFORM_COPY_NR_COUNT, %rax
    jae stub_entry
    mov %rdx, AREA_ARGS + 16(%r11)
    movabs $(STUB_RO + STUB_RO_KEPT), %rdx
    movzbl (%rdx,%rax), %edx
    dec %edx
    js not_kept
    cmp $PLATFORM_ANSWER_MAX, %edx
    jae not_kept
    mov %rcx, AREA_RIP(%r11)
    mov AREA_CHAN(%r11), %rcx
    mov CHAN_ANSWERS(%rcx,%rdx,8), %rdx
    mov AREA_RIP(%r11), %rcx
    test %rdx, %rdx
    jns not_kept
    mov %edx, %eax
    mov AREA_ARGS + 16(%r11), %rdx
/* From fast_check to fast_end the registers are the guest's already. */
    .globl fast_check
fast_check:
    cmpl $0, AREA_KICK(%r11)
    jne exit_kick_fast
    mov $0x246, %r11d
    .globl fast_end
fast_end:
    jmp *%rcx
    .globl exit_kick_fast
exit_kick_fast:
    ud2
not_kept:
    mov AREA_ARGS + 16(%r11), %rdx
    jmp stub_entry

    .globl stub_entry_slow
stub_entry_slow:
    ud2

    .balign 8
area_low:
    .quad AREA_LOW
area_high:
    .quad AREA_BASE + AREA_STRIDE

    .globl stub_entry
stub_entry:
    mov %rsp, AREA_RSP(%r11)
    mov %rcx, AREA_RIP(%r11)
    mov %rax, AREA_NR(%r11)
    mov %r11, %rsp
    pushfq
    popq AREA_FLAGS(%r11)
    mov %rdi, AREA_ARGS(%r11)
    mov %rsi, AREA_ARGS + 8(%r11)
    mov %rdx, AREA_ARGS + 16(%r11)
    mov %r10, AREA_ARGS + 24(%r11)
    mov %r8, AREA_ARGS + 32(%r11)
    mov %r9, AREA_ARGS + 40(%r11)
    mov %rbx, AREA_CALLEE(%r11)
    mov %rbp, AREA_CALLEE + 8(%r11)
    mov %r12, AREA_CALLEE + 16(%r11)
    mov %r13, AREA_CALLEE + 24(%r11)
    mov %r14, AREA_CALLEE + 32(%r11)
    mov %r15, AREA_CALLEE + 40(%r11)
    mov %r11, %rbx
    mov %r11, %rdi
    testl $EFLAGS_DIRECTION, AREA_FLAGS(%r11)
    jz 1f
    cld
1:  call stub_syscall
    mov %rbx, %r11
    mov AREA_CALLEE(%r11), %rbx
restore:
    mov AREA_ARGS(%r11), %rdi
    mov AREA_ARGS + 8(%r11), %rsi
    mov AREA_ARGS + 16(%r11), %rdx
    mov AREA_ARGS + 24(%r11), %r10
    mov AREA_ARGS + 32(%r11), %r8
    mov AREA_ARGS + 40(%r11), %r9
    mov AREA_RIP(%r11), %rcx
    mov AREA_RSP(%r11), %rsp
    testl $EFLAGS_DIRECTION, AREA_FLAGS(%r11)
    jz exit_check
    std
/* From exit_check to exit_kick the registers are the guest's already. */
    .globl exit_check
exit_check:
    cmpl $0, AREA_KICK(%r11)
    jne exit_kick
    mov $0x246, %r11d /* where Linux leaves the flags */
    jmp *%rcx
    .globl exit_kick
exit_kick:
    ud2

/* go_guest(area): the first instruction of a program. By way of exit_check, so that no kick is lost. */
    .globl go_guest
go_guest:
    mov %rdi, %rbx
    jmp restore_all

/*
 * long guarded_copy(dst, src, size): 0, or -EFAULT when either side faults. rep movs takes 10 ns to begin, so what is small goes word
 * by word. A fault anywhere from guarded_words to guarded_words_end makes it fail.
 */
    .globl guarded_copy
guarded_copy:
    mov %rdx, %rcx
    cmp $GUARDED_WORDS_MAX, %rdx
    jbe guarded_words
    .globl guarded_copy_insn
guarded_copy_insn:
    rep movsb
    xor %eax, %eax
    ret
    .globl guarded_words
guarded_words:
    sub $16, %rcx
    jb 2f
1:  mov (%rsi), %rax
    mov 8(%rsi), %rdx
    mov %rax, (%rdi)
    mov %rdx, 8(%rdi)
    add $16, %rsi
    add $16, %rdi
    sub $16, %rcx
    jae 1b
2:  test $8, %cl
    jz 3f
    mov (%rsi), %rax
    mov %rax, (%rdi)
    add $8, %rsi
    add $8, %rdi
3:  test $4, %cl
    jz 4f
    mov (%rsi), %eax
    mov %eax, (%rdi)
    add $4, %rsi
    add $4, %rdi
4:  and $3, %ecx
    jz 6f
5:  movzbl (%rsi), %eax
    mov %al, (%rdi)
    inc %rsi
    inc %rdi
    dec %ecx
    jnz 5b
    .globl guarded_words_end
guarded_words_end:
6:  xor %eax, %eax
    ret
    .globl guarded_copy_fault
guarded_copy_fault:
    mov $-14, %rax
    ret

/* long guarded_zero(dst, size): the same with zeroes. */
    .globl guarded_zero
guarded_zero:
    mov %rsi, %rcx
    xor %eax, %eax
    .globl guarded_zero_insn
guarded_zero_insn:
    rep stosb
    ret

/* long guarded_copy8(dst, src): the same for 8 bytes; rep movs takes 10 ns to begin. */
    .globl guarded_copy8
guarded_copy8:
    .globl guarded_copy8_load
guarded_copy8_load:
    mov (%rsi), %rax
    .globl guarded_copy8_store
guarded_copy8_store:
    mov %rax, (%rdi)
    xor %eax, %eax
    ret

/* long guarded_touch(byte): 0 when it can be written (it is not changed), else -EFAULT. */
    .globl guarded_touch
guarded_touch:
    .globl guarded_touch_insn
guarded_touch_insn:
    lock orb $0, (%rdi)
    xor %eax, %eax
    ret

/* long guarded_xsave(dst, mask_low, mask_high): 0, or -EFAULT. The FP state is the guest's: the stub uses none. */
    .globl guarded_xsave
guarded_xsave:
    mov %esi, %eax
    .globl guarded_xsave_insn
guarded_xsave_insn:
    xsave64 (%rdi)
    xor %eax, %eax
    ret

/* void fp_load(src, mask_low, mask_high): the guest's FP state from now on. */
    .globl fp_load
fp_load:
    mov %esi, %eax
    xrstor64 (%rdi)
    ret

/*
 * long vdso_call(area, function, clock, time): what the vDSO's function says. Not a stub's code, it may use what is the guest's: vector
 * registers are kept here. area's self is 0 meanwhile, so that a call site of its, if rewritten, does not enter the stub again; the
 * handlers end what faults, traps, or makes a system call there at vdso_abort (vdso_sp): -1.
 */
    .globl vdso_call
vdso_call:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    sub $264, %rsp
    movaps %xmm0, 0(%rsp)
    movaps %xmm1, 16(%rsp)
    movaps %xmm2, 32(%rsp)
    movaps %xmm3, 48(%rsp)
    movaps %xmm4, 64(%rsp)
    movaps %xmm5, 80(%rsp)
    movaps %xmm6, 96(%rsp)
    movaps %xmm7, 112(%rsp)
    movaps %xmm8, 128(%rsp)
    movaps %xmm9, 144(%rsp)
    movaps %xmm10, 160(%rsp)
    movaps %xmm11, 176(%rsp)
    movaps %xmm12, 192(%rsp)
    movaps %xmm13, 208(%rsp)
    movaps %xmm14, 224(%rsp)
    movaps %xmm15, 240(%rsp)
    mov %rdi, %rbx
    mov %rsi, %rax
    mov %edx, %edi
    mov %rcx, %rsi
    movq $0, AREA_SELF(%rbx)
    mov %rsp, AREA_VDSO_SP(%rbx)
    call *%rax
    cltq
vdso_back:
    movq $0, AREA_VDSO_SP(%rbx)
    mov %rbx, AREA_SELF(%rbx)
    movaps 0(%rsp), %xmm0
    movaps 16(%rsp), %xmm1
    movaps 32(%rsp), %xmm2
    movaps 48(%rsp), %xmm3
    movaps 64(%rsp), %xmm4
    movaps 80(%rsp), %xmm5
    movaps 96(%rsp), %xmm6
    movaps 112(%rsp), %xmm7
    movaps 128(%rsp), %xmm8
    movaps 144(%rsp), %xmm9
    movaps 160(%rsp), %xmm10
    movaps 176(%rsp), %xmm11
    movaps 192(%rsp), %xmm12
    movaps 208(%rsp), %xmm13
    movaps 224(%rsp), %xmm14
    movaps 240(%rsp), %xmm15
    add $264, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret
/* rsp is vdso_sp, rbx the area. */
    .globl vdso_abort
vdso_abort:
    mov $-1, %rax
    jmp vdso_back

/* long guarded_probe(byte): 0 when it can be read, else -EFAULT. */
    .globl guarded_probe
guarded_probe:
    .globl guarded_probe_insn
guarded_probe_insn:
    movzbl (%rdi), %eax
    xor %eax, %eax
    ret

    .section .note.GNU-stack, "", @progbits
