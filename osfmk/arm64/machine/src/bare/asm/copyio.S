// Copies with user mode's rights. All routines keep
//   x0 = destination, x1 = source, x2 = bytes that remain
// up to date after each completed step, and return x0 = remaining, x1 = faulting address or -1.
// A data abort between the two labels continues at copyio_fixup with the address in x9.
.pushsection .text.copyio, "ax"
.global copyio_text_start
copyio_text_start:

.global copy_from_user
.type copy_from_user, %function
copy_from_user:
    cmp x2, #64
    b.lo 2f
1:  ldtr x4, [x1]
    ldtr x5, [x1, #8]
    ldtr x6, [x1, #16]
    ldtr x7, [x1, #24]
    ldtr x8, [x1, #32]
    ldtr x10, [x1, #40]
    ldtr x11, [x1, #48]
    ldtr x12, [x1, #56]
    stp x4, x5, [x0]
    stp x6, x7, [x0, #16]
    stp x8, x10, [x0, #32]
    stp x11, x12, [x0, #48]
    add x0, x0, #64
    add x1, x1, #64
    sub x2, x2, #64
    cmp x2, #64
    b.hs 1b
2:  cmp x2, #8
    b.lo 3f
    ldtr x4, [x1]
    str x4, [x0], #8
    add x1, x1, #8
    sub x2, x2, #8
    b 2b
3:  cmp x2, #4
    b.lo 4f
    ldtr w4, [x1]
    str w4, [x0], #4
    add x1, x1, #4
    sub x2, x2, #4
4:  cbz x2, copyio_done
    ldtrb w4, [x1]
    strb w4, [x0], #1
    add x1, x1, #1
    sub x2, x2, #1
    b 4b

.global copy_to_user
.type copy_to_user, %function
copy_to_user:
    cmp x2, #64
    b.lo 2f
1:  ldp x4, x5, [x1]
    ldp x6, x7, [x1, #16]
    ldp x8, x10, [x1, #32]
    ldp x11, x12, [x1, #48]
    sttr x4, [x0]
    sttr x5, [x0, #8]
    sttr x6, [x0, #16]
    sttr x7, [x0, #24]
    sttr x8, [x0, #32]
    sttr x10, [x0, #40]
    sttr x11, [x0, #48]
    sttr x12, [x0, #56]
    add x0, x0, #64
    add x1, x1, #64
    sub x2, x2, #64
    cmp x2, #64
    b.hs 1b
2:  cmp x2, #8
    b.lo 3f
    ldr x4, [x1], #8
    sttr x4, [x0]
    add x0, x0, #8
    sub x2, x2, #8
    b 2b
3:  cmp x2, #4
    b.lo 4f
    ldr w4, [x1], #4
    sttr w4, [x0]
    add x0, x0, #4
    sub x2, x2, #4
4:  cbz x2, copyio_done
    ldrb w4, [x1], #1
    sttrb w4, [x0]
    add x0, x0, #1
    sub x2, x2, #1
    b 4b

// Stops after a NUL.
.global copy_string_from_user
.type copy_string_from_user, %function
copy_string_from_user:
    cbz x2, copyio_done
    ldtrb w4, [x1]
    strb w4, [x0], #1
    add x1, x1, #1
    sub x2, x2, #1
    cbnz w4, copy_string_from_user
    b copyio_done

.global copyio_text_end
copyio_text_end:

.global copyio_fixup
.type copyio_fixup, %function
copyio_fixup:
    mov x0, x2
    mov x1, x9
    ret
copyio_done:
    mov x0, x2
    mov x1, #-1
    ret
.popsection
