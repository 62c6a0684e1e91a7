package inflate

import "math/bits"

// Sizes fixed by RFC 1951, section 3.2.
const (
	maxCodeLen  = 15
	numLitLen   = 288 // 286 and 287 have codes in fixed blocks only, and no meaning
	numDist     = 32  // the same holds for 30 and 31
	maxNumLit   = 286
	maxNumDist  = 30
	numPrecode  = 19
	endOfBlock  = 256
	minMatch    = 3
	maxMatch    = 258
	windowSize  = 32 << 10
	precodeBits = 7
)

// Widths of the directly indexed tables. 11 bits keep the literal/length table
// within 8 KiB, a fraction of an L1 cache, yet wide enough that a literal and
// what follows it mostly fit one entry.
const (
	litBits  = 11
	distBits = 9
)

// A complete code has at least two codes behind each link, so at most half of
// the symbols can need a subtable of their own.
const (
	litTableLen  = 1<<litBits + numLitLen/2<<(maxCodeLen-litBits)
	distTableLen = 1<<distBits + numDist/2<<(maxCodeLen-distBits)
)

// An entry of the literal/length table is a uint32:
//
//	bits  0-7   bits to drop from the bit buffer for all that the entry holds
//	bits  8-15  the first literal, or match length - 3 when litMatch is set
//	bits 16-23  the second literal
//	bits 24-27  code length of the first literal alone
//	bits 28-29  number of literals, 1 or 2, when litMatch is not set
//	bit  30     litMatch
//	bit  31     litRare
//
// Extra bits of a match length are resolved within the entry where code and
// extra bits fit litBits. Without litMatch and litRare the entry is one or two
// literals: one comparison tells the commonest case, one shift their number.
//
// With litRare set the entry is one of these, told apart by bits 28-30:
//
//	rareLength   bits 8-15 match length base - 3, bits 16-19 number of extra
//	             bits; bits 0-7 count the code only
//	rareLink     bits 8-23 start of the subtable, bits 24-27 its width;
//	             bits 0-7 are litBits
//	rareEnd      end of block
//	rareInvalid  no code, or a code without meaning
//
// Entries of subtables hold single symbols: a literal, rareLength, rareEnd or
// rareInvalid, and bits 0-7 (and 24-27) count what follows the first litBits.
const (
	litMatch = 1 << 30
	litRare  = 1 << 31

	litCountShift = 28
	litLenShift   = 24

	rareMask    = 7<<28 | litRare
	rareLength  = 0<<28 | litRare
	rareLink    = 1<<28 | litRare
	rareEnd     = 2<<28 | litRare
	rareInvalid = 3<<28 | litRare
)

// An entry of the distance table is a uint32:
//
//	bits  0-7   length of the code plus extra bits
//	bits  8-11  length of the code
//	bit  15     distRare: a link or an invalid code
//	bits 16-31  distance base, 1 to 24577
//
// A link has bits 16-31 the start of the subtable and bits 8-11 its width,
// with bits 0-7 distBits; an invalid code has bits 16-31 zero.
const distRare = 1 << 15

var lengthBase = [29]uint16{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258}
var lengthExtra = [29]uint8{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}

// codes is the canonical order of a Huffman code, the common first step of
// building any of the tables.
type codes struct {
	count  [maxCodeLen + 1]uint16 // symbols per code length, 0 for no code
	sorted [numLitLen]uint16      // symbols by code length, then by value
	used   int                    // number of symbols with a code
	min    int                    // shortest code length, 0 without any code
	max    int                    // longest code length
}

// first is the index in sorted of the first symbol with a code.
func (c *codes) first() int { return int(c.count[0]) }

