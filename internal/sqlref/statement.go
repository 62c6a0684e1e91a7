package sqlref

import (
	"strings"

	"github.com/athenatrail/athenatrail/internal/sqllex"
)

// text goes through the statements of a text.
func (p *parser) text() {
	for from := 0; from < p.toks.len(); {
		p.i, p.end = from, from
		for p.end < p.toks.len() && p.toks.at(p.end).text != ";" {
			p.end++
		}
		from = p.end + 1
		p.spokenOf = false
		p.statement()
	}
}

// statement goes through one statement, from its verb.
func (p *parser) statement() {
	for p.i < p.end {
		t := p.at(0)
		if t.text == "(" {
			p.query(atQuery)
			return
		}
		p.i++
		switch t.word {
		case "explain":
			p.explain()
			continue
		case "prepare": // PREPARE name FROM statement
			if p.at(1).word != "from" {
				return
			}
			p.spokenOf = true
			p.i += 2
			continue
		case "select", "with", "values", "table", "from":
			p.i--
			p.query(atQuery)
		case "using":
			// USING EXTERNAL FUNCTION f(x INT) RETURNS INT LAMBDA 'l' SELECT ...
			if p.take("external"); p.take("function") {
				p.query(atQuery)
			}
		case "unload":
			p.query(atQuery)
		case "insert":
			p.insert()
		case "create":
			p.create()
		case "merge":
			p.take("into")
			p.target()
			p.query(atTarget)
		case "update":
			p.target()
			p.query(inSelect)
		case "delete":
			p.take("from")
			p.target()
			p.query(afterFrom)
		case "truncate":
			p.take("table")
			p.target()
		case "vacuum", "optimize":
			p.target()
			p.query(afterFrom)
		case "msck":
			p.take("repair")
			p.take("table")
			p.target()
		case "drop":
			p.drop()
		case "alter":
			p.alter()
		case "refresh":
			p.take("materialized")
			p.take("view")
			p.target()
		case "comment":
			if p.take("on") && (p.take("table") || p.take("view")) {
				p.target()
			}
		case "load": // Hive's LOAD DATA INPATH 'x' INTO TABLE t
			for p.i < p.end && !p.take("table") {
				p.i++
			}
			p.target()
		case "analyze":
			p.take("table")
			if isName(p.at(0)) {
				ref, ok := p.name()
				p.add(ref, ok, true, false)
			}
		case "describe", "desc":
			p.describe()
		case "show":
			p.show()
		case "execute":
			p.execute()
		}
		return
	}
}

// take goes over a keyword, if it is next.
func (p *parser) take(word string) bool {
	if p.at(0).word != word {
		return false
	}
	p.i++
	return true
}

// takeSoft goes over a word that may also be the name itself, so only where a
// name follows.
func (p *parser) takeSoft(words ...string) bool {
	if next := p.at(1); next.kind != sqllex.Quoted && (next.kind != sqllex.Word || next.text == "") {
		return false
	}
	for _, word := range words {
		if p.take(word) {
			return true
		}
	}
	return false
}

// ifExists goes over IF EXISTS and IF NOT EXISTS.
func (p *parser) ifExists() {
	if p.at(0).word == "if" && (p.at(1).word == "exists" || p.at(1).word == "not" && p.at(2).word == "exists") {
		p.i += 2
		p.take("exists")
	}
}

// target takes the name of a table that the statement writes.
func (p *parser) target() bool {
	p.ifExists()
	t := p.at(0)
	if t.kind == sqllex.Word && reserved[t.word] {
		return false
	}
	ref, ok := p.name()
	if t.kind == sqllex.Text { // the user guide has CREATE EXTERNAL TABLE 'name'
		p.i++
		ref, ok = fromParts([]string{unquote(sqllex.Quoted, t.text)})
	}
	p.add(ref, ok, false, true)
	return ok
}

// speaks takes the name of a table that is spoken of.
func (p *parser) speaks() {
	if reserved[p.at(0).word] {
		return
	}
	ref, ok := p.name()
	p.add(ref, ok, false, false)
}

// database takes the name of a database.
func (p *parser) database(write bool) {
	p.ifExists()
	ref, ok := p.name()
	if ok && ref.Catalog == "" {
		p.add(Ref{Catalog: ref.Database, Database: ref.Table}, ok, false, write)
	}
}

// explain goes over EXPLAIN [ANALYZE] [VERBOSE] [(FORMAT JSON, TYPE IO)].
func (p *parser) explain() {
	if !p.take("analyze") {
		p.spokenOf = true
	}
	p.take("verbose")
	for p.at(0).text == "(" && (p.at(1).word == "format" || p.at(1).word == "type") {
		p.i = min(p.at(0).match, p.end-1) + 1
	}
	for p.take("extended") || p.take("formatted") || p.take("logical") || p.take("distributed") {
	}
}

func (p *parser) insert() {
	if !p.take("overwrite") {
		p.take("into")
	}
	if p.at(0).word == "local" && p.at(1).word == "directory" || p.at(0).word == "directory" && p.at(1).kind == sqllex.Text {
		p.query(atQuery)
		return
	}
	p.into()
	p.query(atQuery)
}

