package sqlref

import (
	"slices"
	"strings"

	"github.com/athenatrail/athenatrail/internal/sqllex"
)

// Mask returns sql with a ? in the place of each text and number, and without
// its comments. What is left has the same [Parse] and the same [Fingerprint].
// Names stay, those in double quotes too, and so do NULL, TRUE and FALSE. Of
// EXECUTE IMMEDIATE the statement within the text is masked.
//
// The answer is "" where that cannot be had for sure: for a text that Athena's
// two languages would cut in different places (a backslash before a quote), one
// that ends within quotes, one with a number that goes on as a word (0x1F,
// 2024_orders), and for more than a mebibyte. There what is a literal in one
// reading is none in the other.
func Mask(sql string) string {
	if len(sql) > maxText || !cutsAlike(sql) {
		return ""
	}
	toks, hive, ok := scan(sql)
	if !ok || toks.len() == 0 {
		return ""
	}
	m := masker{toks: toks, hive: hive}
	if !m.run() {
		return ""
	}
	masked := m.out.String()
	if !slices.Equal(Parse(masked), Parse(sql)) || Fingerprint(masked) != Fingerprint(sql) {
		return "" // a literal stood where a name or a sign counts
	}
	return masked
}

// SureTables is [Parse] where it does not depend on the language in which sql
// is cut, as far as it is closed in both, else nil. A text that is not kept may
// hold in a literal what one of Athena's languages takes for a table.
func SureTables(sql string) Refs {
	refs := Parse(sql)
	if len(sql) > maxText || cutsAlike(sql) {
		return refs
	}
	for _, hive := range []bool{false, true} {
		toks, ok := cut(sql, hive)
		p := parser{toks: toks, refs: map[Ref]int{}}
		if p.text(); ok && !slices.Equal(sorted(p.found), refs) {
			return nil
		}
	}
	return refs
}

// cutsAlike reports whether a text has the same tokens in both of Athena's
// languages: whether no backslash stands before a quote that matters.
func cutsAlike(sql string) bool {
	if !strings.Contains(sql, `\`) {
		return true
	}
	trino, hive := slices.Collect(sqllex.Tokens(sql)), slices.Collect(sqllex.Hive(sql))
	return slices.Equal(trino, hive)
}

// Literals returns what the texts of sql say, those in double quotes too, and
// its numbers. Sure is false where it cannot be cut for sure.
func Literals(sql string) (values []string, sure bool) {
	if len(sql) > maxText || !cutsAlike(sql) {
		return nil, false
	}
	toks, _, ok := scan(sql)
	if !ok {
		return nil, false
	}
	for i := range toks.len() {
		switch t := toks.at(i); {
		case t.kind == sqllex.Number:
			values = append(values, t.text)
		case t.kind == sqllex.Text, t.kind == sqllex.Quoted && t.text[0] == '"':
			quote := t.text[:1]
			values = append(values, strings.ReplaceAll(t.text[1:len(t.text)-1], quote+quote, quote))
		}
	}
	return values, true
}

// A masker writes a statement token by token, with the white space as it is.
type masker struct {
	toks tokens
	hive bool
	out  strings.Builder
}

// run reports false for a text that cannot be masked.
func (m *masker) run() bool {
	end, depth := 0, 0 // of the token before; parentheses and brackets open
	var before token
	for i := range m.toks.len() {
		t := m.toks.at(i)
		if i > 0 {
			m.gap(m.toks.sql[end:t.start])
		}
		end = t.start + len(t.text)
		switch t.kind {
		case sqllex.Text:
			if before.word == "immediate" && i > 1 && m.toks.at(i-2).word == "execute" {
				inner := Mask(strings.ReplaceAll(t.text[1:len(t.text)-1], "''", "'"))
				if inner == "" {
					return false
				}
				m.out.WriteString("'" + strings.ReplaceAll(inner, "'", "''") + "'")
				break
			}
			m.out.WriteByte('?')
		case sqllex.Number:
			if i+1 < m.toks.len() && m.toks.at(i+1).kind == sqllex.Word && m.toks.at(i+1).start == end {
				return false
			}
			m.out.WriteByte('?')
		case sqllex.Quoted:
			if m.hive && t.text[0] == '"' && (depth > 0 || takesText[before.word]) {
				m.out.WriteByte('?') // a text of Hive's, as Fingerprint has it
				break
			}
			m.out.WriteString(t.text)
		default:
			switch t.text {
			case "(", "[":
				depth++
			case ")", "]":
				depth = max(0, depth-1)
			}
			m.out.WriteString(t.text)
		}
		before = t
	}
	return true
}

// gap writes what stands between two tokens: white space as it is, comments as
// one space.
func (m *masker) gap(text string) {
	if strings.Trim(text, " \t\r\n") == "" {
		m.out.WriteString(text)
	} else {
		m.out.WriteByte(' ')
	}
}
