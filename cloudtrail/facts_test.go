package cloudtrail

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail"
)

const assumeRole = `{"eventVersion":"1.08","userIdentity":{"type":"IAMUser","principalId":"AIDAEXAMPLE","arn":"arn:aws:iam::111122223333:user/rosa","accountId":"111122223333","accessKeyId":"AKIAUSERKEY01EXAMPLE","userName":"rosa"},"eventTime":"2026-05-04T08:00:00Z","eventSource":"sts.amazonaws.com","eventName":"AssumeRole","awsRegion":"us-east-1","sourceIPAddress":"203.0.113.7","userAgent":"aws-cli/2","requestParameters":{"roleArn":"arn:aws:iam::444455556666:role/analyst","roleSessionName":"botocore-session-1","durationSeconds":3600},"responseElements":{"credentials":{"accessKeyId":"ASIATEMPKEY01EXAMPLE","sessionToken":"a-very-secret-token","expiration":"May 4, 2026 9:00:00 AM"},"assumedRoleUser":{"assumedRoleId":"AROAEXAMPLE:botocore-session-1","arn":"arn:aws:sts::444455556666:assumed-role/analyst/botocore-session-1"}},"eventID":"s-1","recipientAccountId":"111122223333"}`

const getDataAccess = `{"eventVersion":"1.11","userIdentity":{"type":"AssumedRole","accountId":"111122223333"},"eventTime":"2026-05-04T08:10:12Z","eventSource":"lakeformation.amazonaws.com","eventName":"GetDataAccess","awsRegion":"eu-west-1","requestParameters":{"tableArn":"arn:aws:glue:eu-west-1:111122223333:table/sales/orders","permissions":["SELECT"],"auditContext":{"additionalAuditContext":"{queryId: 11111111-2222-4333-8444-555555555555}"}},"responseElements":null,"additionalEventData":{"requesterService":"ATHENA","lakeFormationPrincipal":"arn:aws:iam::111122223333:role/analyst"},"eventID":"l-1","recipientAccountId":"111122223333"}`

func TestRoleSession(t *testing.T) {
	byService := strings.Replace(assumeRole, `"type":"IAMUser"`, `"type":"AWSService"`, 1)
	failed := strings.Replace(strings.Replace(assumeRole, `"responseElements":{`, `"responseElements":null,"x":{`, 1), "s-1", "s-2", 1)
	f, tally := read(t, DefaultLimits, strings.NewReader(logFile(assumeRole, byService, failed)))
	if len(f.RoleSessions) != 1 || tally.Kept.RoleSessions != 1 {
		t.Fatalf("got %+v, %+v", f, tally)
	}
	want := athenatrail.RoleSession{
		Home:            athenatrail.NewPartition(time.Date(2026, 5, 4, 8, 0, 0, 0, time.UTC), "111122223333", "us-east-1"),
		AccessKeyHash:   athenatrail.HashAccessKey("ASIATEMPKEY01EXAMPLE"),
		EventID:         "s-1",
		EventName:       "AssumeRole",
		Issued:          time.Date(2026, 5, 4, 8, 0, 0, 0, time.UTC),
		Expires:         time.Date(2026, 5, 4, 9, 0, 0, 0, time.UTC),
		RoleARN:         "arn:aws:iam::444455556666:role/analyst",
		RoleSessionName: "botocore-session-1",
		CallerKeyHash:   athenatrail.HashAccessKey("AKIAUSERKEY01EXAMPLE"),
		Caller:          `{"accountId":"111122223333","arn":"arn:aws:iam::111122223333:user/rosa","principalId":"AIDAEXAMPLE","type":"IAMUser","userName":"rosa"}`,
		SourceIP:        "203.0.113.7",
		UserAgent:       "aws-cli/2",
	}
	if diff := cmp.Diff(want, f.RoleSessions[0]); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]int64{DropSTSService: 1, DropSTSOther: 1}, tally.Dropped); diff != "" {
		t.Error(diff)
	}
}

