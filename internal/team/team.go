// Package team says which team a call belongs to. Rules are tried in the order
// in which the configuration has them, and the first that matches wins. Which
// rule it is depends on the call, its day and the rules alone.
package team

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/glob"
)

// Version names how rules are matched. It changes when the same rules can give
// the same call another team.
const Version = "team/1"

// A Rule gives a team to the calls that match every field that it has. Its
// texts are patterns of package glob: * stands for any text, ? for any one
// byte, and case does not matter. What a call lacks matches no pattern: role
// "*" is for calls made with some role. A rule without a field matches all.
type Rule struct {
	// Team is the team's name. It may be empty only beside a WorkGroupTag that
	// is a key: then the tag's value is the team.
	Team string

	Person string // the column person
	Role   string // the column role_name, without path

	// Account of digits, * and ? alone is compared with the account's id, any
	// other with its name.
	Account string

	// OU is compared with the path of the account's organizational unit, such
	// as Root/Production/Data.
	OU string

	WorkGroup string

	// WorkGroupTag is key=value, where the value is a pattern, or a key: the
	// work group has this tag. The key is compared as it stands, as AWS does;
	// it ends at the first =.
	WorkGroupTag string

	Tool string // the column tool

	// The rule holds from From on and before To. The zero values have no
	// beginning and no end.
	From, To athenatrail.Date
}

// A Call is what rules are compared with. A field may be empty.
type Call struct {
	Person      string
	Role        string
	Account     string // 12 digits
	AccountName string
	AccountOU   string // its organizational unit's path
	WorkGroup   string
	Tags        map[string]string // of the work group
	Tool        string
}

// Rules are checked rules in their order. A nil *Rules has none. They may be
// used by several goroutines.
type Rules struct {
	rules []rule
}

// A rule is a Rule made ready for matching.
type rule struct {
	team     string
	from, to athenatrail.Date

	person, role, account, accountName, accountOU, workGroup, tool *glob.Pattern // nil: any

	tagKey   string // empty: any
	tagValue *glob.Pattern
}

// Of returns the team of a call on a day and the index of the rule that says
// so, or false when none does.
func (r *Rules) Of(c *Call, on athenatrail.Date) (team string, index int, ok bool) {
	if r == nil {
		return "", 0, false
	}
	person, role := glob.Lower(c.Person), glob.Lower(c.Role)
	name, ou := glob.Lower(c.AccountName), glob.Lower(c.AccountOU)
	group, tool := glob.Lower(c.WorkGroup), glob.Lower(c.Tool)
	for i := range r.rules {
		u := &r.rules[i]
		if u.holds(on) && fits(u.person, person) && fits(u.role, role) && fits(u.account, c.Account) &&
			fits(u.accountName, name) && fits(u.accountOU, ou) && fits(u.workGroup, group) && fits(u.tool, tool) {
			if team, ok := u.byTag(c.Tags); ok {
				return team, i, true
			}
		}
	}
	return "", 0, false
}

func (u *rule) holds(on athenatrail.Date) bool {
	return (u.from == 0 || on >= u.from) && (u.to == 0 || on < u.to)
}

// fits reports whether name, which went through glob.Lower, is there and
// matches.
func fits(p *glob.Pattern, name string) bool {
	return p == nil || name != "" && p.MatchLower(name)
}

// byTag returns the rule's team for a work group with these tags, or false.
func (u *rule) byTag(tags map[string]string) (team string, ok bool) {
	if u.tagKey == "" {
		return u.team, true
	}
	value, ok := tags[u.tagKey]
	switch {
	case !ok:
		return "", false
	case u.team == "":
		return value, teamText(value) == "" // a value that is no name names no team
	case u.tagValue == nil:
		return u.team, true
	}
	return u.team, u.tagValue.Match(value)
}

// NeedsTags reports whether a rule asks for tags of work groups.
func (r *Rules) NeedsTags() bool {
	return r.some(func(u *rule) bool { return u.tagKey != "" })
}

// NeedsAccountNames reports whether a rule asks for an account by its name.
func (r *Rules) NeedsAccountNames() bool {
	return r.some(func(u *rule) bool { return u.accountName != nil })
}

// NeedsAccountOUs reports whether a rule asks for an account's organizational
// unit.
func (r *Rules) NeedsAccountOUs() bool {
	return r.some(func(u *rule) bool { return u.accountOU != nil })
}

func (r *Rules) some(is func(*rule) bool) bool {
	if r == nil {
		return false
	}
	for i := range r.rules {
		if is(&r.rules[i]) {
			return true
		}
	}
	return false
}

// Hash returns 16 hex digits that change with anything that can change a
// call's team.
func (r *Rules) Hash() string {
	h := sha256.New()
	fmt.Fprintln(h, Version)
	if r != nil {
		for i := range r.rules {
			u := &r.rules[i]
			fmt.Fprintf(h, "rule %q %d %d %q\n", u.team, u.from, u.to, u.tagKey)
			for _, p := range []*glob.Pattern{u.person, u.role, u.account, u.accountName, u.workGroup, u.tool, u.tagValue} {
				if p == nil {
					fmt.Fprintln(h, "any")
				} else {
					fmt.Fprintf(h, "%q\n", p)
				}
			}
			if u.accountOU != nil { // rules without it keep the hash that they had before it came
				fmt.Fprintf(h, "ou %q\n", u.accountOU)
			}
		}
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}
