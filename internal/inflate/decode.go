package inflate

import "encoding/binary"

// decode decodes symbols of the current block until the block ends, which it
// notes in r.stage, or out[:cap(out)] is full.
func (r *Reader) decode(out []byte) ([]byte, error) {
	buf := out[:cap(out)]
	n := len(out)
	n, err := r.finishCopy(buf, n)
	for err == nil && r.stage == stageCodes {
		if len(buf)-n >= fastRoom && len(r.src)-r.pos >= fastInput {
			n, err = r.decodeFast(buf, n)
		}
		if err == nil {
			n, err = r.decodeOne(buf, n)
		}
	}
	return buf[:n], err
}

// decodeOne decodes one symbol with every check that decodeFast leaves out or
// leaves to it: ends of input and buffer, end of block, and errors.
func (r *Reader) decodeOne(buf []byte, n int) (int, error) {
	r.need(maxCodeLen)
	if r.nbits < uint(r.litMin) {
		return n, r.truncated()
	}
	e := r.lit[r.bits&(1<<litBits-1)]
	skip := uint(0)
	if e&rareMask == rareLink {
		skip = litBits
		e = r.lit[e>>8&0xffff+uint32(r.bits>>litBits)&(1<<(e>>24&15)-1)]
	}
	length := 0
	switch {
	case e < litMatch:
		l := uint(e>>litLenShift&15) + skip
		if r.nbits < l {
			return n, r.truncated()
		}
		if n == len(buf) {
			return n, errFull
		}
		r.drop(l)
		buf[n] = byte(e >> 8)
		return n + 1, nil
	case e < litRare:
		if r.nbits < uint(e&0xff) {
			return n, r.truncated()
		}
		length = int(e>>8&0xff) + minMatch
		r.drop(uint(e & 0xff))
	default:
		l := uint(e&0xff) + skip
		if r.nbits < l {
			return n, r.truncated()
		}
		r.drop(l)
		switch e & rareMask {
		case rareEnd:
			r.endBlock()
			return n, nil
		case rareInvalid:
			return n, r.corrupt("invalid literal/length code")
		}
		x := int(e >> 16 & 15)
		if !r.need(x) {
			return n, r.truncated()
		}
		length = int(e>>8&0xff) + minMatch + r.take(uint(x))
	}

	return r.decodeDistance(buf, n, length)
}

// decodeDistance decodes the rest of a match of the given length.
func (r *Reader) decodeDistance(buf []byte, n, length int) (int, error) {
	r.need(maxCodeLen)
	if r.nbits < uint(r.distMin) {
		return n, r.truncated()
	}
	e := r.dist[r.bits&(1<<distBits-1)]
	skip := uint(0)
	if e&distRare != 0 && e>>16 != 0 {
		skip = distBits
		e = r.dist[e>>16+uint32(r.bits>>distBits)&(1<<(e>>8&15)-1)]
	}
	if e&distRare != 0 {
		if r.nbits < uint(e&0xff)+skip {
			return n, r.truncated()
		}
		return n, r.corrupt("invalid distance code")
	}
	l := uint(e >> 8 & 15)
	if r.nbits < l+skip {
		return n, r.truncated()
	}
	r.drop(l + skip)
	x := uint(e&0xff) - l
	if !r.need(int(x)) {
		return n, r.truncated()
	}
	dist := int(e>>16) + r.take(x)
	if dist > n-r.base {
		return n, r.corrupt("match starts before the output")
	}
	r.copyLen, r.copyDist = length, dist
	return r.finishCopy(buf, n)
}

// finishCopy copies as much of the match at hand, if any, as buf has room for.
func (r *Reader) finishCopy(buf []byte, n int) (int, error) {
	end := min(n+r.copyLen, len(buf))
	r.copyLen -= end - n
	// The source grows with the copy, each time by a multiple of the
	// distance: a match may repeat bytes that it writes itself.
	for start := n - r.copyDist; n < end; {
		n += copy(buf[n:end], buf[start:n])
	}
	if r.copyLen > 0 {
		return n, errFull
	}
	return n, nil
}

