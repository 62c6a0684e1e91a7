package sqlref

import (
	"strings"

	"github.com/athenatrail/athenatrail/internal/sqllex"
)

// A clause is what a query, or the parenthesis that is open, waits for.
type clause uint8

const (
	inExpression  clause = iota // in an expression: FROM belongs to EXTRACT and its like
	atQuery                     // a query may begin here: WITH, SELECT, VALUES, TABLE, (
	afterCTE                    // a query of WITH has ended: a comma, or the query that it serves
	inSelect                    // after SELECT, before its FROM
	atRelation                  // a table's name, a function or ( must come
	afterRelation               // behind one: alias, ON, the next JOIN or comma
	inLateralView               // Hive's LATERAL VIEW: its commas part columns
	afterFrom                   // WHERE and what comes behind it
	atTarget                    // MERGE: alias, then USING
)

// A frame is a parenthesis or bracket that is open; the first is the statement
// itself.
type frame struct {
	clause    clause
	bracket   bool
	merge     bool   // of MERGE, where ON ends the tables
	recursive bool   // its WITH is RECURSIVE
	scope     int    // how many names of WITH were seen when it opened
	cte       string // the name of WITH that its closing defines
}

// A parser goes once over the tokens.
type parser struct {
	toks tokens
	i    int
	end  int // of the statement

	frames  []frame
	scope   []string       // names of WITH in the order of their definition
	visible map[string]int // how often each stands in scope

	spokenOf bool // the statement neither reads nor writes what it names
	found    Refs
	refs     map[Ref]int // place in found, by name
}

// add takes note of a table, which has no name if ok is false.
func (p *parser) add(ref Ref, ok, read, write bool) {
	if !ok {
		return
	}
	at, seen := p.refs[ref]
	if !seen {
		if len(p.found) == maxRefs {
			return
		}
		at = len(p.found)
		p.refs[ref] = at
		p.found = append(p.found, ref)
	}
	p.found[at].Read = p.found[at].Read || read && !p.spokenOf
	p.found[at].Write = p.found[at].Write || write && !p.spokenOf
}

// at returns the token i places ahead, or none.
func (p *parser) at(i int) token {
	if i += p.i; 0 <= i && i < p.end {
		return p.toks.at(i)
	}
	return token{}
}

// query goes to the end of the statement, which is in the given clause.
func (p *parser) query(c clause) {
	p.frames = append(p.frames[:0], frame{clause: c, merge: c == atTarget})
	p.scope = p.scope[:0]
	p.visible = map[string]int{}
	for p.i < p.end {
		f := &p.frames[len(p.frames)-1]
		t := p.toks.at(p.i)
		switch {
		case t.kind == sqllex.Word || t.kind == sqllex.Quoted:
			if f.clause == atRelation {
				p.relation(f, t)
			} else if t.word != "" {
				p.word(f, t)
			} else {
				p.i++
			}
		case t.kind == sqllex.Number && f.clause == atRelation:
			p.table(f)
		case t.kind != sqllex.Symbol:
			if f.clause == atRelation { // a text is no table
				f.clause = afterRelation
			}
			p.i++
		case t.text == "(":
			p.open(f)
		case t.text == "[" && f.clause != atRelation: // ARRAY[a, b] or a[1]
			p.frames = append(p.frames, frame{bracket: true, scope: len(p.scope)})
			p.i++
		case t.text == "]":
			if p.i++; f.bracket {
				p.frames = p.frames[:len(p.frames)-1]
			}
		case t.text == ")":
			p.close()
		case t.text == ",":
			p.i++
			switch f.clause {
			case afterRelation:
				f.clause = atRelation
			case afterCTE:
				p.cte(false)
			}
		default:
			if f.clause == atRelation {
				f.clause = afterRelation
			}
			p.i++
		}
	}
}

func (p *parser) open(f *frame) {
	inner := inExpression
	switch f.clause {
	case atRelation:
		f.clause, inner = afterRelation, atRelation
	case atQuery, afterCTE:
		f.clause, inner = atQuery, atQuery
	}
	p.push(inner, "")
	p.i++
}

