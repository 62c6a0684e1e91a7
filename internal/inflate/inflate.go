// Package inflate decodes gzip (RFC 1952) and DEFLATE (RFC 1951) from a byte
// slice straight into the caller's buffer, which doubles as the window that
// matches are copied from. It gives the same bytes and accepts the same files
// as compress/gzip, but asks for the whole compressed file in memory, which
// saves the copying and the per-byte calls that an io.Reader costs.
package inflate

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// ErrCorrupt is wrapped by every error of Fill but io.EOF. Errors about an
// input that ends too early wrap io.ErrUnexpectedEOF as well.
var ErrCorrupt = errors.New("inflate: corrupt gzip data")

// Reader decodes one gzip file at a time. The zero value is a reader of an
// empty file. A Reader takes about 25 KB, all of it in the struct: decoding
// allocates nothing but errors, so one Reader per goroutine serves any number of files.
type Reader struct {
	src []byte
	pos int // bytes of src taken into bits

	// The low nbits bits of bits are the next of the stream, first bit
	// lowest. Higher bits are zero or equal to what src[pos:] will put there,
	// so that a refill may simply OR whole bytes over them.
	bits  uint64
	nbits uint

	stage stage
	final bool // the block being decoded is the member's last
	fixed bool // the tables hold the fixed codes
	err   error

	stored   int // bytes left of the stored block
	copyLen  int // bytes left of a match that did not fit the buffer
	copyDist int

	base int    // index in buf of the first byte that distances may reach
	hist int    // bytes of the member before buf[n], 32 KiB at most
	from int    // start in buf of the bytes not yet in sum and size
	sum  uint32 // CRC-32 of the member so far
	size uint32 // length of the member so far, modulo 2^32

	litMin, distMin int // bits that must be there before a symbol is looked up
	codes           codes
	lens            [maxNumLit + maxNumDist]uint8
	precode         [1 << precodeBits]uint8
	lit             [litTableLen]uint32
	dist            [distTableLen]uint32
}

// stage is what the next byte of the input belongs to.
type stage uint8

const (
	stageMember stage = iota
	stageBlock
	stageStored
	stageCodes
	stageTrailer
)

// errFull stops the stages when the next step needs room in the buffer.
var errFull = errors.New("inflate: buffer full")

// Reset starts reading src, a whole gzip file: one or more members, as
// RFC 1952 lets gzip files be concatenated. The Reader keeps src, and never
// writes to it, until the next Reset.
func (r *Reader) Reset(src []byte) {
	r.src, r.pos = src, 0
	r.bits, r.nbits = 0, 0
	r.stage, r.err = stageMember, nil
	r.stored, r.copyLen = 0, 0
	r.hist = 0
}

// Fill decodes into buf[n:] and returns the new length of the valid bytes.
//
// Matches are copied from within buf, so buf[:n] must end with the last 32 KiB
// decoded from this file, or with all that was decoded when that is less; to
// make room in a full buffer, move its last 32 KiB to the front and pass
// n = 32 KiB. Fill writes nothing below n; from the returned length on buf
// holds scratch bytes.
//
// The error is nil when buf is full and more follows, and io.EOF after the
// checksum and length of the last member have been verified. Any other error
// wraps ErrCorrupt, and io.ErrUnexpectedEOF for an input cut short, and names
// the offset in the compressed input; the bytes decoded before it are counted
// in the result, so a file cut short gives what it still holds, to the byte
// what compress/gzip gives. Errors stay until Reset.
func (r *Reader) Fill(buf []byte, n int) (int, error) {
	if r.err != nil {
		return n, r.err
	}
	r.hist = min(r.hist, n)
	r.base = n - r.hist
	r.from = n
	out := buf[:n:len(buf)]
	var err error
	for err == nil {
		switch r.stage {
		case stageMember:
			err = r.startMember(len(out))
		case stageBlock:
			err = r.startBlock()
		case stageStored:
			out, err = r.copyStored(out)
		case stageCodes:
			out, err = r.decode(out)
		case stageTrailer:
			err = r.endMember(out)
		}
	}
	r.addSum(out)
	r.hist = min(len(out)-r.base, windowSize)
	if err == errFull {
		return len(out), nil
	}
	r.err = err
	return len(out), err
}

// offset is the index in src of the first byte not decoded entirely.
func (r *Reader) offset() int { return r.pos - int(r.nbits/8) }

func (r *Reader) corrupt(what string) error {
	return fmt.Errorf("%w: %s at offset %d", ErrCorrupt, what, r.offset())
}

func (r *Reader) truncated() error {
	return fmt.Errorf("%w: offset %d: %w", ErrCorrupt, r.offset(), io.ErrUnexpectedEOF)
}

// need makes at least n, at most 56, bits available, and reports false when
// the input has fewer left.
func (r *Reader) need(n int) bool {
	if r.nbits >= uint(n) {
		return true
	}
	if len(r.src)-r.pos >= 8 {
		r.bits |= binary.LittleEndian.Uint64(r.src[r.pos:]) << (r.nbits & 63)
		r.pos += int(63-r.nbits) >> 3
		r.nbits |= 56
		return true
	}
	for r.nbits <= 56 && r.pos < len(r.src) {
		r.bits |= uint64(r.src[r.pos]) << (r.nbits & 63)
		r.pos++
		r.nbits += 8
	}
	return r.nbits >= uint(n)
}

func (r *Reader) drop(n uint) {
	r.bits >>= n & 63
	r.nbits -= n
}

// take returns the next n bits, which need has made available.
func (r *Reader) take(n uint) int {
	v := int(r.bits & (1<<(n&63) - 1))
	r.drop(n)
	return v
}

