package athenaapi_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/athenaapi"
	"github.com/athenatrail/athenatrail/internal/athenaapi/athenaapitest"
	"github.com/athenatrail/athenatrail/internal/awsconn"
)

// The whole way, against a server that behaves as Athena and STS do: a role
// taken in another account, a denied work group, an unknown id, an old one, a
// cut connection, and more calls than the rate allows.
func TestAgainstAthena(t *testing.T) {
	const own, other = "111122223333", "444455556666"
	now := time.Now()
	started := now.Add(-time.Hour).Truncate(time.Second)
	group := func(i int) string { return []string{"primary", "etl", "secret"}[i%3] }
	known := map[string]athenaapitest.Execution{}
	var wanted []athenaapi.Wanted
	for i := range 600 {
		id := fmt.Sprintf("id-%05d", i)
		known[id] = athenaapitest.Execution{
			ID: id, Query: "SELECT " + id, StatementType: "DML", WorkGroup: group(i),
			Status:     athenaapitest.Status{State: "SUCCEEDED", SubmittedAt: athenaapitest.Epoch{Time: started}, CompletedAt: athenaapitest.Epoch{Time: started.Add(time.Second)}},
			Statistics: &athenaapitest.Statistics{DataScannedBytes: aws.Int64(int64(i))},
		}
		wanted = append(wanted, athenaapi.Wanted{ID: id, Started: started, WorkGroup: group(i)})
	}
	wanted = append(wanted,
		athenaapi.Wanted{ID: "unknown", Started: started},
		athenaapi.Wanted{ID: "old", Started: now.AddDate(0, 0, -46)})
	server, err := athenaapitest.Start(athenaapitest.Config{
		Lookup: func(account, region, id string) (athenaapitest.Execution, bool) {
			e, ok := known[id]
			return e, ok && account == other && region == "eu-west-1"
		},
		Keys:  []athenaapitest.Key{{ID: "AKIATESTKEY01EXAMPLE", Secret: "secret", Account: own, ARN: "arn:aws:iam::" + own + ":user/reader"}},
		Roles: []athenaapitest.Role{{ARN: "arn:aws:iam::" + other + ":role/athenatrail-reader", ExternalID: "shared"}},
		Rates: map[string]athenaapitest.Rate{"BatchGetQueryExecution": {PerSecond: 20, Burst: 2}},
		Deny:  func(c athenaapitest.Call) bool { return c.WorkGroup == "secret" },
		Fault: func(c athenaapitest.Call) athenaapitest.Fault {
			if c.Operation != "BatchGetQueryExecution" {
				return athenaapitest.Fault{}
			}
			switch c.Number {
			case 1:
				return athenaapitest.Fault{Cut: true}
			case 3:
				return athenaapitest.Fault{Status: http.StatusInternalServerError}
			}
			return athenaapitest.Fault{}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	for k, v := range map[string]string{
		"AWS_ENDPOINT_URL": server.URL, "AWS_ACCESS_KEY_ID": "AKIATESTKEY01EXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret",
		"AWS_SESSION_TOKEN": "", "AWS_PROFILE": "", "AWS_REGION": "eu-west-1", "HOME": t.TempDir(),
	} {
		t.Setenv(k, v)
	}
	conn, err := awsconn.New(t.Context(), awsconn.Options{
		Accounts:  []awsconn.Account{{ID: other, Role: "arn:aws:iam::" + other + ":role/athenatrail-reader", ExternalID: "shared"}},
		UserAgent: "athenatrail/test",
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := conn.Config(t.Context(), other, "eu-west-1")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for a := range athenaapi.New(cfg, other, athenaapi.NewPacers(40)).Details(t.Context(), now, wanted) {
		if a.Err != nil {
			t.Fatalf("%s: %v", a.Wanted.ID, a.Err)
		}
		got[a.Detail.Outcome]++
		if a.Detail.Outcome == athenatrail.OutcomeAnswered && (a.Text.QueryString != "SELECT "+a.Wanted.ID || !a.Detail.SubmittedAt.Equal(started)) {
			t.Errorf("%s: %+v", a.Wanted.ID, a)
		}
	}
	want := map[string]int{
		athenatrail.OutcomeAnswered: 400, athenatrail.OutcomeDenied: 200,
		athenatrail.OutcomeNotFound: 1, athenatrail.OutcomeTooOld: 1,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	if c := server.Counts("BatchGetQueryExecution"); c.Throttled == 0 || c.Faults != 2 {
		t.Errorf("counts %+v: the test shows less than it says", c)
	}
}

// Sessions, calculations and tags against the same server: more calls than
// the rate allows, faults, a denied work group, ids that Athena does not know.
// The code of calculations is not asked for, nor is anything else.
func TestSparkAgainstAthena(t *testing.T) {
	const account = "111122223333"
	now := time.Now()
	started := now.Add(-time.Hour).Truncate(time.Second)
	group := func(i int) string { return []string{"ml", "ml", "secret"}[i%3] }
	sessions, calculations := map[string]athenaapitest.Session{}, map[string]athenaapitest.Calculation{}
	var wanted []athenaapi.Wanted
	for i := range 60 {
		s, c := fmt.Sprintf("session-%02d", i), fmt.Sprintf("calculation-%02d", i)
		sessions[s] = athenaapitest.Session{ID: s, WorkGroup: group(i), Statistics: &athenaapitest.SparkStatistics{DPUMillis: int64(i)}, Status: athenaapitest.SessionStatus{
			State: "TERMINATED", StartedAt: athenaapitest.Epoch{Time: started}, EndedAt: athenaapitest.Epoch{Time: now.Add(time.Duration(30-i) * time.Hour)}}}
		calculations[c] = athenaapitest.Calculation{ID: c, SessionID: s, WorkGroup: group(i), Code: "SECRET", Status: athenaapitest.CalculationStatus{
			State: "COMPLETED", SubmittedAt: athenaapitest.Epoch{Time: started}, CompletedAt: athenaapitest.Epoch{Time: started.Add(time.Minute)}}}
		wanted = append(wanted, athenaapi.Wanted{Kind: athenatrail.KindSession, ID: s, Started: started, WorkGroup: group(i)},
			athenaapi.Wanted{Kind: athenatrail.KindCalculation, ID: c, Started: started})
	}
	wanted = append(wanted, athenaapi.Wanted{Kind: athenatrail.KindSession, ID: "unknown", Started: started},
		athenaapi.Wanted{Kind: athenatrail.KindCalculation, ID: "session-00", Started: started})
	server, err := athenaapitest.Start(athenaapitest.Config{
		Lookup: func(account, region, id string) (e athenaapitest.Execution, ok bool) { return e, false },
		Spark: athenaapitest.Spark{
			Session: func(a, region, id string) (athenaapitest.Session, bool) {
				s, ok := sessions[id]
				return s, ok && a == account
			},
			Calculation: func(a, region, id string) (athenaapitest.Calculation, bool) {
				c, ok := calculations[id]
				return c, ok && a == account
			},
		},
		Tags: func(account, region, workGroup string) []athenaapitest.Tag {
			return []athenaapitest.Tag{{Key: "cost-center", Value: "1"}, {Key: "team", Value: workGroup}, {Key: "zone", Value: "x"}}
		},
		TagsPerPage: 2,
		Keys:        []athenaapitest.Key{{ID: "AKIATESTKEY01EXAMPLE", Secret: "secret", Account: account, ARN: "arn:aws:iam::" + account + ":user/reader"}},
		Rates:       map[string]athenaapitest.Rate{"GetSession": {PerSecond: 40, Burst: 4}, "GetCalculationExecution": {PerSecond: 100, Burst: 4}},
		Deny:        func(c athenaapitest.Call) bool { return c.WorkGroup == "secret" },
		Fault: func(c athenaapitest.Call) athenaapitest.Fault {
			switch {
			case c.Operation == "GetCalculationExecution" && c.Number == 2:
				return athenaapitest.Fault{Cut: true}
			case c.Operation == "GetSession" && c.Number == 1:
				return athenaapitest.Fault{Status: http.StatusInternalServerError}
			case c.Operation == "GetSession" && c.Number == 3:
				return athenaapitest.Fault{Status: http.StatusBadRequest, Code: "TooManyRequestsException"}
			}
			return athenaapitest.Fault{}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	pacers := athenaapi.NewPacers(0)
	pacers.SetRate(athenaapi.OpGetSession, 80)
	pacers.SetRate(athenaapi.OpGetCalculationExecution, 60)
	client := athenaapi.New(aws.Config{
		Region: "eu-west-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("AKIATESTKEY01EXAMPLE", "secret", ""),
	}, account, pacers)
	got := map[string]int{}
	for a := range client.Details(t.Context(), now, wanted) {
		if a.Err != nil {
			t.Fatalf("%s: %v", a.Wanted.ID, a.Err)
		}
		got[a.Detail.Kind+" "+a.Detail.Outcome+" "+a.Detail.State]++
		if strings.Contains(a.Detail.Answer, "SECRET") || a.Text != nil {
			t.Errorf("%s: %+v", a.Wanted.ID, a)
		}
	}
	want := map[string]int{
		"session answered TERMINATED": 20, "session answered BUSY": 20, "session denied ": 20, "session not_found ": 1,
		"calculation answered COMPLETED": 40, "calculation denied ": 20, "calculation not_found ": 1,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	tags, err := client.WorkGroupTags(t.Context(), "ml")
	if want := `{"Tags":[{"Key":"cost-center","Value":"1"},{"Key":"team","Value":"ml"},{"Key":"zone","Value":"x"}]}`; err != nil || tags != want {
		t.Errorf("tags %s, %v", tags, err)
	}
	if _, err := client.WorkGroupTags(t.Context(), "secret"); !errors.Is(err, athenaapi.ErrDenied) {
		t.Error("tags of a work group that is denied:", err)
	}
	if c := server.Counts("GetSession"); c.Throttled == 0 || c.Faults != 2 {
		t.Errorf("counts %+v: the test shows less than it says", c)
	}
	if c := server.Counts("GetCalculationExecutionCode"); c.Requests != 0 {
		t.Errorf("the code of calculations was asked for %d times", c.Requests)
	}
	if diff := cmp.Diff([]string{"GetCalculationExecution", "GetSession", "ListTagsForResource"}, server.Operations()); diff != "" {
		t.Errorf("operations (-want +got):\n%s", diff)
	}
}
