package identity

import (
	"iter"
	"strings"
	"unicode/utf8"

	"github.com/athenatrail/athenatrail/internal/glob"
)

func lower(s string) string { return glob.Lower(s) }

// cutPrefixFold is [strings.CutPrefix], for ASCII letters without case.
func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) {
		return s, false
	}
	for i := range len(prefix) {
		a, b := s[i], prefix[i]
		if 'A' <= a && a <= 'Z' {
			a += 'a' - 'A'
		}
		if 'A' <= b && b <= 'Z' {
			b += 'a' - 'A'
		}
		if a != b {
			return s, false
		}
	}
	return s[len(prefix):], true
}

// words yields the runs of ASCII letters and digits in s.
func words(s string) iter.Seq[string] {
	return strings.FieldsFuncSeq(s, func(r rune) bool {
		return r < 0x80 && !isDigit(byte(r)) && !('a' <= r && r <= 'z') && !('A' <= r && r <= 'Z')
	})
}

func only(s string, in func(byte) bool) bool {
	for i := range len(s) {
		if !in(s[i]) {
			return false
		}
	}
	return s != ""
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isHex(c byte) bool { return isDigit(c) || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F' }

// printable reports whether s holds no control characters.
func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || 0x7f <= r && r < 0xa0 || r == utf8.RuneError })
}

func isUUID(s string) bool {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return false
	}
	return only(strings.ReplaceAll(s, "-", ""), isHex)
}

// afterNth returns what follows the nth separator, or "".
func afterNth(s string, separator byte, n int) string {
	for ; n > 0; n-- {
		i := strings.IndexByte(s, separator)
		if i < 0 {
			return ""
		}
		s = s[i+1:]
	}
	return s
}

// afterLast returns what follows the last mark, or "".
func afterLast(s, mark string) string {
	if i := strings.LastIndex(s, mark); i >= 0 {
		return s[i+len(mark):]
	}
	return ""
}
