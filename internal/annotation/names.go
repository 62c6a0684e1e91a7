package annotation

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Bounds of what a note holds, in bytes.
const (
	maxUser   = 256
	maxDetail = 512
)

// nobodies are what programs write where a name would stand, compared without
// case.
var nobodies = []string{
	"none", "null", "nil", "undefined", "unknown", "nan", "n/a", "na", "-", "anonymous", "true", "false",
	"scheduled", // older versions of Redash, of what its scheduler runs: R redash tasks/queries
}

// userOf returns a tool's user as a [Note] has it, or nothing where text can be
// no user.
func userOf(tool, text string) string {
	text = strings.TrimSpace(text)
	if id := idOf(text); id != "" {
		return tool + ":" + id
	}
	// A colon would make a name look like another tool's id; a bracket is a
	// program's <None> or a template that was not filled in.
	if !printable(text, maxUser) || strings.ContainsAny(text, ":<>{}") || slices.Contains(nobodies, strings.ToLower(text)) ||
		strings.Trim(text, "0123456789 ") == "" {
		return ""
	}
	return text
}

// idOf returns text if it can be the id of a user: a number from 1 on, or a
// UUID, which is put into lower case.
func idOf(text string) string {
	if 0 < len(text) && len(text) <= 18 && text[0] != '0' && strings.Trim(text, "0123456789") == "" {
		return text
	}
	if isUUID(text) {
		return strings.ToLower(text)
	}
	return ""
}

// emailOf returns text if it is an e-mail address as far as one can see.
func emailOf(text string) string {
	text = strings.TrimSpace(text)
	local, domain, ok := strings.Cut(text, "@")
	if !ok || local == "" || domain == "" || strings.ContainsAny(text, " ,;'\"()\\") || strings.Contains(domain, "@") || userOf("", text) != text {
		return ""
	}
	return text
}

// detailOf returns text if it can stand in the column tool_detail.
func detailOf(text string) string {
	if text = strings.TrimSpace(text); printable(text, maxDetail) {
		return text
	}
	return ""
}

// printable reports whether text has 1 to most bytes and nothing that hides:
// control characters, marks of direction, characters without width. The list
// is fixed, because Unicode's own changes with its versions.
func printable(text string, most int) bool {
	if text == "" || len(text) > most || !utf8.ValidString(text) {
		return false
	}
	return !strings.ContainsFunc(text, func(r rune) bool {
		return r < 0x20 || 0x7f <= r && r <= 0x9f || 0x200b <= r && r <= 0x200f || 0x2028 <= r && r <= 0x202e ||
			0x2060 <= r && r <= 0x206f || r == 0xfeff || r == utf8.RuneError
	})
}

func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		c := s[i] | 0x20
		switch i {
		case 8, 13, 18, 23:
			if s[i] != '-' {
				return false
			}
		default:
			if !('0' <= s[i] && s[i] <= '9' || 'a' <= c && c <= 'f') {
				return false
			}
		}
	}
	return true
}
