// Exception vectors. A frame is a SavedState (288 bytes) and a frame record for backtraces.
.pushsection .text.vectors, "ax"

.equ FRAME, 304
.equ RECORD, 288

.macro save_registers
    stp x2, x3, [sp, #16]
    stp x4, x5, [sp, #32]
    stp x6, x7, [sp, #48]
    stp x8, x9, [sp, #64]
    stp x10, x11, [sp, #80]
    stp x12, x13, [sp, #96]
    stp x14, x15, [sp, #112]
    stp x16, x17, [sp, #128]
    stp x18, x19, [sp, #144]
    stp x20, x21, [sp, #160]
    stp x22, x23, [sp, #176]
    stp x24, x25, [sp, #192]
    stp x26, x27, [sp, #208]
    stp x28, x29, [sp, #224]
    mrs x22, elr_el1
    mrs x23, spsr_el1
    mrs x24, esr_el1
    mrs x25, far_el1
    stp x22, x23, [sp, #256]
    stp x24, x25, [sp, #272]
.endm

// From EL0: the user's SP is in SP_EL0, which then holds the running thread's block again. The
// backtrace ends here.
.macro enter_from_user
    sub sp, sp, #FRAME
    stp x0, x1, [sp, #0]
    save_registers
    mrs x21, sp_el0
    stp x30, x21, [sp, #240]
    stp xzr, xzr, [sp, #RECORD]
    add x29, sp, #RECORD
    mrs x0, tpidr_el1
    ldr x0, [x0]
    msr sp_el0, x0
    mov x0, sp
.endm

// From EL1, x0 and x1 already saved and the frame allocated.
.macro enter_from_kernel
    save_registers
    add x21, sp, #FRAME
    stp x30, x21, [sp, #240]
    stp x29, x22, [sp, #RECORD]
    add x29, sp, #RECORD
    mov x0, sp
.endm

// Allocates a frame after checking that it lies in the stack: one bit of the stack pointer tells,
// and it can be tested without a free register.
.macro checked_kernel_frame
    sub sp, sp, #FRAME
    add sp, sp, x0
    sub x0, sp, x0
    tbz x0, #{STACK_SHIFT}, stack_overflow
    sub x0, sp, x0
    sub sp, sp, x0
    stp x0, x1, [sp, #0]
.endm

.macro restore_registers
    ldp x0, x1, [sp, #256]
    msr elr_el1, x0
    msr spsr_el1, x1
    ldp x2, x3, [sp, #16]
    ldp x4, x5, [sp, #32]
    ldp x6, x7, [sp, #48]
    ldp x8, x9, [sp, #64]
    ldp x10, x11, [sp, #80]
    ldp x12, x13, [sp, #96]
    ldp x14, x15, [sp, #112]
    ldp x16, x17, [sp, #128]
    ldp x18, x19, [sp, #144]
    ldp x20, x21, [sp, #160]
    ldp x22, x23, [sp, #176]
    ldp x24, x25, [sp, #192]
    ldp x26, x27, [sp, #208]
    ldp x28, x29, [sp, #224]
    ldr x30, [sp, #240]
    ldp x0, x1, [sp, #0]
    add sp, sp, #FRAME
    eret
.endm

.macro vector target
    .balign 0x80
    b \target
.endm

// Vectors nobody should use: the number goes to the report.
.macro bad number
    .balign 0x80
    sub sp, sp, #FRAME
    stp x0, x1, [sp, #0]
    mov x1, #\number
    b unexpected
.endm

.balign 0x800
.global exception_vectors
.type exception_vectors, %function
exception_vectors:
    bad 0                       // EL1 with SP_EL0
    bad 1
    bad 2
    bad 3
    vector sync_from_kernel     // EL1 with SP_EL1
    vector irq_from_kernel
    bad 6
    vector serror_from_kernel
    vector sync_from_user       // EL0, AArch64
    vector irq_from_user
    bad 10
    vector serror_from_user
    bad 12                      // EL0, AArch32
    bad 13
    bad 14
    bad 15

.balign 0x80
.type sync_from_user, %function
sync_from_user:
    enter_from_user
    bl {SYNC_FROM_USER}
    b return_to_user

.type irq_from_user, %function
irq_from_user:
    enter_from_user
    bl {IRQ}
    b return_to_user

.type serror_from_user, %function
serror_from_user:
    enter_from_user
    bl {SERROR}

.type return_to_user, %function
return_to_user:
    msr daifset, #2
    mov x0, sp
    bl {RETURN_TO_USER}
    ldr x0, [sp, #248]
    msr sp_el0, x0
    restore_registers

.type sync_from_kernel, %function
sync_from_kernel:
    checked_kernel_frame
    enter_from_kernel
    bl {SYNC_FROM_KERNEL}
    b return_to_kernel

.type irq_from_kernel, %function
irq_from_kernel:
    checked_kernel_frame
    enter_from_kernel
    bl {IRQ}
    b return_to_kernel

.type serror_from_kernel, %function
serror_from_kernel:
    checked_kernel_frame
    enter_from_kernel
    bl {SERROR}

.type return_to_kernel, %function
return_to_kernel:
    msr daifset, #2
    restore_registers

.type unexpected, %function
unexpected:
    mov x27, x1
    enter_from_kernel
    mov x1, x27
    bl {UNEXPECTED}

// The frame would lie in the guard: x0 = its address, sp = that plus the original x0. User thread
// pointers serve as scratch, as nothing returns from here.
.type stack_overflow, %function
stack_overflow:
    msr tpidrro_el0, x0
    sub x0, sp, x0
    msr tpidr_el0, x0
    mrs x0, tpidr_el1
    ldr x0, [x0, #8]
    sub sp, x0, #FRAME
    mrs x0, tpidr_el0
    stp x0, x1, [sp, #0]
    enter_from_kernel
    mrs x21, tpidrro_el0
    add x21, x21, #FRAME
    str x21, [sp, #248]
    bl {STACK_OVERFLOW}
.popsection
