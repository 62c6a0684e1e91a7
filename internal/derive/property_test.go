package derive

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/annotation"
	"github.com/athenatrail/athenatrail/internal/glob"
	"github.com/athenatrail/athenatrail/internal/identity"
	"github.com/athenatrail/athenatrail/internal/price"
	"github.com/athenatrail/athenatrail/internal/team"
)

// fullSettings have something of everything that a row depends on.
func fullSettings(t testing.TB) *Settings {
	t.Helper()
	people, wrong := identity.NewDirectory([]identity.Entry{
		{ID: "iam_user:rosa", Email: "rosa@example.com", Name: "Rosa", Team: "finance", Line: 2},
		{ID: "redash:ana@example.com", Email: "ana@example.com", Team: "growth", Line: 3},
	})
	if wrong != nil {
		t.Fatal(wrong)
	}
	who, err := identity.NewSettings(identity.SettingsOptions{SharedPrincipals: []string{"redash"}, Directory: people})
	if err != nil {
		t.Fatal(err)
	}
	table, err := price.NewTable(price.Settings{Prices: []price.Override{{Region: region, SparkPerDPUHour: "0.36"}}})
	if err != nil {
		t.Fatal(err)
	}
	notes, err := annotation.NewPatterns(nil)
	if err != nil {
		t.Fatal(err)
	}
	teams, err := team.New([]team.Rule{
		{WorkGroupTag: "team"}, {Team: "lab", Account: "lab-*"}, {Team: "pipelines", Role: "etl"}, {Team: "bi", Tool: "redash"},
		{Team: "old", Person: "ana*", To: today}, {Team: "analysts", WorkGroup: "analysts"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &Settings{Identity: who, Prices: table, Notes: notes, Teams: teams, Own: []glob.Pattern{glob.New("arn:aws:iam::*:role/athenatrail")}}
}

// role is a role session that signed with a key.
func role(name, session, key string) object {
	return object{"type": "AssumedRole", "accountId": account, "accessKeyId": key, "principalId": "AROAEXAMPLE000000001:" + session,
		"arn":            "arn:aws:sts::" + account + ":assumed-role/" + name + "/" + session,
		"sessionContext": object{"sessionIssuer": object{"type": "Role", "userName": name, "arn": "arn:aws:iam::" + account + ":role/" + name}}}
}

func issueOf(eventID, key, callerKey string, caller object, when time.Time, in string) *athenatrail.RoleSession {
	who := object{}
	for k, v := range caller {
		if k != "accessKeyId" {
			who[k] = v
		}
	}
	raw, err := json.Marshal(who)
	if err != nil {
		panic(err)
	}
	return &athenatrail.RoleSession{Home: athenatrail.NewPartition(when, in, region), AccessKeyHash: athenatrail.HashAccessKey(key), EventID: eventID, EventName: "AssumeRole",
		Issued: when, CallerKeyHash: athenatrail.HashAccessKey(callerKey), Caller: string(raw)}
}

var (
	rosa    = object{"type": "IAMUser", "accountId": account, "userName": "rosa", "accessKeyId": "AKIAROSA"}
	sqlByBI = "/* Username: ana@example.com, query_id: 12, Queue: queries, Job ID: 1, Query Hash: 2, Scheduled: False */ SELECT 1 FROM t"
	bySSO   = object{"type": "AssumedRole", "accountId": account, "accessKeyId": "ASIASSO", "arn": "arn:aws:sts::" + account + ":assumed-role/AWSReservedSSO_Analyst_0123456789abcdef/mina",
		"principalId":    "AROAEXAMPLESSO000001:mina",
		"sessionContext": object{"sessionIssuer": object{"type": "Role", "userName": "AWSReservedSSO_Analyst_0123456789abcdef", "arn": "arn:aws:iam::" + account + ":role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Analyst_0123456789abcdef"}},
		"onBehalfOf":     object{"userId": "u-1", "identityStoreArn": "arn:aws:identitystore::" + account + ":identitystore/d-0000000001"}}
)

// drawEvidence returns facts beside those of drawFacts: of people, sessions,
// texts and references. No two of them have one key.
func drawEvidence(t *rapid.T) (facts []any) {
	n := 0
	eventID := func() string { n++; return fmt.Sprintf("x%02d", n) }
	day := rapid.IntRange(-2, 2)
	away := rapid.OneOf(rapid.Just(0), rapid.IntRange(-8, 8))
	clock := rapid.IntRange(0, 86399)
	when := func(days int) time.Time {
		return midnight.AddDate(0, 0, days).Add(time.Duration(clock.Draw(t, "second")) * time.Second)
	}
	keys := []string{"ASIAHOP1", "ASIAHOP2", "ASIAHOP3"}
	callers := map[string]object{"AKIAROSA": rosa, "ASIASSO": bySSO}
	for i, key := range keys {
		callers[key] = role("etl", fmt.Sprintf("botocore-session-%d", i), key)
	}
	for _, s := range []string{s1, s2} {
		callers["ASIAEXECUTOR"+s[:4]] = executor(s)
	}
	names := []string{"AKIAROSA", "ASIASSO", "ASIAHOP1", "ASIAHOP2", "ASIAHOP3", "ASIAEXECUTORaaaa", "ASIAEXECUTORbbbb"}
	anybody := rapid.SampledFrom(names)

	for range rapid.IntRange(0, 5).Draw(t, "issues") {
		key, by := rapid.SampledFrom(keys).Draw(t, "issued"), anybody.Draw(t, "by")
		at := when(rapid.IntRange(-2, 0).Draw(t, "issue day"))
		facts = append(facts, issueOf(eventID(), key, by, callers[by], at, account))
		if rapid.Bool().Draw(t, "second copy") {
			facts = append(facts, issueOf(eventID(), key, "", object{"type": "AWSAccount", "accountId": account, "principalId": "AROAEXAMPLE000000001:x"}, at, other))
		}
	}
	session := rapid.SampledFrom([]string{s1, s2, ""})
	calculation := rapid.SampledFrom([]string{c1, c2, c3, ""})
	for range rapid.IntRange(0, 8).Draw(t, "session events") {
		id, at := eventID(), when(away.Draw(t, "session day"))
		who := object{"userIdentity": callers[anybody.Draw(t, "of session")]}
		s, c := session.Draw(t, "session"), calculation.Draw(t, "calculation")
		var e *athenatrail.SessionEvent
		switch rapid.SampledFrom([]int{0, 0, 1, 2, 3}).Draw(t, "event") {
		case 0:
			e = sessionStart(id, s, at, who)
		case 1:
			e = sessionEnd(id, orElse(s, s1), at)
		case 2:
			e = cell(id, c, orElse(s, s1), at)
		case 3:
			e = stopOf(id, orElse(c, c1), at)
		}
		facts = append(facts, e)
		if e.Home == home {
			facts = append(facts, &athenatrail.Event{Home: home, ID: id, Time: at, Name: e.Name, SessionID: e.SessionID, Record: e.Record})
		}
	}
	held := map[string]bool{}
	for range rapid.IntRange(0, 6).Draw(t, "spark details") {
		at, dpu := when(away.Draw(t, "spark day")), rapid.Int64Range(-1, 1e7).Draw(t, "dpu")
		var det *athenatrail.Detail
		s, c := orElse(session.Draw(t, "session"), s1), orElse(calculation.Draw(t, "calculation"), c1)
		switch rapid.SampledFrom([]int{0, 0, 0, 1, 2, 3}).Draw(t, "what") {
		case 0:
			det = sessionAnswerOf(s, rapid.SampledFrom([]string{"TERMINATED", "BUSY"}).Draw(t, "state"), at, dpu)
		case 1:
			det = cellAnswerOf(c, s, at, dpu)
		case 2:
			det = unanswered(athenatrail.KindSession, s, athenatrail.OutcomeNotFound, athenatrail.DateOf(at))
		case 3:
			det = unanswered(athenatrail.KindCalculation, c, athenatrail.OutcomeDenied, athenatrail.DateOf(at))
		}
		if key := fmt.Sprint(det.Kind, det.ID, det.Home); !held[key] {
			held[key] = true
			facts = append(facts, det)
		}
	}
	for i := range rapid.IntRange(0, 5).Draw(t, "calls") {
		by := callers[anybody.Draw(t, "caller")]
		members := object{"userIdentity": by, "userAgent": "Boto3/1.34 PyAthena/3.0"}
		if rapid.Bool().Draw(t, "own") {
			members["userIdentity"], members["userAgent"] = role("athenatrail", "x", "ASIAOWN"), "athenatrail/1"
		}
		queryID := fmt.Sprintf("99999999-0000-4000-8000-%012d", i)
		e := event("StartQueryExecution", eventID(), queryID, when(0), members)
		e.TextHash = rapid.SampledFrom([]string{"", "cc", "dd"}).Draw(t, "text of call")
		facts = append(facts, e)
	}
	for on := range 5 {
		for _, hash := range []string{"cc", "dd"} {
			q := &athenatrail.QueryText{Home: home.On(today + athenatrail.Date(on-2)), TextHash: hash}
			switch kept := rapid.IntRange(0, 3).Draw(t, "text"); kept {
			case 0:
				continue
			case 1:
				q.QueryString = map[string]string{"cc": sqlByBI, "dd": "SELECT 1"}[hash]
			default:
				if kept == 3 {
					q.QueryString = "SELECT ? FROM t"
				}
				q.Comment = rapid.SampledFrom([]string{"", "/* Username: rita@example.com, query_id: 1, Queue: q, Job ID: 1, Query Hash: 2, Scheduled: False */", sqlByBI[:strings.Index(sqlByBI, "*/")+2], "/* nothing */"}).Draw(t, "comment")
				q.Probe = rapid.SampledFrom([]*bool{nil, ptr(true), ptr(false)}).Draw(t, "probe")
				q.Fingerprint = rapid.SampledFrom([]string{"", "f1", "f2"}).Draw(t, "fingerprint")
				q.Tables = rapid.SampledFrom([][]string{nil, {"awsdatacatalog.a.b"}, {"awsdatacatalog.a.c"}}).Draw(t, "tables")
			}
			facts = append(facts, q)
		}
	}
	for _, r := range []athenatrail.Reference{
		{Kind: athenatrail.KindAccount, ID: account, Answer: `{"Name":"lab-1"}`},
		{Kind: athenatrail.KindAccount, ID: other, Answer: `{"Name":"other"}`},
		{Kind: athenatrail.KindWorkGroup, ID: "analysts", Answer: `{"Tags":[{"Key":"team","Value":"tagged"}]}`},
		{Kind: athenatrail.KindWorkGroup, ID: "spark", Answer: `{"Tags":[{"Key":"owner","Value":"x"}]}`},
		{Kind: athenatrail.KindIdentityUser, ID: "u-1", Answer: `{"Email":"Mina@Example.com","Name":"Mina"}`},
		{Kind: athenatrail.KindIdentityUser, ID: "u-2", Answer: `no JSON`},
	} {
		if rapid.Bool().Draw(t, "reference") {
			r.Home = home.On(today + athenatrail.Date(day.Draw(t, "reference day")))
			facts = append(facts, &r)
		}
	}
	return facts
}

func orElse(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

// all are all the rows of a day.
type all struct {
	Activity     []athenatrail.Activity
	Executions   []athenatrail.QueryExecution
	Usage        Usage
	Sessions     []athenatrail.Session
	Calculations []athenatrail.Calculation
}

func allRows(t interface{ Fatal(args ...any) }, settings *Settings, facts []any) (rows all) {
	d := NewDay(home, settings)
	var events []*athenatrail.Event
	rest := slices.DeleteFunc(slices.Clone(facts), func(f any) bool {
		e, ok := f.(*athenatrail.Event)
		if ok {
			events = append(events, e)
		}
		return ok
	})
	feedDay(unfailing{}, d, rest...)
	for _, e := range events {
		row, err := d.Event(e)
		if err != nil {
			t.Fatal(err)
		}
		rows.Activity = append(rows.Activity, row)
	}
	slices.SortStableFunc(rows.Activity, func(a, b athenatrail.Activity) int {
		return strings.Compare(a.EventID+"/"+a.QueryExecutionID, b.EventID+"/"+b.QueryExecutionID)
	})
	rows.Activity = slices.CompactFunc(rows.Activity, func(a, b athenatrail.Activity) bool { return cmp.Equal(a, b) })
	rows.Executions, rows.Usage = d.Tables()
	rows.Sessions, rows.Calculations = d.Spark()
	return rows
}

// All rows of a day, who stands in them and what they cost, are a function of
// the set of facts.
func TestAllRowsAreAFunctionOfTheFacts(t *testing.T) {
	settings := fullSettings(t)
	rapid.Check(t, func(t *rapid.T) {
		known, facts := drawFacts(t)
		facts = append(facts, drawEvidence(t)...)
		want := allRows(t, settings, slices.Concat(known, facts))
		again := rapid.Permutation(slices.Concat(facts, facts[:rapid.IntRange(0, len(facts)).Draw(t, "repeated")])).Draw(t, "order")
		got := allRows(t, settings, slices.Concat(rapid.Permutation(slices.Concat(known, known)).Draw(t, "known"), again))
		if d := cmp.Diff(want, got); d != "" {
			t.Fatal(d)
		}
	})
}

// TestUsageAddsUp shows that the roll-up of a day leaves no row out, sessions
// neither, and that nothing costs less than nothing.
func TestUsageAddsUp(t *testing.T) {
	settings := fullSettings(t)
	type group struct{ kind, person, state, gap string }
	type sums struct{ executions, known, bytes, billed, cost, dpu big.Int }
	add := func(to *big.Int, n int64) { to.Add(to, big.NewInt(n)) }
	rapid.Check(t, func(t *rapid.T) {
		known, facts := drawFacts(t)
		rows := allRows(t, settings, slices.Concat(known, facts, drawEvidence(t)))
		fromRows, fromUsage := map[group]*sums{}, map[group]*sums{}
		of := func(m map[group]*sums, g group) *sums {
			if m[g] == nil {
				m[g] = new(sums)
			}
			return m[g]
		}
		for _, r := range rows.Executions {
			s := of(fromRows, group{athenatrail.UsageSQL, r.Person, r.State, r.Gap})
			add(&s.executions, 1)
			if r.DataScannedBytes != nil {
				add(&s.known, 1)
				add(&s.bytes, *r.DataScannedBytes)
			}
			if r.BilledBytes != nil {
				add(&s.billed, *r.BilledBytes)
			}
			if r.Cost != nil {
				if *r.Cost < 0 {
					t.Fatalf("%s costs %s", r.QueryExecutionID, *r.Cost)
				}
				add(&s.cost, int64(*r.Cost))
			}
		}
		for _, r := range rows.Sessions {
			s := of(fromRows, group{athenatrail.UsageSpark, r.Person, r.State, r.Gap})
			add(&s.executions, 1)
			if r.DPUMillis != nil {
				add(&s.known, 1)
				add(&s.dpu, *r.DPUMillis)
			}
			if r.Cost != nil {
				if *r.Cost < 0 {
					t.Fatalf("session %s costs %s", r.SessionID, *r.Cost)
				}
				add(&s.cost, int64(*r.Cost))
			}
		}
		for _, u := range rows.Usage.Rollup {
			s := of(fromUsage, group{u.Kind, u.Person, u.State, u.Gap})
			for to, n := range map[*big.Int]int64{&s.executions: u.Executions, &s.known: u.Known, &s.bytes: u.DataScannedBytes, &s.billed: u.BilledBytes, &s.cost: int64(u.Cost), &s.dpu: u.DPUMillis} {
				add(to, n)
			}
		}
		text := func(m map[group]*sums) map[string]string {
			lines := map[string]string{}
			for g, s := range m {
				var b strings.Builder
				for i, n := range []*big.Int{&s.executions, &s.known, &s.bytes, &s.billed, &s.cost, &s.dpu} {
					// Sums stop at the largest number that there is.
					most := big.NewInt(math.MaxInt64)
					if i == 4 {
						most = big.NewInt(int64(maxCost))
					}
					if n.Cmp(most) > 0 {
						n = most
					}
					fmt.Fprint(&b, n, " ")
				}
				lines[fmt.Sprint(g)] = b.String()
			}
			return lines
		}
		if d := cmp.Diff(text(fromRows), text(fromUsage)); d != "" {
			t.Fatalf("rows (-) and roll-up (+) differ: executions, known, bytes, billed, cost, DPU time\n%s", d)
		}
	})
}

// TestDrawnFactsVary shows that what the property above draws makes rows of
// every kind. It draws with fixed seeds, so that it does not depend on luck.
func TestDrawnFactsVary(t *testing.T) {
	settings := fullSettings(t)
	seen := map[string]int{}
	draws := rapid.Custom(func(t *rapid.T) []any {
		known, facts := drawFacts(t)
		return slices.Concat(known, facts, drawEvidence(t))
	})
	for seed := range 400 {
		rows := allRows(t, settings, draws.Example(seed))
		for _, a := range rows.Activity {
			seen[a.PersonSource]++
			seen["team "+a.Team]++
		}
		for _, e := range rows.Executions {
			seen["tool "+e.Tool]++
			seen[fmt.Sprint("probe ", e.Probe, " own ", e.Own)]++
		}
		for _, s := range rows.Sessions {
			seen["session "+s.Gap]++
		}
		for _, c := range rows.Calculations {
			seen["calculation "+c.PersonSource]++
		}
	}
	for _, some := range []string{
		athenatrail.SourceIdentityCenter, athenatrail.SourceNotebookSession, athenatrail.SourceIAMUser, athenatrail.SourceRoleChain, athenatrail.SourceQueryComment, athenatrail.SourceRole,
		"team tagged", "team lab", "team pipelines", "team finance", "tool redash", "probe true own false", "probe false own true",
		"session no_event", "session no_detail", "session pending", "session expired", "calculation notebook_session", "calculation role",
	} {
		if seen[some] == 0 {
			t.Errorf("no row with %s: %v", some, seen)
		}
	}
}

// What a Day remembers of callers changes nothing: each event is told as if it
// were the only one.
func TestRememberedCallersAreAsResolved(t *testing.T) {
	settings := fullSettings(t)
	rapid.Check(t, func(t *rapid.T) {
		_, facts := drawFacts(t)
		facts = append(facts, drawEvidence(t)...)
		facts = append(facts, event("GetWorkGroup", "y1", "", midnight, object{"userIdentity": role("etl", "botocore-session-0", "ASIAHOP1"), "readOnly": true}),
			event("GetWorkGroup", "y2", "", midnight.Add(24*time.Hour-time.Second), object{"userIdentity": role("etl", "botocore-session-0", "ASIAHOP1")}))
		together := allRows(t, settings, facts)
		for _, f := range facts {
			e, ok := f.(*athenatrail.Event)
			if !ok {
				continue
			}
			alone := allRows(t, settings, append(slices.DeleteFunc(slices.Clone(facts), func(f any) bool { _, ok := f.(*athenatrail.Event); return ok }), e)).Activity[0]
			i := slices.IndexFunc(together.Activity, func(a athenatrail.Activity) bool {
				return a.EventID == e.ID && a.QueryExecutionID == e.QueryExecutionID
			})
			if d := cmp.Diff(alone, together.Activity[i]); d != "" {
				t.Fatal(d)
			}
		}
	})
}
