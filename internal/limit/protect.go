package limit

import (
	"strings"

	"github.com/athenatrail/athenatrail/internal/glob"
)

// Protected are principals that nobody acts upon.
type Protected struct {
	list []protection
}

type protection struct {
	text  string
	whole glob.Pattern

	// Of the pattern of an ARN: role, user or assumed-role, and what stands
	// for the account and for the name without its path.
	kind          string
	account, name glob.Pattern
}

func newProtected(patterns []string) *Protected {
	var p Protected
	for _, text := range patterns {
		one := protection{text: text, whole: glob.New(text)}
		if parts := strings.SplitN(text, ":", 6); len(parts) == 6 {
			kind, name, _ := strings.Cut(parts[5], "/")
			if kind == "assumed-role" {
				name, _, _ = strings.Cut(name, "/")
			} else {
				name = name[strings.LastIndexByte(name, '/')+1:]
			}
			one.kind, one.account, one.name = kind, glob.New(parts[4]), glob.New(name)
		}
		p.list = append(p.list, one)
	}
	return &p
}

// Patterns returns the patterns as they were written.
func (p *Protected) Patterns() (list []string) {
	for i := range p.list {
		list = append(list, p.list[i].text)
	}
	return list
}

// By returns the pattern that protects a principal, or "". What is not known is
// empty. Where an ARN is not, its pattern protects whatever has the name in the
// account, under any path: to protect one too many does no harm.
func (p *Protected) By(person, role, account, arn string) string {
	for i := range p.list {
		one := &p.list[i]
		for _, text := range [...]string{person, role, arn} {
			if text != "" && one.whole.Match(text) {
				return one.text
			}
		}
		name := role
		if one.kind == "user" {
			name = person
		}
		if one.kind != "" && name != "" && one.account.Match(account) && one.name.Match(name) {
			return one.text
		}
	}
	return ""
}

// A guard remembers who is protected.
type guard struct {
	*Protected
	known map[[3]string]string
}

func newGuard(p *Protected) *guard { return &guard{p, map[[3]string]string{}} }

func (g *guard) of(u *Usage) string {
	if len(g.list) == 0 {
		return ""
	}
	key := [3]string{u.Person, u.RoleName, u.AccountID}
	by, ok := g.known[key]
	if !ok {
		by = g.By(u.Person, u.RoleName, u.AccountID, "")
		g.known[key] = by
	}
	return by
}
