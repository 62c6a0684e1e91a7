package format

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// nothing is what a table shows for NULL.
const nothing = "–"

// HumanBytes writes a number of bytes in binary units: 1.4 TiB.
func HumanBytes(n int64) string {
	const units = "KMGTPE"
	u := uint64(n)
	sign := ""
	if n < 0 {
		sign, u = "-", -u
	}
	if u < 1024 {
		return fmt.Sprintf("%s%d B", sign, u)
	}
	f, i := float64(u)/1024, 0
	for f >= 1023.95 && i < len(units)-1 {
		f, i = f/1024, i+1
	}
	return fmt.Sprintf("%s%.1f %ciB", sign, f, units[i])
}

// HumanMillis writes a number of milliseconds: 850 ms, 1.2 s, 3m 12s, 2h 05m.
func HumanMillis(ms int64) string {
	switch {
	case ms < 0:
		return strconv.FormatInt(ms, 10) + " ms"
	case ms < 1000:
		return fmt.Sprintf("%d ms", ms)
	case ms < 59_950:
		return fmt.Sprintf("%.1f s", float64(ms)/1000)
	}
	s := ms / 1000
	switch {
	case s < 3600:
		return fmt.Sprintf("%dm %02ds", s/60, s%60)
	case s < 86400:
		return fmt.Sprintf("%dh %02dm", s/3600, s/60%60)
	}
	return fmt.Sprintf("%dd %02dh", s/86400, s/3600%24)
}

// HumanMoney writes an amount with two digits behind the point, rounded half
// away from zero: $1,234.50, 12.00 EUR. What is not zero but would look so is
// written as <0.01. An amount that is no decimal is written as it stands.
func HumanMoney(amount json.Number, currency string) string {
	r, ok := new(big.Rat), false
	if strings.Trim(string(amount), "-.0123456789") == "" { // 1e999999999 is a number too, of a gigabyte
		r, ok = r.SetString(string(amount))
	}
	if !ok {
		return Safe(string(amount))
	}
	text := r.FloatString(2)
	sign := ""
	if r.Sign() < 0 {
		sign, text = "-", strings.TrimPrefix(text, "-")
	}
	if r.Sign() != 0 && text == "0.00" {
		text = "0.01"
		sign = "<"
		if r.Sign() < 0 {
			sign = ">-"
		}
	}
	whole, cents, _ := strings.Cut(text, ".")
	text = thousands(whole) + "." + cents
	switch currency {
	case "":
		return sign + text
	case "USD":
		return sign + "$" + text
	}
	return sign + text + " " + Safe(currency)
}

func thousands(digits string) string {
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

// human returns a cell as a table shows it, on one line and safe for a
// terminal.
func human(v any, c Column, currency string, zone *time.Location) string {
	if v == nil {
		return nothing
	}
	switch v := v.(type) {
	case string:
		switch c.Kind {
		case SQL:
			return Safe(strings.Join(strings.FieldsFunc(v, isBlank), " "))
		case ID:
			return Safe(shortID(v))
		}
		return Safe(v)
	case int64:
		switch c.Kind {
		case Bytes:
			return HumanBytes(v)
		case Millis:
			return HumanMillis(v)
		case Count:
			return thousands(strconv.FormatInt(v, 10))
		}
	case float64:
		switch c.Kind {
		case Percent:
			if v < 100 && v >= 99.95 {
				return "99.9 %" // nearly all is not all
			}
			return strconv.FormatFloat(v, 'f', 1, 64) + " %"
		case MB:
			whole, tenth, _ := strings.Cut(strconv.FormatFloat(v, 'f', 1, 64), ".")
			return thousands(whole) + "." + tenth
		case Change:
			return strings.Replace(fmt.Sprintf("%+.1f %%", v), "-0.0 ", "+0.0 ", 1)
		}
	case json.Number:
		if c.Kind == Money {
			return HumanMoney(v, currency)
		}
	case bool:
		if v {
			return "yes"
		}
		return "no"
	case time.Time:
		if c.Kind == Date {
			return v.Format(time.DateOnly)
		}
		if c.Kind == Time {
			return v.In(zone).Format("2006-01-02 15:04:05")
		}
		if c.Kind == Minute {
			return v.In(zone).Format("2006-01-02 15:04")
		}
	}
	text, err := dataText(v, c.Kind)
	if err != nil {
		return Safe(fmt.Sprint(v))
	}
	return Safe(text)
}

func isBlank(r rune) bool { return r == ' ' || r == '\t' || r == '\n' || r == '\r' }

// shortID returns the first part of a UUID, which "who" finds again, and any
// other id whole.
func shortID(id string) string {
	if len(id) == 36 && id[8] == '-' && id[13] == '-' && id[18] == '-' && id[23] == '-' {
		return id[:8]
	}
	return id
}

// Safe returns s with everything that a terminal would obey or hide written as
// an escape, such as \x1b or \u202e: control characters, bytes that are no
// UTF-8, and invisible format characters, among them those that turn the
// direction of writing.
func Safe(s string) string {
	clean := true
	for i, r := range s {
		if unsafeRune(r) || r == utf8.RuneError && isBadByte(s[i:]) {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == utf8.RuneError && isBadByte(s[i:]):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case unsafeRune(r) && r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		case unsafeRune(r) && r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		case unsafeRune(r):
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func isBadByte(s string) bool {
	_, size := utf8.DecodeRuneInString(s)
	return size <= 1
}

// unsafeRune reports control and format characters (Cc, Cf: the bidirectional
// controls, joiners, byte order marks, tags), line and paragraph separators,
// and private use and surrogates.
func unsafeRune(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co, unicode.Cs)
}
