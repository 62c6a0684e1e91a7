//go:build !purego

package jsonskip

import (
	"errors"
	"sync"

	"golang.org/x/sys/cpu"
)

var hasKernel = cpu.X86.HasAVX2 && cpu.X86.HasPCLMULQDQ && cpu.X86.HasBMI1 && cpu.X86.HasPOPCNT

// blockSize is how many bytes classify takes at a time.
const blockSize = 64

// The text is looked at in chunks. The first ones are short, not to waste the
// work when only a short object is wanted; then they get as long as the text
// that was passed, up to maxChunk, whose events and text stay in a core's
// first cache.
const (
	minChunk = 8 * blockSize
	maxChunk = 256 * blockSize // an event's place must fit 16 bits
)

//lint:file-ignore U1000 the assembly uses the fields of carry

// A carry is what a block must know of the one before it.
type carry struct {
	inString uint64 // all ones if it ended in a string, or else 0
	escaped  uint64 // 1 if its last byte is a backslash that escapes, or else 0
	quotes   uint64 // where it has quotes that are not escaped
}

// classify finds the events of blocks of blockSize bytes of text, at least
// one, writes their places in text, in order, and returns how many there are.
// The array events must have room for one a byte. Events are
//   - brackets outside of strings,
//   - bytes that may not stand outside of strings, outside of strings,
//   - each u that is the eighth letter of a string, as in "eventSource".
//
//go:noescape
func classify(text *byte, blocks int, c *carry, events *uint16) int

// A scanner holds the events of one chunk of its text.
type scanner struct {
	text  []byte
	first int // where the first chunk began, which was known to be outside of strings
	base  int // where the chunk begins
	next  int // where it ends
	carry carry
	at, n int // events[at:n] are still to come
	// events are places counted from base.
	events [maxChunk]uint16
}

func (s *scanner) reset(text []byte) {
	s.text = text
	s.restart(0)
}

// restart forgets all events and makes i the beginning of the next chunk.
func (s *scanner) restart(i int) {
	s.first, s.base, s.next = i, i, i
	s.carry = carry{}
	s.at, s.n = 0, 0
}

func (s *scanner) object(i int) (end int, eventSource []byte, err error) {
	if !hasKernel || i >= len(s.text) || charClass[s.text[i]] != charOpen {
		return scalarObject(s.text, i)
	}
	s.seek(i)
	end, eventSource, err = s.walk(i)
	if err == errIrregular {
		return scalarObject(s.text, i)
	}
	return end, eventSource, err
}

// seek makes the bracket at text[i] the next event. If it is one already,
// then the text before it agrees that it is outside of strings, and the events
// behind it are what they were if the text began there. If not, all begins
// anew.
func (s *scanner) seek(i int) {
	for s.at < s.n && s.base+int(s.events[s.at]) < i {
		s.at++
	}
	if s.at == s.n || s.base+int(s.events[s.at]) != i {
		s.restart(i)
		s.fill()
	}
}

// fill finds the events of the next chunk. It reports false at the end.
func (s *scanner) fill() bool {
	rest := s.text[s.next:]
	if len(rest) == 0 {
		return false
	}
	s.base, s.at = s.next, 0
	if len(rest) < blockSize {
		// The kernel reads whole blocks. Spaces are no events.
		var last [blockSize]byte
		for i := copy(last[:], rest); i < blockSize; i++ {
			last[i] = ' '
		}
		s.n = classify(&last[0], 1, &s.carry, &s.events[0])
		s.next = len(s.text)
		return true
	}
	blocks := min(max(s.next-s.first, minChunk), maxChunk, len(rest)) / blockSize
	s.n = classify(&rest[0], blocks, &s.carry, &s.events[0])
	s.next += blocks * blockSize
	return true
}

// errIrregular says that the scalar code must tell what an object is.
var errIrregular = errors.New("wrong, or nested too deep")

// walk passes over the object at text[first], whose bracket is the next event.
func (s *scanner) walk(first int) (end int, eventSource []byte, err error) {
	b := s.text
	s.at++
	// A bit a level, 1 for an object, below a 1 that marks the bottom.
	kinds := 2 | int64(kindOf(b[first]))
	for {
		var n int
		n, kinds = brackets(b, s.base, s.events[s.at:s.n], kinds)
		s.at += n
		switch {
		case kinds == 1:
			return s.base + int(s.events[s.at-1]) + 1, eventSource, nil
		case kinds < 0:
			return 0, nil, errIrregular
		case s.at == s.n:
			if !s.fill() {
				return 0, nil, ErrMore
			}
			continue
		}
		p := s.base + int(s.events[s.at])
		switch c := b[p]; {
		case c == 'u':
			if kinds>>1 == 1 && eventSource == nil && p+5 <= len(b) && string(b[p-8:p+5]) == `"eventSource"` {
				if eventSource, _, err = stringValue(b, p+5); err != nil {
					return 0, nil, err
				}
			}
		case charClass[c] == charOpen && kinds>>62 == 0 && mayOpen(b, p, first, kinds&1 == 1):
			kinds = kinds<<1 | int64(kindOf(c))
		default:
			return 0, nil, errIrregular
		}
		s.at++
	}
}

// brackets follows events as long as they are brackets that need no second
// look. It stops behind the one that brings kinds down to 1, which ends the
// object, or makes it negative, which is too deep. It returns how many events
// it followed, and kinds.
//
// This is a function of its own, with few variables, to have them in
// registers.
func brackets(b []byte, base int, events []uint16, kinds int64) (int, int64) {
	for n, e := range events {
		p := base + int(e)
		switch c := b[p]; c {
		case '{', '[':
			if before := b[p-1]; before != ':' && before != '[' {
				return n, kinds // mayOpen must decide
			}
			kinds = kinds<<1 | int64(kindOf(c))
			if kinds < 0 {
				return n + 1, kinds
			}
		case '}', ']':
			if kinds&1 != int64(kindOf(c)) {
				return n, kinds
			}
			kinds >>= 1
			if kinds == 1 {
				return n + 1, kinds
			}
		default:
			return n, kinds
		}
	}
	return len(events), kinds
}

var scanners = sync.Pool{New: func() any { return new(scanner) }}

func object(b []byte, i int) (end int, eventSource []byte, err error) {
	if !hasKernel {
		return scalarObject(b, i)
	}
	s := scanners.Get().(*scanner)
	s.reset(b)
	end, eventSource, err = s.object(i)
	s.text = nil // a pool must not keep the caller's memory
	scanners.Put(s)
	return end, eventSource, err
}
