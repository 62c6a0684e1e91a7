package web

import (
	"strings"
	"unicode/utf8"

	"github.com/athenatrail/athenatrail/internal/sqllex"
)

// A token is a piece of SQL and its class in the style sheet; "" has none.
type token struct{ Class, Text string }

// keywords are words that are shown as such. A name may be among them: it is
// colour alone.
var keywords = func() map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(`add all alter analyze and any as asc between by case cast column columns create cross cube current database delete desc
		describe distinct drop else end escape except execute exists explain external extract false fetch first following for format from full function
		grant group grouping having if in inner insert intersect interval into is join last lateral left like limit location merge msck natural not null
		nulls offset on or order ordinality outer over partition partitioned preceding prepare range recursive repair replace revoke right rollup row rows
		schema select set sets show some stored table tablesample tblproperties then to true truncate try_cast unbounded union unload unnest update use
		using values view when where window with`) {
		m[w] = true
	}
	return m
}()

// maxGist is how much of a text a table shows, in runes, and how many bytes of
// it are looked at for that.
const (
	maxGist     = 240
	maxGistFrom = 20_000
)

// gist is the beginning of SQL on one line: without the comments that tools put
// before it, which say nothing of what it does.
func gist(sql string) (list []token) {
	if len(sql) > maxGistFrom {
		sql = strings.ToValidUTF8(sql[:maxGistFrom], "")
	}
	at, left := 0, maxGist
	for t := range sqllex.Tokens(sql) {
		if t.Kind == sqllex.Comment {
			continue
		}
		if t.Start > at && len(list) > 0 {
			list = append(list, token{"", " "})
		}
		at = t.End
		text := shorten(visible(strings.Join(strings.Fields(t.Text), " ")), left)
		list = append(list, token{classOf(t), text})
		if left -= utf8.RuneCountInString(text) + 1; left <= 0 {
			return append(list, token{"", "…"})
		}
	}
	if len(list) == 0 && sql != "" {
		return []token{{"c", shorten(visible(strings.Join(strings.Fields(sql), " ")), maxGist)}}
	}
	return list
}

// maxHighlighted bounds how much SQL is cut into tokens; what is longer is
// shown plain.
const maxHighlighted = 300_000

// highlight cuts SQL for display. All tokens and what is between them are the
// whole text.
func highlight(sql string) []token {
	if len(sql) > maxHighlighted {
		return []token{{"", sql}}
	}
	var list []token
	at := 0
	for t := range sqllex.Tokens(sql) {
		if t.Start > at {
			list = append(list, token{"", sql[at:t.Start]})
		}
		list = append(list, token{classOf(t), t.Text})
		at = t.End
	}
	if at < len(sql) {
		list = append(list, token{"", sql[at:]})
	}
	return list
}

func classOf(t sqllex.Token) string {
	switch t.Kind {
	case sqllex.Word:
		if keywords[strings.ToLower(t.Text)] {
			return "k"
		}
	case sqllex.Quoted:
		return "q"
	case sqllex.Text:
		return "t"
	case sqllex.Number:
		return "n"
	case sqllex.Comment:
		return "c"
	}
	return ""
}

// visible makes characters that turn the direction of writing or hide text
// visible, and leaves line breaks and tabs.
func visible(sql string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x200b && r <= 0x200f || r >= 0x202a && r <= 0x202e || r >= 0x2060 && r <= 0x206f || r == 0xfeff:
			return '␣'
		}
		return r
	}, sql)
}
