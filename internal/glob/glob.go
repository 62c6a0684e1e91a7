// Package glob matches names with the patterns that the configuration holds:
// * stands for any text, ? for any one byte, and ASCII letters match in either
// case. The common forms are told apart once, because a record's names are
// compared with a hundred and more patterns.
package glob

import "strings"

// A Pattern is a compiled glob. The zero value matches the empty name only.
type Pattern struct {
	text         string
	form         form
	first, other string
}

type form int

const (
	exact   form = iota // first
	within              // *first*
	around              // first*other
	general             // anything else
)

// New compiles a pattern; every text is one.
func New(text string) Pattern {
	p := Pattern{text: Lower(text), form: general}
	before, after, starred := strings.Cut(p.text, "*")
	inner, starredAgain := strings.CutSuffix(after, "*")
	switch {
	case strings.Contains(p.text, "?") || strings.Contains(inner, "*"):
	case !starred:
		p.form, p.first = exact, p.text
	case !starredAgain:
		p.form, p.first, p.other = around, before, after
	case before == "":
		p.form, p.first = within, inner
	}
	return p
}

// String returns the pattern in lower case.
func (p Pattern) String() string { return p.text }

// Match reports whether the pattern is all of name.
func (p *Pattern) Match(name string) bool { return p.MatchLower(Lower(name)) }

// MatchLower is [Pattern.Match] for a name that went through [Lower].
func (p *Pattern) MatchLower(name string) bool {
	switch p.form {
	case exact:
		return name == p.first
	case within:
		return strings.Contains(name, p.first)
	case around:
		return len(name) >= len(p.first)+len(p.other) && strings.HasPrefix(name, p.first) && strings.HasSuffix(name, p.other)
	}
	return match(p.text, name)
}

// match matches any pattern. On a mismatch the last * takes one byte more: no
// recursion that a hostile name could deepen.
func match(pattern, name string) bool {
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

// Lower maps A to Z to lower case and nothing else: what Unicode does to other
// letters changes between its versions, and must not change who a person is.
func Lower(s string) string {
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
