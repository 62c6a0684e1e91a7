package annotation

import (
	"slices"
	"strings"

	"github.com/athenatrail/athenatrail/internal/sqllex"
)

// Probe reports whether a text is one that tools send to try a connection or to
// learn a result's columns, and that nobody asked for. Comments do not count.
// It has one of two shapes:
//
//	SELECT 1 [[AS] name] [;]
//	SELECT columns FROM source nothing [;]
//
// where columns are *, name.*, 1 or TRUE; source is a table or a query in
// parentheses, with a name or not; and nothing, which has no rows, is WHERE with
// a condition that is never true, or LIMIT 0, or both. They were taken from (D
// documented, R read in the tool's source, B believed):
//
//	SELECT 1                                              D Athena JDBC 3.x, ConnectionTest; R redash athena.py, noop_query
//	select 1 as id                                        R dbt-adapters base/impl.py, debug_query
//	SELECT ds.* FROM (...) ds LIMIT 0                     R QuickSight's, as aws-sdk-pandas quicksight/_utils.py repeats it
//	SELECT * FROM t WHERE 1=0; SELECT * FROM t LIMIT 0    D Tableau connector SDK, metadata-enumeration.md
//	SELECT * FROM (...) AS custom_sql_query LIMIT 0       R Tableau's logs, databricks/tableau-connector#61
//	SELECT TRUE AS "_" FROM t WHERE 1 <> 1 LIMIT 0        R metabase sql-jdbc, simple-select-probe-query
//	select * from (...) as __dbt_sbq where false limit 0  R dbt-adapters get_empty_subquery_sql
//	SELECT * FROM (...) SPARK_GEN_SUBQ_0 WHERE 1=0        B Spark's JDBC source, getSchemaQuery
//
// A query that can have a row is none, nor is one that computes something.
func Probe(sql string) bool {
	s := shape{}
	if !s.read(sql) {
		return false
	}
	if is(s.tokens[s.n-1], ";") {
		s.n--
	}
	s.at = 1 // behind SELECT
	if s.word("1") && s.alias() && s.done() {
		return true
	}
	s.at = 1
	return s.columns() && s.word("from") && s.source() && s.nothing() && s.done()
}

// A shape is the tokens of a text, without comments and with one opening
// parenthesis in place of all that it encloses.
type shape struct {
	tokens [maxShape]sqllex.Token
	n, at  int
}

// maxShape is the length of the longest shape: SELECT, name.*, FROM, a.b.c, AS,
// name, WHERE 1 <> 1, LIMIT 0 and the semicolon are 19.
const maxShape = 19

// read fills the shape, and reports false for a text that is longer, does not
// begin like a probe, or whose parentheses do not match.
func (s *shape) read(sql string) bool {
	depth := 0
	for t := range sqllex.Tokens(sql) {
		if t.Kind == sqllex.Comment {
			continue
		}
		symbol := ""
		if t.Kind == sqllex.Symbol {
			symbol = t.Text
		}
		if symbol == ")" {
			depth--
			if depth < 0 {
				return false
			}
			continue
		}
		if depth == 0 {
			if s.n == maxShape || s.n == 0 && !is(t, "select") || s.n == 1 && !begins(t) {
				return false
			}
			s.tokens[s.n] = t
			s.n++
		}
		if symbol == "(" {
			depth++
		}
	}
	return depth == 0 && s.n > 1
}

// begins reports whether a probe's columns may begin with a token. It keeps
// most texts from being read to their end.
func begins(t sqllex.Token) bool {
	return t.Kind == sqllex.Quoted || t.Kind == sqllex.Word || is(t, "*") || is(t, "1")
}

// is reports whether a token is a word, number or symbol, without case.
func is(t sqllex.Token, text string) bool {
	return t.Kind != sqllex.Quoted && t.Kind != sqllex.Text && len(t.Text) == len(text) && strings.EqualFold(t.Text, text)
}

func (s *shape) done() bool { return s.at == s.n }

// word takes the next token if it is text.
func (s *shape) word(text string) bool {
	if s.at < s.n && is(s.tokens[s.at], text) {
		s.at++
		return true
	}
	return false
}

// words takes several tokens or none.
func (s *shape) words(texts ...string) bool {
	at := s.at
	for _, text := range texts {
		if !s.word(text) {
			s.at = at
			return false
		}
	}
	return true
}

// reserved cannot be a name without quotes where a shape has one.
var reserved = []string{"from", "where", "limit", "as", "select", "join", "cross", "union", "group", "order", "having", "offset"}

// name takes a name, plain or quoted.
func (s *shape) name() bool {
	if s.at == s.n {
		return false
	}
	t := s.tokens[s.at]
	if t.Kind == sqllex.Quoted || t.Kind == sqllex.Word && !slices.ContainsFunc(reserved, func(w string) bool { return is(t, w) }) {
		s.at++
		return true
	}
	return false
}

// alias takes [[AS] name] and reports false for AS without a name.
func (s *shape) alias() bool {
	if s.word("as") {
		return s.name()
	}
	s.name()
	return true
}

func (s *shape) columns() bool {
	if s.word("*") {
		return true
	}
	if s.word("1") || s.word("true") {
		return s.alias()
	}
	return s.name() && s.words(".", "*")
}

func (s *shape) source() bool {
	if s.word("(") {
		return s.alias()
	}
	if !s.name() {
		return false
	}
	for parts := 1; s.word("."); parts++ {
		if parts == 3 || !s.name() {
			return false
		}
	}
	return s.alias()
}

// nothing takes what leaves no rows, and reports whether there was some.
func (s *shape) nothing() bool {
	empty := false
	if s.word("where") {
		empty = s.word("false") || s.words("1", "=", "0") || s.words("0", "=", "1") || s.words("1", "<>", "1") || s.words("1", "!=", "1")
		if !empty {
			return false
		}
	}
	return s.words("limit", "0") || empty
}
