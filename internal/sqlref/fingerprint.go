package sqlref

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/athenatrail/athenatrail/internal/sqllex"
)

// Version names the rules of [Fingerprint]. A change that gives any statement
// another fingerprint raises it, because fingerprints are compared over months
// and stored by programs of several versions. testdata/fingerprints.txt holds
// what it must not change.
const Version = 1

// Fingerprint returns 16 hex digits that are the same for the same query with
// other literals and ? in their place, lists of other lengths behind IN, VALUES
// and ARRAY and in EXECUTE USING, other white space, comments, case, quotes
// around plain names, != for <>, and other names that a tool makes up for its
// temporary tables. Queries that differ in more have other fingerprints, but
// for chance (one in 2^64). It is empty for a text without a word and for more
// than a mebibyte.
//
// TRUE and FALSE are literals, NULL is one in lists only. Lists of different
// things keep their order: of neighbours that are alike one is left.
func Fingerprint(sql string) string {
	toks, hive, _ := scan(sql)
	for toks.len() > 0 && toks.at(toks.len()-1).text == ";" {
		toks.all = toks.all[:toks.len()-1]
	}
	if toks.len() == 0 {
		return ""
	}
	n := normalizer{out: make([]byte, 0, len(sql)/2+64), lists: make([]list, 1, 16)}
	n.run(toks, hive)
	sum := sha256.Sum256(n.out)
	return hex.EncodeToString(sum[:8])
}

// A normalizer writes a statement in the form that is hashed: one spelling of
// each token, with a space before each.
type normalizer struct {
	out   []byte
	lists []list // of what is open; the first is the statement
}

// A list is a parenthesis or bracket that is open, and whether repeated
// elements of it are left out.
type list struct {
	on       bool
	literals bool // it lies in a list, where NULL is a literal
	start    int  // of the element that is being written
	last     int  // where the element before begins,
	end      int  // and ends; 0 if there is none
}

func (n *normalizer) top() *list { return &n.lists[len(n.lists)-1] }

func (n *normalizer) run(toks tokens, hive bool) {
	var before token
	execute := toks.first().word == "execute"
	for i := range toks.len() {
		t := toks.at(i)
		switch t.kind {
		case sqllex.Text, sqllex.Number:
			n.write("?")
		case sqllex.Quoted:
			if hive && t.text[0] == '"' && (len(n.lists) > 1 || takesText[before.word]) {
				n.write("?") // Hive's texts may have these quotes too
			} else {
				n.name(unquoted(t.text))
			}
		case sqllex.Word:
			n.word(t, execute)
		case sqllex.Symbol:
			isSign := (t.text == "-" || t.text == "+") && i+1 < toks.len() && isLiteral(toks.at(i+1)) && beforeSign(before)
			if !isSign {
				n.symbol(t.text, before)
			}
		}
		before = t
	}
	for len(n.lists) > 0 {
		n.element()
		n.lists = n.lists[:len(n.lists)-1]
	}
}

// takesText are the words that a text of Hive's follows, outside parentheses.
var takesText = map[string]bool{
	"comment": true, "location": true, "by": true, "like": true, "serde": true, "inputformat": true, "outputformat": true, "inpath": true,
}

func isLiteral(t token) bool { return t.kind == sqllex.Number || t.text == "?" }

// beforeSign reports whether a + or - behind t belongs to the number after it.
func beforeSign(t token) bool {
	switch t.kind {
	case sqllex.Symbol:
		return t.text != ")" && t.text != "]" && t.text != "?"
	case sqllex.Word:
		return t.text == "" || signs[t.word]
	}
	return false
}

// signs are the words that an expression follows.
var signs = map[string]bool{
	"select": true, "distinct": true, "where": true, "and": true, "or": true, "not": true, "case": true, "when": true,
	"then": true, "else": true, "between": true, "by": true, "on": true, "having": true, "values": true, "using": true,
}

func (n *normalizer) write(s string) {
	n.out = append(append(n.out, ' '), s...)
}

func (n *normalizer) word(t token, execute bool) {
	f := n.top()
	switch t.word {
	case "true", "false":
		n.write("?")
		return
	case "null":
		if f.on || f.literals {
			n.write("?")
			return
		}
	case "select", "with", "union", "intersect", "except", "order", "limit", "offset", "fetch", "on", "where":
		n.element()
		f.on, f.literals = false, false
	case "values":
		n.write("values")
		*f = list{on: true, start: len(n.out)}
		return
	case "using":
		if execute && len(n.lists) == 1 {
			n.write("using")
			*f = list{on: true, start: len(n.out)}
			return
		}
	}
	n.name(t.text)
}

func (n *normalizer) symbol(s string, before token) {
	switch s {
	case "(", "[":
		n.write(s)
		f := n.top()
		n.lists = append(n.lists, list{
			on:       s == "[" || before.word == "in",
			literals: f.on || f.literals,
			start:    len(n.out),
		})
		return
	case ")", "]":
		if len(n.lists) > 1 {
			n.element()
			n.lists = n.lists[:len(n.lists)-1]
		}
	case ",":
		if n.element(); n.top().on {
			n.write(",")
			n.top().start = len(n.out)
			return
		}
	case "!=":
		s = "<>"
	}
	n.write(s)
}

// element ends the element that is being written, and takes it back if it is
// the one before again.
func (n *normalizer) element() {
	f := n.top()
	if !f.on {
		return
	}
	if f.end > 0 && string(n.out[f.start:]) == string(n.out[f.last:f.end]) {
		n.out = n.out[:f.end]
		return
	}
	f.last, f.end = f.start, len(n.out)
}

// name writes a name or keyword. Case is that of ASCII alone, so that it does
// not change with tables of Unicode.
func (n *normalizer) name(s string) {
	start := len(n.out) + 1
	n.out = append(n.out, ' ')
	plain := s != ""
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		case 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '_' || c == '$' || c == '@' || c >= 0x80:
		default:
			plain = false
		}
		n.out = append(n.out, c)
	}
	if mayBeTemporary(n.out[start:]) {
		n.out = append(n.out[:start], permanent(string(n.out[start:]))...)
	}
	if !plain { // quoted for a reason
		s := strings.ReplaceAll(string(n.out[start:]), `"`, `""`)
		n.out = append(append(append(n.out[:start], '"'), s...), '"')
	}
}

// unquoted returns a quoted name without its quotes.
func unquoted(text string) string {
	quote := text[:1]
	text = text[1:]
	text = strings.TrimSuffix(text, quote)
	if strings.Contains(text, quote) {
		text = strings.ReplaceAll(text, quote+quote, quote)
	}
	return text
}