// into takes the table of INSERT and the partition that Hive lets follow.
func (p *parser) into() {
	p.take("table")
	p.target()
	if p.take("partition") && p.at(0).text == "(" {
		p.i = min(p.at(0).match, p.end-1) + 1
	}
}

func (p *parser) create() {
	if p.take("or") {
		p.take("replace")
	}
	view := false
	for {
		switch word := p.at(0).word; word {
		case "external", "temporary", "materialized", "protected", "multi", "dialect":
			p.i++
			continue
		case "database", "schema":
			p.i++
			p.database(true)
			return
		case "table", "view":
			p.i++
			view = word == "view"
		default:
			return
		}
		break
	}
	p.target()
	p.createBody(view)
}

// createBody goes over what follows the name in CREATE TABLE and CREATE VIEW.
func (p *parser) createBody(view bool) {
	if columns := p.at(0); columns.text == "(" {
		end := min(columns.match, p.end)
		for p.i++; p.i < end; p.i++ {
			switch t := p.at(0); {
			case t.text == "(":
				p.i = min(t.match, end)
			case t.word == "like" && (p.at(-1).text == "(" || p.at(-1).text == ","): // Trino's (LIKE other)
				p.i++
				p.speaks()
				p.i--
			}
		}
	}
	for ; p.i < p.end; p.i++ {
		t := p.at(0)
		switch {
		case t.text == "(" && t.kind == sqllex.Symbol:
			// Over the columns and properties, in one step.
			p.i = min(t.match, p.end)
		case t.word == "like" && !view:
			p.i++
			p.speaks()
			p.i--
		case t.word == "as":
			next := p.at(1)
			if next.text == "(" || next.word == "select" || next.word == "with" || next.word == "values" || next.word == "table" {
				p.i++
				p.spokenOf = p.spokenOf || view
				p.query(atQuery)
				return
			}
		}
	}
}

func (p *parser) drop() {
	p.takeSoft("external", "temporary", "materialized")
	switch {
	case p.take("table"), p.take("view"):
		p.target()
	case p.take("database"), p.take("schema"):
		p.database(true)
	}
}

func (p *parser) alter() {
	p.takeSoft("materialized")
	switch {
	case p.take("database"), p.take("schema"):
		p.database(true)
	case p.take("table"):
		if p.target(); p.at(0).word == "rename" && p.at(1).word == "to" {
			p.i += 2
			p.target()
		}
	case p.take("view"):
		p.target()
		if p.at(0).word == "rename" && p.at(1).word == "to" {
			p.i += 2
			p.target()
		} else if p.take("as") {
			p.spokenOf = true
			p.query(atQuery)
		}
	}
}

func (p *parser) describe() {
	switch {
	case p.takeSoft("input", "output", "function"):
		return
	case p.takeSoft("database", "schema"):
		p.takeSoft("extended")
		p.database(false)
		return
	}
	for p.takeSoft("extended", "formatted", "table", "view") {
	}
	if t := p.at(0); t.kind == sqllex.Word && (reserved[t.word] || t.word == "insert") {
		p.spokenOf = true // DESCRIBE SELECT, as some engines have it
		p.statement()
		return
	}
	p.speaks()
}

func (p *parser) show() {
	t := p.at(0)
	p.i++
	switch t.word {
	case "create":
		switch {
		case p.take("table"), p.take("view"), p.take("materialized") && p.take("view"):
			p.speaks()
		case p.take("database"), p.take("schema"):
			p.database(false)
		}
	case "partitions", "tblproperties":
		p.speaks()
	case "stats":
		if !p.take("for") {
			return
		}
		if p.spokenOf = true; p.at(0).text == "(" {
			p.query(atQuery)
			return
		}
		p.speaks()
	case "columns": // SHOW COLUMNS {FROM | IN} [db.]table [{FROM | IN} db]
		if !p.take("from") && !p.take("in") {
			return
		}
		ref, ok := p.name()
		if ok && ref.Database == "" && (p.take("from") || p.take("in")) {
			if db, ok := p.name(); ok && db.Catalog == "" {
				ref.Catalog, ref.Database = db.Database, db.Table
			}
		}
		p.add(ref, ok, false, false)
	case "tables", "views":
		if p.take("in") || p.take("from") {
			p.database(false)
		}
	}
}

// execute looks into EXECUTE IMMEDIATE 'statement'. EXECUTE name tells no
// table: what was prepared is in another statement.
func (p *parser) execute() {
	if !p.take("immediate") || p.at(0).kind != sqllex.Text {
		return
	}
	text := p.at(0).text
	toks, _, ok := scan(strings.ReplaceAll(text[1:len(text)-1], "''", "'"))
	if !ok {
		return
	}
	// One within another doubles its quotes, so that there cannot be many.
	inner := parser{toks: toks, refs: map[Ref]int{}, spokenOf: p.spokenOf}
	inner.text()
	for _, ref := range inner.found {
		p.add(Ref{Catalog: ref.Catalog, Database: ref.Database, Table: ref.Table}, true, ref.Read, ref.Write)
	}
}
