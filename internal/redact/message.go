package redact

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/athenatrail/athenatrail/internal/sqlref"
)

// messages mask what Athena says of one statement. Its messages quote the
// statement and the data, and nothing tells which of their words do:
//
//   - all from the first quote to the last is a ?, so is a number, and what
//     follows the :// of an address;
//   - so is each literal of the statement, wherever it stands as a word;
//   - of an error that is about a value, and of any where the statement cannot
//     be cut into tokens for sure, the error's name alone is left.
//
// Where a word of the statement stands, "line 3:10", stays.
type messages struct {
	literals []string // the longest first
	unsure   bool
}

func messagesOf(sql string) messages {
	if sql == "" {
		return messages{}
	}
	literals, sure := sqlref.Literals(sql)
	m := messages{unsure: !sure}
	m.add(literals...)
	return m
}

// maxLiterals bounds how many literals of a statement are looked for; one with
// more is taken for unsure.
const maxLiterals = 2000

// add takes literals to look for.
func (m *messages) add(literals ...string) {
	for _, literal := range literals {
		// A number is masked wherever it stands.
		if literal = strings.TrimSpace(literal); literal != "" && literal != "?" && !isNumber.MatchString(literal) {
			m.literals = append(m.literals, literal)
		}
	}
	// Where one holds another the longer goes first; their order is total.
	slices.SortFunc(m.literals, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), strings.Compare(a, b))
	})
	m.literals = slices.Compact(m.literals)
	if len(m.literals) > maxLiterals {
		m.literals, m.unsure = m.literals[:maxLiterals], true
	}
}

var (
	isNumber  = regexp.MustCompile(`^[0-9.]+$`)
	address   = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://)[^\s]+`)
	numbers   = regexp.MustCompile(`line [0-9]+:[0-9]+|\b[0-9][0-9.,]*`)
	errorName = regexp.MustCompile(`^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+\b`)
)

// ofValues are the errors whose messages quote a value without quotes.
var ofValues = []string{
	"INVALID_CAST_ARGUMENT", "INVALID_FUNCTION_ARGUMENT", "NUMERIC_VALUE_OUT_OF_RANGE", "INVALID_LITERAL", "INVALID_PARAMETER_USAGE",
	"HIVE_BAD_DATA", "HIVE_INVALID_PARTITION_VALUE", "ICEBERG_BAD_DATA", "GENERIC_USER_ERROR",
}

// mask returns a message without what it may quote. Masked again it stays.
func (m *messages) mask(message string) string {
	if message == "" {
		return ""
	}
	name := errorName.FindString(message)
	if m.unsure || slices.Contains(ofValues, name) {
		switch name {
		case "":
			return "?"
		case message:
			return name
		}
		return name + ": ?"
	}
	if first := strings.IndexAny(message, `'"`); first >= 0 {
		last := strings.LastIndexAny(message, `'"`)
		if last == first {
			last = len(message) - 1
		}
		message = message[:first] + "?" + message[last+1:]
	}
	message = address.ReplaceAllString(message, "$1?")
	for _, literal := range m.literals {
		message = replaceWord(message, literal)
	}
	return numbers.ReplaceAllStringFunc(message, func(s string) string {
		if strings.HasPrefix(s, "line ") {
			return s
		}
		return "?"
	})
}

// replaceWord puts a ? for each occurrence of word that is no part of a longer
// word.
func replaceWord(s, word string) string {
	if !strings.Contains(s, word) {
		return s
	}
	var b strings.Builder
	for {
		i := strings.Index(s, word)
		if i < 0 {
			break
		}
		end := i + len(word)
		inside := i > 0 && isLetter(s[i-1]) && isLetter(word[0]) || end < len(s) && isLetter(s[end]) && isLetter(word[len(word)-1])
		if inside {
			b.WriteString(s[:i+1])
			s = s[i+1:]
			continue
		}
		b.WriteString(s[:i] + "?")
		s = s[end:]
	}
	return b.String() + s
}

func isLetter(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c >= 0x80
}
