package forget

import (
	"strings"

	"github.com/athenatrail/athenatrail"
)

// names are what one person is called in a lake, in lower case.
type names map[string]bool

func (n names) add(name string) {
	if name = strings.ToLower(strings.TrimSpace(name)); name != "" {
		n[name] = true
	}
}

func (n names) has(name string) bool { return name != "" && n[strings.ToLower(name)] }

// mean reports whether a call was made by who the names name.
func (n names) mean(w *athenatrail.Who) bool {
	return n.has(w.Person) || n.has(w.IdentityCenterUserID) || n.has(w.SourceIdentity) || n.has(w.PrincipalARN) || n.has(w.PrincipalID) ||
		n.has(w.RoleSessionName) && !isShared(w.PersonSource)
}

// isShared reports whether a rung of the ladder tells of a principal that many
// people may use, or of one that is nobody.
func isShared(source string) bool {
	switch source {
	case athenatrail.SourceRootUser, athenatrail.SourceRole, athenatrail.SourceService, athenatrail.SourceNone, "":
		return true
	}
	return false
}

// learn adds what names the caller alone. A role that many take, a tool's user
// and the human behind a chain are others' names too.
func (n names) learn(w *athenatrail.Who) {
	n.add(w.Person)
	n.add(w.IdentityCenterUserID)
	n.add(w.SourceIdentity)
	switch w.PersonSource {
	case athenatrail.SourceSSOSession, athenatrail.SourceSessionName:
		n.add(w.RoleSessionName)
		n.add(w.PrincipalARN)
		n.add(w.PrincipalID)
	case athenatrail.SourceIAMUser, athenatrail.SourceFederatedUser:
		n.add(w.PrincipalARN)
		n.add(w.PrincipalID)
	case athenatrail.SourceIdentityCenter:
		if strings.HasPrefix(w.RoleName, "AWSReservedSSO_") {
			n.add(w.RoleSessionName)
			n.add(w.PrincipalARN)
			n.add(w.PrincipalID)
		}
	}
}

// in reports whether a text holds one of the names as a word.
func (n names) in(text string) bool {
	text = strings.ToLower(text)
	for name := range n {
		if holdsWord(text, name) {
			return true
		}
	}
	return false
}

// holdsWord reports whether name stands in text, both in lower case, and is no
// part of a longer name: in ines@example.com there is no "ines".
func holdsWord(text, name string) bool {
	for from := 0; ; {
		i := strings.Index(text[from:], name)
		if i < 0 {
			return false
		}
		i += from
		if !goesOn(text, i-1, -1) && !goesOn(text, i+len(name), 1) {
			return true
		}
		from = i + 1
	}
}

// goesOn reports whether a name goes on at i, in the direction of step.
func goesOn(text string, i, step int) bool {
	if i < 0 || i >= len(text) {
		return false
	}
	switch c := text[i]; {
	case 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '_' || c >= 0x80:
		return true
	case c == '.' || c == '-' || c == '+' || c == '@':
		return goesOn(text, i+step, step)
	}
	return false
}

// inAction reports whether an action because of a limit names the person: as
// who was meant, in the ARN that was acted upon, or in what was said of it.
func (n names) inAction(a *athenatrail.LimitAction) bool {
	for _, text := range [...]string{a.Subject, a.Person, a.Target, a.Message, a.Reason, a.LiftedBy} {
		if n.in(text) {
			return true
		}
	}
	return false
}
