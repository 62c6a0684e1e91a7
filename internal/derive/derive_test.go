package derive

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/identity"
	"github.com/athenatrail/athenatrail/internal/price"
)

const (
	account = "111122223333"
	other   = "444455556666"
	region  = "eu-west-1"

	// Query execution ids of the tests, in their order.
	q1 = "11111111-0000-4000-8000-000000000001"
	q2 = "22222222-0000-4000-8000-000000000002"
	q3 = "33333333-0000-4000-8000-000000000003"
)

var (
	midnight = time.Date(2026, 5, 4, 0, 0, 0, 0, time.UTC)
	today    = athenatrail.DateOf(midnight)
	home     = athenatrail.NewPartition(midnight, account, region)
)

// at returns a time of the tests' day.
func at(clock string) time.Time {
	t, err := time.Parse(time.TimeOnly, clock)
	if err != nil {
		panic(err)
	}
	return midnight.Add(time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute + time.Duration(t.Second())*time.Second)
}

func newSettings(t testing.TB, prices price.Settings) *Settings {
	t.Helper()
	who, err := identity.NewSettings(identity.SettingsOptions{})
	if err != nil {
		t.Fatal(err)
	}
	table, err := price.NewTable(prices)
	if err != nil {
		t.Fatal(err)
	}
	return &Settings{Identity: who, Prices: table}
}

type object = map[string]any

// event returns an event of Athena by the IAM user rosa, with these members in
// place of the usual ones.
func event(name, eventID, queryID string, when time.Time, members object) *athenatrail.Event {
	record := object{
		"eventID": eventID, "eventName": name, "eventSource": "athena.amazonaws.com", "awsRegion": region, "eventVersion": "1.11",
		"eventTime": when.Format(time.RFC3339), "recipientAccountId": account, "sourceIPAddress": "203.0.113.7", "userAgent": "aws-cli/2",
		"userIdentity": object{"type": "IAMUser", "accountId": account, "arn": "arn:aws:iam::" + account + ":user/rosa",
			"principalId": "AIDAEXAMPLEUSER00001", "userName": "rosa", "accessKeyId": "AKIAUSERKEY01EXAMPLE"},
		"requestParameters": object{"workGroup": "asked", "queryExecutionContext": object{"database": "sales", "catalog": "AwsDataCatalog"}},
		"responseElements":  nil,
	}
	if queryID != "" {
		record["responseElements"] = object{"queryExecutionId": queryID}
	}
	maps.Copy(record, members)
	raw, err := json.Marshal(record)
	if err != nil {
		panic(err)
	}
	shared, _ := record["sharedEventID"].(string)
	return &athenatrail.Event{Home: home, ID: eventID, QueryExecutionID: queryID, Time: when, Name: name, SharedEventID: shared, Record: string(raw)}
}

func startOf(eventID, queryID string, when time.Time) *athenatrail.Event {
	return event("StartQueryExecution", eventID, queryID, when, nil)
}

// answer returns Athena's final answer for an execution of one second that
// scanned 100 MB, with these members in place of the usual ones.
func answer(queryID string, submitted time.Time, members object) *athenatrail.Detail {
	epoch := func(t time.Time) json.Number { return json.Number(fmt.Sprintf("%.3f", float64(t.UnixMilli())/1000)) }
	execution := object{
		"QueryExecutionId": queryID, "StatementType": "DML", "SubstatementType": "SELECT", "WorkGroup": "analysts",
		"QueryExecutionContext": object{"Database": "Sales_2026", "Catalog": "awsdatacatalog"},
		"Status":                object{"State": "SUCCEEDED", "SubmissionDateTime": epoch(submitted), "CompletionDateTime": epoch(submitted.Add(time.Second))},
		"Statistics": object{"DataScannedInBytes": 100 << 20, "EngineExecutionTimeInMillis": 800, "TotalExecutionTimeInMillis": 1000,
			"QueryQueueTimeInMillis": 50, "QueryPlanningTimeInMillis": 200, "ServicePreProcessingTimeInMillis": 30, "ServiceProcessingTimeInMillis": 70,
			"ResultReuseInformation": object{"ReusedPreviousResult": false}},
		"EngineVersion": object{"SelectedEngineVersion": "AUTO", "EffectiveEngineVersion": "Athena engine version 3"},
	}
	maps.Copy(execution, members)
	raw, err := json.Marshal(execution)
	if err != nil {
		panic(err)
	}
	return &athenatrail.Detail{Home: athenatrail.NewPartition(submitted, account, region), Kind: athenatrail.KindQueryExecution, ID: queryID,
		Outcome: athenatrail.OutcomeAnswered, Final: true, SubmittedAt: submitted, Answer: string(raw)}
}