func (p *parser) push(c clause, cte string) {
	p.frames = append(p.frames, frame{clause: c, scope: len(p.scope), cte: cte})
}

func (p *parser) close() {
	p.i++
	last := len(p.frames) - 1
	for p.frames[last].bracket { // one that nothing closes
		last--
	}
	p.frames = p.frames[:last+1]
	if last == 0 {
		return // one too many
	}
	f := p.frames[last]
	p.frames = p.frames[:last]
	for _, name := range p.scope[f.scope:] {
		p.visible[name]--
	}
	p.scope = p.scope[:f.scope]
	if f.cte != "" {
		p.define(f.cte)
	}
}

func (p *parser) define(name string) {
	p.scope = append(p.scope, name)
	p.visible[name]++
}

// relation takes what stands where a table's name may.
func (p *parser) relation(f *frame, t token) {
	next := p.at(1)
	switch {
	case t.word == "unnest" && next.text == "(":
		f.clause = afterRelation
		p.i++
	case t.word == "table" && next.text == "(": // a function's name follows
		f.clause = afterRelation
		p.i++
	case t.word == "table" && isName(next) || t.word == "lateral" && (next.text == "(" || next.word == "unnest"):
		p.i++
	case t.word == "with" || t.word == "select" || t.word == "values" || t.word == "from":
		f.clause = atQuery
		p.word(f, t)
	case reserved[t.word]:
		f.clause = afterRelation // a name is missing; p.word sees the word
	default:
		p.table(f)
	}
}

// isName reports whether a table's name may begin with t.
func isName(t token) bool {
	return t.kind == sqllex.Quoted || t.kind == sqllex.Word && t.text != "" && !reserved[t.word]
}

// table takes a name that rows come from.
func (p *parser) table(f *frame) {
	f.clause = afterRelation
	ref, ok := p.name()
	if p.at(0).text == "(" {
		return // a function
	}
	if ref.Database == "" && p.visible[ref.Table] > 0 {
		return
	}
	p.add(ref, ok, true, false)
}

// word takes a keyword where no name is waited for.
func (p *parser) word(f *frame, t token) {
	p.i++
	before, next := p.at(-2), p.at(0)
	if f.clause == afterCTE || f.clause == inExpression && before.text == "(" && (t.word == "with" || t.word == "table" && next.text != "(") {
		f.clause = atQuery
	}
	switch t.word {
	case "select":
		f.clause = inSelect
	case "from":
		isDistinctFrom := before.word == "distinct" && (p.at(-3).word == "is" || p.at(-3).word == "not")
		if f.clause == inSelect && !isDistinctFrom {
			f.clause = atRelation
		}
	case "join":
		if f.clause == afterRelation || f.clause == inLateralView {
			f.clause = atRelation
		}
	case "lateral":
		if f.clause == afterRelation && next.word == "view" {
			f.clause = inLateralView
		}
	case "where", "having", "by":
		p.leave(f)
	case "limit", "offset", "fetch", "window", "qualify":
		// Not reserved: also names, behind AS or before what ends an alias.
		alias := before.word == "as" || next.text == "," || next.text == ")" || next.word == "on" || next.word == "join" || next.word == "where"
		if !alias {
			p.leave(f)
		}
	case "on":
		if f.merge {
			f.clause = afterFrom
		}
	case "using":
		if f.clause == atTarget {
			f.clause = atRelation
		}
	case "union", "intersect", "except":
		if f.clause != inSelect || before.text != "*" {
			f.clause = atQuery
		}
	case "with":
		if f.clause == atQuery {
			p.cte(next.word == "recursive" && p.at(1).word != "as")
		}
	case "values":
		if f.clause == atQuery {
			f.clause = afterFrom
		}
	case "insert": // Hive has it behind WITH
		if f.clause == atQuery && len(p.frames) == 1 && (p.take("into") || p.take("overwrite")) {
			p.into()
		}
	case "table":
		switch {
		case next.text != "(":
			if f.clause == atQuery {
				f.clause = atRelation
			}
		case f.clause == inExpression && (before.text == "(" || before.text == "," || before.text == "=>"):
			p.push(atRelation, "") // TABLE(orders), handed to a function
			p.i++
		}
	}
}