// set sorts the symbols of lens. It reports false for a code that is over- or
// under-subscribed, except that, as zlib and compress/flate have it, no code
// at all and a single code of one bit are let pass.
func (c *codes) set(lens []uint8) bool {
	c.count = [maxCodeLen + 1]uint16{}
	for _, l := range lens {
		c.count[l&15]++
	}
	var next [maxCodeLen + 1]uint16
	c.min, c.max, c.used = 0, 0, 0
	space := 0
	for l := 1; l <= maxCodeLen; l++ {
		next[l] = c.count[0] + uint16(c.used)
		n := int(c.count[l])
		if n == 0 {
			continue
		}
		if c.min == 0 {
			c.min = l
		}
		c.max = l
		c.used += n
		space += n << (maxCodeLen - l)
	}
	if space != 1<<maxCodeLen && c.used != 0 && !(c.used == 1 && c.max == 1) {
		return false
	}
	// Symbols without a code are sorted too: a branch to leave them out would
	// be mispredicted half of the time.
	for s, l := range lens {
		i := next[l&15]
		next[l&15] = i + 1
		if int(i) < len(c.sorted) {
			c.sorted[i] = uint16(s)
		}
	}
	return true
}

// reversed returns the code of l bits in the order of the bit stream.
func reversed(code uint32, l int) uint32 {
	return uint32(bits.Reverse16(uint16(code)) >> (16 - l))
}

// spread writes e to every slot of table whose low l bits are code.
func spread(table []uint32, code uint32, l int, e uint32) {
	for i := int(code); i < len(table); i += 1 << l {
		table[i] = e
	}
}

// subtableBits is the width of the subtable that starts with the code of
// length l of which left[] remain unassigned: it grows until the codes fill it.
func subtableBits(left *[maxCodeLen + 1]uint16, l, primary int) int {
	w := l - primary
	space := int(left[l])
	for space < 1<<w && l < maxCodeLen {
		w++
		l++
		space = space<<1 + int(left[l])
	}
	return w
}

// litSingle is the table entry of one literal/length symbol with code length l.
func litSingle(sym uint16, l int) uint32 {
	switch {
	case sym < 256:
		return uint32(l) | uint32(sym)<<8 | 1<<litCountShift | uint32(l)<<litLenShift
	case sym == endOfBlock:
		return rareEnd | uint32(l)
	case sym < maxNumLit:
		i := sym - 257
		return rareLength | uint32(l) | uint32(lengthBase[i]-minMatch)<<8 | uint32(lengthExtra[i])<<16
	}
	return rareInvalid | uint32(l)
}

// setLit builds the literal/length table, and reports false for a bad code.
func (r *Reader) setLit(lens []uint8) bool {
	c := &r.codes
	if !c.set(lens) {
		return false
	}
	// Every block ends with the end of block code, so compress/flate reads
	// that many bits before any symbol; which symbols of a truncated file are
	// still delivered depends on it.
	r.litMin = max(c.min, int(lens[endOfBlock]))

	table := r.lit[:1<<litBits]
	if c.used < 2 {
		table[0], table[1] = rareInvalid, rareInvalid
	}
	// The table starts small and doubles with the code length, so that most
	// of it is filled by copying.
	code, k := uint32(0), c.first()
	for l := 1; l <= litBits; l++ {
		code <<= 1
		for range c.count[l] {
			table[reversed(code, l)] = litSingle(c.sorted[k], l)
			k++
			code++
		}
		if l < litBits {
			copy(table[1<<l:], table[:1<<l])
		}
	}
	r.linkLit(code, k)
	r.resolveLengths()
	r.pairLit()
	return true
}

// resolveLengths enters the lengths whose code and extra bits fit litBits.
func (r *Reader) resolveLengths() {
	c := &r.codes
	code, k := uint32(0), c.first()
	for l := 1; l <= min(c.max, litBits); l++ {
		code <<= 1
		for range c.count[l] {
			i := int(c.sorted[k]) - 257
			rev := reversed(code, l)
			k++
			code++
			if i < 0 || i >= len(lengthBase) || l+int(lengthExtra[i]) > litBits {
				continue
			}
			x := int(lengthExtra[i])
			e := litMatch | uint32(l+x) | uint32(lengthBase[i]-minMatch)<<8
			for v := range uint32(1) << x {
				spread(r.lit[:1<<litBits], rev|v<<l, l+x, e+v<<8)
			}
		}
	}
}

