package derive

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// A number reads a JSON number however it is written: 1306, 1306.0, 1.306E3
// or "1306". What is not a whole number that fits is not known. It never
// fails, so that it costs no other member.
type number struct {
	value int64
	known bool
}

func (n *number) UnmarshalJSON(b []byte) error {
	n.value, n.known = scaled(unquoted(b), 0)
	return nil
}

func (n number) count() count {
	if !n.known || n.value < 0 {
		return noCount
	}
	return count(n.value)
}

func (n number) int32() *int32 {
	if !n.known || n.value < math.MinInt32 || n.value > math.MaxInt32 {
		return nil
	}
	v := int32(n.value)
	return &v
}

// A real reads a JSON number that is finite and not negative.
type real struct {
	value float64
	known bool
}

func (r *real) UnmarshalJSON(b []byte) error {
	f, err := strconv.ParseFloat(unquoted(b), 64)
	if err == nil && f >= 0 && !math.IsInf(f, 0) {
		r.value, r.known = f, true
	}
	return nil
}

func (r real) pointer() *float64 {
	if !r.known {
		return nil
	}
	return &r.value
}

// An instant reads a time as milliseconds since 1970: a JSON number of seconds
// with a fraction, which is how Athena writes it, or a text of RFC 3339 with
// or without a zone, which is how its command line tools do. 0 is not known.
type instant int64

// Years that a time of Athena can have: it began in 2016.
var (
	firstInstant = time.Date(2010, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	lastInstant  = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
)

func (i *instant) UnmarshalJSON(b []byte) error {
	s := unquoted(b)
	ms, ok := scaled(s, 3)
	if !ok {
		ms, ok = written(s)
	}
	if ok && firstInstant <= ms && ms < lastInstant {
		*i = instant(ms)
	}
	return nil
}

// written returns the milliseconds of a time that is written out.
func written(s string) (int64, bool) {
	for _, layout := range [...]string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UnixMilli(), true
		}
	}
	return 0, false
}

func unquoted(b []byte) string {
	return strings.Trim(string(b), `"`)
}

// scaled returns a decimal number times 10^scale, rounded half up if scale is
// positive. It computes with the digits as they are written, since a float
// would move a millisecond. It reports false for what is no decimal number,
// does not fit, or for scale 0 is not whole.
func scaled(s string, scale int) (int64, bool) {
	s, negative := strings.CutPrefix(s, "-")
	mantissa, exponent := s, 0
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		e, err := strconv.Atoi(s[i+1:])
		if err != nil || e < -400 || e > 400 {
			return 0, false
		}
		mantissa, exponent = s[:i], e
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := whole + fraction
	if whole == "" || len(digits) > 400 || strings.Trim(digits, "0123456789") != "" {
		return 0, false
	}

	point := len(whole) + exponent + scale // where the point is in digits
	var value int64
	for i := range max(point, 0) {
		c := byte('0')
		if i < len(digits) {
			c = digits[i]
		}
		digit := int64(c - '0')
		if value > (math.MaxInt64-digit)/10 {
			return 0, false
		}
		value = value*10 + digit
	}
	if rest := digits[min(max(point, 0), len(digits)):]; strings.Trim(rest, "0") != "" {
		if scale == 0 {
			return 0, false
		}
		if point >= 0 && rest[0] >= '5' && value < math.MaxInt64 {
			value++
		}
	}
	if negative {
		value = -value
	}
	return value, true
}
