package annotation

import (
	"strings"
	"unicode/utf8"

	"github.com/athenatrail/athenatrail/internal/sqllex"
)

// Bounds of what is looked at, in bytes. The longest comments that tools are
// known to write are dbt's with a model's meta, of one to two kilobytes.
const (
	maxComment = 8 << 10  // a longer comment is nobody's
	window     = 16 << 10 // only comments in the first and the last so many bytes count
)

// A place is where in a text a comment stands; a marker may name several.
type place uint8

const (
	head   place = 1 << iota // before it only white space and comments
	tail                     // behind it only white space, comments and semicolons
	middle                   // anywhere outside of literals and quoted names
)

// A form is how a comment is written; a marker may name several.
type form uint8

const (
	block form = 1 << iota // /* */
	line                   // --
)

// A comment is one that is closed, short and valid UTF-8.
type comment struct {
	sqllex.Token
	form   form
	inside string // without the marks and the white space around
}

// A reading is what a marker found in a comment, as it is written there.
type reading struct {
	tool, user, detail string
}

// Find returns the note of a query's text: that of the first comment at its
// head that is a marker, else of the last one at its tail, else of the first
// one in between that may stand there. What a tool adds thus counts before
// what a person typed further inside. It takes time in proportion to the text.
func (p *Patterns) Find(sql string) (Note, bool) {
	if !strings.Contains(sql, "--") && !strings.Contains(sql, "/*") {
		return Note{}, false
	}
	var last []sqllex.Token // comments behind the last token of the statement
	var between Note
	atHead, found, inTrino := true, false, false
	for t := range sqllex.Tokens(sql) {
		if t.Kind == sqllex.Comment {
			if crosses(t) {
				return between, found
			}
			c, ok := newComment(t)
			if ok && atHead && t.Start < window {
				if n, ok := p.note(c, head); ok {
					return n, true
				}
			}
			if ok && !found {
				between, found = p.note(c, middle)
			}
			if len(sql)-t.Start <= window {
				last = append(last, t)
			}
			continue
		}
		if t.Kind == sqllex.Symbol && t.Text == ";" {
			atHead = false
			continue
		}
		if atHead {
			inTrino = isTrino(t)
		}
		atHead, last = false, last[:0]
		if !inTrino && escapes(t) {
			// To Hive the literal goes on, and what follows may lie in one.
			return between, found
		}
	}
	for i := len(last) - 1; i >= 0; i-- {
		if c, ok := newComment(last[i]); ok {
			if n, ok := p.note(c, tail); ok {
				return n, true
			}
		}
	}
	return between, found
}

// note reads a comment at a place with the user's own patterns and with the
// built-in markers.
func (p *Patterns) note(c comment, at place) (Note, bool) {
	r, ok := reading{}, false
	if at != middle {
		r, ok = p.read(c.inside)
	}
	for i := 0; i < len(markers) && !ok; i++ {
		if m := &markers[i]; m.place&at != 0 && m.form&c.form != 0 {
			r, ok = m.read(c.inside)
			if r.tool == "" {
				r.tool = m.tool
			}
		}
	}
	if !ok {
		return Note{}, false
	}
	n := Note{Tool: r.tool, User: userOf(r.tool, r.user), Detail: detailOf(r.detail), Comment: c.Text, Offset: c.Start}
	// The text may be large, and a note is kept.
	n.User, n.Detail, n.Comment = strings.Clone(n.User), strings.Clone(n.Detail), strings.Clone(n.Comment)
	return n, true
}

// newComment returns a token as a comment, or false where it can be no marker.
func newComment(t sqllex.Token) (comment, bool) {
	if len(t.Text) > maxComment || !utf8.ValidString(t.Text) {
		return comment{}, false
	}
	if inside, ok := strings.CutPrefix(t.Text, "--"); ok {
		t.Text = strings.TrimSuffix(t.Text, "\r") // the other half of the line's end
		return comment{t, line, strings.TrimSpace(inside)}, true
	}
	inside, closed := strings.CutSuffix(t.Text[2:], "*/")
	return comment{t, block, strings.TrimSpace(inside)}, closed
}

// crosses reports whether Trino may take a comment for a shorter one: to Trino
// a carriage return ends a line too (SqlBase.g4, SIMPLE_COMMENT), so what
// follows it may open a literal.
func crosses(t sqllex.Token) bool {
	r := strings.IndexByte(t.Text, '\r')
	return r >= 0 && r < len(t.Text)-1 && t.Text[0] == '-'
}

// isTrino reports whether a statement's first token shows that Athena reads it
// as Trino does, to which a backslash is a character like any other. CREATE
// and what manages tables may be Hive's.
func isTrino(first sqllex.Token) bool {
	switch strings.ToUpper(first.Text) {
	case "SELECT", "WITH", "(", "VALUES", "TABLE", "INSERT", "UPDATE", "DELETE", "MERGE", "UNLOAD", "EXPLAIN", "PREPARE", "EXECUTE":
		return true
	}
	return false
}

// escapes reports whether a literal has a backslash before a quote, which to
// Hive does not end the literal.
func escapes(t sqllex.Token) bool {
	switch t.Kind {
	case sqllex.Text:
		return strings.Contains(t.Text, `\'`)
	case sqllex.Quoted:
		return strings.Contains(t.Text, `\"`)
	}
	return false
}