// leave goes behind the tables of a query.
func (p *parser) leave(f *frame) {
	if f.clause == afterRelation || f.clause == inLateralView {
		f.clause = afterFrom
	}
}

// cte takes name [(columns)] AS ( of a WITH, up to the parenthesis. Anything
// else that follows a WITH leaves all as it is.
func (p *parser) cte(recursive bool) {
	i := p.i
	if recursive {
		i++
	}
	if i >= p.end {
		return
	}
	t := p.toks.at(i)
	if t.kind != sqllex.Word && t.kind != sqllex.Quoted {
		return
	}
	name := unquote(t.kind, t.text)
	word := func() string {
		if i < p.end {
			return p.toks.at(i).word
		}
		return ""
	}
	if i++; i < p.end && p.toks.at(i).text == "(" {
		i = min(p.toks.at(i).match, p.end) + 1
	}
	if word() != "as" {
		return
	}
	i++
	if word() == "not" {
		i++
	}
	if word() == "materialized" {
		i++
	}
	if i >= p.end || p.toks.at(i).text != "(" {
		return
	}
	p.i = i + 1
	f := &p.frames[len(p.frames)-1]
	f.clause = afterCTE
	// All of one WITH are recursive or none is; the first word tells it.
	f.recursive = f.recursive || recursive
	if f.recursive {
		p.define(name)
		name = ""
	}
	p.push(atQuery, name)
}

// name takes a name of up to three parts.
func (p *parser) name() (Ref, bool) {
	var parts []string
	first := p.at(0)
	for {
		part, ok := p.part()
		if !ok {
			break
		}
		parts = append(parts, part)
		next := p.at(0)
		if next.kind == sqllex.Number && next.text[0] == '.' {
			continue // the dot was taken for a number's, as in sales.2024_orders
		}
		if next.text != "." {
			break
		}
		p.i++
	}
	if n := len(parts); n > 0 {
		parts[n-1] = withoutMetadata(parts[n-1])
	}
	if len(parts) == 1 && first.text[0] == '`' {
		parts = strings.Split(parts[0], ".") // Hive takes `sales.orders` so
	}
	for _, part := range parts {
		if part == "" {
			return Ref{}, false
		}
	}
	return fromParts(parts)
}

// part takes one part of a name. Hive has names that begin with a digit; the
// lexer makes a number and a word of these.
func (p *parser) part() (string, bool) {
	t := p.at(0)
	switch t.kind {
	case sqllex.Word, sqllex.Quoted:
		if t.text == "" {
			return "", false
		}
		p.i++
		return unquote(t.kind, t.text), true
	case sqllex.Number:
		text := t.text
		p.i++
		if next := p.at(0); next.kind == sqllex.Word && next.start == t.start+len(t.text) {
			text += next.text
			p.i++
		} else if text[0] != '.' {
			return "", true
		}
		if text[0] == '.' {
			text = text[1:]
		}
		return unquote(sqllex.Word, text), true
	}
	return "", false
}

// metadataTables are the tables that stand beside a table for what is known of it,
// as in "orders$partitions" (Athena user guide, SHOW PARTITIONS and querying
// Iceberg metadata).
var metadataTables = map[string]bool{
	"partitions": true, "files": true, "manifests": true, "history": true, "snapshots": true, "refs": true,
	"properties": true, "entries": true, "all_entries": true, "metadata_log_entries": true,
}

func withoutMetadata(name string) string {
	for i := len(name) - 1; i > 0; i-- {
		if name[i] == '$' {
			if metadataTables[name[i+1:]] {
				return name[:i]
			}
			break
		}
	}
	return name
}
