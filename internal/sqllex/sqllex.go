// Package sqllex cuts SQL as Athena takes it into tokens. It knows where texts,
// quoted names and comments begin and end, and nothing of grammar, so it takes
// any text: what is not closed goes to the end, and the tokens and the white
// space between them are the whole text again.
//
// Athena takes two languages. Trino, for queries, quotes names with " and ';
// Hive, for DDL, quotes them with ` and knows backslashes and " in texts.
// [Tokens] cuts as Trino does, [Hive] as Hive does.
package sqllex

import (
	"iter"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Kind is what a token is.
type Kind uint8

const (
	Word    Kind = iota // a keyword or a plain name: letters, digits, _, $ and @
	Quoted              // "name" or `name`
	Text                // 'text'
	Number              // 12, 1.5, 1e-3
	Comment             // -- to the line's end, without it; or /* */
	Symbol              // anything else, of one to three bytes
)

// A Token is a piece of the text between two byte offsets.
type Token struct {
	Kind       Kind
	Start, End int
	Text       string // sql[Start:End]
}

// Tokens yields the tokens of sql in order, a backslash being a character like
// any other.
func Tokens(sql string) iter.Seq[Token] { return tokens(sql, false) }

// Hive yields the tokens of sql in order, where a backslash between quotes of
// either kind takes the meaning from the quote after it. What is in double
// quotes is Quoted, though Hive takes it for a text.
func Hive(sql string) iter.Seq[Token] { return tokens(sql, true) }

func tokens(sql string, hive bool) iter.Seq[Token] {
	return func(yield func(Token) bool) {
		for i := 0; i < len(sql); {
			kind, end := next(sql, i, hive)
			if end < 0 { // white space
				i = -end
				continue
			}
			if !yield(Token{kind, i, end, sql[i:end]}) {
				return
			}
			i = end
		}
	}
}

// next returns the token at i, or its negative end where it is white space.
func next(sql string, i int, hive bool) (Kind, int) {
	switch c := sql[i]; {
	case c == ' ' || '\t' <= c && c <= '\r':
		return 0, -(i + 1)
	case c == '-' && strings.HasPrefix(sql[i:], "--"):
		if n := strings.IndexByte(sql[i:], '\n'); n >= 0 {
			return Comment, i + n
		}
		return Comment, len(sql)
	case c == '/' && strings.HasPrefix(sql[i:], "/*"):
		if n := strings.Index(sql[i+2:], "*/"); n >= 0 {
			return Comment, i + 2 + n + 2
		}
		return Comment, len(sql)
	case c == '\'':
		return Text, closing(sql, i, hive)
	case c == '"':
		return Quoted, closing(sql, i, hive)
	case c == '`':
		return Quoted, closing(sql, i, false)
	case isDigit(c) || c == '.' && i+1 < len(sql) && isDigit(sql[i+1]):
		return Number, number(sql, i)
	case isWord(c):
		return Word, word(sql, i)
	case c >= utf8.RuneSelf:
		r, n := utf8.DecodeRuneInString(sql[i:])
		if unicode.IsSpace(r) || r == '\ufeff' {
			return 0, -(i + n)
		}
		return Word, word(sql, i)
	}
	if strings.IndexByte("<>!|-=:", sql[i]) < 0 {
		return Symbol, i + 1
	}
	for _, s := range [...]string{"<=>", "<>", "!=", "<=", ">=", "||", "->", "=>", "::"} {
		if strings.HasPrefix(sql[i:], s) {
			return Symbol, i + len(s)
		}
	}
	return Symbol, i + 1
}

// closing returns the end of what the quote at i opens; a doubled quote is one
// of its characters, and so is, if backslash, any character after a \.
func closing(sql string, i int, backslash bool) int {
	quote := sql[i]
	if backslash {
		for i++; i < len(sql); i++ {
			switch {
			case sql[i] == '\\':
				i++
			case sql[i] != quote:
			case i+1 < len(sql) && sql[i+1] == quote:
				i++
			default:
				return i + 1
			}
		}
		return len(sql)
	}
	for i++; ; i += 2 {
		n := strings.IndexByte(sql[i:], quote)
		if n < 0 {
			return len(sql)
		}
		i += n
		if i+1 >= len(sql) || sql[i+1] != quote {
			return i + 1
		}
	}
}

// number returns the end of the number at i.
func number(sql string, i int) int {
	start := i
	for i < len(sql) && (isDigit(sql[i]) || sql[i] == '_') {
		i++
	}
	if i < len(sql) && sql[i] == '.' {
		for i++; i < len(sql) && isDigit(sql[i]); i++ {
		}
	}
	if i < len(sql) && i > start && (sql[i] == 'e' || sql[i] == 'E') {
		j := i + 1
		if j < len(sql) && (sql[j] == '+' || sql[j] == '-') {
			j++
		}
		if j < len(sql) && isDigit(sql[j]) {
			for i = j; i < len(sql) && isDigit(sql[i]); i++ {
			}
		}
	}
	return i
}

func word(sql string, i int) int {
	for i < len(sql) {
		c := sql[i]
		if c < utf8.RuneSelf {
			if !isWord(c) {
				break
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(sql[i:])
		if unicode.IsSpace(r) {
			break
		}
		i += n
	}
	return i
}

func isWord(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || isDigit(c) || c == '_' || c == '$' || c == '@'
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
