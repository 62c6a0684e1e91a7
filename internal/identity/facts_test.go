package identity

import (
	"testing"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/annotation"
)

// facts are a [Known] made by hand.
type facts struct {
	issues map[string][]*Issue
	starts map[string]*SessionStart
	users  map[string][2]string
}

func (f *facts) Issued(hash string) []*Issue     { return f.issues[hash] }
func (f *facts) Started(id string) *SessionStart { return f.starts[id] }
func (f *facts) User(id string) (email, name string) {
	u := f.users[id]
	return u[0], u[1]
}

const (
	here  = "123456789012"
	there = "111122223333"
)

// clock returns a time of the day that the tests are about, or of one around
// it: 2026-05-04 and days later.
func clock(days int, hhmm string) time.Time {
	t, err := time.Parse("15:04", hhmm)
	if err != nil {
		panic(err)
	}
	return time.Date(2026, 5, 4+days, t.Hour(), t.Minute(), 0, 0, time.UTC)
}

// callAt is a record of a call at that time, signed with a key.
func callAt(r athenatrail.Record, key string, at time.Time) athenatrail.Record {
	r.EventID, r.EventTime, r.EventSource, r.Region = "call-"+key, at, "athena.amazonaws.com", "eu-west-1"
	r.RecipientAccountID = r.Identity.AccountID
	r.Identity.AccessKeyID = key
	return r
}

// issue adds a record of the issue of a key to the caller of by.
func (f *facts) issue(key string, by athenatrail.Record, at time.Time, change ...func(*Issue)) *facts {
	id := by.Identity
	i := &Issue{
		RoleSession: &athenatrail.RoleSession{
			Home:    athenatrail.NewPartition(at, id.AccountID, "eu-west-1"),
			EventID: "issue-" + key, EventName: "AssumeRole", Issued: at,
			AccessKeyHash: athenatrail.HashAccessKey(key), CallerKeyHash: athenatrail.HashAccessKey(id.AccessKeyID),
			Caller: id.Type + id.ARN + id.UserName + id.PrincipalID, UserAgent: by.UserAgent, SourceIP: by.SourceIP,
		},
		Identity: id,
	}
	i.Identity.AccessKeyID = "" // the fact does not hold it
	for _, c := range change {
		c(i)
	}
	if f.issues == nil {
		f.issues = map[string][]*Issue{}
	}
	hash := athenatrail.HashAccessKey(key)
	f.issues[hash] = append(f.issues[hash], i)
	return f
}

// start adds the StartSession of a notebook's session.
func (f *facts) start(session string, by athenatrail.Record, at time.Time) *facts {
	r := callAt(by, by.Identity.AccessKeyID, at)
	r.EventName, r.SessionID = "StartSession", session
	if f.starts == nil {
		f.starts = map[string]*SessionStart{}
	}
	f.starts[session] = &SessionStart{"start-" + session, &r}
	return f
}

func signed(r athenatrail.Record, key string) athenatrail.Record {
	r.Identity.AccessKeyID = key
	return r
}

func samlCall(user string) athenatrail.Record {
	return caller(athenatrail.Identity{Type: "SAMLUser", PrincipalID: "qualifierhash=:" + user, UserName: user, IdentityProvider: "qualifierhash="})
}

func webCall(user, provider string) athenatrail.Record {
	return caller(athenatrail.Identity{Type: "WebIdentityUser", PrincipalID: provider + ":app-1:" + user, UserName: user, IdentityProvider: provider})
}

// short is an answer as the tests write it.
func short(who athenatrail.Who) string {
	s := who.Person + " " + who.PersonKind + " " + who.PersonSource + " " + who.PersonTrust
	if who.Team != athenatrail.TeamUnassigned {
		s += " in " + who.Team
	}
	return s
}

// answers checks an answer, and that the explanation tells of the same rung.
func answers(t *testing.T, name string, r athenatrail.Record, known Known, note *annotation.Note, s *Settings, want string) (why string, evidence []Evidence) {
	t.Helper()
	who, _ := Resolve(&r, known, note, s)
	if got := short(who); got != want {
		t.Errorf("%s: %s, want %s", name, got, want)
	}
	steps := Explain(&r, known, note, s)
	last := steps[len(steps)-1]
	if last.Rung != who.PersonSource {
		t.Errorf("%s: resolved by %s, explained by %s", name, who.PersonSource, last.Rung)
	}
	return last.Why, last.Evidence
}

// step returns what the explanation tells of one rung.
func step(t *testing.T, r athenatrail.Record, known Known, note *annotation.Note, s *Settings, rung string) Step {
	t.Helper()
	for _, s := range Explain(&r, known, note, s) {
		if s.Rung == rung {
			return s
		}
	}
	t.Fatalf("rung %s was not tried", rung)
	return Step{}
}

func directory(t testing.TB, entries ...Entry) *Settings {
	t.Helper()
	for i := range entries {
		entries[i].Line = i + 2
	}
	d, err := NewDirectory(entries)
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewSettings(SettingsOptions{Directory: d})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func day(t testing.TB, s string) athenatrail.Date {
	t.Helper()
	d, err := athenatrail.ParseDate(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
