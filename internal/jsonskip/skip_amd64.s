//go:build !purego

#include "go_asm.h"
#include "textflag.h"

// A byte may stand between strings, opening and closing nothing, if the rows
// that byLow gives for its low nibble and byHigh for its high one share a bit:
//	1: 0x0_  \t \n \r            8: 0x4_  E
//	2: 0x2_  space " + , - .    16: 0x6_  a e f l n
//	4: 0x3_  0 to 9 :           32: 0x7_  r s t u
// The row 128 has but the u.
DATA byLow<>+0(SB)/8, $0x0414bc2424261406
DATA byLow<>+8(SB)/8, $0x0012031202050504
GLOBL byLow<>(SB), RODATA|NOPTR, $16

DATA byHigh<>+0(SB)/8, $0xa010000804020001
DATA byHigh<>+8(SB)/8, $0
GLOBL byHigh<>(SB), RODATA|NOPTR, $16

DATA quote<>+0(SB)/1, $0x22
GLOBL quote<>(SB), RODATA|NOPTR, $1
DATA backslash<>+0(SB)/1, $0x5c
GLOBL backslash<>(SB), RODATA|NOPTR, $1
DATA nibble<>+0(SB)/1, $0x0f
GLOBL nibble<>(SB), RODATA|NOPTR, $1

// MASK makes mask of the top bits of the 64 bytes in Y2 and Y3.
#define MASK(mask) \
	VPMOVMSKB Y2, mask \
	VPMOVMSKB Y3, DX   \
	SHLQ      $32, DX  \
	ORQ       DX, mask

// ROWS looks up the rows of the bytes of v. For bytes from 0x80 on VPSHUFB
// gives none.
#define ROWS(v, out) \
	VPSRLW  $4, v, out     \
	VPAND   Y13, out, out  \
	VPSHUFB v, Y11, v      \
	VPSHUFB out, Y12, out  \
	VPAND   v, out, out

// EVENT writes down the place of AX's lowest bit and clears it. When there is
// none, what it writes is overwritten by the next block.
#define EVENT(n) \
	TZCNTQ AX, DX      \
	ADDL   R12, DX     \
	MOVW   DX, n*2(R13) \
	BLSRQ  AX, AX

// func classify(text *byte, blocks int, c *carry, events *uint16) int
TEXT ·classify(SB), NOSPLIT, $0-40
	MOVQ text+0(FP), SI
	MOVQ blocks+8(FP), CX
	SHLQ $6, CX
	MOVQ c+16(FP), R8
	MOVQ events+24(FP), DI
	MOVQ carry_inString(R8), R9
	MOVQ carry_escaped(R8), R10
	MOVQ carry_quotes(R8), R11
	XORL R12, R12                     // where the block begins

	VPBROADCASTB   quote<>(SB), Y8
	VPBROADCASTB   backslash<>(SB), Y9
	VBROADCASTI128 byLow<>(SB), Y11
	VBROADCASTI128 byHigh<>(SB), Y12
	VPBROADCASTB   nibble<>(SB), Y13
	VPXOR          Y14, Y14, Y14
	VPCMPEQB       Y7, Y7, Y7         // all ones

block:
	VMOVDQU   (SI)(R12*1), Y0
	VMOVDQU   32(SI)(R12*1), Y1
	VPCMPEQB  Y0, Y8, Y2
	VPCMPEQB  Y1, Y8, Y3
	MASK(BX)
	VPCMPEQB  Y0, Y9, Y2
	VPCMPEQB  Y1, Y9, Y3
	VPOR      Y2, Y3, Y4
	VPMOVMSKB Y4, AX
	ADDQ      R10, AX
	JNZ       escapes // few blocks have any

strings:
	// R13: what lies in strings, opening quotes included, closing ones not.
	// The carry-less product with all ones is, bit by bit, the parity of the
	// quotes so far.
	VMOVQ      BX, X2
	VPCLMULQDQ $0, X7, X2, X2
	VMOVQ      X2, R13
	XORQ       R9, R13
	MOVQ       R13, R9
	SARQ       $63, R9

	// R8: where a string has a u as its eighth letter, as "eventSource" has. Of
	// its letters this is the rarest there that may also stand outside of
	// strings, and is therefore no event in any other way.
	ROWS(Y0, Y2)
	ROWS(Y1, Y3)
	MASK(R8)
	MOVQ BX, DX
	SHLQ $8, DX
	SHRQ $56, R11
	ORQ  R11, DX
	ANDQ R13, DX
	ANDQ DX, R8
	MOVQ BX, R11

	// AX: these, and what has no row outside of strings.
	VPCMPEQB Y14, Y2, Y2
	VPCMPEQB Y14, Y3, Y3
	MASK(AX)
	ANDNQ AX, R13, AX
	ORQ   R8, AX

	// Few blocks have more than four events, and four are written at the cost
	// of one: a branch on their number would often be mispredicted.
	POPCNTQ AX, R8
	MOVQ    DI, R13
	LEAQ    (DI)(R8*2), DI
	EVENT(0)
	EVENT(1)
	EVENT(2)
	EVENT(3)
	TESTQ   AX, AX
	JNZ     crowded

next:
	ADDQ $64, R12
	CMPQ R12, CX
	JB   block

	MOVQ c+16(FP), R8
	MOVQ R9, carry_inString(R8)
	MOVQ R10, carry_escaped(R8)
	MOVQ R11, carry_quotes(R8)
	SUBQ events+24(FP), DI
	SHRQ $1, DI
	MOVQ DI, ret+32(FP)
	VZEROUPPER
	RET

crowded:
	ADDQ  $2, R13
	EVENT(3)
	TESTQ AX, AX
	JNZ   crowded
	JMP   next

escapes:
	// A run of backslashes escapes every second of its bytes and, if it is of
	// odd length, what follows. Subtracting the runs' bits from their places
	// shifted by one, with the odd bits set, turns each run into that pattern,
	// whichever place it begins at (after simdjson's escape scanner).
	MASK(AX)
	ANDNQ AX, R10, DX           // those that are not escaped by the last block
	ORQ   AX, R10               // candidates
	MOVQ  $0xaaaaaaaaaaaaaaaa, R8
	LEAQ  (DX)(DX*1), R13
	ORQ   R8, R13
	SUBQ  DX, R13
	XORQ  R8, R13               // backslashes that escape, and what the last escapes
	XORQ  R13, R10              // what is escaped
	ANDNQ BX, R10, BX
	ANDQ  AX, R13
	MOVQ  R13, R10
	SHRQ  $63, R10
	JMP   strings
