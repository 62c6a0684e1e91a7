package inflate

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"errors"
	"io"
	"math/rand"
	"sync"
	"testing"
)

// sizes yields the buffer sizes of a run of Fill, chosen by a seed so that a
// failing input fails again.
type sizes struct {
	rng  *rand.Rand
	mode int
	step int
}

func newSizes(seed uint64) *sizes {
	return &sizes{rng: rand.New(rand.NewSource(int64(seed))), mode: int(seed % 5)}
}

// next is the room to offer beyond the history, from 1 byte to 1 MB.
func (s *sizes) next() int {
	mode := s.mode
	if s.step++; s.step > 200 {
		mode = 0 // small steps tell no more, but take their time
	}
	switch mode {
	case 0:
		return 1 << 20
	case 1:
		return 1 + s.rng.Intn(8)
	case 2:
		return 1 + s.rng.Intn(700)
	default:
		return 1 + s.rng.Intn(1<<s.rng.Intn(21))
	}
}

var spaces = sync.Pool{New: func() any { return new([windowSize + 1<<20]byte) }}

// fillAll decodes src in steps of the given sizes, sliding the window by the
// 32 KiB rule. Bytes that Fill must not read are spoilt on the way.
func fillAll(t testing.TB, r *Reader, src []byte, s *sizes, limit int) ([]byte, error) {
	var all []byte
	space := spaces.Get().(*[windowSize + 1<<20]byte)
	defer spaces.Put(space)
	buf, n := space[:0], 0
	for {
		if n == len(buf) || s.rng.Intn(3) == 0 {
			keep := min(n, windowSize)
			copy(space[:], buf[n-keep:n])
			buf, n = space[:keep+s.next()], keep
			for i := range min(len(buf)-n, 600) {
				buf[n+i] = 0xa5
			}
		}
		m, err := r.Fill(buf, n)
		if m < n || m > len(buf) {
			t.Fatalf("Fill(len %d, %d) = %d", len(buf), n, m)
		}
		if err == nil && m < len(buf) {
			t.Fatalf("Fill(len %d, %d) = %d without an error", len(buf), n, m)
		}
		all = append(all, buf[n:m]...)
		n = m
		if err != nil {
			if m2, err2 := r.Fill(buf, n); m2 != n || err2 != err {
				t.Fatalf("Fill after %v = %d, %v, want %d", err, m2, err2, n)
			}
			return all, err
		}
		if len(all) > limit {
			return all, nil
		}
	}
}

// stdlib decodes src with compress/gzip, at most some bytes over limit.
func stdlib(src []byte, limit int) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(src))
	if err != nil {
		return nil, err
	}
	var all bytes.Buffer
	if _, err := io.CopyN(&all, z, int64(limit)); err != nil && err != io.EOF {
		return all.Bytes(), err
	}
	if all.Len() < limit {
		return all.Bytes(), io.EOF
	}
	return all.Bytes(), nil
}

// sameError reports whether Fill's error is of the kind of the standard one.
func sameError(got, want error) bool {
	switch want {
	case nil, io.EOF:
		return got == want
	case io.ErrUnexpectedEOF:
		return errors.Is(got, io.ErrUnexpectedEOF) && errors.Is(got, ErrCorrupt)
	}
	return errors.Is(got, ErrCorrupt) && !errors.Is(got, io.ErrUnexpectedEOF)
}

// testLimit bounds the output compared, so that a bomb ends early.
const testLimit = 8 << 20

func checkSame(t testing.TB, r *Reader, src []byte, seed uint64) {
	t.Helper()
	want, wantErr := stdlib(src, testLimit)
	before := bytes.Clone(src)
	r.Reset(src)
	got, err := fillAll(t, r, src, newSizes(seed), testLimit)
	if len(want) == testLimit && len(got) >= testLimit {
		got, err, wantErr = got[:testLimit], nil, nil
	}
	if !bytes.Equal(got, want) {
		i := 0
		for i < len(got) && i < len(want) && got[i] == want[i] {
			i++
		}
		t.Fatalf("%d bytes (%v), want %d (%v), first difference at %d, seed %d", len(got), err, len(want), wantErr, i, seed)
	}
	if !sameError(err, wantErr) {
		t.Fatalf("error %v, want %v, seed %d", err, wantErr, seed)
	}
	if !bytes.Equal(src, before) {
		t.Fatal("Fill wrote to its input")
	}
}

func TestSameAsStdlib(t *testing.T) {
	var r Reader
	for name, src := range seeds() {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(5) {
				checkSame(t, &r, src, seed)
			}
			if len(src) > 100 {
				// Trailers with other bytes behind them, and members
				// that end where the fast loop would still run.
				checkSame(t, &r, append(bytes.Clone(src), src...), 3)
			}
		})
	}
}

// TestCut cuts files at every place near their ends and at many before: what
// is still delivered must not differ by a byte.
func TestCut(t *testing.T) {
	var r Reader
	for name, src := range seeds() {
		t.Run(name, func(t *testing.T) {
			for i := len(src); i >= 0; i -= 1 + (len(src)-i)/12 {
				checkSame(t, &r, src[:i], uint64(i))
			}
		})
	}
}

