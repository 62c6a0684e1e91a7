package identity

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/annotation"
)

// world draws facts that are about few keys, sessions and principals, so that
// they hang together, contradict each other and run in circles.
type world struct {
	t     *rapid.T
	texts *rapid.Generator[string]
}

func newWorld(t *rapid.T) world {
	return world{t, rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "", ":", "/", "arn:aws:sts::1:assumed-role/", "arn:aws:sts::1:assumed-role/r/s", "arn:aws:iam::1:user/", "arn:aws:iam::1:root", "::::::", "A:b", "@", "athena.amazonaws.com"}))}
}

var (
	someKeys     = []string{"", "ASIA1", "ASIA2", "ASIA3", "ASIA4"}
	someSessions = []string{"s1", "s2"}
	someMinutes  = []string{"11:58", "11:59", "12:00", "12:01"}
)

func (w world) one(name string, of ...string) string { return rapid.SampledFrom(of).Draw(w.t, name) }

func (w world) identity() athenatrail.Identity {
	var r athenatrail.Record
	switch w.one("identity", "role", "role", "role", "notebook", "notebook", "sso", "user", "saml", "web", "copy", "any", "any") {
	case "role":
		r = roleCall(w.one("role", "r1", "r2"), w.one("session", "botocore-session-1", "botocore-session-1", "botocore-session-2", "rosa", "MySessionName"))
	case "notebook":
		r = roleCall("spark", "AthenaExecutor-"+w.one("executor", someSessions...))
	case "sso":
		r = ssoCall(w.one("person", "rosa@example.com", "ines"))
	case "user":
		r = userCall(w.one("user", "rosa", "svc-orders"))
	case "saml":
		r = samlCall(w.one("saml", "ines@example.com", ""))
	case "web":
		r = webCall(w.one("web", "rosa", "system:serviceaccount:x:y"), w.one("provider", "idp.example.com", "oidc.eks."))
	case "copy":
		r = caller(athenatrail.Identity{Type: "AWSAccount", PrincipalID: "AROAEXAMPLEROLE00001:rosa", AccountID: there})
	default:
		draw := func(name string) string { return w.texts.Draw(w.t, name) }
		r.Identity = athenatrail.Identity{
			Type:        w.one("type", "", "Root", "IAMUser", "AssumedRole", "Role", "FederatedUser", "Directory", "AWSAccount", "AWSService", "IdentityCenterUser", "SAMLUser", "WebIdentityUser", "Unknown", "New"),
			PrincipalID: draw("principal"), ARN: draw("arn"), AccountID: draw("account"), UserName: draw("user"),
			InvokedBy: draw("by"), SourceIdentity: draw("source"), IdentityProvider: draw("provider"),
			Issuer: athenatrail.Issuer{Type: draw("issuer type"), PrincipalID: draw("issuer id"), ARN: draw("issuer arn"), UserName: draw("issuer")},
		}
		if rapid.Bool().Draw(w.t, "long") {
			r.Identity.PrincipalID = strings.Repeat("é", 5000)
			r.Identity.UserName = r.Identity.PrincipalID
		}
	}
	r.Identity.AccessKeyID = w.one("key", someKeys...)
	return r.Identity
}

func (w world) record() athenatrail.Record {
	r := athenatrail.Record{
		EventID: w.one("event", "e1", "e2"), EventTime: clock(0, w.one("time", someMinutes...)), RecipientAccountID: w.one("recipient", "", here, here, there),
		SourceIP: w.texts.Draw(w.t, "ip"), UserAgent: w.one("agent", "", "Boto3", "Mozilla/5.0", "aws-cli/2", "Boto3 exec-env/AWS_Lambda_x", "Boto3 awslabs/mcp/x"),
		FromConsole: rapid.Bool().Draw(w.t, "console"), Identity: w.identity(),
	}
	return r
}

func (w world) issue() *Issue {
	id := w.identity()
	i := &Issue{RoleSession: &athenatrail.RoleSession{
		Home: athenatrail.NewPartition(clock(0, "12:00"), w.one("home", here, there), "eu-west-1"), EventID: w.one("event", "i1", "i2"),
		EventName: w.one("name", "AssumeRole", "AssumeRole", "AssumeRoleWithSAML", "GetSessionToken"), Issued: clock(0, w.one("time", someMinutes...)),
		RoleARN: w.one("arn", "", "", "arn:aws:iam::123456789012:role/r1"), CallerKeyHash: athenatrail.HashAccessKey(id.AccessKeyID),
		UserAgent: w.one("agent", "", "Boto3 exec-env/AWS_Lambda_x"),
	}, Identity: id}
	i.Identity.AccessKeyID = ""
	i.Caller = fmt.Sprintf("%+v", i.Identity)
	return i
}

func (w world) facts() *facts {
	f := &facts{issues: map[string][]*Issue{}, starts: map[string]*SessionStart{}}
	for _, key := range someKeys {
		f.issues[athenatrail.HashAccessKey(key)] = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) *Issue { return world{t, w.texts}.issue() }), 0, 3).Draw(w.t, "issues of "+key)
	}
	for _, id := range someSessions {
		if rapid.Bool().Draw(w.t, "started "+id) {
			r := w.record()
			f.starts[id] = &SessionStart{"start-" + id, &r}
		}
	}
	return f
}

func (w world) note() *annotation.Note {
	if rapid.Bool().Draw(w.t, "no note") {
		return nil
	}
	return &annotation.Note{Tool: w.one("tool", "redash", "metabase"), User: rapid.OneOf(w.texts, rapid.SampledFrom([]string{"7", "metabase:7", "rosa@example.com", "unknown"})).Draw(w.t, "by")}
}