func TestParseExpiration(t *testing.T) {
	want := time.Date(2026, 5, 4, 21, 0, 0, 0, time.UTC)
	for _, s := range []string{"May 4, 2026 9:00:00 PM", "May 4, 2026, 9:00:00\u202fPM", "2026-05-04T21:00:00Z"} {
		if got := parseExpiration(s); !got.Equal(want) {
			t.Errorf("%q: got %v", s, got)
		}
	}
	if got := parseExpiration("soon"); !got.IsZero() {
		t.Errorf("got %v", got)
	}
}

func TestDataAccess(t *testing.T) {
	other := strings.Replace(getDataAccess, "queryId", "jobId", 1)
	f, tally := read(t, DefaultLimits, strings.NewReader(logFile(getDataAccess, other)))
	want := []athenatrail.DataAccess{{
		Home:             athenatrail.NewPartition(time.Date(2026, 5, 4, 8, 10, 12, 0, time.UTC), "111122223333", "eu-west-1"),
		QueryExecutionID: "11111111-2222-4333-8444-555555555555",
		Table:            "arn:aws:glue:eu-west-1:111122223333:table/sales/orders",
		EventID:          "l-1",
		Time:             time.Date(2026, 5, 4, 8, 10, 12, 0, time.UTC),
		Principal:        "arn:aws:iam::111122223333:role/analyst",
		Permissions:      `["SELECT"]`,
	}}
	if diff := cmp.Diff(want, f.DataAccess); diff != "" || tally.Dropped[DropLakeFormation] != 1 {
		t.Errorf("%s %+v", diff, tally)
	}
}

// TestClearSQL shows that SQL of a trail from before July 2023 becomes a text
// of its own and leaves the record.
func TestClearSQL(t *testing.T) {
	const sql = `SELECT "a" FROM t`
	old := strings.Replace(start(1), `"***OMITTED***"`, `"SELECT \"a\" FROM t"`, 1)
	f, _ := read(t, DefaultLimits, strings.NewReader(logFile(old, start(2))))
	hash := athenatrail.HashText(sql)
	if len(f.Texts) != 1 || f.Texts[0].TextHash != hash || f.Texts[0].QueryString != sql || f.Texts[0].Home != f.Events[0].Home {
		t.Fatalf("got %+v", f.Texts)
	}
	if e := f.Events[0]; e.TextHash != hash || strings.Contains(e.Record, "SELECT") || !strings.Contains(e.Record, `"queryString":"sha256:`+hash+`"`) {
		t.Errorf("got %+v", e)
	}
	if e := f.Events[1]; e.TextHash != "" || !strings.Contains(e.Record, maskSQL) {
		t.Errorf("got %+v", e)
	}
}

func TestSecretsAreNotKept(t *testing.T) {
	url := strings.Replace(start(1), `{"queryExecutionId":"q-1"}`, `{"notebookUrl":"https://example.com/?token=secret-1","authToken":"secret-2","authTokenExpirationTime":1}`, 1)
	f, _ := read(t, DefaultLimits, strings.NewReader(logFile(url, assumeRole)))
	if r := f.Events[0].Record; strings.Contains(r, "secret-") || !strings.Contains(r, "authTokenExpirationTime") {
		t.Error(r)
	}
	if s := f.RoleSessions[0]; strings.Contains(s.Caller, "AKIA") || strings.Contains(s.Caller, "secret") {
		t.Error(s.Caller)
	}
}

func TestEventID(t *testing.T) {
	f := func(record, want string, updated bool) {
		t.Helper()
		facts, _ := read(t, DefaultLimits, strings.NewReader(logFile(record)))
		if e := facts.Events[0]; e.ID != want || e.Updated != updated {
			t.Errorf("got %s, %v", e.ID, e.Updated)
		}
	}
	f(start(1), "e-1", false)
	f(strings.Replace(start(1), `"eventID":"e-1"`, `"eventID":"e-9","addendum":{"reason":"UPDATED_DATA","originalEventID":"e-1"}`, 1), "e-1", true)
	f(strings.Replace(start(1), `"eventID":"e-1"`, `"eventID":"e-9","addendum":{"reason":"DELIVERY_DELAY"}`, 1), "e-9", false)
	f(strings.Replace(start(1), `"eventID":"e-1",`, ``, 1), "sha256:"+sha(t, strings.Replace(start(1), `"eventID":"e-1",`, ``, 1)), false)
}