// A round of decodeFast is up to three entries of two literals, or two and a
// match, whose copy may run 31 bytes over its end. It loads 8 bytes of input
// twice, up to 7 bytes apart.
const (
	fastRoom  = 4 + maxMatch + 31
	fastInput = 16
)

// decodeFast decodes while a whole round of symbols needs no check of the
// room in buf nor of the bits left in src, and returns the new length. It
// stops ahead of a literal/length symbol that it does not handle.
func (r *Reader) decodeFast(buf []byte, n int) (int, error) {
	buf = buf[:len(buf):len(buf)]
	src := r.src[:len(r.src):len(r.src)]
	pos, bits, nbits := r.pos, r.bits, uint64(r.nbits)
	inEnd, outEnd := len(src)-fastInput, len(buf)-fastRoom
	base := r.base
	// Only the low 6 bits of nbits count, which saves masking what is
	// subtracted from it.
	for pos <= inEnd && n <= outEnd {
		bits |= load64(src, pos) << (nbits & 63)
		pos += 7 - int(nbits>>3&7)
		nbits |= 56

		e := r.lit[bits&(1<<litBits-1)]
		if e < litMatch {
			bits >>= e & 63
			nbits -= uint64(e)
			store16(buf, n, uint16(e>>8))
			n += int(e >> litCountShift)
			e = r.lit[bits&(1<<litBits-1)]
			if e < litMatch {
				bits >>= e & 63
				nbits -= uint64(e)
				store16(buf, n, uint16(e>>8))
				n += int(e >> litCountShift)
				e = r.lit[bits&(1<<litBits-1)]
				if e < litMatch {
					bits >>= e & 63
					nbits -= uint64(e)
					store16(buf, n, uint16(e>>8))
					n += int(e >> litCountShift)
					continue
				}
			}
		}
		var length int
		if e < litRare {
			bits >>= e & 63
			nbits -= uint64(e)
			length = int(e>>8&0xff) + minMatch
		} else if e&rareMask == rareLength {
			bits >>= e & 63
			nbits -= uint64(e)
			x := e >> 16 & 15
			length = int(e>>8&0xff) + minMatch + int(bits&(1<<x-1))
			bits >>= x
			nbits -= uint64(x)
		} else {
			break
		}

		// Two entries and a length leave 14 bits at least, a distance takes
		// up to 28.
		if nbits&63 < 28 {
			bits |= load64(src, pos) << (nbits & 63)
			pos += 7 - int(nbits>>3&7)
			nbits |= 56
		}
		d := r.dist[bits&(1<<distBits-1)]
		dist := int(d>>16) + int(bits&(1<<(d&63)-1)>>(d>>8&15))
		if d&distRare != 0 || dist > n-base {
			r.pos, r.bits, r.nbits = pos, bits, uint(nbits&63)
			return r.decodeDistance(buf, n, length)
		}
		bits >>= d & 63
		nbits -= uint64(d)

		end := n + length
		if dist < 16 || length > 64 {
			for start := n - dist; n < end; {
				n += copy(buf[n:end], buf[start:n])
			}
			continue
		}
		// Copying too much costs less than mispredicting how much is needed;
		// 16 bytes at a time are right for any distance from 16 on.
		copy16(buf, n, n-dist)
		copy16(buf, n+16, n+16-dist)
		if length > 32 {
			copy16(buf, n+32, n+32-dist)
			copy16(buf, n+48, n+48-dist)
		}
		n = end
	}
	r.pos, r.bits, r.nbits = pos, bits, uint(nbits&63)
	return n, nil
}

func load64(b []byte, i int) uint64 { return binary.LittleEndian.Uint64(b[i:]) }

func store16(b []byte, i int, v uint16) { binary.LittleEndian.PutUint16(b[i:], v) }

func copy16(b []byte, to, from int) { *(*[16]byte)(b[to:]) = *(*[16]byte)(b[from:]) }
