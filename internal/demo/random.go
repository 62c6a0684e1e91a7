package demo

import (
	"encoding/hex"
	"hash/fnv"
	"math"
	"math/rand/v2"
)

// A random is one stream of a generator's choices. Each part of the company
// has its own, named, so that a change in one leaves the others as they were.
type random struct{ *rand.Rand }

func newRandom(seed uint64, name string) random {
	h := fnv.New64a()
	h.Write([]byte(name))
	return random{rand.New(rand.NewPCG(seed, h.Sum64()))}
}

func (r random) chance(p float64) bool { return r.Float64() < p }

// between returns a whole number of [low, high].
func (r random) between(low, high int) int { return low + r.IntN(high-low+1) }

func pick[T any](r random, from []T) T { return from[r.IntN(len(from))] }

// poisson draws a count whose mean is given (Knuth; means here are small).
func (r random) poisson(mean float64) int {
	if mean > 60 {
		return max(0, int(math.Round(mean+math.Sqrt(mean)*r.NormFloat64())))
	}
	limit, product, n := math.Exp(-mean), 1.0, -1
	for product > limit {
		product *= r.Float64()
		n++
	}
	return max(0, n)
}

// lognormal draws an amount whose median is given; sigma is the spread of its
// logarithm.
func (r random) lognormal(median, sigma float64) float64 {
	return median * math.Exp(sigma*r.NormFloat64())
}

func (r random) hex(digits int) string {
	b := make([]byte, 0, digits+16)
	for len(b) < digits {
		var x [8]byte
		v := r.Uint64()
		for i := range x {
			x[i] = byte(v >> (8 * i))
		}
		b = hex.AppendEncode(b, x[:])
	}
	return string(b[:digits])
}

func (r random) uuid() string { return string(appendUUID(nil, r.Uint64(), r.Uint64())) }

const base32Digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

// id returns prefix and n characters as AWS's ids of keys and principals have.
func (r random) id(prefix string, n int) string {
	b := append(make([]byte, 0, len(prefix)+n), prefix...)
	for v := uint64(0); n > 0; n-- {
		if v < 32 {
			v = r.Uint64()
		}
		b = append(b, base32Digits[v%32])
		v /= 32
	}
	return string(b)
}

const hexDigits = "0123456789abcdef"

// appendUUID writes a version 4 UUID of 122 bits of a and b.
func appendUUID(b []byte, x, y uint64) []byte {
	x = x&^0xf000 | 0x4000
	y = y&^(3<<62) | 2<<62
	for i := 60; i >= 0; i -= 4 {
		b = append(b, hexDigits[x>>i&15])
		if i == 32 || i == 16 {
			b = append(b, '-')
		}
	}
	b = append(b, '-')
	for i := 60; i >= 0; i -= 4 {
		b = append(b, hexDigits[y>>i&15])
		if i == 48 {
			b = append(b, '-')
		}
	}
	return b
}
