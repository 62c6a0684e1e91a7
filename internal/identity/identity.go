// Package identity tells who is behind a CloudTrail record. It is a ladder of
// rungs, from what AWS vouches for down to what is merely left; the first one
// that answers wins, and says so. Every rung is a pure function of the record
// and the settings, so the same facts always name the same person.
//
// The rungs are one table, see ladder.go; what sessions are called that no
// person named is another, see names.go.
package identity

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/glob"
)

// Version names the ladder's rules. It changes when a record can resolve to
// another person, kind or trust while no table has changed.
const Version = "ladder/1"

// Settings are what the configuration adds to the ladder. They are safe for
// concurrent use.
type Settings struct {
	shared []glob.Pattern

	// seen remembers which users match: a day has few and many calls of each.
	seen      sync.Map // user name -> pattern, "" for none
	seenCount atomic.Int32
}

// maxSeen bounds what [Settings] remembers.
const maxSeen = 10_000

// NewSettings returns settings in which the IAM users that match one of the
// patterns are shared by many and so no person. A pattern is a user name in
// which * stands for any text and ? for any character; case does not matter;
// one without @ is compared with what precedes the @ of a user name that is
// an e-mail address. Nil means [DefaultSharedPrincipals], an empty slice none.
func NewSettings(sharedPrincipals []string) (*Settings, error) {
	if sharedPrincipals == nil {
		sharedPrincipals = DefaultSharedPrincipals()
	}
	s := &Settings{}
	for i, p := range sharedPrincipals {
		if p == "" || strings.ContainsAny(p, "/: \t\n") {
			return nil, fmt.Errorf("shared_principals[%d] %q: want an IAM user's name, in which * and ? may stand", i, p)
		}
		s.shared = append(s.shared, glob.New(p))
	}
	return s, nil
}

// sharedBy returns the pattern that an IAM user's name matches, or "".
func (s *Settings) sharedBy(user string) string {
	if p, ok := s.seen.Load(user); ok {
		return p.(string)
	}
	p := s.matching(user)
	if len(user) <= 128 && s.seenCount.Load() < maxSeen {
		s.seenCount.Add(1)
		s.seen.Store(strings.Clone(user), p) // a copy: user may be a part of a record
	}
	return p
}

func (s *Settings) matching(user string) string {
	user = lower(user)
	local, _, isEmail := strings.Cut(user, "@")
	for i := range s.shared {
		g, name := &s.shared[i], user
		if isEmail && !strings.Contains(g.String(), "@") {
			name = local
		}
		if g.MatchLower(name) {
			return g.String()
		}
	}
	return ""
}

// Hash returns 16 hex digits that change with anything that can change a
// person: the rules, the tables and the settings.
func (s *Settings) Hash() string {
	h := sha256.New()
	fmt.Fprintln(h, Version)
	for _, r := range ladder {
		fmt.Fprintln(h, "rung", r.source)
	}
	for _, n := range madeNames {
		fmt.Fprintln(h, "name", n.maker, n.prefix, n.rest, n.least, n.says)
	}
	for _, words := range [][]string{toolWords, serviceWords, surnameWords, placeWords, emptyNames, workloadIssuers, agentServices, agentMarks, forwarders} {
		fmt.Fprintf(h, "words %q\n", words)
	}
	for _, g := range s.shared {
		fmt.Fprintln(h, "shared", g.String())
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

// A Step is one rung that was tried for a record.
type Step struct {
	Rung     string // one of athenatrail's Source constants
	Answered bool
	Why      string // what the answer rests on, or why there is none
}

// Resolve returns who is behind r, and whether the session had passed a second
// factor, nil where the record does not say. The person is never empty; the
// team is [athenatrail.TeamUnassigned]. Texts are at most [maxText] bytes.
func Resolve(r *athenatrail.Record, s *Settings) (athenatrail.Who, *bool) {
	c := newCall(r, s)
	return c.climb(nil), r.Identity.MFA
}

// Explain returns the rungs that were tried for r, highest first. The last one
// answered, unless its Rung is [athenatrail.SourceNone].
func Explain(r *athenatrail.Record, s *Settings) []Step {
	c := newCall(r, s)
	var steps []Step
	who := c.climb(func(rung rung, a answer) {
		steps = append(steps, Step{rung.source, a.person != "", a.why()})
	})
	if who.PersonSource == athenatrail.SourceNone {
		steps = append(steps, Step{athenatrail.SourceNone, false, "no rung answered; what is left is shown as the person"})
	}
	return steps
}

// climb tries the rungs in their order and tells each of them to tried.
func (c *call) climb(tried func(rung, answer)) athenatrail.Who {
	id := &c.record.Identity
	who := athenatrail.Who{
		Team:                 athenatrail.TeamUnassigned,
		PrincipalType:        bounded(id.Type),
		PrincipalARN:         bounded(id.ARN),
		PrincipalID:          bounded(id.PrincipalID),
		RoleName:             bounded(c.role),
		RoleSessionName:      bounded(c.session),
		SourceIdentity:       bounded(id.SourceIdentity),
		IdentityCenterUserID: bounded(id.OnBehalfOf.UserID),
		InvokedBy:            bounded(id.InvokedBy),
		AccessKeyHash:        athenatrail.HashAccessKey(id.AccessKeyID),
	}
	for _, r := range ladder {
		a := r.answer(c)
		if tried != nil {
			tried(r, a)
		}
		if a.person != "" {
			who.Person, who.PersonKind = a.person, a.kind
			who.PersonSource, who.PersonTrust = r.source, r.trust
			break
		}
	}
	if who.Person == "" {
		who.Person, who.PersonKind = c.leftOver()
		who.PersonSource = athenatrail.SourceNone
	}
	if c.agent != "" {
		who.PersonKind = athenatrail.PersonAgent
	}
	if strings.Contains(who.Person, "@") {
		who.Person = lower(who.Person)
	}
	who.Person = bounded(who.Person)
	return who
}

// maxText bounds every text of a [athenatrail.Who], in bytes: an ARN has at
// most 2048 characters, everything else is shorter (IAM User Guide, "IAM and
// AWS STS quotas").
const maxText = 2048

// bounded cuts s to at most [maxText] bytes, between characters.
func bounded(s string) string {
	if len(s) <= maxText {
		return s
	}
	n := maxText
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
