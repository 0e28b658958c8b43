# Debug information by hand, in the shape that GNU ld makes of a discarded COMDAT function whose
# line table sets its address twice. Linked behind kept.s, which has the kept copy of `twice`.
#
# The unit's line program holds three sequences, in this order:
#   1. `twice`, discarded, so that both of its addresses are 0: lines 10 to 12
#   2. `upper`: line 20
#   3. `lower`, which lies before `upper`: line 30

        .section .text.twice,"axG",@progbits,twice,comdat
        .weak   twice
        .type   twice, @function
twice:
.Ltwice:
        .skip   48, 0x90
.Ltwice_middle:
        .skip   16, 0x90
        ret
.Ltwice_end:
        .size   twice, .-twice

        .text
        .globl  lower
        .type   lower, @function
lower:  .skip   32, 0x90
        ret
.Llower_end:
        .size   lower, .-lower
        .skip   64, 0x90
        .globl  upper
        .type   upper, @function
upper:  .skip   32, 0x90
        ret
.Lupper_end:
        .size   upper, .-upper

        .section .debug_abbrev,"",@progbits
.Labbrev:
        .uleb128 1, 0x11                # DW_TAG_compile_unit
        .byte   1                       # has children
        .uleb128 0x03, 0x08             # DW_AT_name, DW_FORM_string
        .uleb128 0x10, 0x17             # DW_AT_stmt_list, DW_FORM_sec_offset
        .uleb128 0x11, 0x01             # DW_AT_low_pc, DW_FORM_addr
        .uleb128 0x12, 0x07             # DW_AT_high_pc, DW_FORM_data8
        .uleb128 0, 0
        .uleb128 2, 0x2e                # DW_TAG_subprogram
        .byte   0
        .uleb128 0x03, 0x08
        .uleb128 0x11, 0x01
        .uleb128 0x12, 0x07
        .uleb128 0, 0
        .byte   0

        .section .debug_info,"",@progbits
        .long   .Linfo_end - .Linfo
.Linfo: .short  4
        .long   .Labbrev
        .byte   8
        .uleb128 1
        .asciz  "glued.c"
        .long   .Lline_start
        .quad   lower
        .quad   .Lupper_end - lower
        .uleb128 2
        .asciz  "twice"
        .quad   .Ltwice
        .quad   .Ltwice_end - .Ltwice
        .uleb128 2
        .asciz  "lower"
        .quad   lower
        .quad   .Llower_end - lower
        .uleb128 2
        .asciz  "upper"
        .quad   upper
        .quad   .Lupper_end - upper
        .byte   0
.Linfo_end:

        .section .debug_line,"",@progbits
.Lline_start:
        .long   .Lline_end - .Lline
.Lline: .short  4
        .long   .Lprogram - .Lheader
.Lheader:
        .byte   1, 1, 1                 # instruction length, operations, default_is_stmt
        .byte   -5, 14, 13              # line_base, line_range, opcode_base
        .byte   0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1
        .byte   0                       # no directories
        .asciz  "glued.c"
        .uleb128 0, 0, 0
        .byte   0
.Lprogram:
        .byte   0, 9, 2                 # 1. DW_LNE_set_address
        .quad   .Ltwice
        .byte   3
        .sleb128 9                      # line 10
        .byte   1                       # DW_LNS_copy
        .byte   2
        .uleb128 32
        .byte   3, 1, 1                 # line 11 at 32
        .byte   0, 9, 2                 # a second address: 0 again when discarded
        .quad   .Ltwice_middle
        .byte   3, 1, 1                 # line 12 at 48
        .byte   2
        .uleb128 17
        .byte   0, 1, 1                 # DW_LNE_end_sequence

        .byte   0, 9, 2                 # 2.
        .quad   upper
        .byte   3
        .sleb128 19                     # line 20
        .byte   1
        .byte   2
        .uleb128 33
        .byte   0, 1, 1

        .byte   0, 9, 2                 # 3.
        .quad   lower
        .byte   3
        .sleb128 29                     # line 30
        .byte   1
        .byte   2
        .uleb128 33
        .byte   0, 1, 1
.Lline_end:
        .section .note.GNU-stack,"",@progbits
