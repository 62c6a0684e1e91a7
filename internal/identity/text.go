package identity

import (
	"iter"
	"strings"
)

// A glob is a pattern in which * stands for any text and ? for any one byte,
// in lower case. A record's user is compared with a hundred and more of them,
// so the common forms are told apart once.
type glob struct {
	pattern      string
	form         form
	first, other string
}

type form int

const (
	general form = iota
	exact        // first
	within       // *first*
	around       // first*other
)

func newGlob(pattern string) glob {
	g := glob{pattern: lower(pattern)}
	before, after, starred := strings.Cut(g.pattern, "*")
	inner, starredAgain := strings.CutSuffix(after, "*")
	switch {
	case strings.Contains(g.pattern, "?") || strings.Contains(inner, "*"):
	case !starred:
		g.form, g.first = exact, g.pattern
	case !starredAgain:
		g.form, g.first, g.other = around, before, after
	case before == "":
		g.form, g.first = within, inner
	}
	return g
}

// match reports whether the pattern is all of name, which is in lower case.
func (g *glob) match(name string) bool {
	switch g.form {
	case exact:
		return name == g.first
	case within:
		return strings.Contains(name, g.first)
	case around:
		return len(name) >= len(g.first)+len(g.other) && strings.HasPrefix(name, g.first) && strings.HasSuffix(name, g.other)
	}
	return matchGlob(g.pattern, name)
}

// matchGlob matches any pattern. On a mismatch the last * takes one byte more:
// no recursion that a hostile name could deepen.
func matchGlob(pattern, name string) bool {
	p, star, mark := 0, -1, 0
	for n := 0; n < len(name); {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, n
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == name[n]):
			p++
			n++
		case star >= 0:
			mark++
			p, n = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// lower maps A to Z to lower case and nothing else: what Unicode does to other
// letters changes between its versions, and must not change who a person is.
func lower(s string) string {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if 'A' <= b[i] && b[i] <= 'Z' {
					b[i] += 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}

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
