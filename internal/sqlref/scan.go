package sqlref

import (
	"strings"

	"github.com/athenatrail/athenatrail/internal/sqllex"
)

// A token is a piece of SQL that is not a comment.
type token struct {
	text  string
	word  string // the keyword that it may be, in lower case
	start int    // offset in the SQL
	kind  sqllex.Kind

	// match is, for an opening parenthesis, where its closing one is, or the
	// number of tokens if it has none.
	match int
}

// tokens are those of a text. They are kept small, because a text may have as
// many as bytes.
type tokens struct {
	sql string
	all []packed
}

type packed struct {
	start, end, match int32
	kind              sqllex.Kind
	word              uint8 // index in words
}

func (t tokens) len() int { return len(t.all) }

func (t tokens) at(i int) token {
	p := &t.all[i]
	return token{t.sql[p.start:p.end], words[p.word], int(p.start), p.kind, int(p.match)}
}

// first returns the first token, or none.
func (t tokens) first() token {
	if len(t.all) == 0 {
		return token{}
	}
	return t.at(0)
}

// keywords are the words that are asked for, by their index in words. The first
// word, empty, stands for all others.
var (
	words    = []string{""}
	keywords = map[string]uint8{}
)

func init() {
	for word := range strings.FieldsSeq(`alter analyze and as between by case columns comment create cross database delete desc describe dialect
		directory distinct distributed drop else end except execute exists explain extended external false fetch for
		format formatted from full function group having if immediate in inner inpath input inputformat insert intersect
		into is join lateral left like limit load local location logical materialized merge msck multi natural not null
		offset on optimize or order outer output outputformat overwrite partition partitions prepare protected qualify
		recursive refresh rename repair replace right schema select serde show stats table tables tblproperties
		temporary then to true truncate type union unload unnest update using vacuum values verbose view views when
		where window with`) {
		keywords[word] = uint8(len(words))
		words = append(words, word)
	}
}

// reserved are keywords of queries that no table is named without quotes.
var reserved = map[string]bool{}

func init() {
	for word := range strings.FieldsSeq(`and as between by case cross distinct else end except exists for from full group
		having in inner intersect is join left like natural not null on or order outer recursive right select then union
		unnest using values when where with`) {
		reserved[word] = true
	}
}

// scan cuts sql into tokens, and tells whether it took it for Hive's. ok is
// false for a text that ends within quotes, which no engine runs; there are no
// tokens of one that is too long to look at.
func scan(sql string) (toks tokens, hive, ok bool) {
	if len(sql) > maxText {
		return tokens{}, false, false
	}
	hive = isHive(sql)
	if toks, ok = cut(sql, hive); hive || toks.first().word != "create" {
		return toks, hive, ok
	}
	// CREATE TABLE is of either language, and only what follows tells: in one
	// of them "\"" is a whole text.
	if again, closed := cut(sql, true); closed && (!ok || isHiveTable(toks)) {
		return again, true, true
	}
	return toks, false, ok
}

// isHiveTable reports whether CREATE TABLE has properties as Hive has them,
// and no query.
func isHiveTable(toks tokens) bool {
	properties := false
	for _, t := range toks.all {
		properties = properties || words[t.word] == "tblproperties"
		if words[t.word] == "select" {
			return false
		}
	}
	return properties
}

// isHive reports whether Athena takes the first statement to Hive, by its
// first words.
func isHive(sql string) bool {
	var words [2]string
	n := 0
	for t := range sqllex.Tokens(sql) {
		if t.Kind == sqllex.Comment {
			continue
		}
		if words[n] = strings.ToLower(t.Text); n == 1 {
			break
		}
		n++
	}
	switch words[0] {
	case "alter", "drop", "msck", "show", "describe", "desc":
		return true
	case "create":
		return words[1] == "external" || words[1] == "database" || words[1] == "schema"
	}
	return false
}

func cut(sql string, hive bool) (tokens, bool) {
	seq := sqllex.Tokens
	if hive {
		seq = sqllex.Hive
	}
	all := make([]packed, 0, len(sql)/4+8)
	var open []int32
	last := sqllex.Token{Kind: sqllex.Comment}
	for t := range seq(sql) {
		if t.Kind == sqllex.Comment {
			continue
		}
		tok := packed{start: int32(t.Start), end: int32(t.End), kind: t.Kind}
		n := len(all)
		switch t.Kind {
		case sqllex.Word:
			// After a dot, or before one, a word is a part of a name.
			if last.Text != "." {
				tok.word = keyword(t.Text)
			}
		case sqllex.Symbol:
			switch t.Text {
			case ".":
				if n > 0 {
					all[n-1].word = 0
				}
			case "(":
				open = append(open, int32(n))
			case ")":
				if len(open) > 0 {
					all[open[len(open)-1]].match = int32(n)
					open = open[:len(open)-1]
				}
			}
		}
		all = append(all, tok)
		last = t
	}
	for _, i := range open {
		all[i].match = int32(len(all))
	}
	return tokens{sql, all}, closed(last.Text, last.Kind, hive)
}

// closed reports whether the last token of a text, if it is quoted, has its
// closing quote.
func closed(text string, kind sqllex.Kind, hive bool) bool {
	if kind != sqllex.Quoted && kind != sqllex.Text {
		return true
	}
	quote := text[0]
	n := 0
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && hive && quote != '`':
			i++
		case text[i] == quote:
			n++
		}
	}
	return n%2 == 0
}

// keyword returns the index in words of the keyword that a word is, or 0.
func keyword(word string) uint8 {
	var b [16]byte
	if len(word) > len(b) {
		return 0
	}
	for i := 0; i < len(word); i++ {
		c := word[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		b[i] = c
	}
	return keywords[string(b[:len(word)])]
}
