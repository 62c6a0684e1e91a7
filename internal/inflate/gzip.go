package inflate

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
)

// Flags of the member header: RFC 1952, section 2.3.1. The others, reserved
// ones included, are ignored as compress/gzip ignores them.
const (
	flagHeaderCRC = 1 << 1
	flagExtra     = 1 << 2
	flagName      = 1 << 3
	flagComment   = 1 << 4
)

// maxHeaderString is the longest name or comment, its zero byte included, that
// compress/gzip accepts; the format sets no limit.
const maxHeaderString = 512

// startMember reads the header of a member whose bytes go to buf[n:]. At the
// end of the input it returns io.EOF: a file of no members is empty.
func (r *Reader) startMember(n int) error {
	start := r.pos
	if start == len(r.src) {
		return io.EOF
	}
	head := r.src[start:]
	if len(head) < 10 {
		r.pos = len(r.src)
		return r.truncated()
	}
	if head[0] != 0x1f || head[1] != 0x8b || head[2] != 8 {
		return r.corrupt("no gzip header")
	}
	flags := head[3]
	r.pos += 10
	if flags&flagExtra != 0 {
		rest := r.src[r.pos:]
		if len(rest) < 2 || len(rest)-2 < int(binary.LittleEndian.Uint16(rest)) {
			r.pos = len(r.src)
			return r.truncated()
		}
		r.pos += 2 + int(binary.LittleEndian.Uint16(rest))
	}
	for _, f := range [2]byte{flagName, flagComment} {
		if flags&f == 0 {
			continue
		}
		rest := r.src[r.pos:]
		rest = rest[:min(len(rest), maxHeaderString)]
		end := bytes.IndexByte(rest, 0)
		switch {
		case end >= 0:
			r.pos += end + 1
		case len(rest) < maxHeaderString:
			r.pos = len(r.src)
			return r.truncated()
		default:
			return r.corrupt("gzip header with an overlong name or comment")
		}
	}
	if flags&flagHeaderCRC != 0 {
		if len(r.src)-r.pos < 2 {
			r.pos = len(r.src)
			return r.truncated()
		}
		if binary.LittleEndian.Uint16(r.src[r.pos:]) != uint16(crc32.ChecksumIEEE(r.src[start:r.pos])) {
			return r.corrupt("gzip header checksum mismatch")
		}
		r.pos += 2
	}
	r.base, r.from = n, n
	r.sum, r.size = 0, 0
	r.stage = stageBlock
	return nil
}

// endMember checks the trailer of a member, whose output ends at len(out).
func (r *Reader) endMember(out []byte) error {
	r.addSum(out)
	if len(r.src)-r.pos < 8 {
		r.pos = len(r.src)
		return r.truncated()
	}
	sum := binary.LittleEndian.Uint32(r.src[r.pos:])
	size := binary.LittleEndian.Uint32(r.src[r.pos+4:])
	if sum != r.sum {
		return r.corrupt("checksum mismatch")
	}
	if size != r.size {
		return r.corrupt("length mismatch")
	}
	r.pos += 8
	r.stage = stageMember
	return nil
}

// addSum takes out[r.from:] into the checksum and length of the member.
func (r *Reader) addSum(out []byte) {
	r.sum = crc32.Update(r.sum, crc32.IEEETable, out[r.from:])
	r.size += uint32(len(out) - r.from)
	r.from = len(out)
}
