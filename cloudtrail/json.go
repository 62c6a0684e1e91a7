package cloudtrail

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"unicode/utf8"

	"github.com/athenatrail/athenatrail/internal/jsonskip"
)

// maxDepth bounds how deep a record's objects and arrays may nest, as
// encoding/json does.
const maxDepth = 10_000

// errMore says that a value goes on behind the bytes at hand.
var errMore = jsonskip.ErrMore

func syntaxError(at int, want string) error {
	return fmt.Errorf("byte %d: want %s", at, want)
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// endOfString returns the index of the quote that ends the string whose text
// begins at i, or -1.
func endOfString(b []byte, i int) int {
	for start := i; ; {
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			return -1
		}
		i += n
		if i == start || b[i-1] != '\\' {
			return i
		}
		slashes := 1
		for i-1-slashes >= start && b[i-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return i
		}
		i++
	}
}

// skipValue returns the index behind the JSON value that begins at i.
func skipValue(b []byte, i int) (int, error) {
	if i >= len(b) {
		return 0, errMore
	}
	switch b[i] {
	case '{', '[':
		end, _, err := jsonskip.Object(b, i)
		return end, err
	case '"':
		j := endOfString(b, i+1)
		if j < 0 {
			return 0, errMore
		}
		return j + 1, nil
	}
	first := i
	for i < len(b) && wordByte[b[i]] {
		i++
	}
	if i == len(b) {
		return 0, errMore
	}
	if i == first {
		return 0, syntaxError(0, "a value")
	}
	return i, nil
}

// wordByte tells the bytes of numbers, true, false and null.
var wordByte = func() (word [256]bool) {
	for _, c := range "0123456789+-.eEtrufalsn" {
		word[c] = true
	}
	return word
}()

// A canonizer rewrites JSON values into canonical form: members sorted by
// the bytes of their keys, the last of equal keys kept, numbers as they were
// written, strings with the fewest escapes and as valid UTF-8, no white
// space. It checks the grammar as it goes.
type canonizer struct {
	members []member // a stack: those of an object lie above those around it
	scratch []byte
}

// A member is where an object's member lies in the output.
type member struct{ key, keyEnd, end int }

// value appends to dst the canonical form of the value at b[i] and returns
// the index behind it.
func (c *canonizer) value(dst, b []byte, i, depth int) ([]byte, int, error) {
	if i >= len(b) {
		return dst, i, errMore
	}
	if depth > maxDepth {
		return dst, i, fmt.Errorf("byte %d: nested deeper than %d", i, maxDepth)
	}
	switch ch := b[i]; {
	case ch == '{':
		return c.object(dst, b, i, depth)
	case ch == '[':
		return c.array(dst, b, i, depth)
	case ch == '"':
		return canonString(dst, b, i)
	case ch == 't' && bytes.HasPrefix(b[i:], []byte("true")):
		return append(dst, "true"...), i + 4, nil
	case ch == 'f' && bytes.HasPrefix(b[i:], []byte("false")):
		return append(dst, "false"...), i + 5, nil
	case ch == 'n' && bytes.HasPrefix(b[i:], []byte("null")):
		return append(dst, "null"...), i + 4, nil
	}
	end := numberEnd(b, i)
	if end < 0 {
		return dst, i, syntaxError(i, "a value")
	}
	return append(dst, b[i:end]...), end, nil
}

func (c *canonizer) array(dst, b []byte, i, depth int) ([]byte, int, error) {
	dst = append(dst, '[')
	i = skipSpace(b, i+1)
	if i < len(b) && b[i] == ']' {
		return append(dst, ']'), i + 1, nil
	}
	for {
		var err error
		if dst, i, err = c.value(dst, b, i, depth+1); err != nil {
			return dst, i, err
		}
		i = skipSpace(b, i)
		if i >= len(b) {
			return dst, i, errMore
		}
		switch b[i] {
		case ',':
			dst = append(dst, ',')
			i = skipSpace(b, i+1)
		case ']':
			return append(dst, ']'), i + 1, nil
		default:
			return dst, i, syntaxError(i, ", or ]")
		}
	}
}

func (c *canonizer) object(dst, b []byte, i, depth int) ([]byte, int, error) {
	dst = append(dst, '{')
	i = skipSpace(b, i+1)
	if i < len(b) && b[i] == '}' {
		return append(dst, '}'), i + 1, nil
	}
	base, bottom, sorted := len(dst), len(c.members), true
	defer func() { c.members = c.members[:bottom] }()
	for {
		if i >= len(b) {
			return dst, i, errMore
		}
		if b[i] != '"' {
			return dst, i, syntaxError(i, "a key")
		}
		m := member{key: len(dst)}
		var err error
		if dst, i, err = canonString(dst, b, i); err != nil {
			return dst, i, err
		}
		m.keyEnd = len(dst)
		i = skipSpace(b, i)
		if i >= len(b) {
			return dst, i, errMore
		}
		if b[i] != ':' {
			return dst, i, syntaxError(i, ":")
		}
		dst = append(dst, ':')
		if dst, i, err = c.value(dst, b, skipSpace(b, i+1), depth+1); err != nil {
			return dst, i, err
		}
		m.end = len(dst)
		if n := len(c.members); n > bottom && sorted {
			last := c.members[n-1]
			sorted = bytes.Compare(dst[last.key:last.keyEnd], dst[m.key:m.keyEnd]) < 0
		}
		c.members = append(c.members, m)
		i = skipSpace(b, i)
		if i >= len(b) {
			return dst, i, errMore
		}
		switch b[i] {
		case ',':
			dst = append(dst, ',')
			i = skipSpace(b, i+1)
		case '}':
			if !sorted {
				dst = c.sort(dst, base, c.members[bottom:])
			}
			return append(dst, '}'), i + 1, nil
		default:
			return dst, i, syntaxError(i, ", or }")
		}
	}
}

