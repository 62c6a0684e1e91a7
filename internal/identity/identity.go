// Package identity tells who is behind a CloudTrail record. It is a ladder of
// rungs, from what AWS vouches for down to what is merely left; the first one
// that answers wins, and says so. Every rung is a pure function of the record,
// of what is [Known] beside it, of the SQL's comment and of the settings, so
// the same facts always name the same person, in whatever order they came.
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
	"time"
	"unicode/utf8"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/annotation"
	"github.com/athenatrail/athenatrail/internal/glob"
)

// Version names the ladder's rules. It changes when a record can resolve to
// another person, kind or trust while no table has changed.
const Version = "ladder/2"

// Known is what other facts than the call's own record tell. A nil Known knows
// nothing. What it returns is not changed, and is not used longer than the
// call of [Resolve] or [Explain].
type Known interface {
	// Issued returns the records of the issue of credentials, by the hash of
	// their access key id: one of each account that received one.
	Issued(accessKeyHash string) []*Issue

	// Started returns the StartSession that answered with that id, or nil.
	Started(sessionID string) *SessionStart

	// User returns an Identity Center user's address and name as AWS's
	// Identity Store has them; either may be empty.
	User(userID string) (email, name string)
}

// An Issue is a record of STS that issued credentials. Its account is that of
// the RoleSession's Home.
type Issue struct {
	*athenatrail.RoleSession
	Identity athenatrail.Identity // decoded from Caller
}

// A SessionStart is the call that started a session of Athena for Apache
// Spark. EventID is the fact's, which the record of an addendum does not have.
type SessionStart struct {
	EventID string
	Record  *athenatrail.Record
}

type noFacts struct{}

func (noFacts) Issued(string) []*Issue       { return nil }
func (noFacts) Started(string) *SessionStart { return nil }
func (noFacts) User(string) (string, string) { return "", "" }

// SettingsOptions are what the configuration tells the ladder.
type SettingsOptions struct {
	// SharedPrincipals are patterns of IAM users that are shared by many and
	// so no person. A pattern is a user name in which * stands for any text
	// and ? for any character; case does not matter; one without @ is compared
	// with what precedes the @ of a user name that is an e-mail address. Nil
	// means [DefaultSharedPrincipals], an empty slice none.
	SharedPrincipals []string

	// Directory maps ids to people; nil maps none.
	Directory *Directory
}

// Settings are what the configuration adds to the ladder. They are safe for
// concurrent use.
type Settings struct {
	shared    []glob.Pattern
	directory *Directory

	// seen remembers which users match: a day has few and many calls of each.
	seen      sync.Map // user name -> pattern, "" for none
	seenCount atomic.Int32
}

// maxSeen bounds what [Settings] remembers.
const maxSeen = 10_000

// NewSettings returns settings with those options. It refuses a pattern that
// cannot match an IAM user's name.
func NewSettings(o SettingsOptions) (*Settings, error) {
	if o.SharedPrincipals == nil {
		o.SharedPrincipals = DefaultSharedPrincipals()
	}
	s := &Settings{directory: o.Directory}
	for i, p := range o.SharedPrincipals {
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
// person, and is not a fact: the rules, the tables and the settings.
func (s *Settings) Hash() string {
	h := sha256.New()
	fmt.Fprintln(h, Version)
	for _, r := range ladder {
		fmt.Fprintln(h, "rung", r.source, r.trust)
	}
	for _, n := range madeNames {
		fmt.Fprintln(h, "name", n.maker, n.prefix, n.rest, n.least, n.says)
	}
	for _, words := range [][]string{
		toolWords, serviceWords, surnameWords, placeWords, emptyNames, workloadIssuers, workloadSubjects,
		agentServices, agentMarks, forwarders, biTools,
	} {
		fmt.Fprintf(h, "words %q\n", words)
	}
	for _, g := range s.shared {
		fmt.Fprintln(h, "shared", g.String())
	}
	if s.directory != nil {
		fmt.Fprintf(h, "directory %x\n", s.directory.hash)
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

// A Step is one rung that was tried for a record.
type Step struct {
	Rung     string // one of athenatrail's Source constants
	Answered bool
	Why      string // what the answer rests on, or why there is none

	// Evidence is what was looked at beside the record itself, in the order in
	// which it leads away from it. A rung that did not answer shows how far it
	// came.
	Evidence []Evidence
}

// Evidence is a record, a comment or a line of the directory, and what it says.
// The directory and the Identity Store have no event.
type Evidence struct {
	EventID   string
	EventName string
	AccountID string
	Time      time.Time
	Says      string
}

// Resolve returns who is behind r, and whether the session had passed a second
// factor, nil where the record does not say. The person is never empty. The
// team is the one that the directory gives, which is never
// [athenatrail.TeamUnassigned], or TeamUnassigned. The note is what a tool's
// comment in the call's SQL says, nil where there is none or it is not known.
// Texts are at most [maxText] bytes.
func Resolve(r *athenatrail.Record, known Known, note *annotation.Note, s *Settings) (athenatrail.Who, *bool) {
	c := newCall(r, known, note, s)
	return c.who(nil), r.Identity.MFA
}

// Explain returns the rungs that were tried for r, highest first. The last one
// answered, unless its Rung is [athenatrail.SourceNone].
func Explain(r *athenatrail.Record, known Known, note *annotation.Note, s *Settings) []Step {
	c := newCall(r, known, note, s)
	var evidence []Evidence
	c.told = &evidence
	var steps []Step
	who := c.who(func(rung *rung, a answer) {
		steps = append(steps, Step{rung.source, a.person != "", bounded(a.why()), evidence})
		evidence = nil
	})
	if who.PersonSource == athenatrail.SourceNone {
		steps = append(steps, Step{Rung: athenatrail.SourceNone, Why: "no rung answered; what is left is shown as the person"})
	}
	return steps
}

// climb returns the first of the rungs that answers, and its answer; nil where
// none does. It tells each that it tries to tried.
func (c *call) climb(rungs []rung, tried func(*rung, answer)) (*rung, answer) {
	for i := range rungs {
		r := &rungs[i]
		a := r.answer(c)
		if a.trust == "" {
			a.trust = r.trust
		}
		if tried != nil {
			tried(r, a)
		}
		if a.person != "" {
			if c.agent != "" {
				a.kind = athenatrail.PersonAgent
			}
			return r, a
		}
	}
	return nil, answer{}
}

// who climbs the whole ladder.
func (c *call) who(tried func(*rung, answer)) athenatrail.Who {
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
		AccessKeyHash:        c.keyHash,
	}
	rung, a := c.climb(ladder, tried)
	if rung != nil {
		who.PersonSource, who.PersonTrust = rung.source, a.trust
	} else {
		a.person, a.kind = c.leftOver()
		if c.agent != "" {
			a.kind = athenatrail.PersonAgent
		}
		who.PersonSource = athenatrail.SourceNone
	}
	if strings.Contains(a.person, "@") {
		a.person = lower(a.person)
		if a.team == "" {
			a.team = c.settings.directory.teamOf(a.person, c.on)
		}
	}
	who.Person, who.PersonKind = bounded(a.person), a.kind
	if a.team != "" {
		who.Team = a.team
	}
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
