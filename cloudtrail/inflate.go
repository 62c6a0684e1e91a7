package cloudtrail

import (
	"bytes"

	"github.com/klauspost/compress/gzip"
)

// An inflater fills from a gzip file in memory. It is the one place that
// knows which decoder does the work.
type inflater struct {
	src bytes.Reader
	z   gzip.Reader
	err error
}

func (f *inflater) Reset(src []byte) {
	f.src.Reset(src)
	f.err = f.z.Reset(&f.src)
}

func (f *inflater) Fill(buf []byte, n int) (int, error) {
	if f.err != nil {
		return n, f.err
	}
	for n < len(buf) {
		m, err := f.z.Read(buf[n:])
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, nil
}
