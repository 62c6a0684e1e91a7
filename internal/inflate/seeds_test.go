package inflate

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"hash/crc32"
	"math/rand"

	kgzip "github.com/klauspost/compress/gzip"
)

// bitWriter writes DEFLATE by hand, for streams that no encoder makes.
type bitWriter struct {
	b    []byte
	bits uint64
	n    uint
}

func (w *bitWriter) put(v uint64, n uint) *bitWriter {
	w.bits |= v << w.n
	for w.n += n; w.n >= 8; w.n -= 8 {
		w.b = append(w.b, byte(w.bits))
		w.bits >>= 8
	}
	return w
}

// code writes a Huffman code, which goes most significant bit first.
func (w *bitWriter) code(v uint64, n uint) *bitWriter {
	for n > 0 {
		n--
		w.put(v>>n&1, 1)
	}
	return w
}

func (w *bitWriter) bytes() []byte {
	if w.n > 0 {
		return append(bytes.Clone(w.b), byte(w.bits))
	}
	return w.b
}

// member wraps a DEFLATE stream that inflates to plain.
func member(stream, plain []byte) []byte {
	b := append([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255}, stream...)
	b = binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(plain))
	return binary.LittleEndian.AppendUint32(b, uint32(len(plain)))
}

// dynamic starts a last dynamic block whose code lengths are lens, nlit for
// literals and lengths and the rest for distances. The precode gives all of 0
// to 15 four bits.
func dynamic(nlit int, lens []uint8) *bitWriter {
	w := new(bitWriter)
	w.put(1, 1).put(2, 2).put(uint64(nlit-257), 5).put(uint64(len(lens)-nlit-1), 5).put(19-4, 4)
	for _, s := range precodeOrder {
		if s < 16 {
			w.put(4, 3)
		} else {
			w.put(0, 3)
		}
	}
	for _, l := range lens {
		w.code(uint64(l), 4)
	}
	return w
}

// lensOf is nlit+ndist code lengths, zero but for those given.
func lensOf(nlit, ndist int, set map[int]uint8) []uint8 {
	lens := make([]uint8, nlit+ndist)
	for i, l := range set {
		lens[i] = l
	}
	return lens
}

func kgzipped(level int, plain []byte) []byte {
	var w bytes.Buffer
	z, err := kgzip.NewWriterLevel(&w, level)
	if err != nil {
		panic(err)
	}
	z.Write(plain)
	z.Close()
	return w.Bytes()
}

// plains are texts of different entropy.
func plains() map[string][]byte {
	rng := rand.New(rand.NewSource(7))
	noise := make([]byte, 70<<10)
	rng.Read(noise)
	skewed := make([]byte, 200<<10)
	for i := range skewed {
		// Few frequent and many rare symbols make codes of up to 15 bits.
		skewed[i] = byte(rng.ExpFloat64() * 6)
	}
	short := bytes.Repeat([]byte("ab"), 400)
	for d := 3; d < 40; d++ {
		short = append(short, bytes.Repeat(noise[:d], 300/d)...)
	}
	return map[string][]byte{
		"empty":   nil,
		"byte":    {'x'},
		"run":     bytes.Repeat([]byte{'a'}, 100<<10),
		"periods": short,
		"noise":   noise,
		"skewed":  skewed,
		"trail":   trailJSON(3, 300<<10),
	}
}

