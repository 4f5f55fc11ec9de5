// From the loader to Rust: Image header, EL2 to EL1, first tables, MMU on.
//
// Until the MMU is on, the code runs at its physical address and reaches symbols relative to the
// program counter only. Register use in the primary path:
//   x19 = physical address of the image, x20 = physical address of the device tree
// The secondary path: x20 = CPU number (PSCI's context argument).

.equ PAGE_SHIFT, {PAGE_SHIFT}
.equ PAGE, (1 << PAGE_SHIFT)

// Leaf attributes: valid, access flag, inner shareable, AttrIndx 0 (normal write-back), UXN.
.equ LEAF, (1 | (1 << 10) | (3 << 8) | (1 << 54))
.equ READ_ONLY, (1 << 7)
.equ PXN, (1 << 53)
.equ PAGE_TYPE, 2
.equ TABLE, 3

.macro address register, symbol
    adrp \register, \symbol
    add \register, \register, :lo12:\symbol
.endm

// ---------------------------------------------------------------- Image header

.pushsection .head, "ax"
.global _start
.type _start, %function
_start:
    b primary_start
    .long 0
    .quad 0                             // load anywhere at a 2 MiB boundary
    .quad __image_size
.if PAGE_SHIFT == 14
    .quad (2 << 1) | (1 << 3)           // little endian, 16 KiB pages, anywhere in RAM
.else
    .quad (1 << 1) | (1 << 3)
.endif
    .quad 0, 0, 0
    .ascii "ARM\x64"
    .long 0

// ---------------------------------------------------------------- boot CPU

.type primary_start, %function
primary_start:
    mov x20, x0
    msr daifset, #0xf
    address x0, __boot_stack_top
    mov sp, x0
    bl leave_el2
    adrp x19, __image_start
    bl clear_bss
    bl require_granule
    bl build_tables
    bl enable_mmu
    ldr x0, =primary_upper
    br x0

.type clear_bss, %function
clear_bss:
    address x0, __bss_start
    address x1, __bss_end
1:  cmp x0, x1
    b.hs 2f
    stp xzr, xzr, [x0], #16
    b 1b
2:  ret

// Granule support is a field of ID_AA64MMFR0_EL1; without it the MMU cannot be switched on, and a
// Rust function that needs no MMU says so on the UART.
.type require_granule, %function
require_granule:
    mrs x0, id_aa64mmfr0_el1
.if PAGE_SHIFT == 14
    ubfx x0, x0, #20, #4
    cbnz x0, 1f
.else
    ubfx x0, x0, #28, #4
    cmp x0, #0xf
    b.ne 1f
.endif
    mov x0, x20
    bl {NO_GRANULE}
2:  wfi
    b 2b
1:  ret

// Upper half: the image by pages with its permissions, and the direct map of the gibibytes that
// hold the image and the device tree (coarse; Rust replaces it once it knows what is RAM).
// Lower half: the code that runs while the MMU goes on.
.type build_tables, %function
build_tables:
    mov x28, x30
    address x0, boot_image_pages
    mov x1, xzr
    address x2, __text_end
    movz x4, #(LEAF >> 48), lsl #48
    movk x4, #((LEAF | PAGE_TYPE | READ_ONLY) & 0xffff)
    bl map_image_until
    address x2, __rodata_end
    movz x4, #((LEAF | PXN) >> 48), lsl #48
    movk x4, #((LEAF | PAGE_TYPE | READ_ONLY) & 0xffff)
    bl map_image_until
    address x2, __image_end
    movz x4, #((LEAF | PXN) >> 48), lsl #48
    movk x4, #((LEAF | PAGE_TYPE) & 0xffff)
    bl map_image_until

    // Tables of the image: root -> (level 1 ->) level 2 -> pages.
    address x0, boot_image_level2
    address x1, boot_image_pages
    mov x2, #{IMAGE_LEVEL2_ENTRIES}
    orr x1, x1, #TABLE
    mov x3, #{IMAGE_LEVEL2_OFFSET}
    add x0, x0, x3
