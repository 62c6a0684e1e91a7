package cloudtrail

import (
	"errors"
	"fmt"
	"io"

	"github.com/athenatrail/athenatrail/internal/jsonskip"
)

const (
	windowSize = 1 << 20  // the window's first size: it stays in a core's cache
	history    = 32 << 10 // what an inflater looks back on
)

// A filler puts more text into buf[n:] and returns the new length: nil when
// buf is full, io.EOF at the end. It may look back on buf[:n].
type filler interface {
	Fill(buf []byte, n int) (int, error)
}

// A readerFiller fills from an io.Reader.
type readerFiller struct{ r io.Reader }

func (f readerFiller) Fill(buf []byte, n int) (int, error) {
	m, err := io.ReadFull(f.r, buf[n:])
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	return n + m, err
}

// A window is the part of a log file's text that is looked at.
type window struct {
	buf        []byte // all of it is room; its length never shrinks
	start, end int    // the text not yet passed is buf[start:end]
	base       int64  // where buf[0] lies in the text
	from       filler
	err        error // why there is no more: io.EOF or what is wrong
	limit      int64 // the longest text accepted
	maxRecord  int
	scan       *jsonskip.Scanner // of buf[:end]
}

func (w *window) reset(from filler, limits Limits) {
	if w.buf == nil {
		w.buf = make([]byte, windowSize)
	}
	if w.scan == nil {
		w.scan = new(jsonskip.Scanner)
	}
	w.scan.Reset(nil)
	*w = window{buf: w.buf, scan: w.scan, from: from, limit: limits.File, maxRecord: limits.Record}
}

// offset returns where buf[i] lies in the text.
func (w *window) offset(i int) int64 { return w.base + int64(i) }

// drain passes all text that is left.
func (w *window) drain() {
	for w.start = w.end; w.more(); w.start = w.end {
	}
	w.start = w.end
}

// text returns what is at hand and not yet passed.
func (w *window) text() []byte { return w.buf[w.start:w.end] }

// more gets more text behind what is at hand. It reports false when there is
// none, or when what is at hand is as long as a record may be. The text may
// move: indices into buf are void, start and end are kept.
func (w *window) more() bool {
	if w.err != nil {
		return false
	}
	if w.end == len(w.buf) {
		if keep := min(w.start, w.end-history); keep >= len(w.buf)/4 {
			w.drop(keep)
		} else if w.end-w.start > w.maxRecord {
			return false
		} else {
			grown := make([]byte, 2*len(w.buf))
			copy(grown, w.buf[:w.end])
			w.buf = grown
		}
	}
	n, err := w.from.Fill(w.buf, w.end)
	if over := w.base + int64(n) - w.limit; over > 0 {
		n = max(w.end, n-int(over))
		err = fmt.Errorf("the text is longer than %d bytes, the most that is read of one file", w.limit)
	}
	grew := n > w.end
	w.end, w.err = n, err
	w.scan.Reset(w.buf[:w.end])
	return grew
}

func (w *window) drop(keep int) {
	copy(w.buf, w.buf[keep:w.end])
	w.start, w.end, w.base = w.start-keep, w.end-keep, w.base+int64(keep)
}

// skipSpace passes white space, and the bytes of also, and reports whether
// text follows.
func (w *window) skipSpace(also string) bool {
	for {
		for w.start < w.end {
			switch c := w.buf[w.start]; c {
			case ' ', '\n', '\t', '\r':
			default:
				if !containsByte(also, c) {
					return true
				}
			}
			w.start++
		}
		if !w.more() {
			return false
		}
	}
}

func containsByte(s string, c byte) bool {
	for i := range len(s) {
		if s[i] == c {
			return true
		}
	}
	return false
}