func sha(t *testing.T, record string) string {
	t.Helper()
	var c canonizer
	raw, _, err := c.value(nil, []byte(record), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	return athenatrail.HashText(string(raw))[:32]
}

// TestTolerance holds records whose fields have other forms than expected.
func TestTolerance(t *testing.T) {
	f := func(old, changed string, check func(athenatrail.Record) bool) {
		t.Helper()
		record := strings.Replace(start(1), old, changed, 1)
		if record == start(1) {
			t.Fatalf("%s is not in the record", old)
		}
		facts, tally := read(t, DefaultLimits, strings.NewReader(logFile(record)))
		if len(facts.Events) != 1 {
			t.Errorf("%s: %+v", changed, tally)
			return
		}
		r, err := DecodeRecord(facts.Events[0].Record)
		if err != nil || !check(r) {
			t.Errorf("%s: %v, %+v", changed, err, r)
		}
	}
	const identity = `"userIdentity":{"type":"AssumedRole",`
	f(identity, `"userIdentity":"rosa","x":{"type":"AssumedRole",`, func(r athenatrail.Record) bool { return r.Identity == athenatrail.Identity{} })
	f(identity, `"x":{`, func(r athenatrail.Record) bool { return r.Identity.Type == "" })
	f(identity, `"userIdentity":{`, func(r athenatrail.Record) bool { return r.Identity.ARN != "" && r.Identity.Type == "" })
	f(`"sessionIssuer":{"type":"Role",`, `"sessionIssuer":{},"x":{`, func(r athenatrail.Record) bool { return r.Identity.Issuer == athenatrail.Issuer{} })
	f(`"203.0.113.7"`, `"AWS Internal"`, func(r athenatrail.Record) bool { return r.SourceIP == "AWS Internal" })
	f(`"203.0.113.7"`, `17`, func(r athenatrail.Record) bool { return r.SourceIP == "" })
	f(`"eventVersion":"1.11"`, `"eventVersion":1.0`, func(r athenatrail.Record) bool { return r.EventID == "e-1" })
	f(`"readOnly":false`, `"readOnly":"true"`, func(r athenatrail.Record) bool { return *r.ReadOnly })
	f(`"readOnly":false`, `"readOnly":null`, func(r athenatrail.Record) bool { return r.ReadOnly == nil })
	f(`{"queryExecutionId":"q-1"}`, `null,"errorCode":"AccessDenied","errorMessage":"no"`, func(r athenatrail.Record) bool {
		return r.QueryExecutionID == "" && r.ResponseElements == "" && r.ErrorCode == "AccessDenied"
	})
	f(`"workGroup":"analysts"`, `"Tagging":"x","tagging":"y"`, func(r athenatrail.Record) bool {
		return strings.Contains(r.RequestParameters, `"Tagging":"x"`) && strings.Contains(r.RequestParameters, `"tagging":"y"`)
	})
	f(`"recipientAccountId":"111122223333",`, ``, func(r athenatrail.Record) bool { return r.AccountID() == "111122223333" })
	f(`"creationDate":"2026-05-04T08:00:00Z"`, `"creationDate":"20260504T080000Z"`, func(r athenatrail.Record) bool { return r.Identity.CreatedAt.Hour() == 8 })
	f(`"eventTime":"2026-05-04T08:10:11Z"`, `"eventTime":"2026-05-04T10:10:11.5+02:00"`, func(r athenatrail.Record) bool { return r.EventTime.Hour() == 8 })
}

// TestPartitionNamesAreSafe shows that no record writes outside its folder.
func TestPartitionNamesAreSafe(t *testing.T) {
	for _, evil := range []string{`../../etc`, `a/b`, `a_b`, ``, `a\u0000b`, strings.Repeat("9", 100), `é`} {
		r := strings.Replace(start(1), `"recipientAccountId":"111122223333"`, `"recipientAccountId":"`+evil+`"`, 1)
		r = strings.Replace(r, `"awsRegion":"eu-west-1"`, `"awsRegion":"`+evil+`"`, 1)
		f, _ := read(t, DefaultLimits, strings.NewReader(logFile(r)))
		if home := f.Events[0].Home; home.Region != athenatrail.UnknownName || evil != "" && home.Account != athenatrail.UnknownName {
			t.Errorf("%q: got %v", evil, home)
		}
	}
}
