package jsonskip

import (
	"bytes"
	"fmt"
)

// What a byte means between strings.
const (
	charBad   = iota // cannot stand there in JSON
	charPlain        // white space, punctuation, part of a number or of a word
	charQuote
	charOpen
	charClose
)

var charClass = func() (class [256]uint8) {
	for _, c := range " \t\r\n:,0123456789+-.eEtrufalsn" {
		class[c] = charPlain
	}
	class['"'] = charQuote
	class['{'], class['['] = charOpen, charOpen
	class['}'], class[']'] = charClose, charClose
	return class
}()

// scalarObject is Object, a byte at a time.
func scalarObject(b []byte, i int) (end int, eventSource []byte, err error) {
	depth, first := 0, i
	kinds, deep := uint64(0), false // a bit a level, while 64 are enough: 1 for an object
	for i < len(b) {
		switch c := b[i]; charClass[c] {
		case charQuote:
			j := endOfString(b, i+1)
			if j < 0 {
				return 0, nil, ErrMore
			}
			if depth == 1 && eventSource == nil && string(b[i+1:j]) == "eventSource" {
				source, last, err := stringValue(b, j+1)
				if err != nil {
					return 0, nil, err
				}
				if source != nil {
					eventSource, j = source, last
				}
			}
			i = j + 1
		case charPlain:
			i++
		case charOpen:
			if depth > 0 && !mayOpen(b, i, first, kinds&1 == 1 && !deep) {
				return 0, nil, syntaxError(i-first, "no "+string(c))
			}
			depth++
			deep = deep || depth > 64
			kinds = kinds<<1 | kindOf(c)
			i++
		case charClose:
			if kinds&1 != kindOf(c) && !deep {
				return 0, nil, syntaxError(i-first, "another closing bracket")
			}
			kinds >>= 1
			depth--
			i++
			if depth == 0 {
				return i, eventSource, nil
			}
		default:
			return 0, nil, syntaxError(i-first, "JSON")
		}
	}
	return 0, nil, ErrMore
}

// kindOf returns 1 for a brace, 0 for a square bracket.
func kindOf(bracket byte) uint64 { return uint64(bracket >> 5 & 1) }

// stringValue returns the text of the string that is the value of the key
// whose closing quote is b[i-1], and the index of the value's own closing
// quote; nil if what follows the key is something else.
func stringValue(b []byte, i int) (text []byte, last int, err error) {
	k := skipSpace(b, i)
	if k < len(b) && b[k] == ':' {
		k = skipSpace(b, k+1)
	}
	if k == len(b) {
		return nil, 0, ErrMore
	}
	if b[k] != '"' || k == i {
		return nil, 0, nil
	}
	if last = endOfString(b, k+1); last < 0 {
		return nil, 0, ErrMore
	}
	return b[k+1 : last], last, nil
}

// mayOpen tells whether an object or array may begin at b[i], by what stands
// before it. Without this check a lost closing bracket would make a record
// swallow those behind it.
func mayOpen(b []byte, i, first int, inObject bool) bool {
	i = skipSpaceBack(b, i-1, first)
	switch b[i] {
	case ':':
		return true
	case '[':
		return !inObject
	case ',':
		before := b[skipSpaceBack(b, i-1, first)]
		return !inObject && before != '[' && before != ',' && before != ':'
	}
	return false
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && isSpace(b[i]) {
		i++
	}
	return i
}

func skipSpaceBack(b []byte, i, first int) int {
	for i > first && isSpace(b[i]) {
		i--
	}
	return i
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

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

func syntaxError(at int, want string) error {
	return fmt.Errorf("byte %d: want %s", at, want)
}