func TestMutated(t *testing.T) {
	var r Reader
	rng := rand.New(rand.NewSource(1))
	for name, src := range seeds() {
		if len(src) < 20 {
			continue
		}
		t.Run(name, func(t *testing.T) {
			for i := range 8 {
				bad := bytes.Clone(src)
				for range 1 + rng.Intn(3) {
					// Early bytes matter more: they hold the code lengths.
					at := rng.Intn(1 + rng.Intn(1+rng.Intn(len(bad))))
					bad[at] ^= 1 << rng.Intn(8)
				}
				checkSame(t, &r, bad, uint64(i))
			}
		})
	}
}

// TestHandCodes checks the hand-written streams to be what they are meant to.
func TestHandCodes(t *testing.T) {
	valid := map[string]bool{"fixed empty": true, "fixed match": true, "stored empty": true, "no distance code": true, "one distance code": true, "only end of block": true}
	for name, src := range seeds() {
		if len(name) < 5 || name[:5] != "hand/" {
			continue
		}
		var r Reader
		r.Reset(src)
		if _, err := r.Fill(make([]byte, 1000), 0); (err == io.EOF) != valid[name[5:]] {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// randomCode spreads a complete code of the given number of symbols, 2 or more,
// over lens. deep favours splitting what is long already, up to 15 bits.
func randomCode(rng *rand.Rand, lens []uint8, symbols int, deep bool) {
	leaves := []uint8{1, 1}
	for tries := 0; len(leaves) < symbols && tries < 10000; tries++ {
		i := rng.Intn(len(leaves))
		if deep && rng.Intn(4) > 0 {
			i = len(leaves) - 1
		}
		if leaves[i] < maxCodeLen {
			leaves[i]++
			leaves = append(leaves, leaves[i])
		}
	}
	for i, s := range rng.Perm(len(lens))[:len(leaves)] {
		lens[s] = leaves[i]
	}
}

// TestRandomCodes decodes random bits by random codes of all shapes, behind
// enough history that most distances are good: encoders and mutations hardly
// ever write long codes for lengths and distances.
func TestRandomCodes(t *testing.T) {
	var r Reader
	rng := rand.New(rand.NewSource(5))
	noise := make([]byte, windowSize+2000)
	rng.Read(noise)
	for i := range 3000 {
		nlit, ndist := 257+rng.Intn(30), 1+rng.Intn(30)
		lens := make([]uint8, nlit+ndist)
		randomCode(rng, lens[:nlit], 2+rng.Intn(nlit-1), rng.Intn(2) == 0)
		if ndist > 1 {
			randomCode(rng, lens[nlit:], 2+rng.Intn(ndist-1), rng.Intn(2) == 0)
		} else {
			lens[nlit] = uint8(rng.Intn(2))
		}
		w := new(bitWriter)
		for p := noise; len(p) > 0; {
			c := min(len(p), 1<<16-1)
			w.put(0, 8).put(uint64(c), 16).put(uint64(^uint16(c)), 16)
			w.b = append(w.b, p[:c]...)
			p = p[c:]
		}
		w.b = append(w.b, dynamic(nlit, lens).bytes()...)
		for range rng.Intn(3000) {
			w.put(rng.Uint64()>>56, 8)
		}
		src := member(w.bytes(), nil)
		checkSame(t, &r, src, uint64(i))
		checkSame(t, &r, src[:len(src)-8-rng.Intn(4)], uint64(i))
	}
}

func TestZeroValue(t *testing.T) {
	var r Reader
	if n, err := r.Fill(make([]byte, 10), 3); n != 3 || err != io.EOF {
		t.Fatalf("%d, %v", n, err)
	}
}

// TestAllocs holds Reader to its promise for files of many blocks.
func TestAllocs(t *testing.T) {
	src := gzipped(6, trailJSON(2, 1<<20), nil)
	buf := make([]byte, 64<<10)
	var r Reader
	if a := testing.AllocsPerRun(3, func() { drain(t, &r, src, buf) }); a != 0 {
		t.Fatalf("%v allocations", a)
	}
}

// drain decodes src through one buffer and returns the length of the output.
func drain(t testing.TB, r *Reader, src, buf []byte) int {
	r.Reset(src)
	total, n := 0, 0
	for {
		m, err := r.Fill(buf, n)
		total += m - n
		if err == io.EOF {
			return total
		}
		if err != nil {
			t.Fatal(err)
		}
		n = copy(buf, buf[m-windowSize:m])
	}
}

func FuzzSameAsStdlib(f *testing.F) {
	i := uint64(0)
	for _, src := range seeds() {
		if len(src) > 20<<10 {
			// Large inputs slow the fuzzer down more than they teach it.
			src = src[:20<<10]
		}
		f.Add(src, i)
		i++
	}
	var r Reader
	f.Fuzz(func(t *testing.T, src []byte, seed uint64) {
		checkSame(t, &r, src, seed)
		if len(src) < 18 {
			return
		}
		// The checksum hides what is behind it from the fuzzer: decode the
		// stream once more with the header and trailer it should have.
		plain, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(src)), testLimit))
		if err == nil && len(plain) < testLimit {
			checkSame(t, &r, member(src, plain), seed)
		} else {
			checkSame(t, &r, append(bytes.Clone(member(nil, nil)[:10]), src...), seed)
		}
	})
}