// Whatever the facts are, there is a person, within bounds; the explanation
// tells the rung that Resolve took; and nothing of it depends on the order in
// which the facts are told, or on facts about others.
func TestLadderIsAFunctionOfTheFacts(t *testing.T) {
	s := directory(t, Entry{ID: "metabase:7", Email: "ines@example.com", Team: "bi"}, Entry{ID: "iam_user:rosa", Email: "rosa@example.com"})
	answered := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		r, known, note := w.record(), w.facts(), w.note()
		who, mfa := Resolve(&r, known, note, s)
		answered[who.PersonSource]++
		if who.Person == "" || len(who.Person) > maxText || len(who.PrincipalID) > maxText || who.Team == "" || mfa != r.Identity.MFA {
			t.Fatalf("%+v", who)
		}
		if (who.PersonTrust == "") != (who.PersonSource == athenatrail.SourceNone) {
			t.Fatalf("source %s with trust %q", who.PersonSource, who.PersonTrust)
		}
		steps := Explain(&r, known, note, s)
		last := steps[len(steps)-1]
		if last.Rung != who.PersonSource || last.Answered != (last.Rung != athenatrail.SourceNone) {
			t.Fatalf("resolved by %s, explained by %+v", who.PersonSource, last)
		}
		for _, step := range steps {
			if step.Answered && step.Rung != last.Rung || step.Why == "" || len(step.Evidence) > 2*maxDepth {
				t.Fatalf("step %+v", step)
			}
		}

		shuffled := &facts{issues: map[string][]*Issue{}, starts: known.starts}
		shuffle := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		for hash, issues := range known.issues {
			issues = slices.Clone(issues)
			shuffle.Shuffle(len(issues), func(i, j int) { issues[i], issues[j] = issues[j], issues[i] })
			shuffled.issues[hash] = issues
		}
		shuffled.issue("ASIAOTHER", userCall("mallory"), clock(0, "11:00"))
		shuffled.starts = map[string]*SessionStart{"other": {"start-other", &r}}
		for id, start := range known.starts {
			shuffled.starts[id] = start
		}
		if again, _ := Resolve(&r, shuffled, note, s); again != who {
			t.Fatalf("in another order %+v, was %+v", again, who)
		}
		if again := Explain(&r, shuffled, note, s); !reflect.DeepEqual(again, steps) {
			t.Fatalf("in another order %+v, was %+v", again, steps)
		}
	})
	t.Logf("answered: %v", answered)
}

func FuzzResolve(f *testing.F) {
	f.Add("AssumedRole", "AROAEXAMPLEROLE00001:rosa", "arn:aws:sts::123456789012:assumed-role/r/AthenaExecutor-s1", "", "", "", "redash", "metabase:7")
	f.Add("IAMUser", "", "arn:aws:iam::123456789012:user/svc-orders", "svc-orders", "", "Mozilla/5.0", "metabase", "7")
	f.Add("WebIdentityUser", "", "", "repo:x", "idp.example.com", "", "", "<ApiKey: 1>")
	f.Add("Unknown", "a:b", ":::::user/", "", "", "exec-env/", "x", "a:")
	f.Fuzz(func(t *testing.T, kind, principal, arn, user, provider, agent, tool, by string) {
		r := athenatrail.Record{EventTime: clock(0, "12:00"), UserAgent: agent, Identity: athenatrail.Identity{
			Type: kind, PrincipalID: principal, ARN: arn, UserName: user, IdentityProvider: provider, AccessKeyID: "ASIA",
		}}
		known := new(facts).issue("ASIA", signed(r, "ASIA2"), clock(0, "11:00")).issue("ASIA2", userCall("rosa"), clock(0, "10:00")).start("s1", r, clock(0, "09:00"))
		s := fuzzSettings
		note := &annotation.Note{Tool: tool, User: by, Comment: by}
		who, _ := Resolve(&r, known, note, s)
		if who.Person == "" || len(who.Person) > maxText || who.PersonKind == "" {
			t.Fatalf("%+v", who)
		}
		steps := Explain(&r, known, note, s)
		if last := steps[len(steps)-1]; last.Rung != who.PersonSource {
			t.Fatalf("resolved by %s, explained by %s", who.PersonSource, last.Rung)
		}
	})
}

var fuzzSettings = func() *Settings {
	d, err := NewDirectory([]Entry{{ID: "metabase:7", Email: "ines@example.com"}})
	if err != nil {
		panic(err)
	}
	s, err := NewSettings(SettingsOptions{Directory: d})
	if err != nil {
		panic(err)
	}
	return s
}()

func BenchmarkResolve(b *testing.B) {
	records := []athenatrail.Record{ssoCall("rosa@example.com"), roleCall("etl", "botocore-session-1700000000"), roleCall("analyst", "rosa.diaz"), userCall("rosa.diaz")}
	run := func(name string, known Known, s *Settings) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				Resolve(&records[i%len(records)], known, nil, s)
			}
		})
	}
	run("record", nil, settings(b, nil))

	// Beside facts and a directory: the second record goes back over a role.
	for i := range records {
		records[i].EventTime, records[i].Identity.AccessKeyID = clock(0, "12:00"), fmt.Sprint("ASIA", i)
	}
	hour := clock(0, "12:00").Add(-time.Hour)
	known := new(facts).issue("ASIA1", signed(roleCall("hop", "botocore-session-1"), "ASIAHOP"), hour).issue("ASIAHOP", ssoCall("rosa"), hour)
	var entries []Entry
	for i := range 1000 {
		entries = append(entries, Entry{ID: fmt.Sprint("metabase:", i), Email: fmt.Sprint("user", i, "@example.com"), Team: "bi"})
	}
	run("facts", known, directory(b, entries...))
}
