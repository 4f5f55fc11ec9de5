.pushsection .text.context, "ax"

// context_switch(x0 = from, x1 = to): the callee-saved registers and the stack.
.global context_switch
.type context_switch, %function
context_switch:
    stp x19, x20, [x0, #0]
    stp x21, x22, [x0, #16]
    stp x23, x24, [x0, #32]
    stp x25, x26, [x0, #48]
    stp x27, x28, [x0, #64]
    stp x29, x30, [x0, #80]
    mov x9, sp
    str x9, [x0, #96]
    ldp x19, x20, [x1, #0]
    ldp x21, x22, [x1, #16]
    ldp x23, x24, [x1, #32]
    ldp x25, x26, [x1, #48]
    ldp x27, x28, [x1, #64]
    ldp x29, x30, [x1, #80]
    ldr x9, [x1, #96]
    mov sp, x9
    ret

// First instructions of a new thread: x19 = entry, x20 = argument.
.global context_start
.type context_start, %function
context_start:
    mov x0, x20
    mov x29, xzr
    mov x30, xzr
    br x19

// context_enter_user(x0 = SavedState). Interrupts stay masked until ERET, so nothing can write
// below the new stack pointer, where the state itself may lie.
.global context_enter_user
.type context_enter_user, %function
context_enter_user:
    msr daifset, #2
    mov x1, sp
    sub x1, x1, #1
    orr x1, x1, #({SLOT} - 1)
    add x1, x1, #1
    mov sp, x1
    ldr x1, [x0, #248]
    ldp x2, x3, [x0, #256]
    msr sp_el0, x1
    msr elr_el1, x2
    msr spsr_el1, x3
    ldp x2, x3, [x0, #16]
    ldp x4, x5, [x0, #32]
    ldp x6, x7, [x0, #48]
    ldp x8, x9, [x0, #64]
    ldp x10, x11, [x0, #80]
    ldp x12, x13, [x0, #96]
    ldp x14, x15, [x0, #112]
    ldp x16, x17, [x0, #128]
    ldp x18, x19, [x0, #144]
    ldp x20, x21, [x0, #160]
    ldp x22, x23, [x0, #176]
    ldp x24, x25, [x0, #192]
    ldp x26, x27, [x0, #208]
    ldp x28, x29, [x0, #224]
    ldr x30, [x0, #240]
    ldp x0, x1, [x0, #0]
    eret
.popsection
