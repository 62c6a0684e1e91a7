// Package jsonskip passes over JSON objects without parsing them, and picks
// up one member on the way: eventSource, which tells whether a CloudTrail
// record is worth parsing.
//
// It follows quotes and brackets, refuses what cannot stand between strings
// and brackets that do not match, and looks at nothing else: what it passes
// over may be wrong in other ways.
//
// There are two implementations that agree on every input, errors included:
// scalar.go, a byte at a time, and, on amd64 with AVX2, one that finds the
// brackets of 64 bytes at once and then looks at the brackets alone. The
// build tag purego leaves the second out.
package jsonskip

import "errors"

// ErrMore says that an object goes on behind the bytes at hand.
var ErrMore = errors.New("value is cut off")

// Object returns the index behind the object or array that begins at b[i],
// and the text of its own member eventSource as it stands between the quotes,
// a part of b, nil if it has none. Of several members of that name it takes
// the first whose value is a string. It returns [ErrMore] when b ends first;
// other errors count bytes from i.
//
// For objects that lie one behind the other a [Scanner] is faster.
func Object(b []byte, i int) (end int, eventSource []byte, err error) {
	return object(b, i)
}

// A Scanner passes over objects of one text, best from its beginning to its
// end: what it has found out about the text behind one object serves for the
// next. It holds some 32 KB. The zero Scanner has no text.
type Scanner struct{ s scanner }

// Reset makes text the text to scan. It must also be called whenever bytes of
// the text have changed.
func (s *Scanner) Reset(text []byte) { s.s.reset(text) }

// Object is the function [Object] for the object or array at text[i]. Any i
// will do, whatever was asked for before.
func (s *Scanner) Object(i int) (end int, eventSource []byte, err error) {
	return s.s.object(i)
}