// seeds are the files that the tests and the fuzzer start from.
func seeds() map[string][]byte {
	s := map[string][]byte{"nothing": nil}
	for name, p := range plains() {
		for _, level := range []int{gzip.HuffmanOnly, gzip.NoCompression, 1, 6, 9} {
			id := name + "/level" + string(rune('0'+max(level, 0)))
			if level < 0 {
				id = name + "/huffman"
			}
			s["std/"+id] = gzipped(level, p)
			s["klauspost/"+id] = kgzipped(level, p)
		}
	}
	trail := plains()["trail"][:5000]
	s["members"] = gzipped(6, trail, nil, nil, trail[:1], trail)
	s["zero padding"] = append(gzipped(6, trail), make([]byte, 40)...)
	s["short zero padding"] = append(gzipped(6, trail), 0, 0, 0)
	s["trailing garbage"] = append(gzipped(6, trail), "this is no gzip member"...)
	s["half a member"] = append(gzipped(6, trail), gzipped(6, trail)[:200]...)
	badSum := gzipped(6, trail)
	badSum[len(badSum)-6]++
	s["bad checksum"] = badSum
	badLen := gzipped(6, trail)
	badLen[len(badLen)-2]++
	s["bad length"] = badLen

	body := gzipped(6, trail)[10:]
	for flags := range 256 {
		if flags > 0x20 && flags&(flags-1) != 0 && flags != 0xff {
			continue // reserved flags: each alone and all together will do
		}
		h := []byte{0x1f, 0x8b, 8, byte(flags), 1, 2, 3, 4, 5, 6}
		if flags&flagExtra != 0 {
			h = append(h, 3, 0, 'a', 0, 'b')
		}
		if flags&flagName != 0 {
			h = append(h, "na\xefme\x00"...)
		}
		if flags&flagComment != 0 {
			h = append(h, "comment\x00"...)
		}
		if flags&flagHeaderCRC != 0 {
			bad := append(bytes.Clone(h), 1, 2)
			s["flags/badcrc/"+string(rune(flags))] = append(bad, body...)
			h = binary.LittleEndian.AppendUint16(h, uint16(crc32.ChecksumIEEE(h)))
			s["flags/cutcrc/"+string(rune(flags))] = h[:len(h)-1]
		}
		s["flags/"+string(rune(flags))] = append(h, body...)
	}
	for _, l := range []int{510, 511, 512, 513} {
		h := append([]byte{0x1f, 0x8b, 8, flagName, 0, 0, 0, 0, 0, 0}, bytes.Repeat([]byte{'n'}, l)...)
		s["name/"+string(rune(l))] = append(append(bytes.Clone(h), 0), body...)
		s["name/cut"+string(rune(l))] = h
	}

	put := func(name string, w *bitWriter, plain string) { s["hand/"+name] = member(w.bytes(), []byte(plain)) }
	fixed := func() *bitWriter { return new(bitWriter).put(1, 1).put(1, 2) }
	put("fixed empty", fixed().code(0, 7), "")
	put("fixed match", fixed().code(0x30+'a', 8).code(1, 7).code(0, 5).code(0, 7), "aaaa")
	put("too far", fixed().code(0x30+'a', 8).code(1, 7).code(1, 5).code(0, 7), "a")
	put("length 286", fixed().code(0xc6, 8).code(0, 7), "")
	put("length 287", fixed().code(0xc7, 8).code(0, 7), "")
	put("distance 30", fixed().code(0x30+'a', 8).code(1, 7).code(30, 5).code(0, 7), "a")
	put("distance 31", fixed().code(0x30+'a', 8).code(1, 7).code(31, 5).code(0, 7), "a")
	put("reserved type", new(bitWriter).put(1, 1).put(3, 2), "")
	put("stored mismatch", new(bitWriter).put(1, 1).put(0, 7).put(5, 16).put(5, 16), "")
	put("stored empty", new(bitWriter).put(1, 1).put(0, 7).put(0, 16).put(0xffff, 16), "")
	put("nlit 287", new(bitWriter).put(1, 1).put(2, 2).put(30, 5).put(0, 9), "")
	put("ndist 31", new(bitWriter).put(1, 1).put(2, 2).put(0, 5).put(30, 5).put(0, 4), "")
	// Precodes of symbols 16, 17, 18 and 0, in this order.
	pre := func(a, b, c, d uint64) *bitWriter {
		return new(bitWriter).put(1, 1).put(2, 2).put(0, 14).put(a, 3).put(b, 3).put(c, 3).put(d, 3)
	}
	put("precode empty", pre(0, 0, 0, 0).put(0, 40), "")
	put("precode bad", pre(2, 2, 2, 0).put(0, 40), "")
	put("precode of one, other bit", pre(0, 0, 0, 1).put(2, 40), "")
	put("precode repeats nothing", pre(1, 0, 0, 1).put(1, 40), "")
	put("precode repeats too much", pre(0, 0, 1, 1).put(0xffff, 16).put(0, 40), "")
	ab := map[int]uint8{'a': 1, 256: 2, 257: 2}
	put("no distance code", dynamic(258, lensOf(258, 1, ab)).code(0, 1).code(2, 2), "a")
	put("no distance code used", dynamic(258, lensOf(258, 1, ab)).code(0, 1).code(3, 2).put(0, 40), "a")
	ab[258] = 1
	put("one distance code", dynamic(258, lensOf(258, 1, ab)).code(0, 1).code(3, 2).code(0, 1).code(2, 2), "aaaa")
	put("one distance code, other bit", dynamic(258, lensOf(258, 1, ab)).code(0, 1).code(3, 2).code(1, 1).put(0, 40), "a")
	ab[258] = 2
	put("one distance code of two bits", dynamic(258, lensOf(258, 1, ab)).put(0, 40), "")
	put("only end of block", dynamic(257, lensOf(257, 1, map[int]uint8{256: 1})).code(0, 1), "")
	put("only end of block, other bit", dynamic(257, lensOf(257, 1, map[int]uint8{256: 1})).code(1, 1), "")
	put("only a literal", dynamic(257, lensOf(257, 1, map[int]uint8{'z': 1})).put(0, 80), "")
	put("no code", dynamic(257, lensOf(257, 1, nil)).put(0, 8), "")
	put("under-subscribed", dynamic(257, lensOf(257, 1, map[int]uint8{'a': 2, 'b': 2, 256: 2})).put(0, 8), "")
	put("over-subscribed", dynamic(257, lensOf(257, 1, map[int]uint8{'a': 1, 'b': 1, 256: 1})).put(0, 8), "")
	return s
}