// align drops the rest of the current byte and gives whole bytes back to src.
func (r *Reader) align() {
	r.pos -= int(r.nbits / 8)
	r.bits, r.nbits = 0, 0
}

// startBlock reads the header of a block and sets up its tables.
func (r *Reader) startBlock() error {
	if !r.need(3) {
		return r.truncated()
	}
	r.final = r.take(1) == 1
	switch r.take(2) {
	case 0:
		return r.startStored()
	case 1:
		r.useFixed()
	case 2:
		if err := r.readCodes(); err != nil {
			return err
		}
	default:
		return r.corrupt("reserved block type")
	}
	r.stage = stageCodes
	return nil
}

// endBlock moves on to the next block, or to the trailer after the last.
func (r *Reader) endBlock() {
	r.stage = stageBlock
	if r.final {
		r.align()
		r.stage = stageTrailer
	}
}

func (r *Reader) startStored() error {
	r.align()
	if len(r.src)-r.pos < 4 {
		r.pos = len(r.src)
		return r.truncated()
	}
	n := binary.LittleEndian.Uint16(r.src[r.pos:])
	inv := binary.LittleEndian.Uint16(r.src[r.pos+2:])
	r.pos += 4
	if n != ^inv {
		return r.corrupt("stored block length does not match its complement")
	}
	r.stored = int(n)
	r.stage = stageStored
	return nil
}

func (r *Reader) copyStored(out []byte) ([]byte, error) {
	n := len(out)
	c := copy(out[n:cap(out)], r.src[r.pos:min(len(r.src), r.pos+r.stored)])
	out = out[:n+c]
	r.pos += c
	r.stored -= c
	switch {
	case r.stored == 0:
		r.endBlock()
	case r.pos == len(r.src):
		return out, r.truncated()
	default:
		return out, errFull
	}
	return out, nil
}

// useFixed sets the codes of RFC 1951, section 3.2.6.
func (r *Reader) useFixed() {
	if r.fixed {
		return
	}
	var lens [numLitLen]uint8
	for i := range lens {
		switch {
		case i < 144:
			lens[i] = 8
		case i < 256:
			lens[i] = 9
		case i < 280:
			lens[i] = 7
		default:
			lens[i] = 8
		}
	}
	r.setLit(lens[:])
	for i := range numDist {
		lens[i] = 5
	}
	r.setDist(lens[:numDist])
	r.fixed = true
}

// precodeOrder is the order of the code lengths of the precode: RFC 1951,
// section 3.2.7.
var precodeOrder = [numPrecode]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// readCodes reads the codes at the start of a dynamic block. The order of the
// checks decides between a corrupt and a truncated input where it could be
// either; it is that of compress/flate.
func (r *Reader) readCodes() error {
	if !r.need(14) {
		return r.truncated()
	}
	nlit := r.take(5) + 257
	if nlit > maxNumLit {
		return r.corrupt("more than 286 literal/length codes")
	}
	ndist := r.take(5) + 1
	if ndist > maxNumDist {
		return r.corrupt("more than 30 distance codes")
	}
	npre := r.take(4) + 4
	var pre [numPrecode]uint8
	for _, s := range precodeOrder[:npre] {
		if !r.need(3) {
			return r.truncated()
		}
		pre[s] = uint8(r.take(3))
	}
	if !r.setPrecode(pre[:]) {
		return r.corrupt("bad precode")
	}
	preMin := r.codes.min
	lens := r.lens[:nlit+ndist]
	for i := 0; i < len(lens); {
		full := r.need(preMin + 14)
		if !full && r.nbits < uint(preMin) {
			return r.truncated()
		}
		p := r.precode[r.bits&(1<<precodeBits-1)]
		sym, l := p>>3, uint(p&7)
		if l == 0 {
			return r.corrupt("invalid precode symbol")
		}
		if r.nbits < l {
			return r.truncated()
		}
		r.drop(l)
		if sym < 16 {
			lens[i] = sym
			i++
			continue
		}
		// Symbols 16, 17 and 18 repeat with 2, 3 and 7 extra bits.
		var v uint8
		rep, x := 3, uint(sym)-14
		switch {
		case sym == 18:
			rep, x = 11, 7
		case sym == 16 && i == 0:
			return r.corrupt("no code length to repeat")
		case sym == 16:
			v = lens[i-1]
		}
		if r.nbits < x {
			return r.truncated()
		}
		rep += r.take(x)
		if rep > len(lens)-i {
			return r.corrupt("too many code lengths")
		}
		for range rep {
			lens[i] = v
			i++
		}
	}
	r.fixed = false
	if !r.setLit(lens[:nlit]) {
		return r.corrupt("bad literal/length code")
	}
	if !r.setDist(lens[nlit:]) {
		return r.corrupt("bad distance code")
	}
	return nil
}

// setPrecode builds the table of the code that code lengths are written in.
// An entry is symbol<<3 | code length, or 0 for no code.
func (r *Reader) setPrecode(lens []uint8) bool {
	c := &r.codes
	if !c.set(lens) {
		return false
	}
	if c.used < 2 {
		r.precode = [1 << precodeBits]uint8{}
	}
	code, k := uint32(0), c.first()
	for l := 1; l <= c.max; l++ {
		code <<= 1
		for range c.count[l] {
			e := uint8(c.sorted[k]<<3) | uint8(l)
			k++
			for i := int(reversed(code, l)); i < len(r.precode); i += 1 << l {
				r.precode[i] = e
			}
			code++
		}
	}
	return true
}
