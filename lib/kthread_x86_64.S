/*
 * kthread_switch_(void **save_sp, void *load_sp): the coroutine switch. Saves what the System V ABI
 * makes the callee keep (six registers, MXCSR, the x87 control word) on the old stack, and returns on
 * the new one. About 2 ns.
 */
    .text
    .globl kthread_switch_
    .hidden kthread_switch_
    .type kthread_switch_, @function
    .balign 16
kthread_switch_:
    push %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
    sub $8, %rsp
    stmxcsr (%rsp)
    fnstcw 4(%rsp)
    mov %rsp, (%rdi)
    mov %rsi, %rsp
    ldmxcsr (%rsp)
    fldcw 4(%rsp)
    add $8, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
    ret
    .size kthread_switch_, . - kthread_switch_

/* First frame of a kthread: rbx holds the C function to call; it never returns. */
    .globl kthread_start_
    .hidden kthread_start_
    .type kthread_start_, @function
kthread_start_:
    xor %ebp, %ebp
    call *%rbx
    ud2
    .size kthread_start_, . - kthread_start_

    .section .note.GNU-stack,"",@progbits
