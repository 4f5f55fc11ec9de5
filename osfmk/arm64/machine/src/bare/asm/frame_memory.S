.pushsection .text.frame_memory, "ax"

// frame_zero(x0 = start, x1 = length, x2 = bytes per DC ZVA or 0). Start and length are multiples
// of 64; DC ZVA is used when eight of its blocks divide the length.
.global frame_zero
.type frame_zero, %function
frame_zero:
    add x3, x0, x1
    cbz x2, 2f
    lsl x4, x2, #3
    sub x4, x4, #1
    orr x5, x0, x1
    tst x5, x4
    b.ne 2f
1:
.rept 8
    dc zva, x0
    add x0, x0, x2
.endr
    cmp x0, x3
    b.lo 1b
    ret
2:  stp xzr, xzr, [x0]
    stp xzr, xzr, [x0, #16]
    stp xzr, xzr, [x0, #32]
    stp xzr, xzr, [x0, #48]
    add x0, x0, #64
    cmp x0, x3
    b.lo 2b
    ret

// frame_copy(x0 = to, x1 = from, x2 = length), a multiple of 256.
.global frame_copy
.type frame_copy, %function
frame_copy:
    add x3, x0, x2
1:
.set at, 0
.rept 4
    ldp x4, x5, [x1, #at]
    ldp x6, x7, [x1, #at + 16]
    ldp x8, x9, [x1, #at + 32]
    ldp x10, x11, [x1, #at + 48]
    stp x4, x5, [x0, #at]
    stp x6, x7, [x0, #at + 16]
    stp x8, x9, [x0, #at + 32]
    stp x10, x11, [x0, #at + 48]
    .set at, at + 64
.endr
    add x1, x1, #256
    add x0, x0, #256
    cmp x0, x3
    b.lo 1b
    ret
.popsection
