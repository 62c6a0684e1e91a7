package annotation

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf8"
)

// Version names the rules. It changes when a text can get another note, or be
// a probe or not, while no pattern has changed.
const Version = "annotation/1"

// A Pattern is a user's own marker: the configuration's comments[{tool,pattern}].
// Pattern is an RE2 expression that is searched in the inside of one comment,
// without the comment's marks and the white space around. Its groups named
// user and detail, of which it has at least one, catch what the [Note] holds.
type Pattern struct {
	Tool    string
	Pattern string
}

// Bounds of the configuration. A comment is tried with every pattern.
const (
	maxPatterns = 32
	maxPattern  = 1024 // bytes
	maxTool     = 64   // bytes
)

// Patterns are the markers to look for: the built-in ones and a user's own,
// which are tried first. Nil has the built-in ones. It is safe for concurrent
// use.
type Patterns struct {
	own []ownPattern
}

type ownPattern struct {
	Pattern
	re           *regexp.Regexp
	user, detail []int // numbers of the groups; alternatives may repeat a name
}

// A PatternError says what is wrong with one pattern.
type PatternError struct {
	Index  int    // of the pattern
	Field  string // tool or pattern; empty where there are too many patterns
	Offset int    // byte offset in the field's text of what is wrong, 0 where all of it is
	Reason string
}

func (e *PatternError) Error() string {
	if e.Field == "" {
		return fmt.Sprintf("comments[%d]: %s", e.Index, e.Reason)
	}
	return fmt.Sprintf("comments[%d].%s, column %d: %s", e.Index, e.Field, e.Offset+1, e.Reason)
}

// NewPatterns compiles a user's own patterns. They are tried in their order.
// Errors are *[PatternError], of the first pattern that is wrong.
func NewPatterns(patterns []Pattern) (*Patterns, error) {
	if len(patterns) > maxPatterns {
		return nil, &PatternError{Index: maxPatterns, Reason: fmt.Sprintf("%d patterns: want at most %d", len(patterns), maxPatterns)}
	}
	p := &Patterns{}
	for i, pattern := range patterns {
		own, err := compile(pattern)
		if err != nil {
			err.Index = i
			return nil, err
		}
		p.own = append(p.own, own)
	}
	return p, nil
}

func compile(p Pattern) (ownPattern, *PatternError) {
	wrong := func(field string, offset int, format string, args ...any) (ownPattern, *PatternError) {
		return ownPattern{}, &PatternError{Field: field, Offset: offset, Reason: fmt.Sprintf(format, args...)}
	}
	bad := strings.IndexFunc(p.Tool, func(r rune) bool {
		return !('a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '-' || r == '_')
	})
	switch {
	case p.Tool == "" || bad >= 0:
		return wrong("tool", max(bad, 0), "%q: want the tool's name in small letters, digits, - and _", p.Tool)
	case len(p.Tool) > maxTool:
		return wrong("tool", maxTool, "%d bytes: want at most %d", len(p.Tool), maxTool)
	case p.Pattern == "":
		return wrong("pattern", 0, "is empty: want an expression with a group (?P<user>...) or (?P<detail>...)")
	case len(p.Pattern) > maxPattern:
		return wrong("pattern", maxPattern, "%d bytes: want at most %d", len(p.Pattern), maxPattern)
	}
	re, err := regexp.Compile(p.Pattern)
	if err != nil {
		offset, reason := explain(p.Pattern, err)
		return wrong("pattern", offset, "%s", reason)
	}
	own := ownPattern{Pattern: p, re: re}
	for i, name := range re.SubexpNames() {
		switch name {
		case "user":
			own.user = append(own.user, i)
		case "detail":
			own.detail = append(own.detail, i)
		}
	}
	if own.user == nil && own.detail == nil {
		return wrong("pattern", 0, "has no group (?P<user>...) or (?P<detail>...)")
	}
	return own, nil
}

// explain says where and what is wrong with an expression. The compiler tells
// the piece that it choked on, not its place: that is the first occurrence
// with which the expression's beginning fails in the same way.
func explain(pattern string, err error) (offset int, reason string) {
	var e *syntax.Error
	if !errors.As(err, &e) {
		return 0, err.Error()
	}
	fails := func(end int) bool {
		_, err := syntax.Parse(pattern[:end], syntax.Perl)
		var at *syntax.Error
		return errors.As(err, &at) && at.Code == e.Code && (at.Expr == e.Expr || at.Expr == pattern[:end])
	}
	reason = string(e.Code)
	switch e.Code {
	case syntax.ErrInvalidUTF8:
		for i, r := range pattern {
			if _, n := utf8.DecodeRuneInString(pattern[i:]); r == utf8.RuneError && n == 1 {
				return i, reason
			}
		}
	case syntax.ErrTrailingBackslash:
		return len(pattern) - 1, reason
	case syntax.ErrUnexpectedParen:
		for i := range pattern {
			if pattern[i] == ')' && fails(i+1) {
				return i, reason
			}
		}
	case syntax.ErrMissingParen:
		// The group that is not closed is the last one before which all are.
		for i := len(pattern) - 1; i >= 0; i-- {
			if _, err := syntax.Parse(pattern[:i], syntax.Perl); err == nil && pattern[i] == '(' {
				return i, reason
			}
		}
	default:
		if e.Expr == "" || e.Expr == pattern {
			return 0, reason
		}
		reason = fmt.Sprintf("%s: %q", reason, e.Expr)
		for i := 0; ; i++ {
			n := strings.Index(pattern[i:], e.Expr)
			if n < 0 {
				break
			}
			if i += n; fails(i + len(e.Expr)) {
				return i, reason
			}
		}
		return max(strings.Index(pattern, e.Expr), 0), reason
	}
	return 0, reason
}

// Hash returns 16 hex digits that change with anything that can change a note
// or what a probe is.
func (p *Patterns) Hash() string {
	h := sha256.New()
	fmt.Fprintln(h, Version)
	for i := range markers {
		m := &markers[i]
		fmt.Fprintln(h, "marker", m.tool, m.form, m.place)
	}
	fmt.Fprintf(h, "words %q %q\n", nobodies, commenters)
	if p != nil {
		for i := range p.own {
			fmt.Fprintf(h, "own %q %q\n", p.own[i].Tool, p.own[i].Pattern.Pattern)
		}
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

// read returns what the first of the user's own patterns finds in a comment.
func (p *Patterns) read(inside string) (reading, bool) {
	if p == nil {
		return reading{}, false
	}
	for i := range p.own {
		own := &p.own[i]
		m := own.re.FindStringSubmatchIndex(inside)
		if m == nil || m[0] == m[1] { // what matches nothing matches every comment
			continue
		}
		group := func(numbers []int) string {
			for _, n := range numbers {
				if m[2*n] < m[2*n+1] {
					return inside[m[2*n]:m[2*n+1]]
				}
			}
			return ""
		}
		return reading{tool: own.Tool, user: group(own.user), detail: group(own.detail)}, true
	}
	return reading{}, false
}