func outcome(queryID, outcome string) *athenatrail.Detail {
	return &athenatrail.Detail{Home: home, Kind: athenatrail.KindQueryExecution, ID: queryID, Outcome: outcome}
}

// feed gives facts to a new day and returns its rows.
func feed(t testing.TB, facts ...any) []athenatrail.QueryExecution {
	t.Helper()
	rows, _ := feedDay(t, NewDay(home, newSettings(t, price.Settings{})), facts...).Tables()
	return rows
}

type (
	earlier   string
	elsewhere string
	beside    string
	started   struct {
		id string
		on athenatrail.Date
	}
	held struct { // a text
		hash string
		on   athenatrail.Date
	}
)

// feedDay gives facts to a day: what tells of events before the events.
func feedDay(t testing.TB, d *Day, facts ...any) *Day {
	t.Helper()
	var events []*athenatrail.Event
	for _, f := range facts {
		switch f := f.(type) {
		case *athenatrail.Event:
			events = append(events, f)
		case *athenatrail.Detail:
			d.Detail(f)
			d.SparkDetail(f)
		case earlier:
			d.StartedOn(string(f), today-1)
		case elsewhere:
			d.Elsewhere(string(f), other)
		case beside:
			d.StartedOn(string(f), today+1)
		case started:
			d.StartedOn(f.id, f.on)
		case held:
			d.Text(&athenatrail.QueryText{Home: home.On(f.on), TextHash: f.hash})
		case *athenatrail.QueryText:
			d.Text(f)
		case *athenatrail.RoleSession:
			d.Issued(f)
		case *athenatrail.SessionEvent:
			if _, err := d.Session(f); err != nil {
				t.Fatal(err)
			}
		case *athenatrail.Reference:
			d.Reference(f)
		default:
			t.Fatalf("fact %T", f)
		}
	}
	for _, e := range events {
		if _, err := d.Event(e); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

func ptr[T any](v T) *T { return &v }

func TestRowOfBothHalves(t *testing.T) {
	e := startOf("e1", q1, at("10:20:30"))
	det := answer(q1, at("10:20:29").Add(592*time.Millisecond), nil)
	det.TextHash = athenatrail.HashText("SELECT 1")
	rows := feed(t, e, det, held{det.TextHash, today})

	want := []athenatrail.QueryExecution{{
		QueryExecutionID: q1, AccountID: account, RegionName: region, EventID: "e1", Hour: 10,
		Who: athenatrail.Who{Person: "rosa", PersonSource: "iam_user", PersonTrust: "vouched", PersonKind: "human", Team: "unassigned",
			PrincipalType: "IAMUser", PrincipalARN: "arn:aws:iam::" + account + ":user/rosa", PrincipalID: "AIDAEXAMPLEUSER00001",
			AccessKeyHash: athenatrail.HashAccessKey("AKIAUSERKEY01EXAMPLE")},
		Where:         athenatrail.Where{Tool: "aws-cli", SourceIP: "203.0.113.7", UserAgent: "aws-cli/2"},
		WorkGroupName: "analysts", CatalogName: "awsdatacatalog", DatabaseName: "Sales_2026",
		StatementType: "DML", SubstatementType: "SELECT", TextHash: det.TextHash, TextDt: "2026-05-04",
		SubmissionDateTime: at("10:20:29").Add(592 * time.Millisecond), CompletionDateTime: at("10:20:30").Add(592 * time.Millisecond),
		State: "SUCCEEDED", DataScannedBytes: ptr(int64(100 << 20)), BilledBytes: ptr(int64(100 << 20)), Cost: ptr(athenatrail.Money(476837)),
		Currency: "USD", CostBasis: "list", EngineMillis: ptr(int64(800)), QueueMillis: ptr(int64(50)), PlanningMillis: ptr(int64(200)),
		ServiceMillis: ptr(int64(100)), TotalMillis: ptr(int64(1000)), ReusedResult: ptr(false), EngineVersion: "Athena engine version 3",
	}}
	if d := cmp.Diff(want, rows); d != "" {
		t.Error(d)
	}
}

func TestActivity(t *testing.T) {
	e := event("StopQueryExecution", "e9", q1, at("10:20:30"), object{
		"userIdentity": object{"type": "AssumedRole", "principalId": "AROAEXAMPLEROLE00001:rosa@example.com", "arn": "arn:aws:sts::" + account + ":assumed-role/analyst/rosa@example.com",
			"invokedBy": "signin.amazonaws.com", "sessionContext": object{"attributes": object{"mfaAuthenticated": "true"}}},
		"requestParameters": object{"queryExecutionId": q1}, "readOnly": false, "errorCode": "AccessDenied", "errorMessage": "no", "vpcEndpointId": "vpce-1",
	})
	d := NewDay(home, newSettings(t, price.Settings{}))
	got, err := d.Event(e)
	if err != nil {
		t.Fatal(err)
	}
	want := athenatrail.Activity{
		EventID: "e9", EventTime: at("10:20:30"), EventName: "StopQueryExecution", AccountID: account, RegionName: region,
		Who: athenatrail.Who{Person: "rosa@example.com", PersonSource: "session_name", PersonTrust: "session", PersonKind: "human", Team: "unassigned",
			PrincipalType: "AssumedRole", PrincipalARN: "arn:aws:sts::" + account + ":assumed-role/analyst/rosa@example.com",
			PrincipalID: "AROAEXAMPLEROLE00001:rosa@example.com", RoleName: "analyst", RoleSessionName: "rosa@example.com", InvokedBy: "signin.amazonaws.com"},
		MFA:       ptr(true),
		Where:     athenatrail.Where{Tool: "aws-cli", SourceIP: "203.0.113.7", UserAgent: "aws-cli/2", Console: true, VPCEndpointID: "vpce-1"},
		ErrorCode: "AccessDenied", ErrorMessage: "no", ReadOnly: ptr(false), QueryExecutionID: q1,
		RequestParameters: `{"queryExecutionId":"` + q1 + `"}`, ResponseElements: `{"queryExecutionId":"` + q1 + `"}`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if rows, _ := d.Tables(); len(rows) != 0 {
		t.Errorf("%d rows of a call that starts nothing", len(rows))
	}
}

func TestUndecodableEventIsNamed(t *testing.T) {
	_, err := NewDay(home, newSettings(t, price.Settings{})).Event(&athenatrail.Event{ID: "e1", Record: `{}`})
	if err == nil || !strings.HasPrefix(err.Error(), `event "e1" of 2026-05-04/111122223333_eu-west-1: `) {
		t.Error(err)
	}
}

func TestGaps(t *testing.T) {
	pending := answer(q1, at("10:00:00"), object{"Status": object{"State": "RUNNING"}, "Statistics": object{"DataScannedInBytes": 5 << 20}})
	pending.Final = false
	for _, c := range []struct {
		name   string
		detail *athenatrail.Detail
		want   string
	}{
		{"not asked", nil, athenatrail.GapNoDetail},
		{"answered", answer(q1, at("10:00:00"), nil), ""},
		{"running", pending, athenatrail.GapPending},
		{"too old", outcome(q1, athenatrail.OutcomeTooOld), athenatrail.GapExpired},
		{"not found", outcome(q1, athenatrail.OutcomeNotFound), athenatrail.GapExpired},
		{"unprocessed", outcome(q1, athenatrail.OutcomeUnprocessed), athenatrail.GapUnprocessed},
		{"denied", outcome(q1, athenatrail.OutcomeDenied), athenatrail.GapNoAccess},
		{"no role", outcome(q1, athenatrail.OutcomeNoRole), athenatrail.GapNoAccess},
		{"an outcome of tomorrow", outcome(q1, "later"), athenatrail.GapNoDetail},
		{"a session's detail", &athenatrail.Detail{Home: home, Kind: athenatrail.KindSession, ID: q1, Outcome: athenatrail.OutcomeAnswered, Final: true}, athenatrail.GapNoDetail},
	} {
		facts := []any{startOf("e1", q1, at("10:00:00"))}
		if c.detail != nil {
			facts = append(facts, c.detail)
		}
		rows := feed(t, facts...)
		if len(rows) != 1 || rows[0].Gap != c.want {
			t.Errorf("%s: %+v", c.name, rows)
			continue
		}
		if c.want != "" && rows[0].Cost != nil {
			t.Errorf("%s: costs %s", c.name, rows[0].Cost)
		}
		if c.want != "" && c.want != athenatrail.GapPending && (rows[0].State != "" || rows[0].DataScannedBytes != nil || !rows[0].SubmissionDateTime.Equal(at("10:00:00"))) {
			t.Errorf("%s: knows more than it can: %+v", c.name, rows[0])
		}
	}
}

func TestStartsThatNeverRan(t *testing.T) {
	denied := event("StartQueryExecution", "e1", "", at("10:00:00"), object{"errorCode": "AccessDenied", "errorMessage": "not authorized"})
	omitted := startOf("e2", "", at("11:00:00"))
	rows := feed(t, denied, omitted, denied)
	if len(rows) != 2 {
		t.Fatalf("%d rows", len(rows))
	}
	for i, id := range []string{"e1", "e2"} {
		if r := rows[i]; r.EventID != id || r.Gap != athenatrail.GapNotStarted || r.QueryExecutionID != "" || r.Cost != nil || r.WorkGroupName != "asked" || r.DatabaseName != "sales" {
			t.Errorf("%+v", r)
		}
	}
	if rows[0].ErrorCode != "AccessDenied" || rows[0].ErrorMessage != "not authorized" {
		t.Errorf("%+v", rows[0])
	}
}

func TestFirstStartMakesTheRow(t *testing.T) {
	late := startOf("e1", q1, at("10:00:02"))
	second := startOf("e3", q1, at("10:00:01"))
	first := event("StartQueryExecution", "e2", q1, at("10:00:01"), object{"sourceIPAddress": "198.51.100.1"})
	rows := feed(t, late, second, first, late)
	if len(rows) != 1 || rows[0].EventID != "e2" || rows[0].SourceIP != "198.51.100.1" {
		t.Errorf("%+v", rows)
	}
}

// Four starts of an edited public fixture share one event id.
func TestOneEventIDOfManyExecutions(t *testing.T) {
	rows := feed(t, startOf("e1", q2, at("10:00:00")), startOf("e1", q1, at("10:00:00")), startOf("e1", q3, at("09:00:00")))
	var got []string
	for _, r := range rows {
		got = append(got, r.QueryExecutionID)
	}
	if d := cmp.Diff([]string{q3, q1, q2}, got); d != "" {
		t.Error(d)
	}
}

func TestRowsOfOtherDays(t *testing.T) {
	yesterday, tomorrow := answer(q1, at("10:00:00").AddDate(0, 0, -1), nil), answer(q1, at("10:00:00").AddDate(0, 0, 1), nil)
	f := func(name string, want int, facts ...any) {
		t.Helper()
		if rows := feed(t, facts...); len(rows) != want {
			t.Errorf("%s: %d rows, want %d: %+v", name, len(rows), want, rows)
		}
	}
	f("told of today's own start", 1, started{q1, today}, startOf("e1", q1, at("00:00:01")))
	f("started long ago", 1, started{q1, today - 2}, startOf("e1", q1, at("00:00:01")))
	f("started yesterday", 0, earlier(q1), startOf("e1", q1, at("00:00:01")))
	f("started yesterday, answered today", 0, earlier(q1), answer(q1, at("00:00:01"), nil))
	f("started today and tomorrow", 1, beside(q1), startOf("e1", q1, at("23:59:59")))
	f("started tomorrow, submitted today", 0, beside(q1), answer(q1, at("23:59:59"), nil))
	f("known to Athena only", 1, answer(q1, at("23:59:59"), nil))
	f("known to Athena only, yesterday", 0, yesterday)
	f("known to Athena only, tomorrow", 0, tomorrow)
	f("not even known to Athena", 0, outcome(q1, athenatrail.OutcomeNotFound))

	for _, det := range []*athenatrail.Detail{yesterday, tomorrow} {
		rows := feed(t, det, startOf("e1", q1, at("12:00:00")))
		if len(rows) != 1 || rows[0].Gap != "" || rows[0].Hour != 12 || !rows[0].SubmissionDateTime.Equal(det.SubmittedAt) {
			t.Errorf("a detail of the day around: %+v", rows)
		}
	}
	far := answer(q1, at("10:00:00").AddDate(0, 0, 2), nil)
	if rows := feed(t, far, startOf("e1", q1, at("12:00:00"))); rows[0].Gap != athenatrail.GapNoDetail {
		t.Errorf("a detail out of reach: %+v", rows)
	}
}

func TestRowWithoutEvent(t *testing.T) {
	rows, usage := feedDay(t, NewDay(home, newSettings(t, price.Settings{})), answer(q1, at("10:20:30"), nil)).Tables()
	r := rows[0]
	if r.Gap != athenatrail.GapNoEvent || r.EventID != "" || r.Person != "unknown" || r.PersonSource != athenatrail.SourceNone ||
		r.PersonTrust != "" || r.PersonKind != athenatrail.PersonUnknown || r.Hour != 10 || r.Cost == nil || r.Team != athenatrail.TeamUnassigned {
		t.Errorf("%+v", r)
	}
	if !usage.Rollup[0].Slot.Equal(at("10:15:00")) {
		t.Errorf("slot %s", usage.Rollup[0].Slot)
	}
}

func TestSharedEvents(t *testing.T) {
	shared := object{"sharedEventID": "s1", "userIdentity": object{"type": "AWSAccount", "accountId": other, "principalId": "AROAEXAMPLEOTHER0001:rosa"}}
	theirs := event("StartQueryExecution", "e1", q1, at("10:00:00"), shared)
	if rows := feed(t, elsewhere("s1"), theirs, answer(q1, at("10:00:00"), nil)); len(rows) != 0 {
		t.Errorf("the caller's account has this row: %+v", rows)
	}
	third := NewDay(home, newSettings(t, price.Settings{}))
	third.Elsewhere("s1", "999999999999")
	if rows, _ := feedDay(t, third, theirs).Tables(); len(rows) != 1 {
		t.Errorf("only a third account has a copy, but: %+v", rows)
	}
	if rows := feed(t, theirs); len(rows) != 1 || rows[0].Person != "rosa" {
		t.Errorf("no other account has this row: %+v", rows)
	}
	ours := event("StartQueryExecution", "e1", q1, at("10:00:00"), object{"sharedEventID": "s1"})
	if rows := feed(t, elsewhere("s1"), ours); len(rows) != 1 {
		t.Errorf("this is the caller's account: %+v", rows)
	}
	unshared := startOf("e1", q1, at("10:00:00"))
	if rows := feed(t, elsewhere(""), unshared); len(rows) != 1 {
		t.Errorf("not shared at all: %+v", rows)
	}
}

func TestTextDay(t *testing.T) {
	clear := startOf("e1", q1, at("10:00:00"))
	clear.TextHash = "aa"
	det := answer(q1, at("10:00:00").AddDate(0, 0, 1), nil)
	det.TextHash = "bb"
	f := func(name, wantHash, wantDay string, facts ...any) {
		t.Helper()
		if r := feed(t, facts...)[0]; r.TextHash != wantHash || r.TextDt != wantDay {
			t.Errorf("%s: %q of %q, want %q of %q", name, r.TextHash, r.TextDt, wantHash, wantDay)
		}
	}
	f("no text", "aa", "", clear)
	f("the event's own", "aa", "2026-05-04", clear, held{"aa", today - 1}, held{"aa", today}, held{"aa", today + 1})
	f("another day's", "aa", "2026-05-03", clear, held{"aa", today + 1}, held{"aa", today - 1})
	f("out of reach", "aa", "", clear, held{"aa", today + 2}, held{"aa", today - 2})
	f("the detail's goes first", "bb", "", clear, det, held{"aa", today})
	f("the detail's day goes first", "bb", "2026-05-05", det, clear, held{"bb", today}, held{"bb", today + 1}, held{"bb", today - 1})
	f("then this one", "bb", "2026-05-04", det, clear, held{"bb", today - 1}, held{"bb", today})
	f("then the earliest", "bb", "2026-05-03", det, clear, held{"bb", today - 1})
}

func TestCostOfTheStartsDay(t *testing.T) {
	s := newSettings(t, price.Settings{Prices: []price.Override{{Region: region, From: "2026-05-05", SQLPerTB: "50"}}})
	d := feedDay(t, NewDay(home, s), startOf("e1", q1, at("23:59:59")), answer(q1, midnight.AddDate(0, 0, 1), nil))
	rows, _ := d.Tables()
	if got := rows[0].Cost.String() + " " + rows[0].CostBasis; got != "0.000476837 list" {
		t.Error(got)
	}
}

func TestSettingsHash(t *testing.T) {
	a, b := newSettings(t, price.Settings{}), newSettings(t, price.Settings{Units: "decimal"})
	if a.Hash() != newSettings(t, price.Settings{}).Hash() || a.Hash() == b.Hash() || len(a.Hash()) != 16 {
		t.Error(a.Hash(), b.Hash())
	}
	who, err := identity.NewSettings(identity.SettingsOptions{SharedPrincipals: []string{"x"}})
	if err != nil {
		t.Fatal(err)
	}
	if c := (&Settings{Identity: who, Prices: a.Prices}); c.Hash() == a.Hash() {
		t.Error("the ladder's settings do not change the hash")
	}
}

func TestLongTexts(t *testing.T) {
	long := strings.Repeat("é", maxText)
	e := event("StartQueryExecution", "e1", "", at("10:00:00"), object{"errorCode": "X", "errorMessage": long, "userAgent": long,
		"requestParameters": object{"workGroup": strings.Repeat("w", maxJSON)}})
	d := NewDay(home, newSettings(t, price.Settings{}))
	a, err := d.Event(e)
	if err != nil {
		t.Fatal(err)
	}
	rows, _ := d.Tables()
	for _, s := range []string{a.ErrorMessage, a.UserAgent, rows[0].ErrorMessage, rows[0].UserAgent, a.WorkGroupName, rows[0].WorkGroupName} {
		if len(s) != maxText {
			t.Errorf("%d bytes", len(s))
		}
	}
	if a.RequestParameters != "" {
		t.Errorf("%d bytes of parameters", len(a.RequestParameters))
	}
}
