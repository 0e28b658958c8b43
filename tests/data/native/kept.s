# The copy of `twice` that the linker keeps, of another size; see glued.s.
        .section .text.twice,"axG",@progbits,twice,comdat
        .weak   twice
        .type   twice, @function
twice:  .skip   80, 0x90
        ret
        .size   twice, .-twice
        .section .note.GNU-stack,"",@progbits