// linkLit enters the codes longer than litBits, from the k-th on, the first
// of which is code<<1 when litBits+1 long.
func (r *Reader) linkLit(code uint32, k int) {
	c := &r.codes
	if c.max <= litBits {
		return
	}
	left := c.count
	end := 1 << litBits
	var sub []uint32
	prefix := ^uint32(0)
	for l := litBits + 1; l <= c.max; l++ {
		code <<= 1
		for range c.count[l] {
			rev := reversed(code, l)
			code++
			if p := rev & (1<<litBits - 1); p != prefix {
				prefix = p
				w := subtableBits(&left, l, litBits)
				r.lit[p] = rareLink | litBits | uint32(end)<<8 | uint32(w)<<24
				sub = r.lit[end : end+1<<w]
				end += 1 << w
			}
			spread(sub, rev>>litBits, l-litBits, litSingle(c.sorted[k], l-litBits))
			k++
			left[l]--
		}
	}
}

// pairLit joins a second literal to the entries of literals where both fit.
func (r *Reader) pairLit() {
	c := &r.codes
	if c.min == 0 || c.min >= litBits {
		return
	}
	// What a slot adds to a literal before it, 0xff when it is no literal: too
	// many bits to fit. Selecting by the sum alone spares the inner loop a
	// branch that would often be mispredicted.
	var addend [1 << (litBits - 1)]uint32
	for j, e := range r.lit[:1<<(litBits-c.min)] {
		a := uint32(1<<litCountShift) + e&0xff00<<8 + e&0xff
		if e >= litMatch {
			a = 0xff
		}
		addend[j&(len(addend)-1)] = a
	}
	code, k := uint32(0), c.first()
	for l := 1; l <= min(c.max, litBits-c.min); l++ {
		code <<= 1
		room, step := uint32(litBits-l), uint32(1)<<l
		for range c.count[l] {
			sym := c.sorted[k]
			k++
			i := reversed(code, l)
			code++
			if sym >= 256 {
				continue
			}
			e := litSingle(sym, l)
			for _, a := range addend[:1<<room] {
				joined := e + a
				if a&0xff > room {
					joined = e
				}
				r.lit[i&(1<<litBits-1)] = joined
				i += step
			}
		}
	}
}

// distSingle is the table entry of one distance symbol with code length l.
func distSingle(sym uint16, l int) uint32 {
	if sym >= maxNumDist {
		return distRare | uint32(l)
	}
	if sym < 4 {
		return uint32(l) | uint32(l)<<8 | uint32(sym+1)<<16
	}
	x := uint32(sym>>1 - 1)
	base := uint32(2+sym&1)<<x + 1
	return (uint32(l) + x) | uint32(l)<<8 | base<<16
}

// setDist builds the distance table, and reports false for a bad code.
func (r *Reader) setDist(lens []uint8) bool {
	c := &r.codes
	if !c.set(lens) {
		return false
	}
	r.distMin = c.min
	table := r.dist[:1<<distBits]
	if c.used < 2 {
		table[0], table[1] = distRare, distRare
	}
	left := c.count
	end := 1 << distBits
	var sub []uint32
	prefix := ^uint32(0)
	code, k := uint32(0), c.first()
	for l := 1; l <= max(c.max, distBits); l++ {
		code <<= 1
		for range c.count[l] {
			sym := c.sorted[k]
			k++
			rev := reversed(code, l)
			code++
			if l <= distBits {
				table[rev] = distSingle(sym, l)
				continue
			}
			if p := rev & (1<<distBits - 1); p != prefix {
				prefix = p
				w := subtableBits(&left, l, distBits)
				table[p] = distRare | distBits | uint32(w)<<8 | uint32(end)<<16
				sub = r.dist[end : end+1<<w]
				end += 1 << w
			}
			spread(sub, rev>>distBits, l-distBits, distSingle(sym, l-distBits))
			left[l]--
		}
		if l < distBits {
			copy(table[1<<l:], table[:1<<l])
		}
	}
	return true
}
