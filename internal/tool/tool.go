// Package tool tells which program made a call, and what that program ran.
//
// One table names every program (table.go); its first line that matches wins.
// So the order of lines is their precedence, from the top:
//
//   - An AI agent: whatever it uses to call, the agent chose what to ask.
//   - What is told exactly: dbt, Airflow, QuickSight, the console, the CLI. These
//     win over what carries them: dbt's agent names PyAthena and boto3 too.
//   - What only hints at a program: the name somebody gave to a role session,
//     the Lambda function that a program runs in, the service that forwarded.
//   - What carries: drivers, libraries and SDKs that any program may use.
//
// A comment in the SQL names its tool where the record hints at most, or only
// shows what carried the query. It does not overrule what is told exactly:
// who pastes Redash's comment into the console used the console. Where both
// name the same tool, the comment's detail counts: dbt's agent does not know
// dbt's node.
//
// All that is read comes from outside. A user agent is up to a kilobyte that
// anybody may send, some records put it in brackets, and a call by a service
// has the service's DNS name or "AWS Internal" in its place.
package tool

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/annotation"
)

// Unknown is the name of a tool that nothing tells.
const Unknown = "unknown"

// A Tool is the program behind a call: the columns tool and tool_detail.
type Tool struct {
	// Name is one of [Names], or the name that a user's own pattern for
	// comments gives.
	Name string

	// Detail is what the program ran or where it ran: dbt's node, Airflow's
	// DagRunKey, a Lambda function, an application's name. It is empty where
	// nothing tells, has at most 256 bytes of valid UTF-8, and holds no control
	// characters. Versions are no detail.
	Detail string

	field, saw string // the record's field, and what in it told
}

// Of returns the tool of a call. The note is what a comment in the call's SQL
// says; nil and the zero value are that of a text without one.
func Of(r *athenatrail.Record, note *annotation.Note) Tool {
	f := finding{record: r, best: none}
	f.look()
	t, exact := Tool{Name: Unknown}, false
	if f.best == none {
		t.field, t.saw = "userAgent", r.UserAgent
	} else {
		l := &table[f.best]
		exact = l.sure == exactly
		t = Tool{Name: l.name, Detail: clean(f.detail(l)), field: l.look.field(), saw: f.saw}
	}
	if note == nil || !isName(note.Tool) {
		return t
	}
	switch detail := clean(note.Detail); {
	case note.Tool == t.Name:
		if detail != "" {
			t.Detail = detail
		}
	case !exact:
		t = Tool{Name: note.Tool, Detail: detail, field: comment.field(), saw: note.Comment}
	}
	return t
}

// Why says what told the tool, as in `userAgent "dbt-athena/1.9.5"`: a line
// that shows at most 256 bytes of what is from outside, in quotes.
func (t Tool) Why() string {
	saw := t.saw
	if len(saw) > maxDetail {
		saw = saw[:maxDetail] + "..."
	}
	switch {
	case t.Name == Unknown && t.saw == "":
		return "no userAgent"
	case t.Name == Unknown:
		return "userAgent " + strconv.Quote(saw) + " is none that is known"
	case t.saw == "":
		return t.field
	}
	return t.field + " " + strconv.Quote(saw)
}

// Names returns every name of the table and [Unknown], sorted.
func Names() []string { return slices.Clone(names) }

var names = func() []string {
	all := []string{Unknown}
	for i := range table {
		all = append(all, table[i].name)
	}
	slices.Sort(all)
	return slices.Compact(all)
}()

// isName reports whether a comment's tool has the form of a name. It is the
// program's or the user's own word, never the comment's.
func isName(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isLower(c) && !isDigit(c) && c != '-' && c != '_' {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

const maxDetail = 256

// clean bounds a detail, and replaces what is no text.
func clean(s string) string {
	plain := len(s) <= maxDetail
	for i := 0; plain && i < len(s); i++ {
		plain = ' ' <= s[i] && s[i] <= '~'
	}
	if plain {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if r < ' ' || 0x7f <= r && r < 0xa0 {
			r = utf8.RuneError
		}
		if b.Len()+utf8.RuneLen(r) > maxDetail {
			break
		}
		b.WriteRune(r)
	}
	return b.String()
}

func isLower(c byte) bool { return 'a' <= c && c <= 'z' }

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isLetter(c byte) bool { return isLower(c | 0x20) }
