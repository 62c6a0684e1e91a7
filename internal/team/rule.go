package team

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/athenatrail/athenatrail/internal/glob"
)

const (
	maxTeam    = 256 // bytes; as long as a tag's value may be
	maxPattern = 2048
)

// Names of a rule's fields, as the configuration and errors have them.
const (
	fieldTeam         = "team"
	fieldPerson       = "person"
	fieldRole         = "role"
	fieldAccount      = "account"
	fieldOU           = "ou"
	fieldWorkGroup    = "work_group"
	fieldWorkGroupTag = "work_group_tag"
	fieldTool         = "tool"
	fieldTo           = "to"
)

// A RuleError says what is wrong with one rule.
type RuleError struct {
	Index int    // of the rule, from 0
	Field string // such as work_group_tag; empty when it is the rule as a whole
	Value string // the field's
	Want  string // what is wanted instead, or what is wrong with the whole
}

func (e *RuleError) Error() string {
	if e.Field == "" {
		return fmt.Sprintf("teams[%d]: %s", e.Index, e.Want)
	}
	return fmt.Sprintf("teams[%d].%s %q: want %s", e.Index, e.Field, clip(e.Value), e.Want)
}

// New checks rules and makes them ready. What is wrong is one *RuleError for
// each rule that is, joined.
func New(rules []Rule) (*Rules, error) {
	var r Rules
	var wrong []error
	all := -1 // the first rule that leaves nothing to those after it
	for i, given := range rules {
		u, e := given.compile()
		switch {
		case e != nil:
			e.Index = i
			wrong = append(wrong, e)
		case all >= 0:
			wrong = append(wrong, &RuleError{Index: i, Want: fmt.Sprintf("no call gets here, because teams[%d] matches all: put that one last", all)})
		case u.matchesAll():
			all = i
		}
		r.rules = append(r.rules, u)
	}
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	return &r, nil
}

func (u *rule) matchesAll() bool {
	return u.person == nil && u.role == nil && u.account == nil && u.accountName == nil && u.accountOU == nil && u.workGroup == nil &&
		u.tool == nil && u.tagKey == "" && u.from == 0 && u.to == 0
}

func (r Rule) compile() (rule, *RuleError) {
	u := rule{team: r.Team, from: r.From, to: r.To}
	key, value, valued := strings.Cut(r.WorkGroupTag, "=")
	if r.WorkGroupTag != "" {
		u.tagKey = key
	}
	if valued {
		u.tagValue = pattern(value)
	}
	switch {
	case r.Team != "":
		if want := teamText(r.Team); want != "" {
			return u, &RuleError{Field: fieldTeam, Value: r.Team, Want: want}
		}
	case r.WorkGroupTag == "":
		return u, &RuleError{Want: "no team: want its name, or a work_group_tag whose value is the team"}
	case valued:
		return u, &RuleError{Want: fmt.Sprintf("no team: want its name, or work_group_tag %q alone, whose value then is the team", clip(key))}
	}
	for _, f := range []struct {
		name, text string
		want       func(string) string
	}{
		{fieldPerson, r.Person, oneLine},
		{fieldRole, r.Role, roleText},
		{fieldAccount, r.Account, accountText},
		{fieldOU, r.OU, ouText},
		{fieldWorkGroup, r.WorkGroup, workGroupText},
		{fieldWorkGroupTag, r.WorkGroupTag, tagText},
		{fieldTool, r.Tool, oneLine},
	} {
		if f.text == "" {
			continue
		}
		if want := f.want(f.text); want != "" {
			return u, &RuleError{Field: f.name, Value: f.text, Want: want}
		}
	}
	if r.To != 0 && r.To <= r.From {
		return u, &RuleError{Field: fieldTo, Value: r.To.String(), Want: "a day after from, which is " + r.From.String()}
	}
	u.person, u.role, u.workGroup, u.tool = given(r.Person), given(r.Role), given(r.WorkGroup), given(r.Tool)
	u.accountOU = given(r.OU)
	if isID(r.Account) {
		u.account = given(r.Account)
	} else {
		u.accountName = given(r.Account)
	}
	return u, nil
}

// given returns the pattern of a field, nil for one that the rule lacks.
func given(text string) *glob.Pattern {
	if text == "" {
		return nil
	}
	return pattern(text)
}

func pattern(text string) *glob.Pattern {
	p := glob.New(text)
	return &p
}

// The functions below return what is wanted instead of a text, or "".

func teamText(s string) string {
	if s == "" || len(s) > maxTeam || strings.TrimSpace(s) != s || oneLine(s) != "" {
		return fmt.Sprintf("a name of one line and at most %d bytes", maxTeam)
	}
	return ""
}

func oneLine(s string) string {
	if len(s) > maxPattern || !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return fmt.Sprintf("a text of one line and at most %d bytes", maxPattern)
	}
	return ""
}

// roleText takes what a role's name may hold (IAM User Guide, "IAM name
// requirements"). An ARN or a path would never match, and be no error.
func roleText(s string) string {
	if len(s) > maxPattern || !only(s, "+=,.@_-") {
		return "a role's name without ARN and path, in which * and ? may stand"
	}
	return ""
}

// workGroupText takes what a work group's name may hold (Athena API reference,
// CreateWorkGroup).
func workGroupText(s string) string {
	if len(s) > maxPattern || !only(s, "._-") {
		return "a work group's name, in which * and ? may stand"
	}
	return ""
}

func accountText(s string) string {
	if digits := strings.Trim(s, "0123456789") == ""; digits && len(s) != 12 {
		return "an account's 12 digits with their leading zeros, its name, or a pattern of either"
	}
	return oneLine(s)
}

// ouText takes a path of names. An id, or a slash around it, would never match,
// and be no error.
func ouText(s string) string {
	if strings.HasPrefix(s, "/") || strings.HasSuffix(s, "/") || strings.HasPrefix(s, "ou-") {
		return "the path of an organizational unit from the root on, such as Root/Production/*"
	}
	return oneLine(s)
}

// isID reports whether a pattern is of an account's id rather than its name.
func isID(s string) bool { return strings.Trim(s, "0123456789*?") == "" }

// tagText takes a tag as AWS bounds it (Athena API reference, Tag): a key of
// up to 128 characters, a value of up to 256.
func tagText(s string) string {
	key, value, _ := strings.Cut(s, "=")
	if key == "" || utf8.RuneCountInString(key) > 128 || utf8.RuneCountInString(value) > 256 || oneLine(s) != "" {
		return "key=value, where * and ? may stand in the value, or a key"
	}
	return ""
}

// only reports whether s has no other characters than ASCII letters, digits,
// * and ?, and those given.
func only(s, others string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '*' || r == '?' || strings.ContainsRune(others, r))
	})
}

// clip bounds what an error repeats of a value.
func clip(s string) string {
	const most = 120
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}
