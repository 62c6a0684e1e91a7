package cloudtrail

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// An object walks over the members of a JSON object in canonical form. Its
// values are parts of the text that it walks over: nothing is copied.
type object struct {
	text string
	at   int
}

// objectIn returns a walk over v, which has no members unless v is an object.
func objectIn(v string) object {
	if !strings.HasPrefix(v, "{") || !strings.HasSuffix(v, "}") {
		return object{}
	}
	return object{v, 1}
}

// next returns the next member: its key without quotes, escapes left in, and
// its value as JSON.
func (o *object) next() (key, value string, ok bool) {
	if o.at >= len(o.text) || o.text[o.at] != '"' {
		return "", "", false
	}
	keyEnd := stringEnd(o.text, o.at+1)
	if keyEnd < 0 || keyEnd+1 >= len(o.text) || o.text[keyEnd+1] != ':' {
		return "", "", false
	}
	end := valueEnd(o.text, keyEnd+2)
	if end < 0 || end >= len(o.text) {
		return "", "", false
	}
	key, value = o.text[o.at+1:keyEnd], o.text[keyEnd+2:end]
	o.at = end + 1 // behind the comma or the brace
	return key, value, true
}

// stringEnd is endOfString for canonical text.
func stringEnd(s string, i int) int {
	for start := i; ; {
		n := strings.IndexByte(s[i:], '"')
		if n < 0 {
			return -1
		}
		i += n
		slashes := 0
		for i-1-slashes >= start && s[i-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return i
		}
		i++
	}
}

// valueEnd returns the index behind the value at s[i], or -1.
func valueEnd(s string, i int) int {
	depth := 0
	for i < len(s) {
		switch s[i] {
		case '"':
			j := stringEnd(s, i+1)
			if j < 0 {
				return -1
			}
			i = j + 1
			if depth == 0 {
				return i
			}
		case '{', '[':
			depth++
			i++
		case '}', ']':
			if depth == 0 {
				return i
			}
			depth--
			i++
			if depth == 0 {
				return i
			}
		case ',':
			if depth == 0 {
				return i
			}
			i++
		default:
			i++
		}
	}
	return -1
}

// stringIn returns the text of v if v is a JSON string, else "".
func stringIn(v string) string {
	if len(v) < 2 || v[0] != '"' {
		return ""
	}
	s, err := unescape(v[1 : len(v)-1])
	if err != nil {
		return ""
	}
	return s
}

// boolIn returns v as a boolean; CloudTrail writes some as strings. nil means
// that v is neither.
func boolIn(v string) *bool {
	var b bool
	switch v {
	case "true", `"true"`:
		b = true
	case "false", `"false"`:
	default:
		return nil
	}
	return &b
}

// jsonIn returns v, but "" for null.
func jsonIn(v string) string {
	if v == "null" {
		return ""
	}
	return v
}

// unescape returns the text of a JSON string without its quotes.
func unescape(s string) (string, error) {
	i := strings.IndexByte(s, '\\')
	if i < 0 {
		return s, nil
	}
	out := make([]byte, 0, len(s))
	for i >= 0 {
		out = append(out, s[:i]...)
		s = s[i:]
		if len(s) < 2 {
			return "", errors.New("an escape is cut off")
		}
		c := s[1]
		s = s[2:]
		switch c {
		case '"', '\\', '/':
			out = append(out, c)
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r, ok := hex4(s)
			if !ok {
				return "", errors.New(`an escape \u wants four hex digits`)
			}
			s = s[4:]
			if utf16.IsSurrogate(r) {
				if low, ok := lowSurrogate(s); ok && utf16.DecodeRune(r, low) != utf8.RuneError {
					r = utf16.DecodeRune(r, low)
					s = s[6:]
				} else {
					r = utf8.RuneError
				}
			}
			out = utf8.AppendRune(out, r)
		default:
			return "", errors.New(`an unknown escape \` + strconv.QuoteRuneToASCII(rune(c)))
		}
		i = strings.IndexByte(s, '\\')
	}
	return string(append(out, s...)), nil
}

func hex4(s string) (rune, bool) {
	if len(s) < 4 {
		return 0, false
	}
	n, err := strconv.ParseUint(s[:4], 16, 32)
	return rune(n), err == nil
}

func lowSurrogate(s string) (rune, bool) {
	if !strings.HasPrefix(s, `\u`) {
		return 0, false
	}
	return hex4(s[2:])
}

func sortMembers(members []member, dst []byte) {
	slices.SortStableFunc(members, func(a, b member) int { return compareKeys(dst, a, b) })
}