1:  str x1, [x0], #8
    add x1, x1, #PAGE
    subs x2, x2, #1
    b.ne 1b
    address x0, boot_root
    address x1, boot_image_level2
.if PAGE_SHIFT == 14
    mov x3, #{IMAGE_ROOT_OFFSET}
    orr x1, x1, #TABLE
    str x1, [x0, x3]
.else
    address x2, boot_image_level1
    orr x1, x1, #TABLE
    str x1, [x2, #{IMAGE_LEVEL1_OFFSET}]
    mov x3, #{IMAGE_ROOT_OFFSET}
    orr x2, x2, #TABLE
    str x2, [x0, x3]
.endif

    // Direct map. Its window starts at index 0 of the root.
    address x2, boot_direct
    mov x4, x19
    bl map_direct_gibibyte
    mov x4, x20
    bl map_direct_gibibyte
    orr x2, x2, #TABLE
.if PAGE_SHIFT == 14
    lsr x3, x19, #36
    str x2, [x0, x3, lsl #3]
.else
    str x2, [x0]
.endif

    // Identity: one block around the image's start (all code that runs with the MMU off is there).
    movz x4, #(LEAF >> 48), lsl #48
    movk x4, #((LEAF | READ_ONLY) & 0xffff)
    address x0, boot_identity_root
    address x1, boot_identity
    orr x2, x1, #TABLE
.if PAGE_SHIFT == 14
    lsr x3, x19, #36
    str x2, [x0, x3, lsl #3]
    lsr x3, x19, #25
    lsl x5, x3, #25
.else
    lsr x3, x19, #39
    str x2, [x0, x3, lsl #3]
    lsr x3, x19, #30
    lsl x5, x3, #30
.endif
    and x3, x3, #{INDEX_MASK}
    orr x5, x5, x4
    str x5, [x1, x3, lsl #3]
    dsb sy
    ret x28

// x0 = page table of the image, x1 = first page index (advanced), x2 = physical end, x4 = bits.
map_image_until:
    sub x2, x2, x19
    lsr x2, x2, #PAGE_SHIFT
1:  cmp x1, x2
    b.hs 2f
    add x5, x19, x1, lsl #PAGE_SHIFT
    orr x5, x5, x4
    str x5, [x0, x1, lsl #3]
    add x1, x1, #1
    b 1b
2:  ret

// x2 = table, x4 = physical address: read-write, never executable.
map_direct_gibibyte:
    lsr x4, x4, #30
    lsl x4, x4, #30
    movz x5, #((LEAF | PXN) >> 48), lsl #48
    movk x5, #(LEAF & 0xffff)
    orr x5, x5, x4
.if PAGE_SHIFT == 14
    lsr x4, x4, #25
    and x4, x4, #{INDEX_MASK}
    mov x6, #32
    mov x7, #(1 << 25)
1:  str x5, [x2, x4, lsl #3]
    add x4, x4, #1
    add x5, x5, x7
    subs x6, x6, #1
    b.ne 1b
.else
    lsr x4, x4, #30
    and x4, x4, #{INDEX_MASK}
    str x5, [x2, x4, lsl #3]
.endif
    ret

// ---------------------------------------------------------------- both

// From EL2, when the loader or PSCI enters there: EL1 gets the timers, the GIC's registers and
// floating point without traps.
.type leave_el2, %function
leave_el2:
    ldr x1, =0x30d00980                 // SCTLR_EL1: RES1 bits, MMU and caches off
    mrs x0, currentel
    cmp x0, #(2 << 2)
    b.eq 1f
    msr sctlr_el1, x1
    msr cpacr_el1, xzr
    isb
    ret
1:  msr sctlr_el1, x1
    mov x0, #(1 << 31)                  // HCR_EL2.RW
    orr x0, x0, #(3 << 40)              // and API, APK: no pointer authentication traps
    msr hcr_el2, x0
    isb
    mov x0, #3
    msr cnthctl_el2, x0
    msr cntvoff_el2, xzr
    mov x0, #0x33ff
    msr cptr_el2, x0
    msr hstr_el2, xzr
    msr vttbr_el2, xzr
    mrs x0, midr_el1
    msr vpidr_el2, x0
    mrs x0, mpidr_el1
    msr vmpidr_el2, x0
    mrs x0, id_aa64dfr0_el1             // all event counters belong to EL1
    ubfx x0, x0, #8, #4
    cbz x0, 2f
    mrs x0, pmcr_el0
    ubfx x0, x0, #11, #5
    msr mdcr_el2, x0
2:  mrs x0, id_aa64pfr0_el1             // GICv3 system registers for EL1
    ubfx x0, x0, #24, #4
    cbz x0, 3f
    mrs x0, S3_4_C12_C9_5               // ICC_SRE_EL2
    orr x0, x0, #1
    orr x0, x0, #8
    msr S3_4_C12_C9_5, x0
    isb
    msr S3_4_C12_C11_0, xzr             // ICH_HCR_EL2
3:  msr cpacr_el1, xzr
    mov x0, #0x3c5
    msr spsr_el2, x0
    msr elr_el2, x30
    eret

// TCR_EL1 from constants and ID_AA64MMFR0_EL1 (physical size, 16-bit ASIDs); then the MMU on.
.type enable_mmu, %function
enable_mmu:
    ldr x0, ={TCR}
    mrs x1, id_aa64mmfr0_el1
    and x2, x1, #0xf
    cmp x2, #5
    mov x3, #5
    csel x2, x2, x3, lo
    orr x0, x0, x2, lsl #32
    ubfx x1, x1, #4, #4
    cmp x1, #2
    b.ne 1f
    orr x0, x0, #(1 << 36)
1:  ldr x1, ={MAIR}
    address x2, boot_identity_root
    address x3, boot_root
    msr tcr_el1, x0
    msr mair_el1, x1
    msr ttbr0_el1, x2
    msr ttbr1_el1, x3
    tlbi vmalle1
    ic iallu
    dsb nsh
    isb
    ldr x0, ={SCTLR}
    msr sctlr_el1, x0
    isb
    ret

// ---------------------------------------------------------------- other CPUs

.global secondary_start
.type secondary_start, %function
secondary_start:
    mov x20, x0
    msr daifset, #0xf
    bl leave_el2
    bl enable_mmu
    ldr x0, =secondary_upper
    br x0

.ltorg
.popsection

// ---------------------------------------------------------------- upper half

.pushsection .text.boot, "ax"
.type primary_upper, %function
primary_upper:
    ldr x0, =__boot_stack_top
    mov sp, x0
    ldr x1, ={LOCALS}
    bl install_cpu
    mov x0, x20
    mov x1, x19
    bl {PRIMARY}

.type secondary_upper, %function
secondary_upper:
    ldr x1, ={LOCALS}
    mov x2, #{LOCAL_SIZE}
    madd x1, x20, x2, x1
    ldr x0, [x1, #{LOCAL_STACK}]
    mov sp, x0
    bl install_cpu
    mov x0, x20
    bl {SECONDARY}

// x1 = this CPU's block.
.type install_cpu, %function
install_cpu:
    msr tpidr_el1, x1
    add x2, x1, #{LOCAL_BOOT_THREAD}
    msr sp_el0, x2
    ldr x2, =exception_vectors
    msr vbar_el1, x2
    isb
    mov x29, xzr
    ret
.ltorg
.popsection

// ---------------------------------------------------------------- tables

.pushsection .bss.boot_tables, "aw", @nobits
.balign PAGE
.global boot_root
boot_root:          .skip PAGE
boot_image_level1:  .skip PAGE
boot_image_level2:  .skip PAGE
boot_image_pages:   .skip ({IMAGE_MAX} >> PAGE_SHIFT) * 8
boot_direct:        .skip PAGE
boot_identity_root: .skip PAGE
boot_identity:      .skip PAGE
.global empty_user_root
empty_user_root:    .skip PAGE
.global boot_table_pool
boot_table_pool:    .skip {POOL}
.popsection