// sort puts the members that were written to dst from base on in order.
func (c *canonizer) sort(dst []byte, base int, members []member) []byte {
	// An insertion sort: AWS's objects have a few dozen members, it is stable,
	// and nothing is allocated. Hostile records may have very many.
	if len(members) > 64 {
		sortMembers(members, dst)
	} else {
		for i := 1; i < len(members); i++ {
			for j := i; j > 0 && compareKeys(dst, members[j-1], members[j]) > 0; j-- {
				members[j-1], members[j] = members[j], members[j-1]
			}
		}
	}
	c.scratch = append(c.scratch[:0], dst[base:]...)
	dst = dst[:base]
	for i, m := range members {
		if i+1 < len(members) && bytes.Equal(c.scratch[m.key-base:m.keyEnd-base], c.scratch[members[i+1].key-base:members[i+1].keyEnd-base]) {
			continue // of equal keys the last stays, as in encoding/json
		}
		if len(dst) > base {
			dst = append(dst, ',')
		}
		dst = append(dst, c.scratch[m.key-base:m.end-base]...)
	}
	return dst
}

func compareKeys(dst []byte, a, b member) int {
	return bytes.Compare(dst[a.key:a.keyEnd], dst[b.key:b.keyEnd])
}

// numberEnd returns the index behind the number at b[i], or -1.
func numberEnd(b []byte, i int) int {
	digits := func() bool {
		first := i
		for i < len(b) && '0' <= b[i] && b[i] <= '9' {
			i++
		}
		return i > first
	}
	if i < len(b) && b[i] == '-' {
		i++
	}
	if i < len(b) && b[i] == '0' {
		i++
	} else if !digits() {
		return -1
	}
	if i < len(b) && b[i] == '.' {
		i++
		if !digits() {
			return -1
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if !digits() {
			return -1
		}
	}
	return i
}

// plainByte tells the bytes that a string may hold as they are: ASCII but for
// control characters, quote and backslash.
var plainByte = func() (plain [256]bool) {
	for c := 0x20; c < 0x80; c++ {
		plain[c] = c != '"' && c != '\\'
	}
	return plain
}()

// plainEnd returns the index of the first byte from i on that a string may not
// hold as it is, or len(b). It looks at eight bytes at once: of a word with
// what is sought set to zero bytes, the lowest is found by the usual trick.
func plainEnd(b []byte, i int) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(b); i += 8 {
		w := binary.LittleEndian.Uint64(b[i:])
		quote, slash := w^(ones*'"'), w^(ones*'\\')
		// A byte's top bit gets set if it is below 0x20, quote, backslash, or
		// not ASCII; one above a match may be set wrongly, the lowest never.
		found := ((w - ones*0x20) | (quote-ones)&^quote | (slash-ones)&^slash | w) & tops
		if found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for i < len(b) && plainByte[b[i]] {
		i++
	}
	return i
}

// canonString appends the canonical form of the string at b[i], its quotes
// included, and returns the index behind it.
func canonString(dst, b []byte, i int) ([]byte, int, error) {
	first := i
	i = plainEnd(b, i+1)
	if i >= len(b) {
		return dst, i, errMore
	}
	if b[i] == '"' {
		return append(dst, b[first:i+1]...), i + 1, nil
	}
	end := endOfString(b, first+1)
	if end < 0 {
		return dst, i, errMore
	}
	for j := first + 1; j < end; j++ {
		if b[j] < 0x20 {
			return dst, j, syntaxError(j, "no control character in a string")
		}
	}
	text, err := unescape(string(b[first+1 : end]))
	if err != nil {
		return dst, first, fmt.Errorf("byte %d: %w", first, err)
	}
	return appendString(dst, text), end + 1, nil
}

const hexDigits = "0123456789abcdef"

// appendString appends s as a JSON string. What is not UTF-8 becomes U+FFFD:
// Parquet's strings are UTF-8, and readers refuse files that hold others.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case plainByte[c]:
			dst = append(dst, c)
			i++
		case c < utf8.RuneSelf:
			switch c {
			case '"', '\\':
				dst = append(dst, '\\', c)
			case '\n':
				dst = append(dst, '\\', 'n')
			case '\r':
				dst = append(dst, '\\', 'r')
			case '\t':
				dst = append(dst, '\\', 't')
			default:
				dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			}
			i++
		default:
			r, size := utf8.DecodeRuneInString(s[i:])
			dst = utf8.AppendRune(dst, r)
			i += size
		}
	}
	return append(dst, '"')
}
